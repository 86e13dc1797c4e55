-- cache_peek, cache_exists, cache_ttl: what Redis holds, without a query.
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir /lib/helpers.psql
\set ECHO none
\i :helpers
\set ECHO all

SELECT cache_set('k', '{"a": 1}', '1 hour'), cache_set('k:null', NULL), cache_set('k:never', '[1, 2]', '0');
SELECT cache_wait();
SELECT k, cache_peek(k), cache_exists(k), cache_ttl(k) > '0' AS ttl, cache_ttl(k) <= '1 hour' AS max
  FROM unnest('{k, k:null, k:never, k:none}'::text[]) AS k;
-- NULL is no key
SELECT cache_peek(NULL), cache_exists(NULL), cache_ttl(NULL);
-- they count as no lookups
SELECT moved() \g /dev/null
SELECT cache_peek('k'), cache_exists('k'), cache_exists('k:none'), cache_ttl('k') IS NULL;
SELECT moved();
-- they see what others have filled
SELECT cache_get('k:filled', 'SELECT 1 AS n', ttl => '2 hours');
SELECT cache_peek('k:filled'), cache_exists('k:filled'), cache_ttl('k:filled') BETWEEN '01:59:00' AND '02:00:00';
SELECT cache_get('k:norow', 'SELECT 1 WHERE false');
SELECT cache_peek('k:norow'), cache_exists('k:norow');
-- in any transaction: they make no promise
BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY;
SELECT cache_peek('k'), cache_exists('k'), cache_ttl('k') > '0';
COMMIT;
BEGIN;
SELECT cache_del('k');
SELECT cache_peek('k'), cache_exists('k');
COMMIT;
SELECT * FROM held('k');
SELECT cache_exists('k'), cache_ttl('k');
-- whatever rtcache.enabled says
SET rtcache.enabled = off;
SELECT cache_peek('k:never'), cache_exists('k:never'), cache_ttl('k:never');
RESET rtcache.enabled;
-- a key that expires
SELECT cache_set('k:short', '1', '1 ms'), cache_set('k:shorter', '1', '1 microsecond');
SELECT cache_wait();
DO $$
BEGIN
	FOR i IN 1 .. 1000 LOOP
		EXIT WHEN NOT cache_exists('k:short') AND NOT cache_exists('k:shorter');
		PERFORM pg_sleep(0.01);
	END LOOP;
END $$;
SELECT cache_peek('k:short'), cache_exists('k:short'), cache_ttl('k:short'), cache_exists('k:shorter');
-- what is no JSON to jsonb is there, and cannot be shown
CREATE TABLE raw (id int, j json);
CREATE TRIGGER cache AFTER INSERT OR UPDATE OR DELETE ON raw
	FOR EACH ROW EXECUTE FUNCTION rtcache_write_through('raw:{id}');
INSERT INTO raw VALUES (1, '"\u0000"');
SELECT cache_wait();
SELECT cache_peek('raw:1'), cache_exists('raw:1'), cache_ttl('raw:1') > '0';
DROP TABLE raw;
