/*-------------------------------------------------------------------------
 *
 * trigger.c
 *		The trigger functions: rows of a table to ops.
 *
 *				write_through					invalidate
 *	INSERT		ROW new key						DEL new keys
 *	UPDATE		ROW new key, GONE old if moved	DEL old and new keys
 *	DELETE		GONE old key					DEL old keys
 *
 * and write_through deletes the old and new keys of its del= options.  A key
 * with a NULL in it is no key; nor is one that is too long or reserved, under
 * which cache_get() cannot store anything.  A value above
 * rtcache.max_value_size is not stored, and its key is deleted.
 * rtcache.enabled does not matter here: it concerns what this session reads,
 * while its writes concern everybody.
 *
 * Rows in statement order, not in order of versions
 *
 * AFTER triggers fire for the versions that a statement made.  If a trigger of
 * the user's updates the row again, our trigger runs for the newer version
 * first, inside that nested update, and for the older version afterwards.  So
 * only a version that still exists is stored.  The key of another one is
 * deleted unless another row has it.
 *
 * Nor do triggers fire in the order in which keys become free: in UPDATE ...
 * SET pos = pos + 1 a row may be stored under a key before the row that had it
 * is reported to have left.  So each op on the key of a row names the version
 * that it stores and the version that has left.  op_merge.c decides what comes
 * of it.
 *
 * Tags and tracking
 *
 * A rule also says what changes besides its keys: the tags of old and new
 * rows, and the rows themselves, for answers that depend on them
 * (row_changes.c).
 *
 * A rule that does not fit its table
 *
 * Rules are checked when they are made and when their table is altered
 * (rule_check.c), but an event trigger can be disabled.  A trigger that finds
 * its arguments unusable must neither fail the user's write nor leave a stale
 * key behind: it warns and clears the database's cache, once per
 * (sub)transaction.
 *
 * Model: runs in the backend that writes.  Rules are kept by rule_cache.c.
 * Everything else is allocated in the per-tuple context in which the executor
 * runs AFTER triggers and which it resets before the next row.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_am.h"
#include "commands/trigger.h"
#include "utils/rel.h"

#include "base/key.h"
#include "base/pinned_settings.h"
#include "guc.h"
#include "op.h"
#include "rule/ttl.h"
#include "stats.h"
#include "write/forget.h"
#include "write/oplist.h"
#include "write/row_changes.h"
#include "write/rule_cache.h"

PG_FUNCTION_INFO_V1(rtcache_write_through);
PG_FUNCTION_INFO_V1(rtcache_invalidate);
PG_FUNCTION_INFO_V1(rtcache_truncate);

/*
 * Warns of a rule that cannot be used and clears the cache.  A subtransaction
 * that rolls back takes its clear with it, so each has one of its own.
 */
static void
rule_unusable(RtcCachedRule *entry, TriggerData *trigdata)
{
	TransactionId xid = GetTopTransactionId();
	SubTransactionId subid = GetCurrentSubTransactionId();

	if (entry->fault_xid == xid && entry->fault_subid == subid)
		return;
	rtc_forget_all();
	entry->fault_xid = xid;
	entry->fault_subid = subid;
	ereport(WARNING,
			(errcode(entry->fault.sqlerrcode),
			 errmsg("rule \"%s\" on table \"%s\" cannot be used, clearing the cache instead",
					trigdata->tg_trigger->tgname,
					RelationGetRelationName(trigdata->tg_relation)),
			 errdetail_internal("%s", entry->fault.message),
			 errhint("Drop the trigger and create it again with arguments that fit the table.")));
}

/* Checks how we were called; returns the trigger data.  Errors: 39P01. */
static TriggerData *
check_call(FunctionCallInfo fcinfo, RtcRuleKind kind)
{
	TriggerData *trigdata = (TriggerData *) fcinfo->context;
	const char *function = rtc_rule_function(kind);

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" was not called by trigger manager",
						function)));

	if (TRIGGER_FIRED_AFTER(trigdata->tg_event) &&
		(kind == RTC_RULE_TRUNCATE ?
		 TRIGGER_FIRED_FOR_STATEMENT(trigdata->tg_event) &&
		 TRIGGER_FIRED_BY_TRUNCATE(trigdata->tg_event) :
		 TRIGGER_FIRED_FOR_ROW(trigdata->tg_event)))
		return trigdata;
	ereport(ERROR,
			(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
			 kind == RTC_RULE_TRUNCATE ?
			 errmsg("function \"%s\" must be fired AFTER TRUNCATE for each statement",
					function) :
			 errmsg("function \"%s\" must be fired AFTER ROW", function),
			 kind == RTC_RULE_TRUNCATE ?
			 errhint("Use CREATE TRIGGER ... AFTER TRUNCATE ON ... FOR EACH STATEMENT.") :
			 errhint("Use CREATE TRIGGER ... AFTER INSERT OR UPDATE OR DELETE ON ... FOR EACH ROW.")));
}

