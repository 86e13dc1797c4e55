-- What the replay of PostgreSQL's regression suite relies on; run once per
-- database.  rtcache is in the schema rtc, so that public can be renamed.
--
-- Each function runs in whatever search_path the suite has set, with operators
-- and types of the same names in front of the server's.  So they name the
-- schema of everything.

\set VERBOSITY terse
SET client_min_messages = warning;
CREATE SCHEMA rtc;
CREATE EXTENSION rtcache SCHEMA rtc;
CREATE SCHEMA replay;
CREATE SCHEMA shadow;
CREATE ROLE replay_user;
GRANT USAGE ON SCHEMA rtc, replay, shadow TO PUBLIC;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA rtc TO PUBLIC;

-- An answer as text, its rows in a definite order; bytes count, not values.
CREATE FUNCTION replay.sorted(list text[]) RETURNS text
LANGUAGE sql SET search_path = pg_catalog AS $$
	SELECT '[' || coalesce(string_agg(e.v, ', ' ORDER BY e.v COLLATE "C"), '') || ']' FROM unnest(list) AS e (v)
$$;

CREATE FUNCTION replay.elements(list jsonb) RETURNS text[]
LANGUAGE sql SET search_path = pg_catalog AS $$
	SELECT array_agg(e.v::text) FROM jsonb_array_elements(list) AS e (v)
$$;

-- The value of the only column, which the cache takes as it is if it is JSON.
CREATE FUNCTION replay.values_of(list text[]) RETURNS text[]
LANGUAGE sql SET search_path = pg_catalog AS $$
	SELECT array_agg((SELECT string_agg(o.value::text, '') FROM jsonb_each(e.v::jsonb) AS o))
		FROM unnest(list) AS e (v)
		HAVING bool_and((SELECT count(*) FROM jsonb_each(e.v::jsonb)) = 1)
$$;

-- What the query gives, in two forms; under the settings that the cache pins.
CREATE FUNCTION replay.plain(query text, OUT answer text, OUT bare text)
LANGUAGE plpgsql
SET "TimeZone" = 'UTC'
SET "DateStyle" = 'ISO, MDY'
SET "IntervalStyle" = 'postgres'
SET extra_float_digits = 1
SET bytea_output = 'hex'
SET lc_monetary = 'C'
SET array_nulls = on
SET transform_null_equals = off
SET quote_all_identifiers = off
SET gin_fuzzy_search_limit = 0
SET xmlbinary = 'base64'
SET xmloption = 'content'
SET standard_conforming_strings = on
SET timezone_abbreviations = 'Default'
SET cursor_tuple_fraction = 1
AS $$
DECLARE
	r pg_catalog.record;
	list pg_catalog.text[];
	n pg_catalog.int4 := 0;
BEGIN
	FOR r IN EXECUTE query LOOP
		list := pg_catalog.array_append(list, CAST(pg_catalog.to_jsonb(r) AS pg_catalog.text));
		n := n OPERATOR(pg_catalog.+) 1;
		IF n OPERATOR(pg_catalog.>) 1000 THEN
			answer := 'large';
			RETURN;
		END IF;
	END LOOP;
	answer := replay.sorted(list);
	bare := replay.sorted(replay.values_of(list));
EXCEPTION
	WHEN query_canceled THEN
		answer := 'cancel';
	WHEN OTHERS THEN
		answer := pg_catalog.concat('error ', SQLSTATE, ' ', pg_catalog.left(SQLERRM, 200));
END $$;

CREATE FUNCTION replay.cached(query text) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
	list pg_catalog.jsonb;
BEGIN
	list := rtc.cache_list(pg_catalog.concat('replay:', pg_catalog.md5(query)), query);
	RETURN replay.sorted(replay.elements(list));
EXCEPTION
	WHEN query_canceled THEN
		RETURN 'cancel';
	WHEN OTHERS THEN
		RETURN pg_catalog.concat('error ', SQLSTATE, ' ', pg_catalog.left(SQLERRM, 200));
