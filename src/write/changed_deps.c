/*-------------------------------------------------------------------------
 *
 * changed_deps.c
 *		The dependencies that the current transaction changes.
 *
 * Each has its stamp touched at once, for readers of this server.  At the end
 * of the transaction oplist.c makes TAG ops of those that somebody has
 * registered in Redis, which is known for certain only when the stamps are
 * pending (interest.c).
 *
 * The set is bounded by rtcache.xact_buffer.  A transaction that changes more
 * counts as a change of the whole database: the stamp on which all depend is
 * touched, and Redis gets a CLEAR.
 *
 * A savepoint that rolls back leaves its dependencies here.  One too many
 * costs a hit and never an answer.
 *
 * Model: per backend, no locks.  Adding and asking may raise; the rest neither
 * raises nor allocates.  Memory belongs to TopTransactionContext.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "dep/interest.h"
#include "dep/stamps.h"
#include "guc.h"
#include "wal/queue.h"
#include "wal/message.h"
#include "write/changed_deps.h"

typedef struct RtcDepEntry
{
	RtcDep		dep;
	Oid			relid;			/* table that it is one of; invalid = none */
	bool		written;		/* rtc_depset_next() has shown it */
	char		status;			/* for simplehash */
} RtcDepEntry;

#define SH_PREFIX		deps
#define SH_ELEMENT_TYPE RtcDepEntry
#define SH_KEY_TYPE		RtcDep
#define SH_KEY			dep
#define SH_HASH_KEY(tb, key) ((uint32) (key))
#define SH_EQUAL(tb, a, b) ((a) == (b))
#define SH_SCOPE		static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

/* The state of the current transaction; all zero when it has none. */
typedef struct RtcDepSet
{
	deps_hash  *hash;
	RtcDep		last;			/* added last; rows often share one */
	bool		overflowed;
} RtcDepSet;

static RtcDepSet set;

static void
touch(RtcDep dep)
{
	if (rtc_preloaded)
		rtc_stamp_touch(rtc_stamp_bucket(dep));
}

bool
rtc_depset_add(RtcDep dep, Oid relid)
{
	RtcDepEntry *entry;
	bool		found;
	uint32		max;

	if (set.overflowed)
		return false;
	if (set.hash == NULL)
		set.hash = deps_create(TopTransactionContext, 24, NULL);
	else if (set.last == dep || deps_lookup(set.hash, dep) != NULL)
		return false;

	/* It doubles when it is 90 % full, and for a moment both are there. */
	max = rtc_xact_buffer * (Size) 1024 / (3 * sizeof(RtcDepEntry));
	if (set.hash->members >= max)
	{
		touch(rtc_dep_database());
		set.overflowed = true;
		return true;
	}

	/* first: after an error here, and a savepoint, it is not in the set */
	touch(dep);
	entry = deps_insert(set.hash, dep, &found);
	entry->relid = relid;
	entry->written = false;
	set.last = dep;
	return true;
}

bool
rtc_depset_next(uint32 *pos, RtcDep *dep, Oid *relid)
{
	if (set.hash == NULL)
		return false;
	while (*pos < set.hash->size)
	{
		RtcDepEntry *entry = &set.hash->data[(*pos)++];

		if (entry->status == deps_SH_IN_USE && !entry->written)
		{
			entry->written = true;
			*dep = entry->dep;
			*relid = entry->relid;
			return true;
		}
	}
	return false;
}

bool
rtc_depset_overflowed(void)
{
	return set.overflowed;
}

/*
 * Does anybody in Redis depend on this, as far as is known?
 *
 * An older Redis may come back, with tag sets that are not known now.  So
 * before the first TAG op is left out, a message in WAL tells so: a relay that
 * reads it clears Redis, unless it knows better (tag_sweep.c), and lookups
 * believe no Redis that has not applied it (lookup_trust.c).  Only the check
 * made after the message was written counts.
 */
bool
rtc_depset_is_wanted(RtcDep dep)
{
	if (!rtc_preloaded || rtc_interest_exists(dep))
		return true;
	rtc_queue_omit();
	return rtc_interest_exists(dep);
}

void
rtc_depset_reset(void)
{
	memset(&set, 0, sizeof(set));
}
