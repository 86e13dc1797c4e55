/*
 * failover.pml
 *		The database itself is lost: it crashes and starts again, or a standby is
 *		promoted that lacks the last commits, while its predecessor goes on.
 *
 * One key, in Redis only.  Server 0 is the first one; server 1 is what comes
 * after it: the same data directory after a crash (CRASH), or a standby on a
 * timeline of its own (PROMOTE).  The history of server 1 begins with the
 * first "kept" commits of server 0.  Commit i of server 0 makes version i + 1;
 * what server 1 commits itself has versions above OWN, at LSNs that server 0
 * may have used for something else.
 *
 * What is checked:
 *	 - a read in SQL shows what its server had or has, and is never older than
 *	   what was visible when it began;
 *	 - when all is quiet, Redis holds nothing or what server 1 shows.
 *
 * Environment:
 *	 CRASH		server 0 dies at any time, with what it had in memory; commits
 *				that were visible and not flushed (synchronous_commit = off) are
 *				lost
 *	 PROMOTE	server 0 lives on, until its relay finds out
 *	 PREPARED	with CRASH: the commit of server 1 is that of a transaction that
 *				was prepared before; nobody stamps it
 *	 PLAIN		the first commit of server 0 writes no op if nobody is registered
 *
 * Without a safeguard (each of these must give an error; in which environment,
 * spec/check tells):
 *	 NOFLUSH	CRASH: the relay applies what is not flushed
 *	 NOREVALID	CRASH: a fill does not look at the stamps again
 *	 NOTARGET	CRASH: lookups come back before the relay has caught up
 *	 NOGATE		CRASH PREPARED: the caches open before such transactions are over
 *	 GATEFIRST	CRASH PREPARED: or when they are over, but not applied
 *	 NOTIMELINE PROMOTE: what the position says of a lost commit is ignored
 *	 NOCOMMITLSN PROMOTE: it does not tell of commits that are sent in part
 *	 NOWATCH	PROMOTE: the EXEC of a relay that was replaced goes through
 *	 NOCLAIM	PROMOTE: a clear takes the position at its end only
 *	 NOOWNERGET	PROMOTE: lookups do not ask whose the position is (its epoch tells)
 *	 NOHORIZON	PROMOTE: a clear that was cut off is not begun again
 *	 NOCOVER	PLAIN: the lease is granted although the position does not cover all
 *				commits that the answer may show
 *
 * Atomic steps: see coherence.pml.
 */
#ifdef CRASH
#define DEAD0 crashed
#else
#define DEAD0 false
#endif
#ifndef R0
#define R0 1					/* readers of server 0 */
#endif
#ifndef R1
#define R1 1					/* readers and commits of server 1 */
#endif
#ifndef W1
#define W1 1
#endif
#ifndef CUTS
#define CUTS 0
#endif
#ifndef W0
#define W0 2					/* commits of server 0 */
#endif
#define OWN 10

typedef Server {
	byte wal, flushed;			/* commit records; those on disk */
	byte visible;				/* version that a snapshot taken now shows */
	byte pending, version, last_lsn, applied;
#ifdef PLAIN
	byte last_commit;			/* the newest one, with or without ops */
#endif
	byte gen;					/* odd = open */
	bool gate;
}
Server db[2];
byte kept = 255;				/* commits of server 0 that server 1 has */
bool crashed = false;
byte dead = 0;					/* processes of server 0 */
#ifdef PLAIN
bool interest = false;			/* after the first server everything counts as registered */
bool plain = false;				/* commit 1 of server 0 has no op */
#define IS_PLAIN(l) (plain && l == 1 && (n == 0 || kept > 0))
#else
#define IS_PLAIN(l) false
#endif
bool over = false;				/* what was prepared is committed */

/* ---- Redis ---- */
byte val = 0, lease = 0;
byte lsn = 0, commit_lsn = 0, owner = 0, timeline = 0;
bool horizon = false;
bool lost[2];					/* somebody else has changed the position since WATCH */

byte cuts = CUTS;				/* how often the connection may break in a clear */
byte busy;						/* that have to be done in the end */

/* how a process of server 0 ends in a crash */
#ifdef CRASH
#define LINGER ; n == 1 -> skip
#else
#define LINGER
#endif
#define MORTAL unless { atomic { DEAD0 && n == 0 -> BURY; dead++ } }
/* what commit l of server n makes of the row */
#define ver(n, l) ((n == 0 || l <= kept) -> l + 1 : OWN + l)
#ifdef PROMOTE
#define TL(n) n
#else
#define TL(n) 0
#endif
#define OWNER(n) TL(n)

