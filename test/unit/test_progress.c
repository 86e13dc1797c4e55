/*-------------------------------------------------------------------------
 *
 * test_progress.c
 *		The LSN ladder of the relay.
 *
 * rooms: relay/progress
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "relay/progress.h"
#include "unit.h"

/* A position that was sent up to 300, and checked up to 200. */
static const RtcStanding at = {
	.lsn = 300, .verified_lsn = 200, .restart_lsn = 150, .commit_lsn = 250,
	.mark = {290, 7}
};

static void
test_resume(void)
{
	RtcProgress p;
	RtcStanding next;

	rtc_progress_resume(&p, &at, 500);
	rtc_progress_tell(&p, false, 199, &next);
	ok(next.lsn == 200, "a resume sets lsn back to what was checked");
	ok(next.verified_lsn == 200 && next.restart_lsn == 150,
	   "and leaves what was checked where it was");
	ok(next.commit_lsn == 300, "Redis may have all that was sent");
	ok(next.mark.lsn == 290 && next.mark.crc == 7, "the mark stays");
	ok(!rtc_progress_is_new(&p, 200), "what was checked is skipped");
	ok(rtc_progress_is_new(&p, 201), "what comes behind it is applied");
	ok(!rtc_progress_is_caught_up(&p), "lookups have to wait");

	rtc_progress_mark(&p, &(RtcWalMark) {220, 1});
	ok(p.mark.lsn == 290, "on the way the mark does not go back");
	rtc_progress_mark(&p, &(RtcWalMark) {310, 2});
	ok(p.mark.lsn == 310 && p.mark.crc == 2, "behind it the mark moves");
}

static void
test_batch(void)
{
	RtcProgress p;
	RtcStanding next;

	rtc_progress_resume(&p, &at, 500);
	rtc_progress_stored(&p, &(RtcStanding) {.verified_lsn = 200}, 150);
	ok(p.restart == 150 && !rtc_progress_is_ahead(&p),
	   "nothing was done, so nothing has moved");

	/* a commit in several batches */
	rtc_progress_begin(&p, 400);
	rtc_progress_tell(&p, true, 390, &next);
	ok(next.commit_lsn == 400, "commit_lsn moves before the first op is sent");
	ok(next.lsn == 200 && next.verified_lsn == 200 && next.restart_lsn == 150,
	   "the position stays in front of a commit that is sent in part");
	rtc_progress_stored(&p, &next, 390);
	ok(p.restart == 150, "so does the place from which it would be read again");

	rtc_progress_done(&p, 400);
	ok(rtc_progress_is_ahead(&p), "the commit is complete");
	rtc_progress_tell(&p, true, 390, &next);
	ok(next.lsn == 400 && next.verified_lsn == 200 && next.restart_lsn == 150,
	   "what goes with ops is checked when their replies are here");
	rtc_progress_stored(&p, &next, 390);
	ok(p.stored == 400 && p.restart == 390, "they are: that is where to resume");
	rtc_progress_applied(&p, 400);
	ok(rtc_progress_is_untold(&p), "Redis does not know that");
	rtc_progress_tell(&p, false, 395, &next);
	ok(next.lsn == 400 && next.verified_lsn == 400 && next.restart_lsn == 390,
	   "the next time it is told");
	rtc_progress_stored(&p, &next, 395);
	ok(!rtc_progress_is_untold(&p), "now it knows");

	/* WAL that is not for us */
	rtc_progress_applied(&p, 450);
	ok(rtc_progress_is_untold(&p), "WAL has moved on");
	ok(rtc_progress_can_tell(&p, 430), "a lookup that waits can be helped");
	ok(!rtc_progress_can_tell(&p, 400) && !rtc_progress_can_tell(&p, 451),
	   "not one that need not wait, or whose commit is not applied");
	rtc_progress_done(&p, 440);
	rtc_progress_done(&p, 430);
	rtc_progress_tell(&p, false, 440, &next);
	ok(next.lsn == 440 && next.verified_lsn == 440 && next.restart_lsn == 440,
	   "without ops there is no reply to wait for; nothing goes back");
}

static void
test_target(void)
{
	RtcProgress p;

	rtc_progress_resume(&p, &at, 500);
	rtc_progress_applied(&p, 499);
	ok(!rtc_progress_is_caught_up(&p), "one byte is missing");
	rtc_progress_applied(&p, 500);
	ok(rtc_progress_is_caught_up(&p), "caught up");
	ok(rtc_progress_floor(&p, 480) == 480 && rtc_progress_floor(&p, 520) == 500,
	   "the floor is no higher than what was read, nor than the target");
	rtc_progress_aim(&p, 600);
	rtc_progress_aim(&p, 550);
	rtc_progress_applied(&p, 550);
	rtc_progress_applied(&p, 540);
	ok(p.applied == 550 && !rtc_progress_is_caught_up(&p),
	   "a target that has moved is not reached");
	rtc_progress_applied(&p, 600);
	ok(rtc_progress_is_caught_up(&p), "until it is");
}

static void
test_clear(void)
{
	RtcProgress p;
	RtcStanding next;

	rtc_progress_resume(&p, &at, 500);
	rtc_progress_clear(&p, 77);
	rtc_progress_tell(&p, false, 0, &next);
	ok(next.horizon == 77 && next.commit_lsn == 300,
	   "the position that is claimed says that a clear has begun");
	rtc_progress_cleared(&p, 600);
	rtc_progress_tell(&p, false, 0, &next);
	ok(next.lsn == 600 && next.verified_lsn == 600 &&
	   next.restart_lsn == 600 && next.commit_lsn == 600 && next.mark.lsn == 0,
	   "a clear begins where WAL ended");
	ok(next.horizon == 77, "it is not over");

	rtc_progress_applied(&p, 700);
	ok(!rtc_progress_is_caught_up(&p) && !rtc_progress_is_drained(&p),
	   "transactions from before it still run");
	rtc_progress_pass_horizon(&p, 800);
	ok(!rtc_progress_is_drained(&p), "what they have written is to be applied");
	rtc_progress_applied(&p, 800);
	ok(rtc_progress_is_drained(&p) && !rtc_progress_is_caught_up(&p),
	   "it is; Redis has to be told");
	rtc_progress_drained(&p);
	ok(rtc_progress_is_caught_up(&p) && !rtc_progress_is_drained(&p),
	   "the clear is over");

	rtc_progress_clear(&p, 99);
	ok(!rtc_progress_is_drained(&p), "the next one has a horizon of its own");
}

int
main(void)
{
	test_resume();
	test_batch();
	test_target();
	test_clear();
	return done_testing();
}
