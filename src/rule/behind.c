/*-------------------------------------------------------------------------
 *
 * behind.c
 *		Which columns of a table may be written behind, and from a key back to
 *		its row.
 *
 * Who writes behind (wing inbox) names a row by its key.  So the key must tell
 * the primary key, for certain:
 *
 * -   The columns of the template are those of the primary key.  With fewer of
 *	   them several rows would have the key; with others in it the key would
 *	   name a row and say something of it, which may be wrong.
 *
 * -   A key can be taken apart in one way only.  Between two columns there is
 *	   literal text with a byte that values in keys never have, such as ':', so
 *	   it is found by counting these.  Behind an integer any byte will do that
 *	   no integer has.
 *
 * -   Equal values have equal texts: otherwise one row would have several keys,
 *	   and what is written under them could not be put in order.  1.0 and 1.00
 *	   are equal as numeric.  The index knows: this is what it must be sure of
 *	   before it deduplicates.
 *
 * A key is taken for that of a row only if the row would have that very key, so
 * that "hero:042" is not "hero:42".
 *
 * Model: called inside a transaction.  What is wrong with a rule is returned as
 * a fault.  Results are in the current memory context.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/nbtree.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/lsyscache.h"

#include "base/key.h"
#include "rule/behind.h"

/* Fills *fault; returns false for brevity. */
static bool
refuse(RtcFault *fault, int sqlerrcode, const char *message,
	   const char *detail, const char *hint)
{
	(void) rtc_fault_set(fault, sqlerrcode, message, detail, hint);
	return false;
}

/* The number of a column; InvalidAttrNumber and *fault if it is no use. */
static AttrNumber
find_column(const char *name, TupleDesc desc, RtcFault *fault)
{
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);

		if (att->attisdropped || strcmp(NameStr(att->attname), name) != 0)
			continue;
		if (att->attgenerated == '\0' &&
			att->attidentity != ATTRIBUTE_IDENTITY_ALWAYS)
			return att->attnum;
		(void) refuse(fault, ERRCODE_FEATURE_NOT_SUPPORTED,
					  psprintf(_("column \"%s\" cannot be written behind"), name),
					  att->attgenerated != '\0' ?
					  _("It is a generated column.") :
					  _("It is an identity column that is always generated."),
					  NULL);
		return InvalidAttrNumber;
	}
	(void) refuse(fault, ERRCODE_UNDEFINED_COLUMN,
				  psprintf(_("column \"%s\" in option \"behind\" does not exist"),
						   name),
				  NULL, NULL);
	return InvalidAttrNumber;
}

bool
rtc_behind_bind(List *names, TupleDesc desc, const RtcTemplate *key,
				List **attnums, RtcFault *fault)
{
	ListCell   *lc;

	foreach(lc, names)
	{
		const char *name = lfirst(lc);
		AttrNumber	attnum = find_column(name, desc, fault);

		if (attnum == InvalidAttrNumber)
			return false;
		if (list_member_int(*attnums, attnum))
			return refuse(fault, ERRCODE_DUPLICATE_COLUMN,
						  psprintf(_("column \"%s\" is named more than once in option \"behind\""),
								   name),
						  NULL, NULL);
		if (rtc_template_uses(key, attnum))
			return refuse(fault, ERRCODE_INVALID_PARAMETER_VALUE,
						  psprintf(_("column \"%s\" cannot be written behind"),
								   name),
						  _("It is part of the key."), NULL);
		*attnums = lappend_int(*attnums, attnum);
	}
	return true;
}

/* Is this the type of an integer, or a domain over it? */
static bool
is_integer(Oid typid)
{
	typid = getBaseType(typid);
	return typid == INT2OID || typid == INT4OID || typid == INT8OID;
}

/* Does literal text behind a column tell where the column ends? */
static bool
ends_column(const char *text, int len, Oid typid)
{
	if (len > 0 && is_integer(typid))
		return text[0] < '0' || text[0] > '9';
	for (int i = 0; i < len; i++)
	{
		if (!rtc_key_is_encoded((unsigned char) text[i]))
			return true;
	}
	return false;
}

/*
 * The length of the text of a column in a key that goes on with what is behind
 * the column in its template: literal text, or the end; -1 = it does not.
 */
static int
column_length(const char *key, int len, const char *literal, int literallen,
			  bool last, Oid typid)
{
	int			n = 0;

	if (last)
		n = len - literallen;
	else if (is_integer(typid))
	{
		if (n < len && key[n] == '-')
			n++;
		while (n < len && key[n] >= '0' && key[n] <= '9')
			n++;
	}
	else
	{
		/* what no value has comes as early in the key as in the literal text */
		int			free = 0;

		while (rtc_key_is_encoded((unsigned char) literal[free]))
			free++;
		while (n < len && rtc_key_is_encoded((unsigned char) key[n]))
			n++;
		n -= free;
	}
	return n >= 0 && n + literallen <= len &&
		memcmp(key + n, literal, literallen) == 0 ? n : -1;
}

