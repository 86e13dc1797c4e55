/*
 * behind.pml
 *		What is written behind, as readers of Redis and of SQL see it: one key,
 *		the inbox, the list of entries that are pending, the id of what has come
 *		round.
 *
 * Entries are numbered, and each adds its bit to the row, once.  A set of bits
 * is a value; that an entry counts twice is an error wherever it happens.  The
 * worker applies entries in their order, some at a time, and may find that one
 * cannot be applied.  Commits of others change the rest of the row.  Stamps, leases
 * and the position are as small as can be, see coherence.pml for them.
 *
 * What is checked:
 *	 - the value of the key in Redis has each entry that was appended, but those
 *	   that were found to be no good and have come round: so who has written
 *	   sees that at once, and nobody sees it go away;
 *	 - what it has of the commits of others never gets older;
 *	 - a read in SQL shows nothing that the database does not show, and all that
 *	   was visible when it began.
 *
 * Environment:
 *	 E			so many entries (2)
 *	 DEAD		the worker may find that an entry is no good
 *	 EXPIRE		the value of the key may go, once
 *	 SPLIT		a commit goes out in several EXECs
 *	 LOST		the ops of some commits are left out, and then the database is
 *				cleared (closed.c), once
 *	 ROLLBACK	Redis loses what came after some moment, once
 *	 LIMIT		only one entry is kept in the list; of more only the last id
 *
 * Without a safeguard (each of these must give an error; in which environment,
 * spec/check tells):
 *	 NOFOLD		the relay stores the row as it is
 *	 NOFILLCHECK	a fill does not look for entries that are pending
 *	 FILLVOID	with SPLIT: a fill does not mind entries that have come round
 *	 NOTAB		a value with entries in it is taken for a row
 *	 KEEPLEASE	the relay leaves the lease when it stores a row
 *	 NODEL		with DEAD: the worker deletes no key of an entry that is no good
 *	 ROUNDLATE	with SPLIT: the rows go first, the id of what has come round second
 *	 JOINED		with SPLIT: the id goes out in one EXEC with rows of a commit before
 *	 KEEPROUND	with LOST: the clear leaves that id
 *	 GUESS		with LOST: where there is no id, nothing has come round
 *	 KEEPLIST	with LIMIT: what is pending is applied to rows, although some
 *				of it was dropped from the list
 *
 * Atomic steps: a script, an EXEC, and what stands in an atomic block.
 */
#ifndef E
#define E 2
#endif
#define BIT(id) (1 << ((id) - 1))
#define UPTO(id) ((1 << (id)) - 1)

/* ---- the database ---- */
byte row_has = 0;				/* entries in the row that is visible */
byte row_sql = 0;				/* version of the rest of it */
byte at = 0;					/* the worker has got so far, committed */
byte bad = 0;					/* entries that were no good, committed */
bool lock = false;				/* of the row */
byte pending = 0, version = 0;	/* stamps */
byte visible = 0;				/* the last commit that is */

/* ---- WAL ---- */
#define MAXREC (2 * E + 3)
byte wal = 0;
byte rec_has[MAXREC + 1];
byte rec_sql[MAXREC + 1];
byte rec_at[MAXREC + 1];		/* 0 = it is not of the worker */
byte rec_bad[MAXREC + 1];
bool rec_set[MAXREC + 1];		/* there is a row in it */

/* ---- Redis ---- */
typedef Redis {
	bool has;					/* there is a value */
	byte val;					/* the entries in it */
	byte sql;
	bool tab;					/* it ends in a tab */
	byte list;					/* entries that are pending */
	byte until;					/* LIMIT: or only the last of them */
	byte round;					/* 0 = nothing, */
	bool known;					/* if there is one */
	byte last;					/* last entry of the stream */
	byte stream;				/* entries in it */
	byte lease;
	byte lsn;
	/* for the assertions alone */
	byte must;
	byte must_not;
	byte seen;					/* newest version of the rest that was there */
}
Redis r;
#ifdef ROLLBACK
Redis old;
bool saved = false, restored = false;
#endif
byte next_id = 1;				/* ids are of the clock: they are not used again */
bool closed = false;			/* ops are left out, readers stay away */
byte gen = 0;
#ifdef LOST
bool may_lose = true;
#endif
byte busy = 3;

inline check()
{
	assert(!r.has || ((r.val & r.must) == r.must && (r.val & r.must_not) == 0));
	assert(!r.has || r.sql >= r.seen);
	if :: r.has -> r.seen = r.sql :: else fi
}

