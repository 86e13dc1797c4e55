-- rtcache_tables: what rules of a table send to Redis, by table; which
-- transactions count; reset, and tables that are gone.
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir /lib/helpers.psql
\set ECHO none
\i :helpers
\set ECHO all

SELECT attname, atttypid::regtype FROM pg_attribute
 WHERE attrelid = 'rtcache_tables'::regclass AND attnum > 0 ORDER BY attnum;

CREATE TABLE tabled (id int PRIMARY KEY, team text);
CREATE TABLE other (id int PRIMARY KEY);
SELECT cache_attach('tabled', key => 'tabled:{id}', del => ARRAY['team:{team}']);
SELECT cache_attach('other', key => 'other:{id}', mode => 'del');
SELECT cache_stats_reset();
SELECT * FROM rtcache_tables;

-- an insert stores a row and deletes a key
INSERT INTO tabled VALUES (1, 'a'), (2, 'a'), (3, 'b');
SELECT relation, sets, dels, refreshes, warm FROM rtcache_tables;
-- what is merged is counted once
BEGIN;
UPDATE tabled SET team = 'c' WHERE id = 3;
UPDATE tabled SET team = 'd' WHERE id = 3;
COMMIT;
SELECT relation, sets, dels FROM rtcache_tables;
DELETE FROM tabled WHERE id = 3;
INSERT INTO other VALUES (1);
SELECT relation, sets, dels FROM rtcache_tables ORDER BY relation::text;
-- what a user does is no rule's
SELECT cache_set('tabled:9', '1'), cache_del('tabled:1');
SELECT relation, sets, dels FROM rtcache_tables ORDER BY relation::text;

-- what is rolled back does not count
BEGIN;
INSERT INTO other VALUES (2);
ROLLBACK;
BEGIN;
SAVEPOINT s;
INSERT INTO other VALUES (2);
ROLLBACK TO s;
INSERT INTO other VALUES (3);
COMMIT;
SELECT relation, sets, dels FROM rtcache_tables WHERE relation = 'other'::regclass;

-- partitions count for themselves
CREATE TABLE parted (id int PRIMARY KEY) PARTITION BY RANGE (id);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (1) TO (10);
SELECT cache_attach('parted', key => 'parted:{id}');
INSERT INTO parted VALUES (1), (2);
SELECT relation, sets, dels FROM rtcache_tables WHERE relation::text LIKE 'parted%';

-- a table that is dropped, and one whose drop is rolled back
BEGIN;
DROP TABLE other;
ROLLBACK;
SELECT relation, sets, dels FROM rtcache_tables WHERE relation = 'other'::regclass;
DROP TABLE parted;
SELECT relation, sets, dels FROM rtcache_tables ORDER BY relation::text;

SELECT cache_stats_reset();
SELECT * FROM rtcache_tables;

-- who may look
CREATE ROLE tables_reader;
SET ROLE tables_reader;
SELECT error('SELECT * FROM rtcache_tables');
RESET ROLE;
GRANT SELECT ON rtcache_tables TO tables_reader;
GRANT EXECUTE ON FUNCTION rtcache_tables() TO tables_reader;
SET ROLE tables_reader;
SELECT count(*) FROM rtcache_tables;
RESET ROLE;
REVOKE EXECUTE ON FUNCTION rtcache_tables() FROM tables_reader;
REVOKE SELECT ON rtcache_tables FROM tables_reader;
DROP ROLE tables_reader;
DROP TABLE tabled, other;
