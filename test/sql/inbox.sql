-- Writing behind from SQL: cache_put and cache_add, what they refuse and whom, what
-- becomes of it; the view rtcache_inbox, the line of cache_health().
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir /lib/helpers.psql
\set ECHO none
\i :helpers
\set ECHO all

CREATE TABLE hero (id int PRIMARY KEY, name text, hits bigint NOT NULL DEFAULT 0, score numeric, secret int);
SELECT cache_attach('hero', 'ibx:{id}', behind => '{name, hits, score}');
INSERT INTO hero (id) SELECT generate_series(1, 3);
SELECT ready();
-- waits until all that was appended has been applied, or refused
CREATE FUNCTION applied(more int) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	target bigint := current_setting('test.applied', true)::bigint + more;
BEGIN
	FOR i IN 1 .. 18000 LOOP
		IF (SELECT p.applied + p.refused >= target AND p.id = i.last_id
			  FROM rtcache_inbox_position AS p, rtcache_inbox AS i
			 WHERE i.datname = current_database()) THEN
			PERFORM set_config('test.applied', target::text, false);
			RETURN 'applied';
		END IF;
		PERFORM pg_sleep(0.01);
	END LOOP;
	RETURN 'not applied';
END $$;
SELECT set_config('test.applied', coalesce((SELECT applied + refused FROM rtcache_inbox_position), 0)::text, false) IS NOT NULL;

SELECT cache_put('ibx:1', '{"name": "Ada", "hits": 5}');
SELECT cache_add('ibx:1', '{"hits": 2, "score": 0.5}');
SELECT cache_put('ibx:4', '{"name": "new"}');
SELECT cache_add(NULL, '{"hits": 2}') IS NULL, cache_put('ibx:1', NULL) IS NULL;
-- not undone by a rollback
BEGIN;
SELECT cache_add('ibx:2', '{"hits": 1}');
ROLLBACK;
SELECT applied(4);
SELECT * FROM hero ORDER BY id;
SELECT datname = current_database(), length, is_full, last_error FROM rtcache_inbox WHERE datname = current_database();
SELECT ok, detail FROM cache_health() WHERE name = 'inbox';
SELECT last_id = (SELECT id FROM rtcache_inbox_position), pid IS NOT NULL, refused >= 0, dead FROM rtcache_inbox WHERE datname = current_database();

-- what is refused at once
SELECT error($$SELECT cache_put('', '{"hits": 1}')$$);
SELECT error($$SELECT cache_put('~x', '{"hits": 1}')$$);
SELECT error($$SELECT cache_put('other:1', '{"hits": 1}')$$);
SELECT error($$SELECT cache_put('ibx:01', '{"hits": 1}')$$);
SELECT error($$SELECT cache_put('ibx:x', '{"hits": 1}')$$);
SELECT error($$SELECT cache_put('ibx:99999999999', '{"hits": 1}')$$);
SELECT error($$SELECT cache_put('ibx:1', '[1]')$$);
SELECT error($$SELECT cache_put('ibx:1', '1')$$);
SELECT error($$SELECT cache_put('ibx:1', '{}')$$);
SELECT error($$SELECT cache_put('ibx:1', '{"nothing": 1}')$$);
SELECT error($$SELECT cache_put('ibx:1', '{"secret": 1}')$$);
SELECT error($$SELECT cache_add('ibx:1', '{"id": 1}')$$);
SELECT error($$SELECT cache_put('ibx:1', jsonb_build_object('name', repeat('x', 1100000)))$$);

-- who may
CREATE ROLE rtc_behind;
GRANT USAGE ON SCHEMA public TO rtc_behind;
SET ROLE rtc_behind;
SELECT error($$SELECT cache_put('ibx:1', '{"hits": 1}')$$);
RESET ROLE;
GRANT EXECUTE ON FUNCTION cache_put, cache_add TO rtc_behind;
CREATE FUNCTION try() RETURNS TABLE (put text, add text) LANGUAGE sql AS $$
	SELECT error($q$SELECT cache_put('ibx:1', '{"hits": 8}')$q$), error($q$SELECT cache_add('ibx:1', '{"hits": 1}')$q$)
$$;
SET ROLE rtc_behind;
SELECT * FROM try();
RESET ROLE;
GRANT UPDATE (hits) ON hero TO rtc_behind;
SET ROLE rtc_behind;
SELECT * FROM try();
RESET ROLE;
GRANT SELECT (id, hits) ON hero TO rtc_behind;
SET ROLE rtc_behind;
SELECT * FROM try();
RESET ROLE;
GRANT INSERT (id, hits) ON hero TO rtc_behind;
SET ROLE rtc_behind;
SELECT * FROM try();
SELECT error($$SELECT cache_put('ibx:1', '{"name": "x"}')$$);
RESET ROLE;
ALTER TABLE hero ENABLE ROW LEVEL SECURITY;
SET ROLE rtc_behind;
SELECT * FROM try();
RESET ROLE;
SELECT applied(3);
SELECT hits FROM hero WHERE id = 1;

-- a table that has lost its primary key, and a rule that is off
ALTER TABLE hero DROP CONSTRAINT hero_pkey;
SELECT error($$SELECT cache_put('ibx:1', '{"hits": 1}')$$);
ALTER TABLE hero ADD PRIMARY KEY (id);
ALTER TABLE hero DISABLE TRIGGER rtcache_row;
SELECT error($$SELECT cache_put('ibx:1', '{"hits": 1}')$$);
SELECT cache_inbox_retry();
DROP TABLE hero;
DROP OWNED BY rtc_behind;
DROP ROLE rtc_behind;
DROP FUNCTION try, applied;