/* An application, and its script */
proctype App() {
	do
	:: next_id <= E ->
		atomic {
			r.last = next_id; r.stream = r.stream | BIT(next_id);
#ifdef LIMIT
			if
			:: r.list != 0 || r.until != 0 -> r.until = next_id;
#ifdef KEEPLIST
				r.list = BIT(next_id); r.until = 0
#else
				r.list = 0
#endif
			:: else -> r.list = BIT(next_id)
			fi;
#else
			r.list = r.list | BIT(next_id);
#endif
			if :: r.has -> r.val = r.val | BIT(next_id); r.tab = true :: else fi;
			r.must = r.must | BIT(next_id);
			check();
			next_id++
		}
	:: else -> break
	od;
	atomic { busy-- }
}

/* A commit of a row, by whoever has the lock: entries, the rest, the worker's id */
inline commit(h, s, a, b, is_set)
{
	pending++;
	atomic {
		wal++;
		rec_has[wal] = h; rec_sql[wal] = s; rec_at[wal] = a; rec_bad[wal] = b;
		rec_set[wal] = is_set
	};
	atomic { row_has = h; row_sql = s; visible = wal;
		if :: a > 0 -> at = a :: else fi; bad = bad | b };
	version++;
	pending--
}

proctype Worker() {
	byte upto = 0, now = 0, no = 0;
	bool told = true;

	do
	/* some of what is there, in its order */
	:: r.last > at && !lock ->
		atomic {
			if :: lock || r.last <= at -> goto next :: else fi;
			lock = true;
			upto = r.last;
			do :: upto > at + 1 -> upto-- :: break od;
			now = r.stream & UPTO(upto) & ~UPTO(at);
			no = 0;
#ifdef DEAD
			if :: no = now & BIT(upto) :: true fi;
#endif
			now = now & ~no
		};
		commit(row_has | now, row_sql, upto, no, now != 0);
		lock = false;
next:	skip
	/* nobody knows what has come round, and all of ours is applied */
	:: atomic { !r.known && !closed && r.lsn >= visible && at > 0 &&
			wal < MAXREC && !lock -> lock = true };
		commit(row_has, row_sql, at, 0, false);
		lock = false;
		r.known || r.lsn >= visible || closed
	:: atomic { busy == 0 && r.last <= at && !lock && (r.known || at == 0) -> break }
	od
}

/* Somebody else, who changes the rest of the row */
proctype Other() {
	atomic { !lock -> lock = true };
	commit(row_has, row_sql + 1, 0, 0, true);
	lock = false;
	atomic { busy-- }
}

inline move_round(n)
{
	if :: rec_at[n] > 0 -> r.round = rec_at[n]; r.known = true;
		r.must_not = r.must_not | rec_bad[n];
		r.must = r.must & ~rec_bad[n]
	:: else fi
}

inline store(n)
{
	if
	:: rec_set[n] ->
#ifdef NOFOLD
		r.has = true; r.val = rec_has[n]; r.sql = rec_sql[n]; r.tab = false;
#else
		if
#ifdef GUESS
#else
		:: !r.known && (r.list != 0 || r.until != 0) -> r.has = false
#endif
		:: else ->
			r.list = r.list & ~UPTO(r.round);
			if :: r.until <= r.round -> r.until = 0 :: else fi;
			if
			/* it is left alone */
			:: r.until != 0
			:: else ->
				/* twice */
				assert((rec_has[n] & r.list) == 0);
				r.has = true; r.val = rec_has[n] | r.list; r.sql = rec_sql[n];
				r.tab = (r.list != 0)
			fi
		fi;
#endif
#ifndef KEEPLEASE
		r.lease = 0
#endif
	/* the keys of a batch of the worker */
	:: !rec_set[n] && rec_bad[n] ->
#ifndef NODEL
		r.has = false; r.lease = 0
#else
		skip
#endif
	:: else
	fi;
	check()
}

