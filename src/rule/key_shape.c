/*-------------------------------------------------------------------------
 *
 * key_shape.c
 *		Which keys can a template make?
 *
 * A template is literal text with {column}, {.schema} and {.table} in it.  The
 * names of schema and table are the same for all rows, so they count as
 * literal text once they are known.  A column stands for any text that
 * percent-encoding can give; an integer column, for digits and a sign.
 *
 * That is the shape of a template.  It tells which keys to delete when a rule
 * goes, which rules can have written a key, and whether two rules can write
 * the same one.  Encoded text never contains a ':' or another encoded
 * character, so two shapes can be compared byte by byte, side by side.
 *
 * Model: pure, except that the types of columns are looked up in the syscache.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "base/key.h"
#include "rule/key_shape.h"

/* Units of a shape that are not bytes of literal text. */
#define ANY_TEXT	256			/* encoded text, perhaps none */
#define DIGITS		257			/* of an integer */

/* Pairs of units up to which shapes are compared. */
#define MAX_PAIRS	(4 * 1024 * 1024)

struct RtcShape
{
	int			nunits;
	bool		open;			/* the first unit is no literal */
	bool		is_static;		/* all are */
	uint16		unit[FLEXIBLE_ARRAY_MEMBER];	/* bytes, ANY_TEXT, DIGITS */
};

void
rtc_piece_next(const char **p, RtcPiece *piece)
{
	const char *start = *p;
	const char *end = start;

	piece->text = start;
	piece->len = 0;
	piece->detail = NULL;
	if (*start == '\0')
	{
		piece->kind = RTC_PIECE_END;
		return;
	}
	piece->kind = RTC_PIECE_MALFORMED;

	if (*start == '{')
	{
		do
			end++;
		while (*end != '\0' && *end != '}' && *end != '{');
		if (*end != '}')
			piece->detail = _("An opening brace has no closing brace.");
		else if (end == start + 1)
			piece->detail = _("There is no column name between the braces.");
		else
		{
			piece->kind = RTC_PIECE_COLUMN;
			piece->text = start + 1;
			piece->len = end - piece->text;
			if (strncmp(start, "{.schema}", 9) == 0)
				piece->kind = RTC_PIECE_SCHEMA;
			else if (strncmp(start, "{.table}", 8) == 0)
				piece->kind = RTC_PIECE_TABLE;
		}
		*p = *end == '}' ? end + 1 : end;
		return;
	}

	while (*end != '\0' && *end != '{')
	{
		if (*end == '}')
			piece->detail = _("A closing brace has no opening brace.");
		else if (rtc_is_blank_or_control((unsigned char) *end))
			piece->detail = _("Literal text may not contain white space or control characters.");
		if (piece->detail != NULL)
		{
			*p = end + 1;
			return;
		}
		end++;
	}
	piece->kind = RTC_PIECE_LITERAL;
	piece->len = end - start;
	*p = end;
}

bool
rtc_text_uses_names(const char *text)
{
	RtcPiece	piece;

	do
	{
		rtc_piece_next(&text, &piece);
		if (piece.kind == RTC_PIECE_SCHEMA || piece.kind == RTC_PIECE_TABLE)
			return true;
	} while (piece.kind != RTC_PIECE_END);
	return false;
}

/* The unit of a column. */
static uint16
unit_of_column(const char *name, int len, Oid relid)
{
	HeapTuple	tuple;
	Oid			type = InvalidOid;

	if (OidIsValid(relid))
	{
		tuple = SearchSysCacheAttName(relid, pnstrdup(name, len));
		if (HeapTupleIsValid(tuple))
		{
			type = getBaseType(((Form_pg_attribute) GETSTRUCT(tuple))->atttypid);
			ReleaseSysCache(tuple);
		}
	}
	return type == INT2OID || type == INT4OID || type == INT8OID ? DIGITS :
		ANY_TEXT;
}

RtcShape *
rtc_shape_make(const char *text, const RtcNames *names, Oid relid)
{
	StringInfoData name;
	RtcShape   *shape;
	RtcPiece	piece;
	size_t		max = strlen(text) + 1;

	/* a byte of a name takes three at most */
	for (const char *brace = strchr(text, '{'); brace != NULL;
		 brace = strchr(brace + 1, '{'))
		max += 3 * NAMEDATALEN;
	shape = palloc0(offsetof(RtcShape, unit) + max * sizeof(uint16));
	shape->is_static = true;
	initStringInfo(&name);

	for (rtc_piece_next(&text, &piece); piece.kind != RTC_PIECE_END;
		 rtc_piece_next(&text, &piece))
	{
		const char *literal = NULL;
		uint16		unit = ANY_TEXT;

		resetStringInfo(&name);
		if (piece.kind == RTC_PIECE_LITERAL)
		{
			literal = piece.text;
			appendBinaryStringInfo(&name, literal, piece.len);
		}
		else if (piece.kind == RTC_PIECE_SCHEMA)
			literal = names->schema;
		else if (piece.kind == RTC_PIECE_TABLE)
			literal = names->table;
		else if (piece.kind == RTC_PIECE_COLUMN)
			unit = unit_of_column(piece.text, piece.len, relid);

		if (literal != NULL)
		{
			if (piece.kind != RTC_PIECE_LITERAL)
				rtc_key_encode(&name, literal, strlen(literal));
			for (int i = 0; i < name.len; i++)
				shape->unit[shape->nunits++] = (unsigned char) name.data[i];
			continue;
		}
		shape->is_static = false;
		shape->open |= shape->nunits == 0;
		if (shape->nunits == 0 || shape->unit[shape->nunits - 1] != unit)
			shape->unit[shape->nunits++] = unit;
	}
	pfree(name.data);
	return shape;
}

