/*-------------------------------------------------------------------------
 *
 * companion.c
 *		What a value in Redis comes from, and who may see it.
 *
 * Beside each value that a lookup has stored stands its companion: which
 * question it answers, which privileges it takes to see it (privileges.c), the
 * tags that it belongs to, and how long it took to compute.  A value without
 * companion may have been written by any rule that can make its key, so every
 * one of them counts.
 *
 * Model: any backend, inside a transaction.  Reads system catalogs only.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "utils/rel.h"

#include "query/privileges.h"
#include "read/companion.h"
#include "redis/names.h"
#include "rule/rule_catalog.h"

/* Stands in front of the microseconds, which are last. */
#define COMPUTED_MARK		'~'
#define MAX_COMPUTED_DIGITS	10

void
rtc_companion_write(StringInfo buf, const char *fingerprint,
					const char *privileges, const RtcDep *tags, int ntags,
					uint32 computed_us)
{
	appendStringInfo(buf, "%s%s ", fingerprint, privileges);
	for (int i = 0; i < ntags; i++)
		appendStringInfo(buf, "%s%016llx", i > 0 ? "," : "",
						 (unsigned long long) tags[i]);
	appendStringInfo(buf, "%c%u", COMPUTED_MARK, computed_us);
}

int64
rtc_companion_computed(const char *companion, size_t len)
{
	size_t		begin = len;
	int64		us = 0;

	/* older servers do not write it */
	while (begin > 0 && companion[begin - 1] >= '0' && companion[begin - 1] <= '9')
		begin--;
	if (begin == len || len - begin > MAX_COMPUTED_DIGITS ||
		begin == 0 || companion[begin - 1] != COMPUTED_MARK)
		return -1;
	for (; begin < len; begin++)
		us = us * 10 + (companion[begin] - '0');
	return us;
}

int
rtc_companion_read(char *companion, char **privileges, RtcDep *tags, int max)
{
	char	   *end;
	char	   *p;
	int			n = 0;

	p = strchr(companion, ' ');
	if (p == NULL)
		return -1;
	*privileges = p + 1;
	p = strchr(*privileges, ' ');
	if (p == NULL)
		return -1;
	*p++ = '\0';
	while (*p != '\0' && *p != COMPUTED_MARK)
	{
		if (n >= max)
			return -1;
		tags[n++] = strtou64(p, &end, 16);
		if (end != p + RTC_TAG_DIGITS ||
			(*end != ',' && *end != COMPUTED_MARK && *end != '\0'))
			return -1;
		p = *end == ',' ? end + 1 : end;
	}
	return n;
}

/* Checks the rule of a table that makes a key; false = it has gone. */
static bool
check_rule(const RtcRuleRow *maker)
{
	Relation	rel = try_relation_open(maker->relid, AccessShareLock);
	TriggerDesc *triggers = rel != NULL ? rel->trigdesc : NULL;
	List	   *columns = NIL;
	bool		found = false;

	for (int i = 0; triggers != NULL && i < triggers->numtriggers; i++)
	{
		Trigger    *trigger = &triggers->triggers[i];
		RtcRule    *rule;
		RtcRuleText text;
		RtcNames	names;
		RtcFault	fault;

		if (trigger->tgoid != maker->tgoid)
			continue;
		rule = rtc_rule_parse(rel, trigger, RTC_RULE_WRITE_THROUGH, &text,
							  &names, &fault);
		if (rule == NULL)
			continue;
		found = true;
		columns = rtc_row_json_columns(rule->row, columns);
		for (int c = 1; c <= RelationGetDescr(rel)->natts; c++)
			if (rtc_template_uses(rule->key, c))
				columns = list_append_unique_int(columns, c);
	}
	/* as for a query of a table, until the end of the transaction */
	if (rel != NULL)
		relation_close(rel, NoLock);
	if (found)
		rtc_privileges_check_table(maker->relid, columns);
	return found;
}

bool
rtc_rules_check(const char *key, uint32 keylen)
{
	List	   *makers = rtc_rules_that_make(key, keylen);
	ListCell   *lc;
	bool		known = false;

	foreach(lc, makers)
		known |= check_rule(lfirst(lc));
	return known;
}
