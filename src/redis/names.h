/*-------------------------------------------------------------------------
 *
 * names.h
 *		Every name in Redis, and the layout of the position.  See names.c.
 *
 * A database's keys have its prefix.  Beside a key stand, for a short time,
 * the lease of who computes its value, and, as long as the value, its companion:
 * it tells which query the value comes from.  A tag set holds the keys whose
 * values depend on something.  The position says where Redis stands; the owners
 * say which database system has which prefix.
 *
 *		heroes:42					a key under the prefix "heroes:"
 *		{heroes:42}~lease			its lease
 *		{heroes:42}~query			its companion
 *		heroes:~tag:0123456789abcdef	a tag set, of that dependency
 *		heroes:~probe				written and deleted to try Redis
 *		{heroes:42}~behind			list: entries of the inbox that the row which
 *									was stored last does not have
 *		heroes:~inbox				the inbox: a stream of what is written behind
 *		heroes:~behind				id of its last entry that all rows have
 *		heroes:~inbox:dead			stream: entries that could not be applied
 *		rtcache:position:<system>	hash: the position of a database system
 *		rtcache:owners				hash: prefix -> <system>
 *
 * The scripts in lua/ make names of leases and companions (drop_tags, behind), and
 * read fields of the position (lease, fill).
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_NAMES_H
#define RTC_NAMES_H

#include "postgres.h"

#include "access/xlogdefs.h"
#include "lib/stringinfo.h"

#include "base/key.h"
#include "dep/dep.h"
#include "redis/reply.h"

/* ---- beside a key ---- */

/* Append the name of the lease, or companion, of a key with its prefix. */
extern void rtc_lease_name(StringInfo buf, const char *key, size_t len);
extern void rtc_query_name(StringInfo buf, const char *key, size_t len);

/*
 * Append the name of the list of entries that are pending for a key with its
 * prefix.  No glob of keys matches it, so it survives clears.
 */
extern void rtc_behind_name(StringInfo buf, const char *key, size_t len);

/*
 * Behind a prefix, where no key of a user is: the stream of what is written
 * behind, and the id of its last entry that has come round, which is the key of
 * an op.
 */
#define RTC_INBOX_SUFFIX	"~inbox"
#define RTC_ROUND_KEY		"~behind"

/* Likewise: the stream of entries that could not be applied. */
#define RTC_DEAD_SUFFIX		"~inbox:dead"

/*
 * Is this the name of one of the two streams, under a prefix of this length?  They
 * live longer than what is cached.
 */
extern bool rtc_is_inbox_name(const char *name, size_t len, size_t prefixlen);

/*
 * Appends a glob for the leases and companions of all keys that match a glob;
 * braces: those whose keys have no hash tag of their own.
 */
extern void rtc_beside_glob(StringInfo buf, const char *glob, bool braces);

/* The companion of a value that a user stores: no question, no privileges. */
#define RTC_USERS_COMPANION "00000000000000000000000000000000 - "

/* Behind a prefix: a key that is written and deleted, to try Redis. */
#define RTC_PROBE_SUFFIX	"~probe"

/* ---- tag sets ---- */

#define RTC_TAG_INFIX		"~tag:"
#define RTC_TAG_DIGITS		16

/* Matches the names of all tag sets. */
#define RTC_TAG_GLOB		"*" RTC_TAG_INFIX "????????????????"

/* Appends the name of the set of keys that depend on something. */
extern void rtc_tag_name(StringInfo buf, const char *prefix, size_t prefixlen,
						 RtcDep dep);

/*
 * Is this the name of a tag set, under any prefix?  If so, sets the length of
 * the prefix, and the dependency.
 */
extern bool rtc_tag_parse(const char *name, size_t len, size_t *prefixlen,
						  RtcDep *dep);

/* ---- the position ---- */

/* Returns the name of this database system, in names and as an owner. */
extern const char *rtc_system_name(void);

/* Returns the name of the hash that holds this system's position. */
extern const char *rtc_position_key(void);

#define RTC_POSITION_KEY	"rtcache:position:" /* the system follows */
#define RTC_OWNERS_KEY		"rtcache:owners"

/* Fields of the position; relay/position.h tells what they mean. */
#define RTC_POS_TIMELINE		"timeline"
#define RTC_POS_TIMELINE_BEGIN	"timeline_begin"
#define RTC_POS_LSN				"lsn"
#define RTC_POS_COMMIT_LSN		"commit_lsn"
#define RTC_POS_VERIFIED_LSN	"verified_lsn"
#define RTC_POS_RESTART_LSN		"restart_lsn"
#define RTC_POS_MARK			"mark"
#define RTC_POS_HORIZON			"horizon"
#define RTC_POS_SUCCESSOR		"successor"
#define RTC_POS_SEEN			"seen"
#define RTC_POS_OWNER			"owner"
#define RTC_POS_EPOCH			"epoch"
#define RTC_POS_KEY_ID			"key_id"

/* A field for each prefix, which follows; of the same length. */
#define RTC_POS_PREFIX			"prefix:"	/* in use */
#define RTC_POS_CLOSED			"closed:"	/* ours, but not for readers */

/* An LSN as text, and back; invalid if the text, or reply, is none. */
#define RTC_LSN_LEN		18		/* with the final NUL */
extern void rtc_lsn_text(XLogRecPtr lsn, char text[RTC_LSN_LEN]);
extern XLogRecPtr rtc_lsn_parse(const char *text);
extern XLogRecPtr rtc_reply_lsn(const RtcReply *reply);

/* An epoch as text. */
#define RTC_EPOCH_LEN	17		/* with the final NUL */
extern void rtc_epoch_text(uint64 epoch, char text[RTC_EPOCH_LEN]);

#endif							/* RTC_NAMES_H */
