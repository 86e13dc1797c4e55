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
	direct text NOT NULL,		-- the same, values in place
	exact bool,					-- false: its answer lives by its TTL
	why text,
	generation int NOT NULL DEFAULT 0
);

-- A query that becomes exact by DDL gets another key, for what is stored under
-- the old one may be old.
CREATE FUNCTION diff.explain() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	q record;
	reason text;
BEGIN
	FOR q IN SELECT * FROM diff.pool ORDER BY n LOOP
		reason := NULL;
		BEGIN
			SELECT string_agg(e::text, '; ') INTO reason
				FROM public.cache_explain(q.query, q.args) AS e
				WHERE e::text ILIKE '%ttl only%';
		EXCEPTION WHEN OTHERS THEN
			-- the query cannot be run now, by nobody
			NULL;
		END;
		UPDATE diff.pool AS p
			SET exact = reason IS NULL, why = reason,
				generation = p.generation + (reason IS NULL AND p.exact IS FALSE)::int
			WHERE p.n = q.n
				AND (p.exact, p.why) IS DISTINCT FROM (reason IS NULL, reason);
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
DECLARE
	k text := q.key || CASE q.generation WHEN 0 THEN '' ELSE '.' || q.generation END;
BEGIN
	IF q.one_row THEN
		RETURN coalesce(public.cache_get(k, q.query, q.args, NULL, q.tags), 'null')::text;
	END IF;
	RETURN diff.sorted(public.cache_list(k, q.query, q.args, NULL, q.tags));
EXCEPTION WHEN OTHERS THEN
	RETURN 'error ' || SQLSTATE;
END $$;

-- One line for each query:
--	R | n | exact | how | right | hash of the right answer
-- and, where they differ, D | n | from | value, for both answers.  how is hit,
-- miss or bypass.
CREATE FUNCTION diff.check() RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	q diff.pool;
	old record;
	new record;
	cached text;
	direct text;
BEGIN
	FOR q IN SELECT * FROM diff.pool ORDER BY n LOOP
		old := public.cache_stats();
		cached := diff.cached(q);
		new := public.cache_stats();
		direct := diff.directly(q);
		RETURN NEXT concat_ws('|', 'R', q.n, coalesce(q.exact, true)::int,
			CASE WHEN new.l1_hits + new.l2_hits > old.l1_hits + old.l2_hits THEN 'hit'
				 WHEN new.bypasses > old.bypasses THEN 'bypass'
				 ELSE 'miss' END,
			(cached = direct)::int, pg_catalog.md5(direct));
		IF cached <> direct THEN
			RETURN NEXT concat_ws('|', 'D', q.n, 'cached', cached);
			RETURN NEXT concat_ws('|', 'D', q.n, 'direct', direct);
		END IF;
	END LOOP;
END $$;
