/*-------------------------------------------------------------------------
 *
 * tag_sweep.c
 *		Goes through the tag sets in Redis, again and again.
 *
 * Tag sets have no time to live, so that Redis does not evict them before what
 * they name.  Members whose time is over are taken out here, and an empty set
 * is gone by itself.  And after connecting, the first pass finds out which
 * dependencies somebody has registered (interest.c), maybe before the server was
 * restarted.
 *
 * SCAN returns each key that exists from the beginning of a pass to its end.
 * Readers of this server that register something meanwhile tell interest.c
 * themselves.  So when a pass is over everything is known.
 *
 * A step is one round trip.  Rests between steps are short in the first pass.
 *
 * Model: the relay alone, on its connection.  Redis trouble is a result; the next
 * connect begins anew.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "base/inject.h"
#include "base/wal_bounds.h"
#include "dep/interest.h"
#include "guc.h"
#include "redis/names.h"
#include "relay/prefix.h"
#include "relay/scan.h"
#include "relay/status.h"
#include "relay/tag_drop.h"
#include "relay/tag_sweep.h"

/* Rests (ms): between steps, and between passes. */
#define REST_FIRST_PASS		5
#define REST_STEP			50
#define REST_PASS			180000

/* Tag sets that are trimmed in one step. */
#define TRIMS_PER_STEP		10

struct RtcSweep
{
	RtcConn    *conn;			/* the relay's */
	MemoryContext context;		/* holds the names below */
	bool		known;			/* the first pass has ended */
	XLogRecPtr	known_lsn;		/* WAL ended here then */
	bool		scanned;		/* this pass has no more to scan */
	char		cursor[RTC_CURSOR_LEN];
	uint64		steps;			/* of this pass */
	TimestampTz began_at;		/* the first pass */
	bool		by_text;		/* Redis does not know the script */
	int64		due_ms;			/* when the next step may be made; monotonic */
	const char **tag;			/* found, to be trimmed */
	int			ntags;
};

static bool note_tags(RtcSweep *sweep, const RtcReply *keys);
static void tell(const RtcSweep *sweep);
static void begin_pass(RtcSweep *sweep);

RtcSweep *
rtc_sweep_create(RtcConn *conn)
{
	RtcSweep   *sweep = palloc0(sizeof(RtcSweep));

	sweep->conn = conn;
	sweep->context = AllocSetContextCreate(CurrentMemoryContext,
										   "rtcache sweep",
										   ALLOCSET_DEFAULT_SIZES);
	return sweep;
}

void
rtc_sweep_restart(RtcSweep *sweep)
{
	rtc_interest_known(false);
	sweep->known = false;
	sweep->began_at = GetCurrentTimestamp();
	sweep->ntags = 0;
	begin_pass(sweep);
	sweep->due_ms = 0;
	tell(sweep);
}

bool
rtc_sweep_covers(const RtcSweep *sweep, XLogRecPtr lsn)
{
	return sweep->known && lsn > sweep->known_lsn;
}

int64
rtc_sweep_due(const RtcSweep *sweep)
{
	return Max(sweep->due_ms - rtc_clock_ms(), 0);
}

RtcConnResult
rtc_sweep_step(RtcSweep *sweep)
{
	int			ntrims = Min(sweep->ntags, TRIMS_PER_STEP);
	bool		scan = sweep->ntags == 0 && !sweep->scanned;
	RtcReply   *replies;
	int			left = 0;

	sweep->due_ms = rtc_clock_ms() + (sweep->known ? REST_STEP :
									  REST_FIRST_PASS);
	for (int i = 0; i < ntrims; i++)
		rtc_tags_append_trim(sweep->conn, sweep->tag[i],
							 sweep->by_text && i == 0);
	sweep->by_text = false;
	if (scan)
		rtc_scan_append(sweep->conn, sweep->cursor, RTC_TAG_GLOB);
	replies = rtc_conn_exchange(sweep->conn, rtc_command_timeout, NULL);
	if (replies == NULL)
		return RTC_CONN_FAILED;

	/* a set with many members to be taken out stays for the next step */
	for (int i = 0; i < sweep->ntags; i++)
	{
		bool		unknown = i < ntrims &&
		rtc_reply_is_error(&replies[i], "NOSCRIPT");

		sweep->by_text = sweep->by_text || unknown;
		if (i >= ntrims || unknown ||
			(replies[i].type == RTC_REPLY_INTEGER &&
			 replies[i].integer >= RTC_TRIM_LIMIT))
			sweep->tag[left++] = sweep->tag[i];
	}
	sweep->ntags = left;

	if (scan)
	{
		if (!rtc_scan_read(sweep->conn, &replies[ntrims], sweep->cursor))
			return RTC_CONN_FAILED;
		sweep->steps++;
		sweep->scanned = strcmp(sweep->cursor, "0") == 0;
		if (!note_tags(sweep, &replies[ntrims].elems[1]))
			sweep->due_ms = rtc_clock_ms() + 1;
	}
	RTC_INJECT("swept");
	if (!sweep->known)
	{
		if (sweep->scanned)
		{
			RTC_INJECT("interest_known");
			sweep->known_lsn = rtc_wal_insert_end();
			rtc_interest_known(true);
			sweep->known = true;
		}
		tell(sweep);
	}
	if (sweep->scanned && sweep->ntags == 0)
		begin_pass(sweep);
	return RTC_CONN_OK;
}

/*
 * Registers what was found, and remembers what is ours to trim.  False = nothing.
 */
static bool
note_tags(RtcSweep *sweep, const RtcReply *keys)
{
	MemoryContext old;

	MemoryContextReset(sweep->context);
	old = MemoryContextSwitchTo(sweep->context);
	sweep->ntags = 0;
	sweep->tag = palloc(keys->nelems * sizeof(char *));
	for (int i = 0; i < keys->nelems; i++)
	{
		const RtcReply *key = &keys->elems[i];
		size_t		prefixlen;
		RtcDep		dep;

		if (key->type != RTC_REPLY_STRING ||
			!rtc_tag_parse(key->str, key->len, &prefixlen, &dep))
			continue;
		/* a bit too many costs an op now and then */
		rtc_interest_register(&dep, 1);
		if (!rtc_prefix_is_ours(key->str, prefixlen))
			continue;
		sweep->tag[sweep->ntags++] = pstrdup(key->str);
	}
	MemoryContextSwitchTo(old);
	return sweep->ntags > 0;
}

/* Tells people how far the first pass is. */
static void
tell(const RtcSweep *sweep)
{
	RtcJobInfo	info = {RTC_JOB_SWEEP,.pass = 1,.passes = 1};

	info.looked = sweep->steps * RTC_SCAN_COUNT;
	info.started_at = sweep->began_at;
	rtc_relay_report_sweep(sweep->known ? NULL : &info);
}

static void
begin_pass(RtcSweep *sweep)
{
	sweep->steps = 0;
	strlcpy(sweep->cursor, "0", sizeof(sweep->cursor));
	sweep->scanned = false;
	sweep->due_ms = rtc_clock_ms() + REST_PASS;
}