/*
 * The literal text behind the n-th part of a template, as one: it may be in
 * several parts, as {.table} makes one.  *next: the part behind that, if there
 * is one.
 */
static StringInfo
literal_behind(const RtcTemplate *tmpl, int n, int *next, bool *last)
{
	StringInfo	literal = makeStringInfo();
	AttrNumber	attnum;
	const char *text;
	int			len;

	*last = true;
	for (*next = n + 1; rtc_template_part(tmpl, *next, &attnum, &text, &len);
		 (*next)++)
	{
		if (attnum != InvalidAttrNumber)
		{
			*last = false;
			break;
		}
		appendBinaryStringInfo(literal, text, len);
	}
	return literal;
}

/* Can every key of a template be taken apart in one way only? */
static bool
is_unambiguous(const RtcTemplate *tmpl, TupleDesc desc)
{
	AttrNumber	attnum;
	const char *text;
	int			len;
	int			next;
	bool		last;

	for (int n = 0; rtc_template_part(tmpl, n, &attnum, &text, &len); n = next)
	{
		StringInfo	literal = literal_behind(tmpl, n, &next, &last);

		if (attnum != InvalidAttrNumber && !last &&
			!ends_column(literal->data, literal->len,
						 TupleDescAttr(desc, attnum - 1)->atttypid))
			return false;
	}
	return true;
}

/* Do equal values of an index column always have the same bytes? */
static bool
is_image_equal(Relation index, int column)
{
	Oid			opcintype = index->rd_opcintype[column];
	Oid			proc = get_opfamily_proc(index->rd_opfamily[column],
										 opcintype, opcintype,
										 BTEQUALIMAGE_PROC);

	return OidIsValid(proc) &&
		DatumGetBool(OidFunctionCall1Coll(proc,
										  index->rd_indcollation[column],
										  ObjectIdGetDatum(opcintype)));
}

/*
 * Do keys tell the values of the columns of a primary key?  The caller has
 * opened the index.
 */
static bool
check_primary_key(Relation rel, Relation index, const RtcTemplate *tmpl,
				  RtcFault *fault)
{
	Form_pg_index form = index->rd_index;

	for (int i = 0; i < form->indnkeyatts; i++)
	{
		AttrNumber	attnum = form->indkey.values[i];
		Form_pg_attribute att = TupleDescAttr(RelationGetDescr(rel),
											  attnum - 1);

		if (!rtc_template_uses(tmpl, attnum))
			return refuse(fault, ERRCODE_INVALID_TABLE_DEFINITION,
						  psprintf(_("the keys of table \"%s\" do not tell the primary key of their rows"),
								   RelationGetRelationName(rel)),
						  psprintf(_("Column \"%s\" of the primary key is not in the key template."),
								   NameStr(att->attname)),
						  _("With option \"behind\" the columns in the key template must be those of the primary key."));

		if (!is_image_equal(index, i))
			return refuse(fault, ERRCODE_INVALID_TABLE_DEFINITION,
						  psprintf(_("the keys of table \"%s\" do not tell the primary key of their rows"),
								   RelationGetRelationName(rel)),
						  psprintf(_("Equal values of column \"%s\" can have different texts, and so a row several keys."),
								   NameStr(att->attname)),
						  _("Option \"behind\" needs a primary key of integers, texts with a deterministic collation, uuids, dates or the like."));
	}
	return true;
}

bool
rtc_behind_check(Relation rel, const RtcTemplate *tmpl, RtcFault *fault)
{
	TupleDesc	desc = RelationGetDescr(rel);
	Relation	index;
	Bitmapset  *primary = NULL;
	bool		good;

	/* sets rd_pkindex; from 18 on that may be one that is deferrable */
	(void) RelationGetIndexList(rel);
	index = OidIsValid(rel->rd_pkindex) ?
		index_open(rel->rd_pkindex, AccessShareLock) : NULL;
	if (index == NULL || !index->rd_index->indimmediate)
	{
		if (index != NULL)
			index_close(index, AccessShareLock);
		return refuse(fault, ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
					  psprintf(_("table \"%s\" cannot be written behind"),
							   RelationGetRelationName(rel)),
					  _("It has no primary key, or one that is deferrable."),
					  _("Add a primary key, or leave option \"behind\" out."));
	}
	good = check_primary_key(rel, index, tmpl, fault);
	for (int i = 0; i < index->rd_index->indnkeyatts; i++)
		primary = bms_add_member(primary, index->rd_index->indkey.values[i]);
	index_close(index, AccessShareLock);
	if (!good)
		return false;

	for (AttrNumber attnum = 1; attnum <= desc->natts; attnum++)
	{
		if (!bms_is_member(attnum, primary) &&
			rtc_template_uses(tmpl, attnum))
			return refuse(fault, ERRCODE_INVALID_TABLE_DEFINITION,
						  psprintf(_("the keys of table \"%s\" tell more than the primary key of their rows"),
								   RelationGetRelationName(rel)),
						  psprintf(_("Column \"%s\" is in the key template, and not in the primary key."),
								   NameStr(TupleDescAttr(desc, attnum - 1)->attname)),
						  _("With option \"behind\" the columns in the key template must be those of the primary key."));
	}
	if (!is_unambiguous(tmpl, desc))
		return refuse(fault, ERRCODE_INVALID_TABLE_DEFINITION,
					  psprintf(_("the keys of table \"%s\" do not tell the primary key of their rows"),
							   RelationGetRelationName(rel)),
					  _("Two columns of the key template stand together so that nobody knows where one ends."),
					  _("With option \"behind\" columns in the key template must be separated by a colon or the like."));
	return true;
}