/* Can a unit stand for this byte? */
static bool
unit_takes(uint16 unit, uint16 byte)
{
	if (unit == ANY_TEXT)
		return rtc_key_is_encoded((unsigned char) byte);
	if (unit == DIGITS)
		return (byte >= '0' && byte <= '9') || byte == '-';
	return unit == byte;
}

/*
 * Tries every end of each column's text, the shortest first.  Backtracking
 * goes to the last column only: a literal that has matched once matches later,
 * too.  Digits count as any text here, since other text may follow them.
 */
bool
rtc_shape_matches(const RtcShape *shape, const char *key, size_t len)
{
	size_t		pos = 0;
	int			unit = 0;
	int			column = -1;	/* the last one passed, to go back to */
	size_t		column_end = 0;

	for (;;)
	{
		if (unit < shape->nunits && shape->unit[unit] >= ANY_TEXT)
		{
			column = unit++;
			column_end = pos;
		}
		else if (unit < shape->nunits && pos < len &&
				 shape->unit[unit] == (unsigned char) key[pos])
		{
			pos++;
			unit++;
		}
		else if (unit == shape->nunits && pos == len)
			return true;
		else if (column >= 0 && column_end < len &&
				 unit_takes(ANY_TEXT, (unsigned char) key[column_end]))
		{
			pos = ++column_end;
			unit = column + 1;
		}
		else
			return false;
	}
}

bool
rtc_shapes_equal(const RtcShape *a, const RtcShape *b)
{
	return a->nunits == b->nunits &&
		memcmp(a->unit, b->unit, a->nunits * sizeof(uint16)) == 0;
}

/*
 * Goes through both side by side.  For each unit of a, notes which units of b
 * can come next.
 */
RtcShapeRelation
rtc_shapes_compare(const RtcShape *a, const RtcShape *b)
{
	bool	   *here;			/* by unit of b: before this unit of a */
	bool	   *next;			/* the same behind it */
	bool		common;

	if (rtc_shapes_equal(a, b))
		return RTC_SHAPES_SAME;
	if ((uint64) a->nunits * b->nunits > MAX_PAIRS)
		return RTC_SHAPES_OVERLAP;

	here = palloc0((b->nunits + 1) * sizeof(bool));
	next = palloc0((b->nunits + 1) * sizeof(bool));
	here[0] = true;
	for (int i = 0;; i++)
	{
		uint16		ua = i < a->nunits ? a->unit[i] : 0;

		CHECK_FOR_INTERRUPTS();
		memset(next, false, (b->nunits + 1) * sizeof(bool));
		for (int j = 0; j <= b->nunits; j++)
		{
			uint16		ub = j < b->nunits ? b->unit[j] : 0;

			if (!here[j])
				continue;
			/* the text of a column ends, or is empty */
			if (j < b->nunits && ub >= ANY_TEXT)
				here[j + 1] = true;
			if (i < a->nunits && ua >= ANY_TEXT)
				next[j] = true;
			if (i == a->nunits || j == b->nunits)
				continue;
			/* one more byte */
			if (ua < ANY_TEXT && ub < ANY_TEXT)
				next[j + 1] |= ua == ub;
			else if (ua < ANY_TEXT)
				next[j] |= unit_takes(ub, ua);
			else if (ub < ANY_TEXT)
				here[j + 1] |= unit_takes(ua, ub);
		}
		if (i == a->nunits)
			break;
		memcpy(here, next, (b->nunits + 1) * sizeof(bool));
	}
	common = here[b->nunits];
	pfree(here);
	pfree(next);
	return common ? RTC_SHAPES_OVERLAP : RTC_SHAPES_DISJOINT;
}

bool
rtc_shape_is_static(const RtcShape *shape)
{
	return shape->is_static;
}

bool
rtc_shape_begins_open(const RtcShape *shape)
{
	return shape->open;
}

void
rtc_shape_glob(const RtcShape *shape, StringInfo buf)
{
	for (int i = 0; i < shape->nunits; i++)
	{
		char		byte = (char) shape->unit[i];

		if (shape->unit[i] >= ANY_TEXT)
			appendStringInfoChar(buf, '*');
		else if (shape->is_static)
			appendStringInfoChar(buf, byte);
		else
			rtc_glob_escape(buf, &byte, 1);
	}
}
