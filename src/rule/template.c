/*-------------------------------------------------------------------------
 *
 * template.c
 *		Key templates: from rows to cache keys.
 *
 * A template is literal text with {column} placeholders: "hero:{id}".  A
 * column is rendered by its type's output function and percent-encoded, so
 * that no value can add a ':', look like a glob, or forge the key of another
 * row.  {.schema} and {.table} are the names of the rule's table, encoded
 * likewise when the template is parsed.
 *
 * Model: a template belongs to a rule of this backend, which drops it when a
 * name changes.  Parsing reads the syscache.  Rendering runs output functions,
 * which may raise.  Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "base/key.h"
#include "compat.h"
#include "op.h"
#include "rule/template.h"

typedef struct Part
{
	AttrNumber	attnum;			/* column; 0 = literal text */
	int16		intlen;			/* of an integer, in bytes; 0 = other type */
	const char *text;			/* literal text, NUL-terminated */
	int			len;			/* its length in bytes */
	FmgrInfo	output;			/* of a column of another type */
} Part;

struct RtcTemplate
{
	bool		needs_pin;		/* some column's text depends on settings */
	int			nparts;
	Part		part[FLEXIBLE_ARRAY_MEMBER];
};

bool
rtc_type_needs_pin(Oid typid)
{
	typid = getBaseType(typid);

	switch (typid)
	{
		case BOOLOID:
		case BPCHAROID:
		case INT2OID:
		case INT4OID:
		case INT8OID:
		case JSONBOID:
		case JSONOID:
		case NAMEOID:
		case NUMERICOID:
		case OIDOID:
		case TEXTOID:
		case UUIDOID:
		case VARCHAROID:
			return false;
		default:
			return get_typtype(typid) != TYPTYPE_ENUM;
	}
}

/* Fills *fault for a template that is malformed; returns NULL for brevity. */
static RtcTemplate *
malformed(RtcFault *fault, const char *text, const char *detail)
{
	return rtc_fault_set(fault, ERRCODE_INVALID_PARAMETER_VALUE,
						 psprintf(_("malformed key template \"%s\""), text),
						 detail,
						 _("A key template is literal text with column names in braces, such as \"hero:{id}\"."));
}

/* Finds a column by exact name; InvalidAttrNumber and *fault if unusable. */
static AttrNumber
find_column(const char *name, const char *text, TupleDesc desc,
			RtcFault *fault)
{
	bool		other_case = false;

	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);

		if (att->attisdropped)
			continue;
		if (strcmp(NameStr(att->attname), name) == 0)
		{
			/* 'v': computed when read, so a trigger's row does not have it */
			if (att->attgenerated != 'v')
				return att->attnum;
			(void) rtc_fault_set(fault, ERRCODE_FEATURE_NOT_SUPPORTED,
								 psprintf(_("key template \"%s\" uses virtual generated column \"%s\""),
										  text, name),
								 _("The value of a virtual generated column is not known to triggers."),
								 NULL);
			return InvalidAttrNumber;
		}
		if (pg_strcasecmp(NameStr(att->attname), name) == 0)
			other_case = true;
	}

	(void) rtc_fault_set(fault, ERRCODE_UNDEFINED_COLUMN,
						 psprintf(_("column \"%s\" in key template \"%s\" does not exist"),
								  name, text),
						 NULL,
						 other_case ?
						 _("Column names in key templates are case-sensitive and are not quoted.") :
						 NULL);
	return InvalidAttrNumber;
}

/* The length of an integer type in bytes; 0 = it is none. */
static int16
integer_length(Oid typid)
{
	switch (getBaseType(typid))
	{
		case INT2OID:
			return 2;
		case INT4OID:
			return 4;
		case INT8OID:
			return 8;
		default:
			return 0;
	}
}

void
rtc_append_integer(StringInfo buf, Datum value, int16 len)
{
	char		digits[32];
	int64		n = len == 2 ? DatumGetInt16(value) :
	len == 4 ? DatumGetInt32(value) : DatumGetInt64(value);

	appendBinaryStringInfo(buf, digits, pg_lltoa(n, digits));
}

/*
 * rtc_template_parse
 *		Literal text may hold whatever a key may hold, except what nobody can
 *		mean: white space, control characters, braces that are no placeholder.
 */
