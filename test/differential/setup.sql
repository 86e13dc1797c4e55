-- What the scripts of the differential test rely on; run once per database, in
-- which the extension is there.
--
-- diff.pool holds the queries of a case.  diff.explain() finds out which of
-- them the cache has to be exact for; diff.check() asks all of them, from the
-- cache and directly, and says how each was answered.  check() does not write:
-- a transaction that has written gets no answer from the cache.

\set VERBOSITY terse
SET client_min_messages = warning;
CREATE SCHEMA diff;
CREATE ROLE diff_other;
GRANT USAGE ON SCHEMA diff TO diff_other;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO diff_other;

-- Equality that looks beyond the bytes, where the server can do that.
DO $$
BEGIN
	CREATE COLLATION diff.ci
		(provider = icu, locale = 'und-u-ks-level2', deterministic = false);
EXCEPTION WHEN OTHERS THEN
	CREATE COLLATION diff.ci FROM "C";
END $$;

CREATE TABLE diff.pool (
	n int PRIMARY KEY,
	key text NOT NULL,
	one_row bool NOT NULL,		-- for cache_get
	query text NOT NULL,		-- with parameters
	args text[] NOT NULL,
	tags text[],
	other bool NOT NULL,		-- for the other role, too
	direct text NOT NULL,		-- the same, values in place
	exact bool,					-- false: its answer lives by its TTL
	kind text NOT NULL DEFAULT 'error'	-- what it depends on
);
GRANT SELECT ON diff.pool TO diff_other;

-- A query can become exact by DDL; what was stored before, and may be old by
-- now, must not be its answer then.  The kind is that of its relations that has
-- the least to say: row, table, ttl; none if the query cannot be cached.
CREATE FUNCTION diff.explain() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	q record;
	now_exact bool;
	now_kind text;
BEGIN
	FOR q IN SELECT * FROM diff.pool ORDER BY n LOOP
		now_exact := true;
		now_kind := 'error';
		BEGIN
			SELECT coalesce(bool_and(dependency <> 'TTL only'), true),
				   CASE WHEN bool_or(dependency = 'not cacheable') THEN 'none'
						WHEN q.tags IS NOT NULL THEN 'tag'
						WHEN bool_or(dependency = 'TTL only') THEN 'ttl'
						WHEN bool_or(dependency = 'table') THEN 'table'
						WHEN bool_or(dependency = 'row') THEN 'row'
						ELSE 'nothing' END
				INTO now_exact, now_kind
				FROM public.cache_explain(q.query, q.args);
		EXCEPTION WHEN OTHERS THEN
			-- the query cannot be run now, by nobody
			NULL;
		END;
		UPDATE diff.pool AS p SET exact = now_exact, kind = now_kind
			WHERE p.n = q.n AND (p.exact, p.kind) IS DISTINCT FROM (now_exact, now_kind);
	END LOOP;
END $$;

-- The rows of an array in a definite order; bytes count, not values, so that
-- 1.0 and 1.00 differ.
CREATE FUNCTION diff.sorted(list jsonb) RETURNS text LANGUAGE sql AS $$
	SELECT '[' || coalesce(pg_catalog.string_agg(e.v::text, ', ' ORDER BY e.v::text COLLATE "C"), '') || ']'
	FROM pg_catalog.jsonb_array_elements(list) AS e (v)
$$;

CREATE FUNCTION diff.directly(q diff.pool) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	answer jsonb;
BEGIN
	EXECUTE 'SELECT coalesce(pg_catalog.jsonb_agg(pg_catalog.to_jsonb(diff_row)), ''[]'') FROM (' || q.direct || ') AS diff_row'
		INTO answer;
	IF NOT q.one_row THEN
		RETURN diff.sorted(answer);
	ELSIF jsonb_array_length(answer) > 1 THEN
		RETURN 'error 21000';
	END IF;
	RETURN coalesce(answer -> 0, 'null')::text;
EXCEPTION WHEN OTHERS THEN
	RETURN 'error ' || SQLSTATE;
END $$;

CREATE FUNCTION diff.cached(q diff.pool) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	IF q.one_row THEN
		RETURN coalesce(public.cache_get(q.key, q.query, q.args, NULL, q.tags), 'null')::text;
	END IF;
	RETURN diff.sorted(public.cache_list(q.key, q.query, q.args, NULL, q.tags));
EXCEPTION WHEN OTHERS THEN
	RETURN 'error ' || SQLSTATE;
END $$;

-- One line for each query:
--	R | n | exact | kind | how | right | hash of the right answer
-- and, where they differ, D | n | from | value, for both answers.  how is l1 or
-- redis for a hit there, miss or bypass.  "who" is put behind each
-- n; if it is not '', only what the other role is to ask is asked.
CREATE FUNCTION diff.check(who text DEFAULT '') RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	q diff.pool;
	old record;
	new record;
	cached text;
	direct text;
BEGIN
	FOR q IN SELECT * FROM diff.pool WHERE who = '' OR other ORDER BY n LOOP
		old := public.cache_stats();
		cached := diff.cached(q);
		new := public.cache_stats();
		direct := diff.directly(q);
		-- with its arguments in place, a query may be planned without a table
		-- that the caller must not read
		IF cached = 'error 42501' AND q.args <> '{}' THEN
			CONTINUE;
		END IF;
		-- of two errors another one may come first: a literal is read before
		-- operators are looked for, a parameter is read later
		IF cached <> direct AND cached ~ '^error (?!XX)' AND direct ~ '^error (?!XX)' AND q.args <> '{}' THEN
			CONTINUE;
		END IF;
		RETURN NEXT concat_ws('|', 'R', q.n || who, coalesce(q.exact, true)::int,
			q.kind,
			CASE WHEN new.l1_hits > old.l1_hits THEN 'l1'
				 WHEN new.l2_hits > old.l2_hits THEN 'redis'
				 WHEN new.bypasses > old.bypasses THEN 'bypass'
				 ELSE 'miss' END,
			(cached = direct)::int, pg_catalog.md5(direct));
		IF cached <> direct THEN
			RETURN NEXT concat_ws('|', 'D', q.n || who, 'cached', cached);
			RETURN NEXT concat_ws('|', 'D', q.n || who, 'direct', direct);
		END IF;
	END LOOP;
END $$;