inline write(l, stamped)
{
	atomic {
		if :: stamped -> db[n].pending++ :: else fi;
#ifdef PLAIN
		if :: n == 0 && !interest && db[n].wal == 0 -> plain = true :: else fi;
#endif
		db[n].wal++; l = db[n].wal
	};
#ifdef CRASH
	if
	:: db[n].flushed = l; db[n].visible = ver(n, l)
	/* synchronous_commit = off */
	:: db[n].visible = ver(n, l)
	fi;
#else
	atomic { db[n].flushed = l; db[n].visible = ver(n, l) };
#endif
	atomic {
		if
		:: stamped ->
			if :: IS_PLAIN(l) -> skip :: else -> db[n].last_lsn = l fi;
#ifdef PLAIN
			db[n].last_commit = l;
#endif
			db[n].version++; db[n].pending--
		:: else
		fi
	};
	db[n].flushed = l
}

proctype Writer(byte n; byte count) {
	byte l = 0;
#define BURY count = 0; l = 0
	{
		do
		:: count > 0 ->
			count--;
#ifdef PREPARED
			write(l, n == 0)
#else
			write(l, true)
#endif
		:: count == 0 -> break
		od;
		atomic { l = 0; if :: n == 1 -> over = true; busy-- :: else fi }
		LINGER
	} MORTAL
}

inline position(with_lsn, h)
{
	if :: with_lsn -> lsn = l :: else fi;
	commit_lsn = l; owner = OWNER(n); timeline = TL(n); horizon = h;
	lost[1 - n] = true
}

#ifdef NOWATCH
#define MINE true
#else
#define MINE (!lost[n])
#endif
#ifdef NOFLUSH
#define DONE(n) db[n].wal
#else
#define DONE(n) db[n].flushed
#endif
#ifdef NOTARGET
#define TARGET 0
#else
#define TARGET target
#endif
#ifdef NOCOMMITLSN
#define NEWEST lsn
#else
#define NEWEST (lsn > commit_lsn -> lsn : commit_lsn)
#endif

proctype Relay(byte n) {
	byte next = 0, target = 0, l = 0;
	bool clear = false;

#undef BURY
#define BURY next = 0; target = 0; l = 0; clear = false
	{
	next = 0;
connect:
	if :: (db[n].gen & 1) -> db[n].gen++ :: else fi;
	atomic {					/* (a) WATCH, HGETALL; (c) the decision */
		lost[n] = false;
		if
		:: timeline > TL(n) -> goto fenced
		:: else
		fi;
		clear = false;
#ifndef NOHORIZON
		if :: horizon -> clear = true :: else fi;
#endif
#ifndef NOTIMELINE
		if
		:: timeline < TL(n) && NEWEST > kept -> clear = true
		:: timeline == TL(n) && NEWEST > db[n].flushed -> clear = true
		:: else
		fi;
#endif
		next = lsn + 1; l = lsn; target = db[n].wal
	};
	db[n].flushed >= target;	/* XLogFlush */
	if
	:: clear ->
		/* nobody writes early messages here: the horizon is passed at once */
		atomic { l = db[n].wal; target = l };
		db[n].flushed >= l;
#ifndef NOCLAIM
		atomic { if :: MINE -> position(false, true) :: else -> goto connect fi };
#endif
		lease = 0;
		if :: cuts > 0 -> cuts--; goto connect :: true fi;
		val = 0;
		atomic {
			if :: MINE -> position(true, false); next = l + 1
			:: else -> goto connect
			fi
		}
	:: else ->
		atomic {
			if
			:: MINE -> commit_lsn = NEWEST; owner = OWNER(n); timeline = TL(n);
				lost[1 - n] = true
			:: else -> goto connect
			fi
		}
	fi;

	do
	:: next <= DONE(n) ->
		db[n].visible >= ver(n, next);
		l = next;
		if
		/* a large commit goes out in parts */
		:: n == 0 && !IS_PLAIN(l) -> atomic {
				if :: MINE -> val = ver(n, l); lease = 0; position(false, false)
				:: else -> goto connect
				fi
			}
		:: skip
		fi;
		atomic {
			if
			:: MINE && IS_PLAIN(l) -> position(true, false)
			:: MINE && !IS_PLAIN(l) && (l & 1) -> val = ver(n, l); lease = 0; position(true, false)
			:: MINE && !(l & 1) -> val = 0; lease = 0; position(true, false)
			:: else -> goto connect
			fi
		};
		db[n].applied = l;
		next++
	:: !(db[n].gen & 1) && next > TARGET -> db[n].gen++
	:: atomic { !db[n].gate && over ->
#ifndef GATEFIRST
			if :: (db[n].gen & 1) -> db[n].gen++ :: else fi;
			target = db[n].wal
#endif
		};
		db[n].gate = true
	:: atomic { n == 1 && busy == 0 && next > db[n].wal && (db[n].gen & 1) && db[n].gate -> break }
	od;
	goto out;
fenced:
	assert(n == 0);
out:	atomic { BURY }
	LINGER
	} MORTAL
}