END $$;

-- Whether the cache has to be exact for a query: none (and why), ttl or exact
-- (which relations, by OID), error (and which).
CREATE FUNCTION replay.explain(query text) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
	e pg_catalog.record;
	exact pg_catalog.text := 'exact';
	relations pg_catalog.text := '';
	weak pg_catalog.bool := false;
	relid pg_catalog.oid;
BEGIN
	FOR e IN SELECT * FROM rtc.cache_explain(query) LOOP
		IF e.dependency OPERATOR(pg_catalog.=) 'not cacheable' THEN
			RETURN pg_catalog.concat('none|', e.detail);
		ELSIF e.dependency OPERATOR(pg_catalog.=) 'TTL only' THEN
			weak := true;
		END IF;
		IF e.relation IS NOT NULL THEN
			relid := pg_catalog.to_regclass(e.relation);
			relations := pg_catalog.concat(relations, relid, ' ');
		END IF;
	END LOOP;
	IF weak THEN
		RETURN pg_catalog.concat('ttl|', relations);
	END IF;
	RETURN pg_catalog.concat('exact|', relations);
EXCEPTION WHEN OTHERS THEN
	RETURN pg_catalog.concat('error|', SQLSTATE, ' ', SQLERRM);
END $$;

-- Answers that are both errors are the same if their codes are.
CREATE FUNCTION replay.same(cached text, answer text, bare text) RETURNS bool
LANGUAGE sql SET search_path = pg_catalog AS $$
	SELECT CASE WHEN cached LIKE 'error %' AND answer LIKE 'error %'
			THEN split_part(cached, ' ', 2) = split_part(answer, ' ', 2)
			ELSE cached = answer OR cached = bare IS TRUE END
$$;

-- Asks once, from the cache and plainly:
--	ok | how							how is l1, redis, miss or bypass
--	skip | why							there is nothing to compare
--	wrong | how | explained | cached | plain
CREATE FUNCTION replay.ask(query text) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
	old pg_catalog.record;
	new pg_catalog.record;
	p pg_catalog.record;
	p2 pg_catalog.record;
	cached pg_catalog.text;
	how pg_catalog.text;
	explained pg_catalog.text;
BEGIN
	old := rtc.cache_stats();
	cached := replay.cached(query);
	new := rtc.cache_stats();
	p := replay.plain(query);
	IF new.l1_hits OPERATOR(pg_catalog.>) old.l1_hits THEN
		how := 'l1';
	ELSIF new.l2_hits OPERATOR(pg_catalog.>) old.l2_hits THEN
		how := 'redis';
	ELSIF new.bypasses OPERATOR(pg_catalog.>) old.bypasses THEN
		how := 'bypass';
	ELSE
		how := 'miss';
	END IF;
	IF p.answer OPERATOR(pg_catalog.=) ANY ('{large,cancel}') OR cached OPERATOR(pg_catalog.=) 'cancel' THEN
		RETURN pg_catalog.concat('skip|', p.answer);
	ELSIF cached OPERATOR(pg_catalog.~~) 'error 42701 column name %' THEN
		-- two columns of one name, which to_jsonb() does not have both of either
		RETURN 'skip|names';
	ELSIF replay.same(cached, p.answer, p.bare) THEN
		IF p.answer OPERATOR(pg_catalog.~~) 'error %' THEN
			RETURN pg_catalog.concat('ok|error');
		END IF;
		RETURN pg_catalog.concat('ok|', how);
	END IF;
	p2 := replay.plain(query);
	IF p2.answer OPERATOR(pg_catalog.<>) p.answer THEN
		RETURN 'skip|unstable';
	END IF;
	explained := replay.explain(query);
	IF pg_catalog.left(explained, 3) OPERATOR(pg_catalog.=) 'ttl' THEN
		RETURN 'skip|ttl';
	END IF;
	RETURN pg_catalog.concat('wrong|', how, '|', pg_catalog.translate(explained, '|', ':'), '|',
		pg_catalog.left(cached, 1500), '|', pg_catalog.left(p.answer, 1500));
