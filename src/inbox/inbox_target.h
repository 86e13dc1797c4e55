/*-------------------------------------------------------------------------
 *
 * inbox_target.h
 *		Tables that may be written behind.  See inbox_target.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_INBOX_TARGET_H
#define RTC_INBOX_TARGET_H

#include "postgres.h"

#include "access/tupdesc.h"
#include "fmgr.h"
#include "storage/lockdefs.h"

#include "rule/behind.h"
#include "rule/rule.h"

/* A column of such a table. */
typedef struct RtcInboxColumn
{
	AttrNumber	attnum;
	const char *name;
	Oid			base;			/* its type; of a domain, that under it */
	FmgrInfo	input;			/* of its type; fn_oid is 0 before first use */
	Oid			ioparam;		/* for that */
	FmgrInfo	plus;			/* adds two values; fn_oid as above */
} RtcInboxColumn;

/* A rule with option behind=. */
typedef struct RtcInboxTarget
{
	Oid			relid;
	Oid			tgoid;			/* the trigger */
	Oid			owner;			/* of the table */
	Oid			root;			/* the table, or the partitioned table at the
								 * top that has its rows */
	bool		shares;			/* another rule has the same one */
	const char *table;			/* its name, for messages */
	const char *sql_name;		/* qualified and quoted; with ONLY where no
								 * other table has its rows */
	const char *from;			/* the same without ONLY */
	bool		rewritten;		/* it has rewrite rules: ON CONFLICT is
								 * refused */
	bool		may_keep;		/* a trigger or rule may keep a row as it is */
	TupleDesc	desc;
	RtcRule    *rule;
	RtcShape   *shape;			/* of its keys */
	RtcFault	fault;			/* why nothing can be written; message NULL =
								 * all is well */
	int			ncolumns;		/* that may be written */
	RtcInboxColumn *column;
} RtcInboxTarget;

/* Does the database have rules with option behind=, that are not disabled? */
extern bool rtc_inbox_has_targets(void);

/* Does a rule make such a key? */
extern bool rtc_inbox_has_key(const char *key, int len);

/*
 * The table, and the rule, that a key belongs to; the table is locked.  Valid
 * until the end of the transaction.  Errors: 42501 no rule lets this key be
 * written, 22023 more than one does, and what is wrong with the rule.
 */
extern RtcInboxTarget *rtc_inbox_target(const char *key, int len,
										LOCKMODE lockmode);

/*
 * The row of a table that a key names.  Settings must be pinned (behind.h).
 * Errors: 22023 the key is not spelled as the rule spells it, and what input
 * functions raise.
 */
extern void rtc_inbox_find_row(RtcInboxTarget *target, const char *key, int len,
							   RtcBehindRow *row);

/*
 * A column by its name.  Errors: 42703 there is none, 42501 it may not be written
 * behind.
 */
extern RtcInboxColumn *rtc_inbox_column(RtcInboxTarget *target,
										const char *name, int len);

#endif							/* RTC_INBOX_TARGET_H */
