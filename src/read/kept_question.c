/*-------------------------------------------------------------------------
 *
 * kept_question.c
 *		A question as bytes, which can be asked again.
 *
 * A question is all that its answer is found by: key, query, arguments, one row or
 * many; and what it takes to ask it in another session: the user, the search_path,
 * the time to live, the tags, as the dependencies that they are.  The database is
 * that of the work.
 *
 * What else a session could have set does not matter: an answer that depended on it
 * would not be cached.  To be sure, the id of the query is kept, too.  If the text
 * has another one for the worker, it means something else, and its answer would be
 * of no use to who has asked.
 *
 * Model: any backend.  Bytes are those of this machine and this build; who puts
 * them into a file has to say which these were: FORMAT in refresh/hot_file.c.
 *
 * Copyright (c) 2026, rtcache contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "miscadmin.h"

#include "base/catalog_rows.h"
#include "base/key.h"
#include "read/kept_question.h"

/* What comes first; dependencies, search_path, key, query and arguments follow. */
typedef struct Head
{
	RtcQueryId	id;
	int64		ttl_ms;
	int64		stale_ms;
	uint64		who;			/* a hash of the names of user and database */
	Oid			userid;
	Oid			function;
	uint32		pathlen;
	uint32		keylen;
	uint32		querylen;
	uint32		argslen;		/* 0 = none */
	uint16		ndeps;			/* 0 unless tagged */
	bool		tagged;
	bool		one_row;
	bool		put_back;
} Head;

/*
 * A hash of the names of a user and of this database; 0 = there is no such user.
 * After a start from what was saved, OIDs may be those of others.
 */
static uint64
who(Oid userid)
{
	const char *user = GetUserNameFromId(userid, true);
	const char *database = rtc_database_name();

	if (user == NULL)
		return 0;
	return Max(hash_bytes_extended((const unsigned char *) user, strlen(user),
								   hash_bytes_extended((const unsigned char *) database,
													   strlen(database), 0)), 1);
}

/* Appends bytes, unless that would be too many. */
static bool
append(RtcWork *work, const void *bytes, size_t len)
{
	if (len > RTC_WORK_MAX_BYTES - work->len)
		return false;
	memcpy(work->data + work->len, bytes, len);
	work->len += len;
	return true;
}

bool
rtc_question_keep(RtcWork *work, const RtcQuestion *question,
				  const RtcLookupNames *names, int64 stale_ms, bool put_back)
{
	const RtcL1Question *l1 = &question->l1;
	const RtcQuery *query = question->query;
	Head		head;

	memset(&head, 0, sizeof(head));
	head.id = *l1->id;
	head.ttl_ms = question->ttl_ms;
	head.stale_ms = stale_ms;
	head.userid = GetUserId();
	head.who = who(head.userid);
	head.function = question->function;
	head.pathlen = strlen(namespace_search_path);
	head.keylen = l1->keylen;
	head.querylen = query->textlen;
	head.argslen = query->args != NULL ? VARSIZE(query->args) : 0;
	head.tagged = names->tagged;
	head.ndeps = names->tagged ? names->ndeps : 0;
	head.one_row = l1->one_row;
	head.put_back = put_back;

	work->kind = RTC_WORK_ASK;
	work->dboid = MyDatabaseId;
	work->hash = rtc_l1_question_hash(l1) ^ (put_back ? ~UINT64CONST(0) : 0);
	work->len = 0;
	return append(work, &head, sizeof(head)) &&
		append(work, names->dep, head.ndeps * sizeof(RtcDep)) &&
		append(work, namespace_search_path, head.pathlen) &&
		append(work, l1->key, head.keylen) &&
		append(work, query->text, head.querylen) &&
		append(work, query->args, head.argslen);
}

/* Takes len bytes and puts a NUL behind them. */
static char *
take(const char **p, size_t len)
{
	char	   *bytes = palloc(len + 1);

	memcpy(bytes, *p, len);
	bytes[len] = '\0';
	*p += len;
	return bytes;
}

bool
rtc_kept_question_read(RtcKeptQuestion *kept, const RtcWork *work)
{
	const char *p = work->data;
	Head		head;

	if (work->len < sizeof(head))
		return false;
	memcpy(&head, p, sizeof(head));
	p += sizeof(head);
	if (head.ndeps > RTC_MAX_NAMED_DEPS ||
		(uint64) work->len - sizeof(head) !=
		head.ndeps * sizeof(RtcDep) + (uint64) head.pathlen + head.keylen +
		head.querylen + head.argslen)
		return false;

	kept->who = head.who;
	kept->userid = head.userid;
	kept->function = head.function;
	kept->id = head.id;
	kept->ttl_ms = head.ttl_ms;
	kept->stale_ms = head.stale_ms;
	kept->one_row = head.one_row;
	kept->put_back = head.put_back;
	kept->tagged = head.tagged;
	kept->ndeps = head.ndeps;
	kept->keylen = head.keylen;
	kept->querylen = head.querylen;
	kept->dep = (RtcDep *) take(&p, head.ndeps * sizeof(RtcDep));
	kept->search_path = take(&p, head.pathlen);
	kept->key = take(&p, head.keylen);
	kept->query = take(&p, head.querylen);
	kept->args = head.argslen > 0 ?
		(ArrayType *) take(&p, head.argslen) : NULL;
	return true;
}

bool
rtc_kept_question_has_user(const RtcKeptQuestion *kept)
{
	return who(kept->userid) == kept->who;
}

bool
rtc_kept_question_take(RtcQuestion *question, RtcLookupNames *names,
					   const RtcKeptQuestion *kept)
{
	rtc_names_begin(names, NULL);
	if (kept->tagged)
	{
		names->tagged = true;
		names->ndeps = kept->ndeps;
		memcpy(names->dep, kept->dep, kept->ndeps * sizeof(RtcDep));
	}
	rtc_key_check(kept->key, kept->keylen);
	rtc_question_make(question, kept->key, kept->keylen, kept->query,
					  kept->querylen, kept->args, kept->one_row);
	question->ttl_ms = kept->ttl_ms;
	question->function = kept->function;
	question->again = true;
	question->stale_ms = kept->stale_ms;
	question->put_back = kept->put_back;
	return memcmp(question->l1.id, &kept->id, sizeof(RtcQueryId)) == 0;
}
