-- rtcache_families, saved_ms and hit_ratio: what lookups do, by family of keys, and
-- what hits save.  Key conflicts: several questions under one key.
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir /lib/helpers.psql
\set ECHO none
\i :helpers
\set ECHO all

SELECT attname, atttypid::regtype FROM pg_attribute
 WHERE attrelid = 'rtcache_families'::regclass AND attnum > 0 ORDER BY attnum;

CREATE TABLE famed (id int PRIMARY KEY, team text);
SELECT cache_attach('famed', mode => 'del');
INSERT INTO famed SELECT i, 'team ' || i % 3 FROM generate_series(1, 9) AS i;
SELECT cache_wait();
SELECT cache_stats_reset();
SELECT * FROM rtcache_families;
SELECT saved_ms, hit_ratio FROM rtcache_stats;

-- a query that takes some milliseconds
CREATE VIEW slow AS SELECT count(*) AS n FROM generate_series(1, 200000) AS i;
SELECT cache_get('slow:1', 'SELECT n FROM slow');
SELECT family, l1_hits + l2_hits AS hits, misses, fills, refused, hit_ratio,
	   computed_ms > 1 AS computed, saved_ms, bytes > 0 AS bytes, datname
  FROM rtcache_families;
SELECT cache_get('slow:1', 'SELECT n FROM slow');
SELECT cache_get('slow:1', 'SELECT n FROM slow');
SELECT family, l1_hits + l2_hits AS hits, misses, fills >= 1 AS fills, refused, round(hit_ratio::numeric, 4) AS ratio,
	   round((saved_ms / computed_ms)::numeric, 4) AS "times saved"
  FROM rtcache_families;
SELECT round((s.saved_ms - f.saved_ms)::numeric, 2) AS "not of this family", s.hit_ratio = f.hit_ratio AS same
  FROM rtcache_stats AS s, rtcache_families AS f;

-- the key up to the first colon, or all of it
SELECT cache_list('famed:a:b', 'SELECT * FROM famed WHERE id < 3') IS NOT NULL,
	   cache_list('famed:c', 'SELECT * FROM famed WHERE id < 4') IS NOT NULL,
	   cache_list('famed', 'SELECT * FROM famed WHERE id < 5') IS NOT NULL,
	   cache_list(':x', 'SELECT 1') IS NOT NULL,
	   cache_list(repeat('long', 20) || 'x:1', 'SELECT 1') IS NOT NULL,
	   cache_list(repeat('long', 20) || 'y:1', 'SELECT 1') IS NOT NULL,
	   cache_list(repeat(U&'\20AC', 40) || ':1', 'SELECT 1') IS NOT NULL;
SELECT family, misses, length(family), octet_length(family) FROM rtcache_families ORDER BY family COLLATE "C";
-- bypasses are no lookups of a family
SELECT cache_get('by:1', 'SELECT random() IS NOT NULL AS b');
SELECT count(*) FROM rtcache_families WHERE family = 'by';

-- each lookup that finds its answer ended by a write counts once, for each table
CREATE TABLE member (team text, name text);
CREATE INDEX ON member (team);
SELECT cache_attach('member');
SELECT cache_list('ended:1', 'SELECT f.id, m.name FROM famed AS f JOIN member AS m USING (team) WHERE f.id = 1');
INSERT INTO member VALUES ('team 1', 'Ann');
SELECT cache_list('ended:1', 'SELECT f.id, m.name FROM famed AS f JOIN member AS m USING (team) WHERE f.id = 1');
SELECT cache_list('ended:1', 'SELECT f.id, m.name FROM famed AS f JOIN member AS m USING (team) WHERE f.id = 1');
-- (one that is in Redis counts when the relay deletes it)
SELECT cache_wait();
SELECT answers_ended FROM rtcache_tables WHERE relation = 'member'::regclass;

-- a row that a rule has stored: nobody has computed it
CREATE TABLE kept (id int PRIMARY KEY, name text);
SELECT cache_attach('kept', key => 'kept:{id}');
INSERT INTO kept VALUES (1, 'Ann');
SELECT cache_wait();
SELECT * FROM get('kept:1', 'SELECT * FROM kept WHERE id = $1', '{1}');
SELECT misses = 0 AND saved_ms = 0 OR misses = 1 AS saved FROM rtcache_families WHERE family = 'kept';

-- several questions under one key
SELECT detail FROM cache_health() WHERE name = 'key_conflicts';
SELECT key_conflicts FROM rtcache_stats;
SELECT cache_get('shared:"1"', 'SELECT 1 AS one');
SELECT cache_get('shared:"1"', 'SELECT 2 AS two');
SELECT cache_get('shared:"1"', 'SELECT 1 AS one');
SELECT key_conflicts BETWEEN 1 AND 2 AS counted FROM rtcache_stats;
SELECT ok, regexp_replace(detail, '\d times?', 'N times') FROM cache_health() WHERE name = 'key_conflicts';
-- the row of a rule answers another question
SELECT cache_get('kept:1', 'SELECT name FROM kept WHERE id = $1', '{1}');
SELECT detail LIKE '%"kept:1" (1 time)%' AS named FROM cache_health() WHERE name = 'key_conflicts';

-- who may look
CREATE ROLE families_reader;
SET ROLE families_reader;
SELECT error('SELECT * FROM rtcache_families');
RESET ROLE;
GRANT SELECT ON rtcache_families TO families_reader;
GRANT EXECUTE ON FUNCTION rtcache_families() TO families_reader;
SET ROLE families_reader;
SELECT count(*) > 0 FROM rtcache_families;
RESET ROLE;
REVOKE EXECUTE ON FUNCTION rtcache_families() FROM families_reader;
REVOKE SELECT ON rtcache_families FROM families_reader;
DROP ROLE families_reader;

SELECT cache_stats_reset();
SELECT * FROM rtcache_families;
SELECT detail FROM cache_health() WHERE name = 'key_conflicts';
SELECT key_conflicts, saved_ms, hit_ratio FROM rtcache_stats;
DROP TABLE famed, member, kept;
DROP VIEW slow;