END $$;

-- Attaches tables, with their partitions and children, and lets the other role
-- read them.
CREATE FUNCTION replay.attach(relations oid[]) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog SET client_min_messages = error AS $$
DECLARE
	c record;
BEGIN
	FOR c IN
		SELECT DISTINCT a.relid AS oid, relkind FROM unnest(relations) AS r (oid),
			LATERAL (SELECT r.oid AS relid UNION SELECT inhrelid FROM pg_inherits WHERE inhparent = r.oid) AS a
			JOIN pg_class ON pg_class.oid = relid
	LOOP
		BEGIN
			EXECUTE format('GRANT SELECT ON %s TO replay_user', c.oid::regclass);
			IF c.relkind IN ('r', 'p') THEN
				PERFORM rtc.cache_attach(c.oid::regclass);
			END IF;
		EXCEPTION WHEN OTHERS THEN
			NULL;
		END;
	END LOOP;
END $$;

-- Attaches whatever can be attached.
CREATE FUNCTION replay.attach_all() RETURNS void
LANGUAGE sql SET search_path = pg_catalog AS $$
	SELECT replay.attach(array_agg(c.oid)) FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = relnamespace
		WHERE relkind IN ('r', 'p') AND relpersistence = 'p' AND nspname !~ '^(pg_|information_schema$|rtc$|replay$)'
			AND NOT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = c.oid AND tgname = 'rtcache_row')
$$;

-- A random write to a table; returns it, or NULL if it could not be made.
CREATE FUNCTION replay.write(rel oid, kind text, i int, j int, k int) RETURNS text
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
	t regclass := rel;
	columns text[];
	c text;
	n int;
	sql text;
BEGIN
	IF NOT EXISTS (SELECT FROM pg_class WHERE oid = rel AND relkind IN ('r', 'p')) THEN
		RETURN NULL;
	END IF;
	SELECT array_agg(quote_ident(attname) ORDER BY attnum) INTO columns FROM pg_attribute
		WHERE attrelid = t AND attnum > 0 AND NOT attisdropped AND attgenerated = '' AND attidentity <> 'a';
	c := columns[1 + i % cardinality(columns)];
	EXECUTE format('SELECT greatest(count(*), 1) FROM (SELECT FROM %s LIMIT 1000) AS a', t) INTO n;
	j := j % n;
	k := k % n;
	CASE kind
	WHEN 'update' THEN
		sql := format('UPDATE %1$s SET %2$s = (SELECT %2$s FROM %1$s OFFSET %4$s LIMIT 1) WHERE (tableoid, ctid) = (SELECT tableoid, ctid FROM %1$s OFFSET %3$s LIMIT 1)', t, c, j, k);
	WHEN 'null' THEN
		sql := format('UPDATE %1$s SET %2$s = NULL WHERE (tableoid, ctid) = (SELECT tableoid, ctid FROM %1$s OFFSET %3$s LIMIT 1)', t, c, j);
	WHEN 'all' THEN
		sql := format('UPDATE %1$s SET %2$s = (SELECT %2$s FROM %1$s OFFSET %3$s LIMIT 1)', t, c, j);
	WHEN 'swap' THEN
		sql := format('UPDATE %1$s SET %2$s = CASE WHEN (tableoid, ctid) = (SELECT tableoid, ctid FROM %1$s OFFSET %3$s LIMIT 1) THEN (SELECT %2$s FROM %1$s OFFSET %4$s LIMIT 1) ELSE (SELECT %2$s FROM %1$s OFFSET %3$s LIMIT 1) END WHERE (tableoid, ctid) IN ((SELECT tableoid, ctid FROM %1$s OFFSET %3$s LIMIT 1), (SELECT tableoid, ctid FROM %1$s OFFSET %4$s LIMIT 1))', t, c, j, k);
	WHEN 'delete' THEN
		sql := format('DELETE FROM %1$s WHERE (tableoid, ctid) = (SELECT tableoid, ctid FROM %1$s OFFSET %2$s LIMIT 1)', t, j);
	WHEN 'insert' THEN
		sql := format('INSERT INTO %1$s (%2$s) SELECT %2$s FROM %1$s OFFSET %3$s LIMIT 1', t, array_to_string(columns, ', '), j);
	WHEN 'truncate' THEN
		sql := format('TRUNCATE %s', t);
	END CASE;
	EXECUTE sql;
	RETURN sql;