static void
get_change(TriggerData *trigdata, RtcRowChange *change)
{
	memset(change, 0, sizeof(*change));
	change->rel = trigdata->tg_relation;
	change->desc = RelationGetDescr(trigdata->tg_relation);

	if (TRIGGER_FIRED_BY_INSERT(trigdata->tg_event))
	{
		change->newrow = trigdata->tg_trigtuple;
		change->newslot = trigdata->tg_trigslot;
		return;
	}
	change->oldrow = trigdata->tg_trigtuple;
	change->oldslot = trigdata->tg_trigslot;
	if (TRIGGER_FIRED_BY_UPDATE(trigdata->tg_event))
	{
		change->newrow = trigdata->tg_newtuple;
		change->newslot = trigdata->tg_newslot;
	}
}

/*
 * Is the row in this slot on a page of its table, with a header that is up to
 * date?  Foreign tables and other table access methods give a copy.
 */
static bool
is_on_page(const RtcRowChange *change, TupleTableSlot *slot)
{
	return change->rel->rd_rel->relam == HEAP_TABLE_AM_OID &&
		TTS_IS_BUFFERTUPLE(slot);
}

/*
 * Has this transaction ended the new row again?  Also true if unknown.  Nobody
 * else sees a new row yet, so nobody else can have changed it.  A
 * (sub)transaction that has rolled back is not "current".
 */
static bool
is_superseded(const RtcRowChange *change)
{
	HeapTupleHeader header = change->newrow->t_data;

	if (!is_on_page(change, change->newslot))
		return true;

	if ((header->t_infomask & HEAP_XMAX_INVALID) != 0 ||
		HEAP_XMAX_IS_LOCKED_ONLY(header->t_infomask))
		return false;
	return TransactionIdIsCurrentTransactionId(HeapTupleHeaderGetUpdateXid(header));
}

/*
 * Names the versions for an op on a key: the old one if it has left the key,
 * the new one if it has come.
 *
 * A version of an earlier transaction need not be named: no op of this one has
 * stored it.  The raw xmin is also right for rows that were frozen when
 * written (COPY FREEZE).
 */
static void
name_versions(const RtcRowChange *change, bool left, bool came, RtcRow *row)
{
	memset(row, 0, sizeof(*row));
	row->relid = RelationGetRelid(change->rel);
	row->storage = change->rel->rd_rel->relfilenode;
	if (came)
	{
		if (is_on_page(change, change->newslot))
			row->made = change->newrow->t_self;
		else
			row->older = true;
	}
	if (left)
	{
		HeapTuple	old = change->oldrow;

		if (is_on_page(change, change->oldslot) &&
			TransactionIdIsCurrentTransactionId(HeapTupleHeaderGetRawXmin(old->t_data)))
			row->gone = old->t_self;
		else
			row->older = true;
	}
}

/* Renders a key; false if there is no row, no key, or no valid one. */
static bool
render_key(RtcTemplate *tmpl, HeapTuple row, TupleDesc desc, StringInfo buf)
{
	resetStringInfo(buf);
	return row != NULL &&
		rtc_template_render(tmpl, row, desc, buf) &&
		rtc_key_is_valid(buf->data, buf->len);
}

static bool
same_key(const StringInfoData *a, const StringInfoData *b)
{
	return a->len == b->len && memcmp(a->data, b->data, a->len) == 0;
}

/* Deletes a key. */
static void
add_del(const RtcRowChange *change, const StringInfoData *key)
{
	RtcOp		op = {.kind = RTC_OP_DEL,.key = key->data,.keylen = key->len};

	op.row.relid = RelationGetRelid(change->rel);
	rtc_oplist_add(&op);
}

/*
 * The old row has left the key, or the new one has come and is not stored.  A
 * value of another row stays under the key.  If the versions are not known the
 * key is deleted.
 */
static void
add_gone(const RtcRowChange *change, const RtcRow *row,
		 const StringInfoData *key)
{
	RtcOp		op = {0};

	if (change->oldrow != NULL && !is_on_page(change, change->oldslot))
	{
		add_del(change, key);
		return;
	}
	op.kind = RTC_OP_GONE;
	op.key = key->data;
	op.keylen = key->len;
	op.row = *row;
	rtc_oplist_add(&op);
}

/* Drops what depends on the tag of a row, if there is a row and it has one. */
static void
add_tag(RtcTemplate *tmpl, const RtcRowChange *change, HeapTuple row,
		StringInfo buf)
{
	resetStringInfo(buf);
	if (row != NULL && rtc_template_render(tmpl, row, change->desc, buf))
		(void) rtc_oplist_add_dep(rtc_dep_tag(buf->data, buf->len),
								  RelationGetRelid(change->rel));
}

