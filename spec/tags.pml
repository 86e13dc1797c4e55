/*
 * tags.pml
 *		Answers that depend on more than their key: tag sets in Redis, and the
 *		bitmap that tells writers who is interested.
 *
 * One key, and one dependency that its answer has.  Writers change what the
 * dependency stands for and never touch the key, so all they can do about it
 * is a TAG op, and they write one only if somebody is registered.  The rest of
 * the protocol is that of coherence.pml; here it is as small as can be: the
 * connections of readers were verified long ago, and there are no epochs.
 *
 * What is checked:
 *	 - a read in SQL is never older than what was visible when it began;
 *	 - when all is quiet, Redis holds nothing or the visible version (with EVICT,
 *	   what is no hit does not count).
 *
 * Environment:
 *	 EVICT		Redis may evict the tag set, at any time, so many times
 *	 RESTART	the server crashes once: shared memory is lost, a reader from
 *				before stops where it is, others come
 *	 ROLLBACK	Redis loses what came after some moment, once
 *	 RESTORE	instead: the server has just started, and Redis has lost the tag
 *				set without a trace in WAL (FLUSHALL, eviction) after a snapshot
 *				with it was taken; at any time it is restored from that
 *	 FORGOTTEN	instead: the server has just started, so that no stamp tells of its
 *				last commit; at any time Redis falls back behind that one
 *	 REFRESH	a reader may be a worker that computes an answer again: what it
 *				finds is no hit, and it gets the lease beside a value
 *
 * Without a safeguard (each of these must give an error; in which environment,
 * spec/check tells):
 *	 LOOKFIRST	the writer looks at the interest bit before it raises pending
 *	 NOINTEREST	the reader sets no bit
 *	 NORECHECK	the reader does not look at the stamps again behind the bit
 *	 BITLATE	the reader sets the bit behind looking at the stamps again
 *	 NOREGISTER	the lease script does not register the key
 *	 REGLATE	the key is registered by the fill, not with the lease
 *	 NOTAGLEASE	a TAG drop leaves the leases of the members
 *	 NOWAIT		a TAG is applied before its commit is visible
 *	 NOMEMBER	with EVICT: a hit needs no membership
 *	 GETFIRST	with EVICT: membership is asked for behind the value
 *	 KEEPVALUE	with EVICT: the lease script registers the key and leaves a value
 *				that was no hit for want of membership
 *	 REGBUSY	with EVICT: the lease script registers the key although somebody
 *				else holds the lease
 *	 NOTHING	with RESTART NOMARK: after the start, nothing counts as registered
 *				(the mark makes up for it, since it makes the relay clear)
 *	 NOSWEEP	with RESTART: the relay looks for no tag sets before it says
 *				that all is known
 *	 NOMARK		with RESTORE: nothing in WAL says that TAG ops were left out
 *	 MARKANY	with RESTORE: a mark does not count once the sweep has made a
 *				pass, even if it was made after the mark
 *	 NOMARKLSN	with RESTORE: readers do not ask for a position behind the mark
 *	 LOOKONCE	with RESTORE: the writer does not look again behind its mark
 *	 DROPLATE	with ROLLBACK: the position moves before the drop; the relay, who
 *				goes on from what is done, makes it again
 *	 NOFLOOR	with FORGOTTEN: the position need not have got to where the relay has
 *				caught up
 *
 * Atomic steps: see coherence.pml.
 */
#if defined(RESTORE) || defined(FORGOTTEN)
#define ROLLBACK
#define OLDER					/* what comes back is from before the start */
#endif
#ifndef W
#define W 1
#endif
#ifndef R
#define R 1
#endif

/* ---- the database ---- */
byte visible = 1, wal = 0;
bool row = false;
byte rec[2 * W + 2];			/* WAL: a commit without a TAG op, one with, a mark */
#define PLAIN 0
#define TAGGED 1
#define MARK 2
bool crashed = false;
/* the first reader and relay do not outlive the crash; see init */
#define LIVES (!crashed || _pid > 3)

/* ---- shared memory ---- */
byte pending = 0, version = 0, last_lsn = 0, applied = 0, floor = 0;
bool open = true;				/* l2_generation, as far as it matters here */
byte gen = 0;
bool everything = false, interest = false;
byte marked = 0;				/* omitted_lsn */

/* ---- Redis ---- */
byte val = 0, lease = 0, lsn = 0;
bool member = false;			/* the key is in the tag set */
byte oval = 0, olease = 0, olsn = 0;
bool omember = false;
#ifdef DROPLATE
byte verified = 0, overified = 0;
#define FROM verified
#else
#define FROM lsn				/* they move in one EXEC */
#endif
bool rolled = false;

