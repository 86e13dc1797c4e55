/*-------------------------------------------------------------------------
 *
 * pinned_settings.c
 *		Settings that answers must not depend on.
 *
 * All sessions read what one session stores.  So the text of a value and the
 * meaning of a query must not depend on the settings of the session that stores
 * it.
 *
 * Model: any backend, inside a transaction.  Pinning works like the SET
 * clause of a function: a GUC nest level that the caller undoes, or else the
 * abort of the (sub)transaction.  A setting that has the pinned value already
 * is left alone, and if all have it nothing is done at all: this runs for
 * every row that a trigger renders.
 *
 * Not pinned, because a query may want them: search_path (plans are kept
 * apart by it, see query.c); lc_time, lc_numeric and
 * default_text_search_config (functions that read them make a query
 * uncacheable, see cacheable.c).
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/gin.h"
#include "miscadmin.h"
#include "parser/parse_expr.h"
#include "pgtime.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/bytea.h"
#include "utils/float.h"
#include "utils/guc.h"
#include "utils/xml.h"

#include "base/pinned_settings.h"

/* Sets a setting on the nest level, opening that at the first one. */
static void
pin(int *nestlevel, const char *name, const char *value)
{
	if (*nestlevel < 0)
		*nestlevel = NewGUCNestLevel();
	(void) set_config_option(name, value, PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
}

/* Do times come out, and go in, as in UTC? */
static bool
timezone_is_utc(void)
{
	const char *name = pg_get_timezone_name(session_timezone);

	return name != NULL &&
		(strcmp(name, "UTC") == 0 || strcmp(name, "Etc/UTC") == 0);
}

/* Pins; for_query: also what matters for reading text. */
static int
pin_settings(bool for_query, bool money)
{
	int			nestlevel = -1;

	if (!timezone_is_utc())
		pin(&nestlevel, "TimeZone", "UTC");
	if (DateStyle != USE_ISO_DATES ||
		(for_query && DateOrder != DATEORDER_MDY))
		pin(&nestlevel, "DateStyle", "ISO, MDY");
	if (IntervalStyle != INTSTYLE_POSTGRES)
		pin(&nestlevel, "IntervalStyle", "postgres");
	if (extra_float_digits != 1)
		pin(&nestlevel, "extra_float_digits", "1");
	if (bytea_output != BYTEA_OUTPUT_HEX)
		pin(&nestlevel, "bytea_output", "hex");
	if (money)
	{
		/* by name: the variable's header needs those of ICU */
		const char *monetary = GetConfigOption("lc_monetary", true, false);

		if (monetary != NULL && strcmp(monetary, "C") != 0)
			pin(&nestlevel, "lc_monetary", "C");
	}

	if (for_query)
	{
		const char *conforming;
		const char *abbreviations;

		if (!Array_nulls)
			pin(&nestlevel, "array_nulls", "on");
		if (Transform_null_equals)
			pin(&nestlevel, "transform_null_equals", "off");
		if (quote_all_identifiers)
			pin(&nestlevel, "quote_all_identifiers", "off");
		if (GinFuzzySearchLimit != 0)
			pin(&nestlevel, "gin_fuzzy_search_limit", "0");
		if (xmlbinary != XMLBINARY_BASE64)
			pin(&nestlevel, "xmlbinary", "base64");
		if (xmloption != XMLOPTION_CONTENT)
			pin(&nestlevel, "xmloption", "content");

		/* by name: newer servers know no other value */
		conforming = GetConfigOption("standard_conforming_strings", true,
									 false);
		if (conforming != NULL && strcmp(conforming, "on") != 0)
			pin(&nestlevel, "standard_conforming_strings", "on");

		/* by name: there is no variable */
		abbreviations = GetConfigOption("timezone_abbreviations", true, false);
		if (abbreviations != NULL && strcmp(abbreviations, "Default") != 0)
			pin(&nestlevel, "timezone_abbreviations", "Default");
	}
	return nestlevel;
}

int
rtc_pin_settings(void)
{
	return pin_settings(false, true);
}

int
rtc_pin_query_settings(bool money)
{
	return pin_settings(true, money);
}

void
rtc_unpin_settings(int nestlevel)
{
	if (nestlevel >= 0)
		AtEOXact_GUC(true, nestlevel);
}
