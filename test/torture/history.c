/*-------------------------------------------------------------------------
 *
 * history.c
 *		What the workers of the torture checker did, and what they read.
 *
 * MODEL: a history belongs to its worker while that runs, and to the main
 * thread when it is joined.  No locks.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "torture.h"

Totals		totals;

static atomic_llong tokens;

/* Forgets everything; the memory stays. */
void
history_reset(History *h)
{
	h->nread = 0;
	h->nwrite = 0;
	h->nattempt = 0;
	h->nentry = 0;
}

void
history_read(History *h, const Read *read)
{
	h->read = grow(h->read, &h->maxread, h->nread, sizeof(Read));
	h->read[h->nread++] = *read;
}

void
history_write(History *h, const Write *write)
{
	h->write = grow(h->write, &h->maxwrite, h->nwrite, sizeof(Write));
	h->write[h->nwrite++] = *write;
}

uint32_t
history_attempt(History *h, int64_t token)
{
	Attempt		attempt = {token, NEVER, NEVER, NEVER, false, false};

	h->attempt = grow(h->attempt, &h->maxattempt, h->nattempt, sizeof(Attempt));
	h->attempt[h->nattempt] = attempt;
	return (uint32_t) h->nattempt++;
}

Entry *
history_entry(History *h)
{
	Entry		entry = {.sent = NEVER,.acked = NEVER,.sure = NEVER,.digit = -1};

	h->entry = grow(h->entry, &h->maxentry, h->nentry, sizeof(Entry));
	h->entry[h->nentry] = entry;
	return &h->entry[h->nentry++];
}

int64_t
new_token(void)
{
	return atomic_fetch_add(&tokens, 1) + 1;
}

int64_t
last_token(void)
{
	return atomic_load(&tokens);
}

/* What its key begins with. */
const char *
cell_kind(int cell)
{
	return cell < FIRST_SLOT ? "item" : cell < FIRST_TALLY ? "slot" :
		cell < FIRST_PAIR ? "tally" : "pair";
}

/* What readers ask for under its key. */
const char *
cell_query(int cell)
{
	return cell < FIRST_SLOT ? cell_query_item :
		cell < FIRST_TALLY ? cell_query_slot :
		cell < FIRST_PAIR ? cell_query_tally : cell_query_pair;
}

void
cell_key(int cell, char *key, size_t size)
{
	snprintf(key, size, "%s:%d", cell_kind(cell), cell);
}

/*
 * Reads the numbers c, v, tok, n, pv, pt, hits and seen of the objects in a JSON text: the rows of
 * our tables have nothing but numbers, so braces and quotes are what they seem.
 * Returns the number of objects, which may be more than max.
 */
int
parse_rows(const char *text, Row *row, int max)
{
	int			n = 0;
	Row			spare;

	for (const char *p = strchr(text, '{'); p != NULL; p = strchr(p, '{'))
	{
		Row		   *r = n < max ? &row[n] : &spare;

		memset(r, 0, sizeof(*r));
		n++;
		while (*p != '\0' && *p != '}')
		{
			const char *name;
			char	   *end;
			int64_t		value;

			if (*p++ != '"')
				continue;
			name = p;
			p = strchr(p, '"');
			if (p == NULL || (p = strchr(p, ':')) == NULL)
				return n;
			value = strtoll(p + 1, &end, 10);
			p = end;
			if (strncmp(name, "c\"", 2) == 0)
				r->c = value;
			else if (strncmp(name, "v\"", 2) == 0)
				r->v = value;
			else if (strncmp(name, "tok\"", 4) == 0)
				r->tok = value;
			else if (strncmp(name, "n\"", 2) == 0)
				r->n = value;
			else if (strncmp(name, "pv\"", 3) == 0)
				r->pv = value;
			else if (strncmp(name, "pt\"", 3) == 0)
				r->pt = value;
			else if (strncmp(name, "hits\"", 5) == 0)
				r->hits = value;
			else if (strncmp(name, "seen\"", 5) == 0)
				r->seen = value;
		}
	}
	return n;
}