EXCEPTION WHEN OTHERS THEN
	RETURN NULL;
END $$;

-- What the words of a query can mean: one line for each.
--	kind | word | schema | name | oid | more
CREATE FUNCTION replay.meanings(words text[]) RETURNS SETOF text
LANGUAGE sql SET search_path = pg_catalog AS $$
	SELECT concat_ws('|', 'relation', relname, quote_ident(nspname), quote_ident(relname), c.oid,
			relkind::text || CASE WHEN relispartition THEN ' part' ELSE '' END)
		FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = relnamespace
		WHERE relname = ANY (words) AND relkind IN ('r', 'p', 'v', 'm') AND relpersistence = 'p'
			AND nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast', 'rtc', 'replay')
	UNION ALL
	SELECT concat_ws('|', 'function', proname, quote_ident(nspname), quote_ident(proname), p.oid,
			prokind::text || ' ' || provolatile::text || CASE WHEN proretset THEN ' set' ELSE '' END,
			pg_get_function_identity_arguments(p.oid), format_type(prorettype, NULL),
			(SELECT string_agg(format_type(a.t, NULL), ', ' ORDER BY a.n) FROM unnest(proargtypes) WITH ORDINALITY AS a (t, n)))
		FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = pronamespace
		WHERE proname = ANY (words) AND nspname NOT IN ('rtc', 'replay', 'information_schema')
	UNION ALL
	SELECT concat_ws('|', 'type', typname, quote_ident(nspname), quote_ident(typname), t.oid, typtype::text)
		FROM pg_type AS t JOIN pg_namespace AS n ON n.oid = typnamespace
		WHERE (typname = ANY (words) AND typcategory <> 'A' AND typrelid = 0
			OR typtype = 'e' AND EXISTS (SELECT FROM pg_enum WHERE enumtypid = t.oid AND enumlabel = ANY (words))
			OR typtype IN ('e', 'd') AND EXISTS (SELECT FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = attrelid
				WHERE relname = ANY (words) AND atttypid = t.oid))
			AND nspname NOT IN ('rtc', 'replay', 'information_schema')
	UNION ALL
	SELECT concat_ws('|', 'collation', collname, quote_ident(nspname), quote_ident(collname), c.oid, collprovider::text)
		FROM pg_collation AS c JOIN pg_namespace AS n ON n.oid = collnamespace WHERE collname = ANY (words)
	UNION ALL
	SELECT concat_ws('|', 'config', cfgname, quote_ident(nspname), quote_ident(cfgname), c.oid, '')
		FROM pg_ts_config AS c JOIN pg_namespace AS n ON n.oid = cfgnamespace WHERE cfgname = ANY (words)
	UNION ALL
	SELECT concat_ws('|', 'dictionary', dictname, quote_ident(nspname), quote_ident(dictname), c.oid, '')
		FROM pg_ts_dict AS c JOIN pg_namespace AS n ON n.oid = dictnamespace WHERE dictname = ANY (words)
	UNION ALL
	SELECT concat_ws('|', 'schema', nspname, quote_ident(nspname), quote_ident(nspname), oid, '')
		FROM pg_namespace WHERE nspname = ANY (words) AND nspname NOT IN ('pg_catalog', 'information_schema', 'rtc', 'replay')
$$;
