/*-------------------------------------------------------------------------
 *
 * check_group.c
 *		Does an answer show half of a transaction?
 *
 * An answer that shows several cells is a picture of one moment.  So if it
 * shows what a transaction wrote to one of them, then all others that the same
 * transaction wrote are at least as new.  The sum of the versions of all pairs
 * must lie between that of what was visible for sure, or shown by Redis, when
 * the read began and that of what had been sent when it ended, and never falls.
 *
 * Whoever asks for all rows of a transaction and gets none is wrong if one of
 * them was there for sure all the time.
 *
 * MODEL: by the main thread, between rounds, when check.c has the history of
 * all cells.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "check.h"

static void check_group(const Read *read, size_t n);
static bool absent_since(const Cell *c, int64_t version, int64_t before);

/* Was the cell without a row at a version behind this one, sent before? */
static bool
absent_since(const Cell *c, int64_t version, int64_t before)
{
	int64_t		i = version + 1 - c->state[0].version;

	for (; i < (int64_t) c->n && c->state[i].sent <= before; i++)
		if (c->state[i].absent)
			return true;
	for (size_t j = 0; j < c->nlost; j++)
		if (c->lost[j].absent)
			return true;
	return false;
}

static void
check_group(const Read *read, size_t n)
{
	static const Read *shown[CELLS];

	for (size_t i = 0; i < n; i++)
		shown[read[i].cell] = &read[i];
	for (size_t i = 0; i < n; i++)
	{
		State	   *s = read[i].version == ABSENT ? NULL :
			check_find(&cells[read[i].cell], read[i].version, read[i].token);

		for (size_t j = 0; s != NULL && j < s->nwrite; j++)
		{
			const Write *w = &s->write[j];
			const Read *other = shown[w->cell];

			if (other == NULL || other->version >= w->version ||
				(other->version == ABSENT &&
				 (w->absent ||
				  absent_since(&cells[w->cell], w->version, other->end))))
				continue;
			wrong_report(WRONG_TORN, other->end, "cell %d: v%" PRId64
						 " token %" PRId64 ", and in the same answer cell %d: v%"
						 PRId64 ", although the same transaction wrote v%" PRId64,
						 read[i].cell, read[i].version, read[i].token,
						 w->cell, other->version, w->version);
			check_show(w->cell, other);
		}
	}
	for (size_t i = 0; i < n; i++)
		shown[read[i].cell] = NULL;
}

void
check_groups(const Worker *workers, int n)
{
	for (int i = 0; i < n; i++)
	{
		const History *h = &workers[i].history;

		for (size_t from = 0, to; from < h->nread; from = to)
		{
			for (to = from + 1; to < h->nread &&
				 h->read[from].group != 0 &&
				 h->read[to].group == h->read[from].group;)
				to++;
			if (to - from > 1)
				check_group(&h->read[from], to - from);
		}
	}
}

/*
 * The version of a read of SUM is the sum over all pairs.
 */
void
check_sum(void)
{
	Cell	   *c = &cells[SUM];
	int64_t		seen = 0;
	int			who = -1;

	for (size_t i = 0; i < c->nread; i++)
	{
		const Read *r = c->read[i];
		int64_t		least = 0;
		int64_t		shown = 0;
		int64_t		most = 0;

		if (r->who != who)
		{
			who = r->who;
			seen = 0;
		}
		for (int cell = FIRST_PAIR; cell < FIRST_PAIR + PAIRS; cell++)
		{
			const Cell *p = &cells[cell];
			size_t		last = check_newest(p, r->start, PROOF_VISIBLE);
			size_t		in_redis = check_newest(p, r->start, PROOF_SHOWN);

			least += p->state[last].version;
			last = in_redis > last ? in_redis : last;
			shown += p->state[last].version;
			while (last + 1 < p->n && p->state[last + 1].sent <= r->end)
				last++;
			most += p->state[last].version;
			for (size_t j = 0; j < p->nlost; j++)
				if (p->lost[j].sent <= r->end &&
					r->start < fault_crash_end(p->lost[j].sent))
					most++;
		}
		if (r->version < least)
			wrong_report(WRONG_STALE, r->end, "sum of versions %" PRId64
						 ", but %" PRId64 " was confirmed before", r->version, least);
		else if (r->version < shown)
			wrong_report(WRONG_SHOWN, r->end, "sum of versions %" PRId64
						 ", but what Redis showed before makes it %" PRId64 " at least",
						 r->version, shown);
		else if (r->version > most)
			wrong_report(WRONG_UNCOMMITTED, r->end, "sum of versions %" PRId64
						 ", but no more than %" PRId64 " was committed",
						 r->version, most);
		else if (r->version < seen && fault_crash_end(0) == NEVER)
			wrong_report(WRONG_BACKWARD, r->end, "sum of versions %" PRId64
						 ", but the same reader has seen %" PRId64, r->version, seen);
		if (r->version <= most && r->version > seen)
			seen = r->version;
	}
}

static int
compare_tokens(const void *a, const void *b)
{
	const Read *x = *(const Read *const *) a;
	const Read *y = *(const Read *const *) b;

	return (x->token > y->token) - (x->token < y->token);
}

void
check_tokens(void)
{
	Cell	   *t = &cells[TOKEN];

	qsort(t->read, t->nread, sizeof(Read *), compare_tokens);
	for (int cell = 0; cell < ITEMS; cell++)
	{
		const Cell *c = &cells[cell];

		for (size_t i = 1; i < c->n; i++)
		{
			const State *s = &c->state[i];
			size_t		low = 0;
			size_t		high = t->nread;

			if (s->absent)
				continue;
			while (low < high)
			{
				size_t		mid = (low + high) / 2;

				if (t->read[mid]->token < s->token)
					low = mid + 1;
				else
					high = mid;
			}
			for (; low < t->nread && t->read[low]->token == s->token; low++)
			{
				const Read *r = t->read[low];
				bool		undone = false;
				bool		visible = s->since[PROOF_VISIBLE] < r->start;
				Proof		proof = visible ? PROOF_VISIBLE : PROOF_SHOWN;

				for (size_t j = 0; j < c->nlost; j++)
					undone = undone || (c->lost[j].sent <= r->end &&
										r->start < fault_crash_end(c->lost[j].sent));
				if (s->since[proof] < r->start && !undone &&
					(i + 1 == c->n || c->state[i + 1].sent > r->end))
					wrong_report(visible ? WRONG_STALE : WRONG_SHOWN, r->end,
								 "no row of token %" PRId64 ", but cell %d: v%" PRId64
								 " was %s %.3f ms before", s->token, cell, s->version,
								 visible ? "confirmed" : "shown by Redis",
								 (double) (r->start - s->since[proof]) / 1e6);
			}
		}
	}
}