proctype Relay() {
	do
	:: r.lsn < wal && visible > r.lsn ->
#ifdef LOST
		if
		:: closed || may_lose ->
			closed = true; may_lose = false;
			atomic { r.lsn++;
				r.must_not = r.must_not | rec_bad[r.lsn];
				r.must = r.must & ~rec_bad[r.lsn] }
			goto next
		:: !closed
		fi;
#endif
#ifdef SPLIT
#ifdef ROUNDLATE
		atomic { store(r.lsn + 1) };
		atomic { move_round(r.lsn + 1); check(); r.lsn++ }
#else
#ifndef NODEL
		/* the keys of the batch come first */
		atomic { if :: rec_bad[r.lsn + 1] -> r.has = false; r.lease = 0 :: else fi };
#endif
#ifdef JOINED
		/* and behind the rows of the commit before */
		if
		:: atomic { r.lsn + 1 < wal && visible > r.lsn + 1 && rec_at[r.lsn + 1] == 0 ->
			move_round(r.lsn + 2); store(r.lsn + 1); r.lsn++ }
		:: true
		fi;
#endif
		atomic { move_round(r.lsn + 1); check() };
		atomic { store(r.lsn + 1); r.lsn++ }
#endif
#else
		atomic { move_round(r.lsn + 1); store(r.lsn + 1); r.lsn++ }
#endif
#ifdef LOST
next:	skip
	:: closed && busy <= 2 ->
		gen++;
		r.lease = 0;
		/* a scan finds them in any order */
		if
		:: r.has = false;
#ifndef KEEPROUND
			r.known = false; r.round = 0
#endif
		::
#ifndef KEEPROUND
			atomic { r.known = false; r.round = 0 };
#endif
			r.has = false
		fi;
		closed = false
#endif
	od
}

/* A read in SQL */
proctype Reader() {
	byte has0 = 0, sql0 = 0, v0 = 0, lsn0 = 0, res = 0, sql = 0, g = 0;
	bool leased = false;

	atomic { has0 = row_has; sql0 = row_sql };
	if :: pending > 0 -> goto query :: else fi;
	v0 = version;
	lsn0 = visible;
	g = gen;
	if :: closed || r.lsn < lsn0 -> goto query :: else fi;
	/* the look at Redis and its position, and the lease */
	atomic {
		if
		:: r.lsn < lsn0 -> goto query
#ifdef NOTAB
		:: r.lsn >= lsn0 && r.has -> res = r.val; sql = r.sql; goto done
#else
		:: r.lsn >= lsn0 && r.has && !r.tab -> res = r.val; sql = r.sql; goto done
#endif
		:: else -> r.lease = 1; leased = true
		fi
	};
	if :: closed || gen != g -> leased = false :: else fi;
query:
	atomic { res = row_has; sql = row_sql };
	if
	:: leased && version == v0 && pending == 0 ->
		atomic {					/* the fill */
			if
			:: r.lease != 1
#ifndef NOFILLCHECK
			:: r.lease == 1 && (r.list != 0 || r.until != 0) ->
				r.lease = 0;
				/* who comes next sees them */
				if
				:: r.known && (r.list & ~UPTO(r.round)) == 0 && r.until <= r.round ->
					r.list = 0; r.until = 0;
#ifdef FILLVOID
					r.has = true; r.val = res; r.sql = sql; r.tab = false;
					check()
#endif
				:: else
				fi
#endif
			:: else ->
				r.lease = 0;
				r.has = true; r.val = res; r.sql = sql; r.tab = false;
				check()
			fi
		}
	:: else
	fi;
done:
	assert((res & ~row_has) == 0 && (res & has0) == has0 && sql >= sql0);
	atomic { busy-- }
}

#ifdef EXPIRE
proctype Expire() {
	atomic { r.has = false }
}
#endif

#ifdef ROLLBACK
inline copy(to, from)
{
	to.has = from.has; to.val = from.val; to.sql = from.sql; to.tab = from.tab;
	to.list = from.list; to.until = from.until; to.round = from.round;
	to.known = from.known; to.last = from.last; to.stream = from.stream;
	to.lease = from.lease; to.lsn = from.lsn; to.must = from.must;
	to.must_not = from.must_not; to.seen = from.seen
}

proctype Rollback() {
	atomic { copy(old, r) };
	/* lookups stay away until the relay has caught up: r.lsn < visible */
	atomic { copy(r, old); r.lease = 0; gen++ }
}
#endif

init {
	atomic {
		r.round = 0;
		/* the worker has told where it begins */
		r.known = true;
		if :: r.has = true :: true fi;
		run App(); run Worker(); run Other(); run Relay(); run Reader();
#ifdef EXPIRE
		run Expire();
#endif
#ifdef ROLLBACK
		run Rollback();
#endif
	}
	timeout ->
	assert(busy == 0 && r.lsn == wal);
	/* all is as the database says, or nothing is there */
	assert(!r.has || (r.val == row_has && r.sql == row_sql))
}
