-- What is done before anybody asks: settings, counters, times to live that are shortened
-- at random.  What workers do is in test/t/read_refresh.pl and fault_refresh.pl.
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir /lib/helpers.psql
\set ECHO none
\i :helpers
\set ECHO all

-- limits
SELECT format('SET rtcache.%s', c), left(error(format('SET rtcache.%s', c)), 5)
  FROM unnest(ARRAY['refresh_ahead = 1', 'refresh_ahead = 1.1', 'refresh_ahead = -0.1', 'ttl_jitter = 0.5', 'ttl_jitter = 0.6',
	'refresh_load = 1', 'refresh_workers = 1', 'refresh_statement_timeout = 1']) AS c;

-- who asks does not see whether it is on
SET rtcache.refresh_ahead = 0.5;
SET rtcache.refresh_after_write = on;
CREATE TABLE fresh (id int PRIMARY KEY, t text);
CREATE TRIGGER cache AFTER INSERT OR UPDATE OR DELETE ON fresh
	FOR EACH ROW EXECUTE FUNCTION rtcache_write_through('fresh:{id}', 'ttl=1 hour');
INSERT INTO fresh VALUES (1, 'a');
SELECT cache_get('fresh', 'SELECT count(*) AS n, max(t) AS t FROM fresh');
SELECT cache_get('fresh', 'SELECT count(*) AS n, max(t) AS t FROM fresh');
UPDATE fresh SET t = 'b';
SELECT cache_get('fresh', 'SELECT count(*) AS n, max(t) AS t FROM fresh');
BEGIN;
UPDATE fresh SET t = 'c';
SELECT cache_get('fresh', 'SELECT count(*) AS n, max(t) AS t FROM fresh');
ROLLBACK;
SELECT cache_get('fresh', 'SELECT count(*) AS n, max(t) AS t FROM fresh');
RESET rtcache.refresh_ahead;
RESET rtcache.refresh_after_write;
SELECT refreshes >= 0 AS refreshes, refreshes_failed >= 0 AS failed, work_dropped >= 0 AS dropped FROM rtcache_stats;

-- times to live: of rules, of answers, of what is set
CREATE FUNCTION spread(prefix text, OUT all_within boolean, OUT far_apart boolean) AS $$
	SELECT bool_and(ttl BETWEEN '29 min' AND '1 hour'), max(ttl) - min(ttl) > '15 min'
	  FROM (SELECT cache_ttl(prefix || i) AS ttl FROM generate_series(2, 101) AS i) AS ttls
$$ LANGUAGE sql;
SET rtcache.ttl_jitter = 0.5;
INSERT INTO fresh SELECT i, 'x' FROM generate_series(2, 101) AS i;
SELECT count(cache_set('fresh:set:' || i, '1', '1 hour')) FROM generate_series(2, 101) AS i;
SELECT cache_wait();
SELECT * FROM spread('fresh:');
SELECT * FROM spread('fresh:set:');
SELECT count(cache_get('fresh:answer:' || i, 'SELECT 1 AS n', NULL, '1 hour')) FROM generate_series(2, 101) AS i;
SELECT * FROM spread('fresh:answer:');
-- what does not expire still does not
SELECT cache_get('fresh:ever', 'SELECT 1 AS n', NULL, '0');
SELECT cache_ttl('fresh:ever');
RESET rtcache.ttl_jitter;
UPDATE fresh SET t = 'y';
SELECT cache_wait();
SELECT min(cache_ttl('fresh:' || i)) > '59 min' AS whole FROM generate_series(2, 101) AS i;
DROP FUNCTION spread;
DROP TABLE fresh;
