/*-------------------------------------------------------------------------
 *
 * key_shape.h
 *		Which keys can a template make?  See key_shape.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RTC_KEY_SHAPE_H
#define RTC_KEY_SHAPE_H

#include "postgres.h"

#include "lib/stringinfo.h"

/* What {.schema} and {.table} in templates stand for; NULL = not known. */
typedef struct RtcNames
{
	Oid			relid;			/* the table; InvalidOid = none */
	const char *schema;
	const char *table;
} RtcNames;

/* What a piece of a template's text is. */
typedef enum RtcPieceKind
{
	RTC_PIECE_END,				/* there is none left */
	RTC_PIECE_LITERAL,
	RTC_PIECE_COLUMN,
	RTC_PIECE_SCHEMA,			/* {.schema} */
	RTC_PIECE_TABLE,			/* {.table} */
	RTC_PIECE_MALFORMED
} RtcPieceKind;

/* A piece of a template. */
typedef struct RtcPiece
{
	RtcPieceKind kind;
	const char *text;			/* a literal, the name of a column; points
								 * into the template */
	int			len;			/* its length in bytes */
	const char *detail;			/* MALFORMED: why, a translated sentence */
} RtcPiece;

typedef struct RtcShape RtcShape;	/* the keys that a template can make */

/* How the keys of two templates are related. */
typedef enum RtcShapeRelation
{
	RTC_SHAPES_DISJOINT,		/* no key is made by both */
	RTC_SHAPES_OVERLAP,			/* some keys can be made by both */
	RTC_SHAPES_SAME				/* all can */
} RtcShapeRelation;

/* Reads the piece at *p, and moves *p behind it. */
extern void rtc_piece_next(const char **p, RtcPiece *piece);

/* Does this template use {.schema} or {.table}? */
extern bool rtc_text_uses_names(const char *text);

/*
 * Returns the shape of a template, in the current memory context.  relid: the
 * table whose columns it names; InvalidOid = not known.  A malformed piece
 * stands for any text.
 */
extern RtcShape *rtc_shape_make(const char *text, const RtcNames *names,
								Oid relid);

/* Could a template of this shape make the key, for some row? */
extern bool rtc_shape_matches(const RtcShape *shape, const char *key,
							  size_t len);

/* Are two shapes the same? */
extern bool rtc_shapes_equal(const RtcShape *a, const RtcShape *b);

/* Compares two shapes.  Those that are too long to compare overlap. */
extern RtcShapeRelation rtc_shapes_compare(const RtcShape *a,
										   const RtcShape *b);

/* Do all rows of a table have the same key? */
extern bool rtc_shape_is_static(const RtcShape *shape);

/* Can a key of this shape begin with any text? */
extern bool rtc_shape_begins_open(const RtcShape *shape);

/* Appends a glob that all keys match; the key itself, unescaped, if static. */
extern void rtc_shape_glob(const RtcShape *shape, StringInfo buf);

#endif							/* RTC_KEY_SHAPE_H */
