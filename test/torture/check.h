/*-------------------------------------------------------------------------
 *
 * check.h
 *		The history of each cell, as check.c and its kin look at it.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef CHECK_H
#define CHECK_H

#include "torture.h"

/* How we know that a state had come by some moment. */
typedef enum Proof
{
	PROOF_VISIBLE,				/* COMMIT was confirmed, or SQL showed it */
	PROOF_APPLIED,				/* it was confirmed that Redis has it */
	PROOF_SHOWN,				/* Redis showed it */
	PROOFS
} Proof;

/* One state of a cell. */
typedef struct State
{
	int64_t		version;
	int64_t		token;
	bool		absent;
	int64_t		sent;
	int64_t		proof[PROOFS];	/* the first moment of each; NEVER = none */
	int64_t		since[PROOFS];	/* the least of this and all later ones */
	const Write *write;			/* all that its transaction wrote */
	size_t		nwrite;
} State;

/* A cell's states, and what it was at the beginning. */
typedef struct Cell
{
	State	   *state;
	size_t		n;
	size_t		max;
	State	   *lost;			/* seen, maybe, and then undone by a crash */
	size_t		nlost;
	size_t		maxlost;
	Read	  **read;
	size_t		nread;
	size_t		maxread;
} Cell;

extern Cell cells[CELLS + 2];	/* SUM and TOKEN have reads only */

extern size_t check_newest(const Cell *c, int64_t before, Proof proof);
extern State *check_find(Cell *c, int64_t version, int64_t token);
extern void check_show(int cell, const Read *read);

/* check_group.c */
extern void check_groups(const Worker *workers, int n);
extern void check_sum(void);
extern void check_tokens(void);

/* check_rest.c */
extern void check_load(PGconn *conn, State *at);

#endif							/* CHECK_H */
