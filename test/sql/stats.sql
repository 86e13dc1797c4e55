-- Seeing it: rtcache_stats, cache_stats_reset, rtcache_relay, cache_wait,
-- cache_health.
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir /lib/helpers.psql
\set ECHO none
\i :helpers
\set ECHO all

-- shapes
SELECT attname, atttypid::regtype FROM pg_attribute
 WHERE attrelid = 'rtcache_stats'::regclass AND attnum > 0 ORDER BY attnum;
SELECT attname, atttypid::regtype FROM pg_attribute
 WHERE attrelid = 'rtcache_relay'::regclass AND attnum > 0 ORDER BY attnum;

-- all counters start from zero at a reset
CREATE TABLE stat (id int, t text);
CREATE TRIGGER cache AFTER INSERT OR UPDATE OR DELETE ON stat
	FOR EACH ROW EXECUTE FUNCTION rtcache_write_through('stat:{id}');
SELECT cache_wait();
SELECT stats_reset AS before FROM rtcache_stats \gset
SELECT cache_stats_reset();
SELECT stats_reset > coalesce(nullif(:'before', 'NULL'), '-infinity')::timestamptz AS later FROM rtcache_stats;
SELECT key, value FROM rtcache_stats AS s, jsonb_each_text(to_jsonb(s) - 'stats_reset') AS c WHERE value <> '0';

-- what is written
INSERT INTO stat VALUES (1, 'x'), (2, 'y');
SELECT cache_wait();
SELECT sets, dels, pattern_dels, bytes_written, messages, message_bytes > 0 AS bytes, messages_refused FROM rtcache_stats;
-- two changes of one row are one op on its key
BEGIN;
UPDATE stat SET t = 'xx' WHERE id = 1;
UPDATE stat SET t = 'xxx' WHERE id = 1;
COMMIT;
DELETE FROM stat WHERE id = 2;
SELECT cache_wait();
SELECT sets, dels, pattern_dels, bytes_written, messages FROM rtcache_stats;
-- what is rolled back writes nothing
BEGIN;
UPDATE stat SET t = 'y';
ROLLBACK;
SELECT cache_wait();
SELECT sets, dels, messages FROM rtcache_stats;
SELECT cache_del_pattern('stat:*');
SELECT cache_wait();
SELECT sets, dels, pattern_dels, clears, messages FROM rtcache_stats;

-- lookups: bypasses is the sum of its reasons
SELECT cache_stats_reset();
SELECT cache_get('g', 'SELECT 1 AS n');
SELECT cache_get('g', 'SELECT 1 AS n');
SELECT cache_get('g', 'SELECT random()') IS NULL;
SET rtcache.enabled = off;
SELECT cache_get('g', 'SELECT 1 AS n');
RESET rtcache.enabled;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT cache_get('g', 'SELECT 1 AS n');
COMMIT;
BEGIN;
INSERT INTO stat VALUES (3);
SELECT cache_get('g', 'SELECT 1 AS n');
ROLLBACK;
SELECT l1_hits + l2_hits AS hits, misses, fills, bytes_read = 7 * l2_hits AS read, bytes_written, bypasses, bypass_query, bypass_disabled, bypass_isolation, bypass_wrote
  FROM rtcache_stats;
SELECT bypasses = bypass_disabled + bypass_not_ready + bypass_wrote + bypass_isolation + bypass_query + bypass_pending +
				  bypass_lag + bypass_breaker + bypass_error AS sum FROM rtcache_stats;

-- a message that somebody else has written changes nothing
SELECT cache_set('seal', '"ours"');
SELECT cache_wait();
SELECT cache_stats_reset();
SELECT count(pg_logical_emit_message(true, 'rtcache', m))
  FROM unnest(ARRAY['', 'x', repeat('x', 16), repeat('x', 1000), repeat(E'\x01', 80)]) AS m;
SELECT count(pg_logical_emit_message(false, 'rtcache', decode(repeat('00', 100), 'hex')));
SELECT cache_wait();
SELECT messages_refused FROM rtcache_stats;
SELECT * FROM held('seal');
-- those of others are theirs
SELECT count(pg_logical_emit_message(true, p, 'x')) FROM unnest('{rtcache2, rtcach, Rtcache, ""}'::text[]) AS p;
SELECT cache_wait();
SELECT messages_refused FROM rtcache_stats;

-- the relay
SELECT pid > 0 AS pid, state, timeline > 0 AS timeline, read_lsn >= applied_lsn AS read, applied_lsn <= pg_current_wal_lsn() AS applied,
	   lag_bytes >= 0 AS bytes, lag_ms >= 0 AS ms, breaker, connected_at < now() AS connected, last_commit_at < now() AS last_commit,
	   batches > 0 AS batches, commits > 0 AS commits, ops > 0 AS ops, slot_problem
  FROM rtcache_relay;
SELECT slot_type, active_pid = (SELECT pid FROM rtcache_relay) AS "by the relay" FROM pg_replication_slots WHERE slot_name = 'rtcache';
SELECT commits AS commits, ops AS ops FROM rtcache_relay \gset
BEGIN;
SELECT cache_set('r:1', '1'), cache_set('r:2', '2');
COMMIT;
SELECT cache_wait();
SELECT commits - :commits AS commits, ops - :ops AS ops FROM rtcache_relay;

-- cache_wait
SELECT cache_wait(), cache_wait(NULL), cache_wait('0/1'), cache_wait('0/0'), cache_wait(pg_current_wal_lsn());
SELECT cache_wait(timeout => '0'), cache_wait(timeout => '1 day'), cache_wait('0/1', '0');
-- what is not written yet cannot be applied
SELECT cache_wait('FFFFFFFF/0', '0');
SELECT cache_wait('FFFFFFFF/0', '20 ms');
SELECT cache_wait(pg_current_wal_insert_lsn() + 1000000000, '1 microsecond');
SELECT error($$SELECT cache_wait(NULL, '-1 s')$$);
SELECT error($$SELECT cache_wait(NULL, '-1 microsecond')$$);
SELECT error($$SELECT cache_wait(NULL, NULL)$$);
-- it can be cancelled
SET statement_timeout = '100ms';
SELECT cache_wait('FFFFFFFF/0', '1 hour');
RESET statement_timeout;
-- and is allowed where nothing may be written
BEGIN READ ONLY;
SELECT cache_wait();
COMMIT;
-- a commit that has not waited for its flush is waited for
SET synchronous_commit = off;
SELECT cache_set('async', '1');
SELECT * FROM held('async');
RESET synchronous_commit;

-- health
SELECT cache_stats_reset();
SELECT name, ok FROM cache_health();
SELECT detail FROM cache_health() WHERE name IN ('preloaded', 'redis_url', 'wal_level', 'relay', 'connection', 'breaker');
DROP TABLE stat;