RtcTemplate *
rtc_template_parse(const char *text, TupleDesc desc, const RtcNames *names,
				   RtcFault *fault)
{
	size_t		len = strlen(text);
	int			maxparts = 1;
	RtcTemplate *tmpl;
	RtcPiece	piece;
	const char *p = text;

	if (len == 0)
		return malformed(fault, text, _("The template is empty."));
	if (len > RTC_MAX_KEY_LEN)
		return malformed(fault, pnstrdup(text, pg_mbcliplen(text, len, 64)),
						 psprintf(_("The template is longer than %d bytes."),
								  RTC_MAX_KEY_LEN));
	if (!rtc_key_is_valid(text, len))
		return malformed(fault, text,
						 _("Keys that begin with \"~\" or end in \"~lease\" or \"~query\" are used by rtcache itself."));

	for (const char *c = text; *c; c++)
	{
		if (*c == '{')
			maxparts += 2;
	}
	tmpl = palloc0(offsetof(RtcTemplate, part) + maxparts * sizeof(Part));

	for (rtc_piece_next(&p, &piece); piece.kind != RTC_PIECE_END;
		 rtc_piece_next(&p, &piece))
	{
		Part	   *part = &tmpl->part[tmpl->nparts++];
		StringInfoData name;
		const char *plain;
		Oid			typid;
		Oid			output;
		bool		isvarlena;

		switch (piece.kind)
		{
			case RTC_PIECE_LITERAL:
				part->len = piece.len;
				part->text = pnstrdup(piece.text, piece.len);
				break;
			case RTC_PIECE_SCHEMA:
			case RTC_PIECE_TABLE:
				plain = piece.kind == RTC_PIECE_SCHEMA ? names->schema :
					names->table;
				if (plain == NULL)
					return malformed(fault, text,
									 _("The name of its table is not known."));
				initStringInfo(&name);
				rtc_key_encode(&name, plain, strlen(plain));
				part->len = name.len;
				part->text = name.data;
				break;
			case RTC_PIECE_COLUMN:
				part->attnum = find_column(pnstrdup(piece.text, piece.len),
										   text, desc, fault);
				if (part->attnum == InvalidAttrNumber)
					return NULL;
				typid = TupleDescAttr(desc, part->attnum - 1)->atttypid;
				part->intlen = integer_length(typid);
				getTypeOutputInfo(getBaseType(typid), &output, &isvarlena);
				fmgr_info_cxt(output, &part->output, CurrentMemoryContext);
				tmpl->needs_pin |= rtc_type_needs_pin(typid);
				break;
			case RTC_PIECE_MALFORMED:
			case RTC_PIECE_END:
				return malformed(fault, text, piece.detail);
		}
	}
	return tmpl;
}

bool
rtc_template_render(RtcTemplate *tmpl, HeapTuple tuple, TupleDesc desc,
					StringInfo buf)
{
	int			start = buf->len;

	for (int i = 0; i < tmpl->nparts; i++)
	{
		Part	   *part = &tmpl->part[i];
		Datum		value;
		bool		isnull;
		char	   *text;

		if (part->attnum == InvalidAttrNumber)
		{
			appendBinaryStringInfo(buf, part->text, part->len);
			continue;
		}
		value = heap_getattr(tuple, part->attnum, desc, &isnull);
		if (isnull)
		{
			buf->len = start;
			buf->data[start] = '\0';
			return false;
		}

		/* Digits need no encoding. */
		if (part->intlen > 0)
		{
			rtc_append_integer(buf, value, part->intlen);
			continue;
		}
		/* A key this long is refused by the caller: be brief. */
		text = OutputFunctionCall(&part->output, value);
		rtc_key_encode(buf, text, Min(strlen(text), RTC_MAX_KEY_LEN + 1));
	}
	return true;
}

bool
rtc_template_uses(const RtcTemplate *tmpl, AttrNumber attnum)
{
	for (int i = 0; i < tmpl->nparts; i++)
	{
		if (tmpl->part[i].attnum == attnum)
			return true;
	}
	return false;
}

bool
rtc_template_part(const RtcTemplate *tmpl, int n, AttrNumber *attnum,
				  const char **text, int *len)
{
	if (n >= tmpl->nparts)
		return false;
	*attnum = tmpl->part[n].attnum;
	*text = tmpl->part[n].text;
	*len = tmpl->part[n].len;
	return true;
}

bool
rtc_template_needs_pin(const RtcTemplate *tmpl)
{
	return tmpl->needs_pin;
}