bool broken = false;			/* the relay's connection */
byte busy = 0;

/* rtc_interest_exists */
inline look()
{
	tag = everything;
	if :: !tag -> tag = interest :: else fi
}

proctype Writer() {
	byte c = 0;
	bool tag = false;

	atomic { !row -> row = true };
#ifdef LOOKFIRST
	look();
	pending++;
#else
	pending++;					/* rtc_stamp_raise, with a full barrier */
	look();
#endif
#ifndef NOMARK
	if
	:: !tag && !marked ->
		atomic { wal++; rec[wal] = MARK; c = wal };
		marked = c;
#ifndef LOOKONCE
		look()
#endif
	:: else
	fi;
#endif
	atomic { wal++; c = wal; rec[c] = (tag -> TAGGED : PLAIN) };
	visible = c + 1;
	/* no op, nothing to be applied: last_lsn stays */
	atomic { if :: tag && c > last_lsn -> last_lsn = c :: else fi };
	version++;
	pending--;
	atomic { row = false; busy-- }
}

#ifdef MARKANY
#define COVERED(l) (known > 0)
#else
#define COVERED(l) (known > 0 && l > known - 1)
#endif

inline drop()
{
	atomic {					/* (a) the script of a tag drop */
		if
		:: !broken && rec[next] == TAGGED && member ->
			val = 0; member = false;
#ifndef NOTAGLEASE
			lease = 0
#endif
		:: else
		fi
	}
}

proctype Relay()
#ifdef RESTART
	provided (LIVES)
#endif
{
	byte next = lsn + 1, target = lsn;
	/* 1 + end of WAL when a pass of the sweep was over; one was, or everything
	 * would count as registered */
	byte known = (everything -> 0 : 1);

	do
#if defined(RESTART) || defined(ROLLBACK)
	:: atomic { broken -> skip };
		if :: open -> atomic { open = false; gen++ } :: else fi;
#ifndef NOTHING
		everything = true;		/* rtc_sweep_restart */
#endif
		atomic { broken = false; next = FROM + 1; known = 0 };
		target = wal
#endif
	:: !broken && everything ->
		/* a pass of the sweep: SCAN finds the set if it exists; (a) */
#ifndef NOSWEEP
		if :: member -> interest = true :: else fi;
#endif
		if :: !broken -> known = wal + 1; everything = false :: else fi
	:: !broken && next <= wal && rec[next] == MARK ->
		if
		:: COVERED(next) -> atomic { if :: !broken -> lsn = next :: else -> goto again fi }
		:: else ->				/* clear; the end of WAL first */
			if :: open -> atomic { open = false; gen++ } :: else fi;
			target = wal;
			atomic { if :: !broken -> lease = 0 :: else -> goto again fi };
			atomic { if :: !broken -> val = 0; member = false :: else -> goto again fi };
			atomic { if :: !broken -> lsn = target; next = target :: else -> goto again fi }
		fi;
		atomic { if :: next > applied -> applied = next :: else fi; next++ }
	:: !broken && next <= wal && rec[next] != MARK ->
#ifndef NOWAIT
		visible > next;
#endif
#ifndef DROPLATE
		drop();
#endif
		atomic {				/* (a) EXEC */
			if :: !broken -> lsn = next :: else -> goto again fi
		};
#ifdef DROPLATE
		drop();
		atomic { if :: !broken -> verified = next :: else -> goto again fi };
#endif
		atomic { if :: next > applied -> applied = next :: else fi; next++ };
again:	skip
	:: !broken && !open && next > target ->
		floor = target;
		atomic { if :: !broken -> open = true; gen++ :: else fi }
	:: atomic { !broken && busy == 0 && next > wal && open && !everything ->
			break }
	od
}

#ifdef NOFLOOR
#define NEED_FLOOR skip
#else
#define NEED_FLOOR if :: floor > want -> want = floor :: else fi
#endif
#ifdef NOMARKLSN
#define NEED_MARK skip
#else
#define NEED_MARK if :: marked > want -> want = marked :: else fi
#endif

#ifdef EVICT
proctype Evict() {
	member = false
#if EVICT > 1
	; member = false
#endif
}
#endif

