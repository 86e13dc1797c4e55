/*-------------------------------------------------------------------------
 *
 * inbox_batch.c
 *		Applies a batch of entries, those that can be.
 *
 * All entries are tried together, in a subtransaction.  If that fails, the two
 * halves are, each in one of its own, and so on, until the entry is found that
 * cannot be applied.  So k bad entries of n cost about k * log(n) attempts, and
 * the others are applied as if these had never been there.
 *
 * Deferred constraints are checked at once, in the subtransaction: what only the
 * commit found out would be the fault of nobody.  That is said for each attempt,
 * since the code of a trigger may have said otherwise.
 *
 * Errors that say nothing about an entry (no memory, no space on disk, a
 * deadlock, somebody's cancel) undo the batch, which is tried again later.  Those
 * that an entry might cause, though, are its fault after some attempts.
 *
 * The relay is told of the batch before its rows: which keys are written, and up
 * to which entry the rows contain all (docs/protocol.md).  Keys that no rule lets be
 * written are left alone: who may append must not delete what others have stored.
 *
 * Model: called by the worker inside a transaction.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "common/hashfn.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

#include "base/key.h"
#include "inbox/inbox_batch.h"
#include "inbox/inbox_row.h"
#include "inbox/inbox_sql.h"
#include "inbox/inbox_target.h"
#include "redis/names.h"
#include "write/forget.h"
#include "write/oplist.h"

/*
 * So often a trouble is taken for one that passes, although an entry might cause
 * it.  The last of these attempts are made with the entry alone.
 */
#define MAX_TRIES	8

/* So much of its message is kept, in bytes. */
#define ERROR_BYTES	1000

/* The key of an entry. */
typedef struct Text
{
	const char *bytes;
	size_t		len;
}			Text;

/* Is it the fault of an entry, or will it pass? */
static bool
will_pass(int sqlerrcode, int tries)
{
	switch (ERRCODE_TO_CATEGORY(sqlerrcode))
	{
		case ERRCODE_INSUFFICIENT_RESOURCES:
			return sqlerrcode != ERRCODE_OUT_OF_MEMORY || tries < MAX_TRIES;
		case ERRCODE_SYSTEM_ERROR:
			return sqlerrcode != ERRCODE_UNDEFINED_FILE || tries < MAX_TRIES;
		case ERRCODE_OPERATOR_INTERVENTION:
			return sqlerrcode != ERRCODE_QUERY_CANCELED || tries < MAX_TRIES;
		case ERRCODE_TRANSACTION_ROLLBACK:
			return tries < MAX_TRIES;
	}
	return (sqlerrcode == ERRCODE_READ_ONLY_SQL_TRANSACTION ||
			sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE) && tries < MAX_TRIES;
}

/* Applies some entries, all or none.  NULL = it is done; else why it is not. */
static ErrorData *
try_all(RtcInboxEntry *entries, int n)
{
	MemoryContext outer = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	MemoryContext scratch;
	ErrorData  *volatile error = NULL;

	BeginInternalSubTransaction(NULL);
	scratch = AllocSetContextCreate(outer, "rtcache inbox attempt",
									ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(scratch);
	PG_TRY();
	{
		(void) rtc_inbox_sql_run("SET CONSTRAINTS ALL IMMEDIATE", 0, NULL, NULL,
								 NULL);
		rtc_inbox_write_rows(entries, n);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(outer);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(outer);
	CurrentResourceOwner = owner;
	MemoryContextDelete(scratch);
	return error;
}

/* Applies some entries, and finds those that cannot be. */
static bool
apply_some(RtcInboxEntry *entries, int n, int tries, ErrorData **error)
{
	CHECK_FOR_INTERRUPTS();
	*error = try_all(entries, n);
	if (*error == NULL)
		return true;
	if (will_pass((*error)->sqlerrcode, tries))
		return false;
	if (n == 1)
	{
		const char *message = (*error)->message != NULL ? (*error)->message : "";

		entries->dead = true;
		entries->sqlerrcode = (*error)->sqlerrcode;
		entries->error = pnstrdup(message, pg_mbcliplen(message, strlen(message),
														ERROR_BYTES));
	}
	/* there may be many, and messages with values in them are long */
	FreeErrorData(*error);
	*error = NULL;
	if (n == 1)
		return true;
	return apply_some(entries, n / 2, tries, error) &&
		apply_some(entries + n / 2, n - n / 2, tries, error);
}

/* A hash table of texts: these are its functions. */
static uint32
hash_text(const void *key, Size size)
{
	const		Text *text = key;

	return hash_bytes((const unsigned char *) text->bytes, text->len);
}

static int
match_text(const void *a, const void *b, Size size)
{
	const		Text *x = a;
	const		Text *y = b;

	return x->len == y->len && memcmp(x->bytes, y->bytes, x->len) == 0 ? 0 : 1;
}

/* Deletes the keys that entries are about: perhaps no row comes for them. */
static void
forget_keys(const RtcInboxEntry *entries, int n)
{
	HASHCTL		ctl = {.keysize = sizeof(Text),.entrysize = sizeof(Text),
	.hash = hash_text,.match = match_text,.hcxt = CurrentMemoryContext};
	HTAB	   *done = hash_create("rtcache inbox keys", 256, &ctl,
								   HASH_ELEM | HASH_FUNCTION | HASH_COMPARE |
								   HASH_CONTEXT);

	for (int i = 0; i < n; i++)
	{
		Text		key;
		bool		found;

		if (entries[i].nfields != 4)
			continue;
		key.bytes = entries[i].fields[1].str;
		key.len = entries[i].fields[1].len;
		if (!rtc_key_is_valid(key.bytes, key.len) ||
			!pg_verify_mbstr(GetDatabaseEncoding(), key.bytes, key.len, true))
			continue;
		(void) hash_search(done, &key, HASH_ENTER, &found);
		if (!found && rtc_inbox_has_key(key.bytes, key.len))
			rtc_forget_key(key.bytes, key.len);
	}
	hash_destroy(done);
}

void
rtc_inbox_come_round(RtcInboxId id)
{
	RtcOp		op = {.kind = RTC_OP_ROUND,.key = RTC_ROUND_KEY};
	char		text[RTC_INBOX_ID_LEN];

	rtc_inbox_id_text(id, text);
	op.keylen = strlen(op.key);
	op.value = text;
	op.vallen = strlen(text);
	rtc_oplist_add(&op);
}

bool
rtc_inbox_apply(RtcInboxEntry *entries, int n, int tries, ErrorData **error)
{
	forget_keys(entries, n);
	rtc_inbox_come_round(entries[n - 1].id);
	return apply_some(entries, n, tries, error);
}
