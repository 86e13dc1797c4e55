/*-------------------------------------------------------------------------
 *
 * test_key_shape.c
 *		Key templates: their pieces, and which keys they can make.
 *
 * rooms: rule/key_shape base/key
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "rule/key_shape.h"
#include "unit.h"

static const RtcNames names = {1, "my schema", "hero"};

/* The pieces of a template, each as a letter and its text. */
static const char *
pieces(const char *text)
{
	StringInfoData buf;
	RtcPiece	piece;

	initStringInfo(&buf);
	for (rtc_piece_next(&text, &piece); piece.kind != RTC_PIECE_END;
		 rtc_piece_next(&text, &piece))
	{
		appendStringInfo(&buf, "%s%c", buf.len > 0 ? " " : "", "EL" "CST" "M"[piece.kind]);
		if (piece.kind == RTC_PIECE_MALFORMED)
			appendStringInfo(&buf, "(%s)", piece.detail);
		else if (piece.kind == RTC_PIECE_LITERAL || piece.kind == RTC_PIECE_COLUMN)
			appendStringInfo(&buf, "(%.*s)", piece.len, piece.text);
	}
	return buf.data;
}

/* Of a table whose columns are not known: each may give any text. */
static RtcShape *
shape(const char *text)
{
	return rtc_shape_make(text, &names, InvalidOid);
}

static const char *
glob(const char *text)
{
	StringInfoData buf;

	initStringInfo(&buf);
	rtc_shape_glob(shape(text), &buf);
	return buf.data;
}

static bool
matches(const char *text, const char *key)
{
	return rtc_shape_matches(shape(text), key, strlen(key));
}

/* The same whichever of them comes first. */
static void
is_relation(const char *a, const char *b, RtcShapeRelation relation)
{
	static const char *const verb[] = {
		[RTC_SHAPES_DISJOINT] = "has no key in common with",
		[RTC_SHAPES_OVERLAP] = "has keys in common with",
		[RTC_SHAPES_SAME] = "has the keys of"
	};

	ok(rtc_shapes_compare(shape(a), shape(b)) == relation &&
	   rtc_shapes_compare(shape(b), shape(a)) == relation,
	   "%s %s %s", a, verb[relation], b);
}

static void
test_pieces(void)
{
	is_text(pieces(""), "", "no pieces");
	is_text(pieces("a:{id}:b"), "L(a:) C(id) L(:b)", "literals and a column");
	is_text(pieces("{a}{b}"), "C(a) C(b)", "columns side by side");
	is_text(pieces("{.schema}{.table}{schema}"), "S T C(schema)", "the names of the table");
	is_text(pieces("{.tables}"), "C(.tables)", "no other name begins with a dot");
	is_text(pieces("{a b}"), "C(a b)", "a column with a blank in its name");
	is_text(pieces("a{id"), "L(a) M(An opening brace has no closing brace.)", "an open brace");
	is_text(pieces("{a{b}"), "M(An opening brace has no closing brace.) C(b)", "a brace in braces");
	is_text(pieces("{}"), "M(There is no column name between the braces.)", "empty braces");
	is_text(pieces("a}b"), "M(A closing brace has no opening brace.) L(b)", "a closing brace alone");
	is_text(pieces("a b"),
			"M(Literal text may not contain white space or control characters.) L(b)", "a blank");
	ok(rtc_text_uses_names("a{.table}"), "a template uses names");
	ok(rtc_text_uses_names("a}{.schema}"), "also one that is malformed");
	ok(!rtc_text_uses_names("a{table}.table"), "or it does not");
}

static void
test_globs(void)
{
	is_text(glob("a:b"), "a:b", "a template without columns is its key");
	is_text(glob("a*b"), "a*b", "which is no glob");
	is_text(glob("a*b:{id}"), "a\\*b:*", "one with columns is a glob, with its literals escaped");
	is_text(glob("{a}{b}:{c}"), "*:*", "columns side by side are like one");
	is_text(glob("{.schema}:{.table}"), "my%20schema:hero", "names are encoded");
	ok(rtc_shape_is_static(shape("{.schema}:x")), "names are the same in all rows");
	ok(!rtc_shape_is_static(shape("x:{id}")), "columns are not");
	ok(rtc_shape_begins_open(shape("{id}:x")), "a column in front is any beginning");
	ok(!rtc_shape_begins_open(shape("{.table}{id}")), "a name in front is not");
	ok(!rtc_shape_begins_open(shape("")), "nor is nothing");
}

static void
test_matches(void)
{
	ok(matches("a:{id}", "a:1"), "a key of a template");
	ok(matches("a:{id}", "a:"), "an empty value gives a key as well");
	ok(matches("a:{id}", "a:x%3Ay"), "an encoded colon");
	ok(!matches("a:{id}", "a:x:y"), "no value gives a colon");
	ok(!matches("a:{id}", "a:x y"), "nor a blank");
	ok(!matches("a:{id}", "b:1"), "another literal");
	ok(!matches("a:{id}", "a"), "less than the literal");
	ok(matches("{a}b{c}b", "xbybzb"), "the text of a column may look like the literal behind it");
	ok(!matches("{a}b", "xbx"), "but the literal must come in the end");
	ok(matches("a", "a") && !matches("a", "aa"), "a key without columns");
}

static void
test_relations(void)
{
	is_relation("a:{id}", "a:{id}", RTC_SHAPES_SAME);
	is_relation("a:{id}", "a:{name}", RTC_SHAPES_SAME);
	is_relation("{.table}:{id}", "hero:{id}", RTC_SHAPES_SAME);
	is_relation("a:{id}", "b:{id}", RTC_SHAPES_DISJOINT);
	is_relation("a:{id}", "a:{id}:x", RTC_SHAPES_DISJOINT);
	is_relation("a:{id}", "a:1", RTC_SHAPES_OVERLAP);
	is_relation("a:{id}", "a:b:1", RTC_SHAPES_DISJOINT);
	is_relation("a{id}", "{x}b", RTC_SHAPES_OVERLAP);
	is_relation("a{id}:x", "{x}b", RTC_SHAPES_DISJOINT);
	is_relation("{x}", "", RTC_SHAPES_OVERLAP);
	is_relation("a", "", RTC_SHAPES_DISJOINT);
	is_relation("x{a}y{b}z", "xyz", RTC_SHAPES_OVERLAP);
	is_relation("x{a}y{b}z", "xzy", RTC_SHAPES_DISJOINT);
}

int
main(void)
{
	test_pieces();
	test_globs();
	test_matches();
	test_relations();
	return done_testing();
}
