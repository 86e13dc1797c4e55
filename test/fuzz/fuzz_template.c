/*-------------------------------------------------------------------------
 *
 * fuzz_template.c
 *		Key templates: any text, against a table of three columns.
 *
 * rooms: rule/template rule/key_shape base/key
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "fuzz.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "utils/lsyscache.h"

#include "base/key.h"
#include "rule/template.h"

/* What template.c asks the catalogs. */
Oid
getBaseType(Oid typid)
{
	return typid;
}

void
getTypeOutputInfo(Oid type, Oid *typOutput, bool *typIsVarlena)
{
	*typOutput = 1;
	*typIsVarlena = false;
}

void
fmgr_info_cxt(Oid functionId, FmgrInfo *finfo, MemoryContext mcxt)
{
	memset(finfo, 0, sizeof(*finfo));
}

char
get_typtype(Oid typid)
{
	return TYPTYPE_BASE;
}

int
pg_mbcliplen(const char *mbstr, int len, int limit)
{
	return Min(len, limit);
}

static TupleDesc
make_desc(void)
{
	static const struct
	{
		const char *name;
		Oid			type;
	}			column[] = {{"id", INT4OID}, {"name", TEXTOID}, {"born", DATEOID}};
	int			n = lengthof(column);
	TupleDesc	desc = palloc0(offsetof(struct TupleDescData, attrs) +
							   n * sizeof(FormData_pg_attribute));

	desc->natts = n;
	for (int i = 0; i < n; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);

		strlcpy(NameStr(att->attname), column[i].name, NAMEDATALEN);
		att->atttypid = column[i].type;
		att->attnum = i + 1;
	}
	return desc;
}

void
fuzz_one(const uint8 *data, size_t size)
{
	RtcFault	fault = {0};
	char	   *text = fuzz_text(data, size);
	RtcNames	names = {1, "a schema", "table"};
	RtcTemplate *tmpl = rtc_template_parse(text, make_desc(), &names, &fault);
	RtcShape   *shape = rtc_shape_make(text, &names, InvalidOid);
	StringInfoData glob;

	initStringInfo(&glob);
	rtc_shape_glob(shape, &glob);
	MUST(rtc_shapes_compare(shape, shape) == RTC_SHAPES_SAME);
	if (rtc_shape_is_static(shape))
		MUST(rtc_shape_matches(shape, glob.data, glob.len));
	(void) rtc_text_uses_names(text);
	if (tmpl == NULL)
	{
		MUST(fault.sqlerrcode != 0 && fault.message != NULL);
		return;
	}
	MUST(rtc_shape_begins_open(shape) <= !rtc_shape_is_static(shape));
	if (rtc_template_uses(tmpl, 1))
		MUST(strstr(text, "{id}") != NULL);
	(void) rtc_template_needs_pin(tmpl);
}
