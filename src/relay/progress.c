/*-------------------------------------------------------------------------
 *
 * progress.c
 *		How far the relay is: the LSN ladder.
 *
 * The ladder is drawn at the head of progress.h.  These functions alone move its
 * LSNs, each forwards, but for a connect and a clear, which begin anew.
 *
 * "lsn" is no step of its own in memory: it differs from "stored" only while the
 * reply to an EXEC is on its way, and then it is "done".
 *
 * Model: pure functions, of the relay.  See test/unit/test_progress.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "relay/progress.h"

void
rtc_progress_resume(RtcProgress *p, const RtcStanding *at, XLogRecPtr end)
{
	memset(p, 0, sizeof(*p));
	p->restart = at->restart_lsn;
	p->stored = at->verified_lsn;
	p->done = at->verified_lsn;
	/* what came behind verified_lsn may be there, and may be incomplete */
	p->commit = Max(at->commit_lsn, at->lsn);
	p->mark = at->mark;
	p->target = end;
	p->horizon = at->horizon;
}

void
rtc_progress_clear(RtcProgress *p, uint64 horizon)
{
	p->horizon = horizon;
	p->horizon_passed = false;
}

void
rtc_progress_cleared(RtcProgress *p, XLogRecPtr start)
{
	uint64		horizon = p->horizon;

	memset(p, 0, sizeof(*p));
	p->restart = start;
	p->stored = start;
	p->done = start;
	p->commit = start;
	p->target = start;
	p->horizon = horizon;
}

bool
rtc_progress_is_new(const RtcProgress *p, XLogRecPtr lsn)
{
	return lsn > p->done;
}

void
rtc_progress_begin(RtcProgress *p, XLogRecPtr lsn)
{
	p->commit = Max(p->commit, lsn);
}

void
rtc_progress_done(RtcProgress *p, XLogRecPtr lsn)
{
	p->done = Max(p->done, lsn);
}

void
rtc_progress_mark(RtcProgress *p, const RtcWalMark *mark)
{
	if (mark->lsn > p->mark.lsn)
		p->mark = *mark;
}

bool
rtc_progress_is_ahead(const RtcProgress *p)
{
	return p->done > p->stored;
}

void
rtc_progress_tell(const RtcProgress *p, bool has_ops, XLogRecPtr restart,
				  RtcStanding *at)
{
	bool		verified = !has_ops && rtc_progress_is_ahead(p);

	at->lsn = p->done;
	at->verified_lsn = verified ? p->done : p->stored;
	at->restart_lsn = verified ? restart : p->restart;
	at->commit_lsn = p->commit;
	at->mark = p->mark;
	at->horizon = p->horizon;
}

void
rtc_progress_stored(RtcProgress *p, const RtcStanding *at, XLogRecPtr restart)
{
	if (rtc_progress_is_ahead(p))
		p->restart = restart;
	p->stored = p->done;
	p->told = at->verified_lsn == p->stored;
}

void
rtc_progress_applied(RtcProgress *p, XLogRecPtr lsn)
{
	p->applied = Max(p->applied, lsn);
}

void
rtc_progress_aim(RtcProgress *p, XLogRecPtr end)
{
	p->target = Max(p->target, end);
}

void
rtc_progress_pass_horizon(RtcProgress *p, XLogRecPtr end)
{
	p->horizon_passed = true;
	rtc_progress_aim(p, end);
}

bool
rtc_progress_is_drained(const RtcProgress *p)
{
	return p->horizon != 0 && p->horizon_passed && p->applied >= p->target;
}

void
rtc_progress_drained(RtcProgress *p)
{
	p->horizon = 0;
}

bool
rtc_progress_is_caught_up(const RtcProgress *p)
{
	return p->horizon == 0 && p->applied >= p->target;
}

XLogRecPtr
rtc_progress_floor(const RtcProgress *p, XLogRecPtr read)
{
	return Min(p->target, read);
}

bool
rtc_progress_is_untold(const RtcProgress *p)
{
	return !p->told || p->stored < p->applied;
}

bool
rtc_progress_can_tell(const RtcProgress *p, XLogRecPtr asked)
{
	return p->stored < asked && asked <= p->applied;
}