#ifdef ROLLBACK
proctype Rollback() {
#ifndef OLDER
	atomic { oval = val; olease = lease; olsn = lsn; omember = member;
#ifdef DROPLATE
		overified = verified
#endif
	};
#endif
#ifdef DROPLATE
	atomic { verified = overified;
#else
	atomic {
#endif
		 val = oval; lease = olease; lsn = olsn; member = omember;
		broken = true; rolled = true; busy-- }
}
#endif

#ifdef REFRESH
#define AGAIN again
#else
#define AGAIN false
#endif

proctype Reader(byte token)
#ifdef RESTART
	provided (LIVES)
#endif
{
	byte start = 0, res = 0, v0 = 0, g = 0, want = 0;
	bool leased = false, m = false;
#ifdef REFRESH
	bool again = false;

	if :: again = true :: skip fi;
#endif
	atomic { start = visible; if :: pending -> goto bypass :: else fi };
	v0 = version;
	atomic { g = gen; if :: !open -> goto bypass :: else fi };
	want = last_lsn;
	NEED_MARK;
	NEED_FLOOR;
	if :: want > applied -> goto bypass :: else fi;
	/* one round trip, but several commands */
#ifdef GETFIRST
	atomic { if :: lsn < want -> goto bypass :: else fi; res = val };
	m = member;
#else
	m = member;					/* ZSCORE */
	atomic { if :: lsn < want -> goto bypass :: else fi; res = val };
#endif
#ifdef NOMEMBER
	m = true;
#endif
	if :: res && m && gen == g && !AGAIN -> goto out :: else fi;
	/* miss */
#if !defined(NOINTEREST) && !defined(BITLATE)
	interest = true;					/* rtc_interest_register, with a full barrier */
#endif
#ifndef NORECHECK
	if :: pending -> goto bypass :: else fi;
	if :: version != v0 -> goto bypass :: else fi;
#endif
#ifdef BITLATE
	interest = true;
#endif
	res = 0;
	atomic {					/* (a) the lease script */
		if :: lsn < want -> goto bypass :: else fi;
		if
#ifdef NOMEMBER
		:: val -> res = val
		:: !val && !lease ->
#else
		:: val && member && !AGAIN -> res = val
		:: (!(val && member) || AGAIN) && !lease ->
#endif
#ifndef KEEPVALUE
			/* what is a hit stays beside the lease */
			if :: !member -> val = 0 :: else fi;
#endif
#if !defined(NOREGISTER) && !defined(REGLATE)
			member = true;
#endif
			lease = token; leased = true
		:: else
#ifdef REGBUSY
			-> member = true
#endif
		fi
	}
	if :: res && gen == g -> goto out :: else fi;
	if :: leased && gen != g -> leased = false :: else fi;
bypass:
	res = visible;
	if
	:: leased ->
		atomic {				/* (a) the fill script */
			if
			:: lease == token -> val = res; lease = 0;
#ifdef REGLATE
				member = true
#endif
			:: else
			fi
		}
	:: else
	fi;
out:
	assert(res >= start);
	busy--
}

inline start_all()
{
	run Writer(); run Reader(101);
#if W > 1
	run Writer();
#endif
#if R > 1
	run Reader(102)
#endif
}

#ifdef RESTART
proctype Restart() {
	atomic {
		crashed = true; row = false;
		pending = 0; version = 0; last_lsn = 0; applied = 0; floor = 0;
		interest = false; marked = 0; open = false; gen++; broken = true;
#ifdef NOTHING
		everything = false;
#else
		everything = true;
#endif
		visible = wal + 1;		/* recovery */
		busy = W + R;
		run Relay();
		start_all()
#ifdef ROLLBACK
		; if :: rolled -> skip :: else -> busy++ fi
#endif
	}
}
#endif

init {
	atomic {
		/* somebody may have filled it before */
#ifdef OLDER
		oval = visible; omember = true; everything = true;
#ifdef FORGOTTEN
		wal = 1; rec[1] = TAGGED; visible = 2; lsn = 1; floor = 1; applied = 1;
#endif
#else
		if :: val = visible; member = true; interest = true :: true fi;
#endif
		/* whoever stops in the crash does not count: see Restart */
#ifdef RESTART
		busy = 100;
		run Reader(100);
		run Restart();
		run Relay();
#else
		busy = W + R;
		start_all();
#ifdef ROLLBACK
		busy++;
#endif
		run Relay();
#endif
#ifdef EVICT
		run Evict();
#endif
#ifdef ROLLBACK
		run Rollback();
#endif
	}
	timeout ->
	assert(busy == 0 && open && !everything);
#ifdef EVICT
	assert(val == 0 || val == visible || !member)
#else
	assert(val == 0 || val == visible)
#endif
}