/* The digit that a character stands for; -1 = none. */
static int
hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' :
		c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Undoes rtc_key_encode(); NULL if the text does not come from there. */
static char *
decode(const char *text, int len)
{
	char	   *decoded = palloc(len + 1);
	int			n = 0;

	for (int i = 0; i < len; i++)
	{
		int			c = (unsigned char) text[i];

		if (c == '%')
		{
			if (len - i < 3 || hex_digit(text[i + 1]) < 0 ||
				hex_digit(text[i + 2]) < 0)
				return NULL;
			c = hex_digit(text[i + 1]) << 4 | hex_digit(text[i + 2]);
			i += 2;
		}
		if (c == 0)
			return NULL;
		decoded[n++] = (char) c;
	}
	decoded[n] = '\0';
	return decoded;
}

/*
 * Reads the values of the columns of a template out of a key; false if it is
 * none of its keys.  Raises what input functions raise.
 */
static bool
read_columns(const RtcTemplate *tmpl, TupleDesc desc, const char *key,
			 int len, Datum *values, bool *isnull)
{
	int			pos = 0;
	int			next;
	bool		last;
	AttrNumber	attnum;
	const char *text;
	int			textlen;

	for (int n = 0; rtc_template_part(tmpl, n, &attnum, &text, &textlen);
		 n = next)
	{
		StringInfo	literal = literal_behind(tmpl, n, &next, &last);
		Form_pg_attribute att;
		char	   *decoded;
		Oid			input;
		Oid			ioparam;
		int			collen;

		if (attnum == InvalidAttrNumber)
		{
			/* at the beginning; what is behind a column goes with it */
			if (textlen > len - pos || memcmp(key + pos, text, textlen) != 0)
				return false;
			pos += textlen;
			next = n + 1;
			continue;
		}
		att = TupleDescAttr(desc, attnum - 1);
		collen = column_length(key + pos, len - pos, literal->data,
							   literal->len, last, att->atttypid);
		if (collen < 0)
			return false;
		decoded = decode(key + pos, collen);
		if (decoded == NULL)
			return false;
		getTypeInputInfo(att->atttypid, &input, &ioparam);
		values[attnum - 1] = OidInputFunctionCall(input, decoded, ioparam,
												  att->atttypmod);
		isnull[attnum - 1] = false;
		pos += collen + literal->len;
	}
	return pos == len;
}

bool
rtc_behind_row(Relation rel, RtcTemplate *tmpl, const char *key, int len,
			   RtcBehindRow *row)
{
	TupleDesc	desc = RelationGetDescr(rel);
	Datum	   *values = palloc0(desc->natts * sizeof(Datum));
	bool	   *isnull = palloc(desc->natts * sizeof(bool));
	StringInfoData rendered;
	Relation	index;

	memset(isnull, true, desc->natts * sizeof(bool));
	if (!read_columns(tmpl, desc, key, len, values, isnull))
		return false;

	/* is it spelled as the rule spells it? */
	initStringInfo(&rendered);
	if (!rtc_template_render(tmpl, heap_form_tuple(desc, values, isnull),
							 desc, &rendered) ||
		rendered.len != len || memcmp(rendered.data, key, len) != 0)
		return false;

	(void) RelationGetIndexList(rel);
	index = index_open(rel->rd_pkindex, AccessShareLock);
	row->nkeys = index->rd_index->indnkeyatts;
	for (int i = 0; i < row->nkeys; i++)
	{
		row->attnum[i] = index->rd_index->indkey.values[i];
		row->value[i] = values[row->attnum[i] - 1];
	}
	index_close(index, NoLock);
	return true;
}