#ifdef NOGATE
#define GATE true
#else
#define GATE db[n].gate
#endif
#ifdef NOOWNERGET
#define OURS (lsn >= need)
#else
#define OURS (owner == OWNER(n) && lsn >= need)
#endif
proctype Reader(byte n; byte token) {
	byte start = 0, res = 0, v0 = 0, g = 0, need = 0;
	bool leased = false;
#if defined(PLAIN) && !defined(NOCOVER)
#define COVER
#define COVERED (lsn >= cover)
	byte cover = 0;
#else
#define COVERED true
#endif
#undef BURY
#define BURY start = 0; res = 0; v0 = 0; g = 0; need = 0; leased = false; token = 0
	{
		atomic {
			start = db[n].visible; v0 = db[n].version;
			if :: db[n].pending -> goto query :: else fi
		};
#ifdef PLAIN
		/* the bit, then the stamps again; earlier than in the code, which is
		 * no less, since nothing is read from Redis in between */
		if :: n == 0 -> interest = true :: else fi;
		atomic {
			if :: db[n].pending || db[n].version != v0 -> goto query :: else fi
		};
#endif
		atomic {
			g = db[n].gen; need = db[n].last_lsn;
#ifdef COVER
			cover = db[n].last_commit;
#endif
			if :: !(g & 1) || !GATE || need > db[n].applied -> goto query :: else fi
		};
		atomic {				/* GET and the lease script are one here */
			if
			:: !OURS -> goto query
			:: OURS && val -> res = val
			:: OURS && !val && !lease && COVERED -> lease = token; leased = true
			:: else
			fi
		};
		atomic {
			if :: db[n].gen != g -> leased = false; res = 0 :: else fi;
			if :: res -> goto out :: else fi
		};
query:	res = db[n].visible;
#ifndef NOREVALID
		atomic {
			if :: db[n].pending || db[n].version != v0 -> leased = false :: else fi
		};
#endif
		atomic {				/* the fill script */
			if
			:: leased && lease == token && owner == OWNER(n) -> val = res; lease = 0
			:: else
			fi
		};
out:	assert(res >= start);
		assert(n == 1 || res <= OWN);
		assert(n == 0 || res > OWN || res <= kept + 1);
		atomic { BURY; if :: n == 1 -> busy-- :: else fi }
		LINGER
	} MORTAL
}

/* server 1 begins */
proctype Start() {
	atomic {
#ifdef CRASH
		crashed = true; kept = db[0].flushed
	};
	/* all of it dies at once, so nothing is lost by waiting for it */
	atomic {
		dead == 2 + R0;
		db[0].wal = 0; db[0].flushed = 0; db[0].visible = 0; db[0].pending = 0;
		db[0].version = 0; db[0].last_lsn = 0; db[0].applied = 0; db[0].gen = 0;
#ifdef PLAIN
		db[0].last_commit = 0;
#endif

#else
		/* whatever the standby has received; that is flushed */
		if
		:: kept = 0
		:: db[0].flushed > 0 -> kept = 1
		:: db[0].flushed > 1 -> kept = 2
		fi;
#endif
		db[1].wal = kept; db[1].flushed = kept; db[1].visible = kept + 1;
#ifdef PREPARED
		db[1].gate = false;
#else
		db[1].gate = true;
#endif
		busy = busy + R1;
		busy--; run Writer(1, W1); run Relay(1);
#if R1
		run Reader(1, 101)
#endif
	}
}

init {
	atomic {
		db[0].visible = 1; db[0].gate = true;
		if
		:: val = 1;
#ifdef PLAIN
			interest = true
#endif
		:: true
		fi;
		busy = 2;
		run Writer(0, W0); run Relay(0);
#if R0
		run Reader(0, 100);
#endif
		run Start()
	}
	timeout ->
	assert(busy == 0 && (db[1].gen & 1));
	assert(val == 0 || val == db[1].visible)
}
