/*-------------------------------------------------------------------------
 *
 * literal.c
 *		Literals in the source text of a query.
 *
 * The text 'today' is one date now and another one tomorrow.  The parser turns
 * it into a date and leaves nothing of the word but the place where the
 * literal began.  So the server's scanner scans the text once more, and
 * literals are kept by place.
 *
 * Model: called by cacheable.c when a query is prepared, and by query.c for
 * arguments.  Keeps no state.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <ctype.h>

#include "miscadmin.h"
#include "parser/scanner.h"

#include "query/literal.h"

typedef struct Literal
{
	int			location;		/* its first byte */
	const char *value;			/* the string that it stands for */
} Literal;

/* Is a token a string?  U&'...' is not: the parser resolves its escapes. */
static bool
is_string(const char *token)
{
	return *token == '\'' ||
		(*token == '$' && !isdigit((unsigned char) token[1])) ||
		((*token == 'E' || *token == 'e') && token[1] == '\'');
}

List *
rtc_literals_scan(const char *text)
{
	List	   *literals = NIL;
	core_yyscan_t scanner;
	core_yy_extra_type extra;
	core_YYSTYPE value;
	YYLTYPE		location;

	scanner = scanner_init(text, &extra, &ScanKeywords, ScanKeywordTokens);
	while (core_yylex(&value, &location, scanner) != 0)
	{
		CHECK_FOR_INTERRUPTS();
		if (is_string(text + location))
		{
			Literal    *literal = palloc(sizeof(Literal));

			literal->location = location;
			literal->value = value.str;
			literals = lappend(literals, literal);
		}
	}
	scanner_finish(scanner);
	return literals;
}

const char *
rtc_literals_find(const List *literals, int location)
{
	int			low = 0;
	int			high = list_length(literals);

	while (low < high)
	{
		int			middle = (low + high) / 2;
		const Literal *literal = list_nth(literals, middle);

		if (literal->location == location)
			return literal->value;
		if (literal->location < location)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

/* ---------------- moments ---------------- */

static const char *const moments[] = {"now", "today", "tomorrow", "yesterday"};

/* Does the text contain such a word?  words: not as part of another one. */
static bool
find_moment(const char *text, size_t len, bool words)
{
	for (size_t i = 0; i < len; i++)
	{
		if (words && i > 0 && isalpha((unsigned char) text[i - 1]))
			continue;
		for (int m = 0; m < lengthof(moments); m++)
		{
			size_t		n = strlen(moments[m]);

			if (len - i >= n &&
				pg_strncasecmp(text + i, moments[m], n) == 0 &&
				!(words && len - i > n &&
				  isalpha((unsigned char) text[i + n])))
				return true;
		}
	}
	return false;
}

bool
rtc_text_names_moment(const char *text, size_t len)
{
	char	   *bare;
	size_t		n = 0;
	bool		found;

	if (find_moment(text, len, true))
		return true;
	if (memchr(text, '\\', len) == NULL && memchr(text, '"', len) == NULL)
		return false;

	/* Rows, arrays and ranges take {to\day} and (to"d"ay) for the same. */
	bare = palloc(len);
	for (size_t i = 0; i < len; i++)
	{
		if (text[i] != '\\' && text[i] != '"')
			bare[n++] = text[i];
	}
	found = find_moment(bare, n, false);
	pfree(bare);
	return found;
}