/*
 * Stores the new row under its key, or just takes the old one back if it
 * cannot be stored.
 */
static void
add_row(const RtcRule *rule, const RtcRowChange *change, RtcRow *row,
		const StringInfoData *key)
{
	StringInfoData value;
	bool		fits;
	RtcOp		op = {0};

	if (is_superseded(change))
	{
		add_gone(change, row, key);
		return;
	}

	initStringInfo(&value);
	fits = rtc_row_json_append(rule->row, change->newrow, change->desc, &value,
							   RtcMaxValueBytes());

	/* a cast to json is a user's function, which may have ended the version */
	if (!fits || is_superseded(change))
	{
		if (!fits)
		{
			rtc_stat_inc(RTC_STAT_TOO_LARGE);
			row->unstored = true;
		}
		add_gone(change, row, key);
		return;
	}

	op.kind = RTC_OP_ROW;
	op.row = *row;
	op.row.behind = rule->behind != NIL;
	op.ttl_ms = rtc_ttl_jittered(rule->ttl_ms >= 0 ? rule->ttl_ms :
								 rtc_default_ttl_ms());
	op.key = key->data;
	op.keylen = key->len;
	op.value = value.data;
	op.vallen = value.len;
	rtc_oplist_add(&op);
}

/* Adds the ops of one row change. */
static void
apply_rule(const RtcCachedRule *entry, const RtcRowChange *change)
{
	const RtcRule *rule = entry->rule;
	RtcRow		row;
	StringInfoData oldkey;
	StringInfoData newkey;
	bool		have_old;
	bool		have_new;
	bool		stays;
	int			nestlevel = rule->needs_pin ? rtc_pin_settings() : -1;
	ListCell   *lc;

	initStringInfo(&oldkey);
	initStringInfo(&newkey);

	if (rule->key != NULL)
	{
		have_old = render_key(rule->key, change->oldrow, change->desc, &oldkey);
		have_new = render_key(rule->key, change->newrow, change->desc, &newkey);
		stays = have_old && have_new && same_key(&oldkey, &newkey);
		if (have_old && !stays)
		{
			name_versions(change, true, false, &row);
			row.alone = entry->alone;
			add_gone(change, &row, &oldkey);
		}
		if (have_new)
		{
			name_versions(change, stays, true, &row);
			row.alone = entry->alone;
			add_row(rule, change, &row, &newkey);
		}
	}

	foreach(lc, rule->tag)
	{
		add_tag(lfirst(lc), change, change->oldrow, &oldkey);
		add_tag(lfirst(lc), change, change->newrow, &newkey);
	}

	foreach(lc, rule->del)
	{
		have_old = render_key(lfirst(lc), change->oldrow, change->desc, &oldkey);
		have_new = render_key(lfirst(lc), change->newrow, change->desc, &newkey);
		if (have_old)
			add_del(change, &oldkey);
		if (have_new && !(have_old && same_key(&oldkey, &newkey)))
			add_del(change, &newkey);
	}

	rtc_unpin_settings(nestlevel);
}

/* The common body of the row triggers. */
static Datum
row_trigger(FunctionCallInfo fcinfo, RtcRuleKind kind)
{
	TriggerData *trigdata = check_call(fcinfo, kind);
	RtcCachedRule *entry = rtc_cached_rule(trigdata, kind);
	RtcRowChange change;

	get_change(trigdata, &change);
	if (entry->track != NULL)
		rtc_track_row(entry->track, &change);
	if (entry->rule != NULL)
		apply_rule(entry, &change);
	else
		rule_unusable(entry, trigdata);

	/* The result of an AFTER trigger is ignored. */
	return PointerGetDatum(NULL);
}

Datum
rtcache_write_through(PG_FUNCTION_ARGS)
{
	return row_trigger(fcinfo, RTC_RULE_WRITE_THROUGH);
}

Datum
rtcache_invalidate(PG_FUNCTION_ARGS)
{
	return row_trigger(fcinfo, RTC_RULE_INVALIDATE);
}

/*
 * rtcache_truncate
 *		There are no rows to make keys of: see rtc_forget_rule().
 */
Datum
rtcache_truncate(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = check_call(fcinfo, RTC_RULE_TRUNCATE);
	RtcCachedRule *entry = rtc_cached_rule(trigdata, RTC_RULE_TRUNCATE);

	rtc_track_all_rows(RelationGetRelid(trigdata->tg_relation));
	if (entry->rule != NULL)
		rtc_forget_rule(&entry->text, &entry->names);
	else
		rule_unusable(entry, trigdata);
	return PointerGetDatum(NULL);
}
