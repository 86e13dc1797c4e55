-- The objects of the extension: nothing is open to PUBLIC, GRANT opens it,
-- everything has a comment; dropped and created in a schema of its own it works
-- as well.
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir /lib/helpers.psql
\set ECHO none
\i :helpers
\set ECHO all

-- what there is
SELECT pg_describe_object(classid, objid, 0)
  FROM pg_depend
 WHERE refclassid = 'pg_extension'::regclass AND deptype = 'e'
   AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'rtcache')
   AND classid <> 'pg_type'::regclass
 ORDER BY pg_describe_object(classid, objid, 0) COLLATE "C";

-- functions that PUBLIC may execute: those that the server asks for when it clones a
-- rule to a partition
SELECT p.oid::regprocedure
  FROM pg_proc AS p
  JOIN pg_depend AS d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
  JOIN pg_extension AS e ON e.oid = d.refobjid AND e.extname = 'rtcache'
 WHERE p.proacl IS NULL
	OR EXISTS (SELECT FROM aclexplode(p.proacl) AS a WHERE a.grantee = 0);

-- views that PUBLIC may read: none
SELECT c.oid::regclass
  FROM pg_class AS c
  JOIN pg_depend AS d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'
  JOIN pg_extension AS e ON e.oid = d.refobjid AND e.extname = 'rtcache'
 WHERE EXISTS (SELECT FROM aclexplode(c.relacl) AS a WHERE a.grantee = 0);

-- objects without a comment: none
SELECT pg_describe_object(classid, objid, 0)
  FROM pg_depend AS d
 WHERE refclassid = 'pg_extension'::regclass AND deptype = 'e'
   AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'rtcache')
   AND classid NOT IN ('pg_type'::regclass, 'pg_rewrite'::regclass)
   AND NOT EXISTS (SELECT FROM pg_description AS c
					WHERE c.classoid = d.classid AND c.objoid = d.objid AND c.objsubid = 0);

-- columns of views without a comment: none
SELECT a.attrelid::regclass, a.attname
  FROM pg_attribute AS a
 WHERE a.attrelid IN ('rtcache_stats'::regclass, 'rtcache_relay'::regclass)
   AND a.attnum > 0 AND col_description(a.attrelid, a.attnum) IS NULL;

-- volatility, strictness, parallel safety
SELECT proname, provolatile, proisstrict, proparallel
  FROM pg_proc AS p
 WHERE EXISTS (SELECT FROM pg_depend AS d
				JOIN pg_extension AS e ON e.oid = d.refobjid AND e.extname = 'rtcache'
			   WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')
 ORDER BY proname COLLATE "C";

-- it cannot be moved
SELECT error('ALTER EXTENSION rtcache SET SCHEMA pg_catalog');

-- an ordinary role gets nothing without a GRANT ...
CREATE ROLE rtc_plain;
CREATE TABLE plain (id int PRIMARY KEY, name text);
GRANT ALL ON plain TO rtc_plain;
GRANT CREATE ON SCHEMA public TO rtc_plain;
SET ROLE rtc_plain;
SELECT error($$SELECT cache_get('k', 'SELECT 1')$$);
SELECT error($$SELECT cache_list('k', 'SELECT 1')$$);
SELECT error($$SELECT cache_peek('k')$$);
SELECT error($$SELECT cache_exists('k')$$);
SELECT error($$SELECT cache_ttl('k')$$);
SELECT error($$SELECT cache_key('k')$$);
SELECT error($$SELECT cache_set('k', '1')$$);
SELECT error($$SELECT cache_del('k')$$);
SELECT error($$SELECT cache_del_pattern('*')$$);
SELECT error($$SELECT cache_clear()$$);
SELECT error($$SELECT cache_wait()$$);
SELECT error($$SELECT cache_health()$$);
SELECT error($$SELECT cache_stats()$$);
SELECT error($$SELECT cache_stats_reset()$$);
SELECT error($$SELECT rtcache_relay()$$);
SELECT error($$TABLE rtcache_stats$$);
SELECT error($$TABLE rtcache_relay$$);
CREATE TABLE own (id int);
SELECT error($$CREATE TRIGGER t AFTER INSERT OR UPDATE OR DELETE ON own
	FOR EACH ROW EXECUTE FUNCTION rtcache_write_through('own:{id}')$$);
SELECT error($$CREATE TRIGGER t AFTER INSERT OR UPDATE OR DELETE ON own
	FOR EACH ROW EXECUTE FUNCTION rtcache_invalidate('own:{id}')$$);
SELECT error($$CREATE TRIGGER t AFTER TRUNCATE ON own
	FOR EACH STATEMENT EXECUTE FUNCTION rtcache_truncate()$$);
RESET ROLE;

-- ... and what it was granted with one
GRANT EXECUTE ON FUNCTION cache_get, cache_peek, cache_set, cache_wait TO rtc_plain;
GRANT EXECUTE ON FUNCTION rtcache_write_through TO rtc_plain;
GRANT EXECUTE ON FUNCTION cache_stats TO rtc_plain;
GRANT SELECT ON rtcache_stats TO rtc_plain;
SET ROLE rtc_plain;
SELECT cache_get('k', 'SELECT 1 AS one');
SELECT cache_set('k', '2');
SELECT cache_wait();
SELECT cache_peek('k');
SELECT error($$SELECT cache_del('k')$$);
SELECT count(*) FROM rtcache_stats;
CREATE TRIGGER t AFTER INSERT OR UPDATE OR DELETE ON own
	FOR EACH ROW EXECUTE FUNCTION rtcache_write_through('own:{id}');
INSERT INTO own VALUES (7);
SELECT cache_wait();
SELECT cache_peek('own:7');
DROP TABLE own;
RESET ROLE;

-- who writes to a table with a rule needs no privilege on the rule's function
CREATE TRIGGER t AFTER INSERT OR UPDATE OR DELETE ON plain
	FOR EACH ROW EXECUTE FUNCTION rtcache_invalidate('plain:{id}');
SET ROLE rtc_plain;
INSERT INTO plain VALUES (1, 'one');
RESET ROLE;

-- the functions are for triggers only
SELECT error('SELECT rtcache_write_through()');
SELECT error('SELECT rtcache_invalidate()');
SELECT error('SELECT rtcache_truncate()');
SELECT error('SELECT rtcache_check_rules()');

-- a rule keeps the extension from going
SELECT error('DROP EXTENSION rtcache');
DROP TABLE plain;

-- in another schema, and with a name that is on nobody's search_path
DROP EXTENSION rtcache;
SELECT to_regproc('cache_get');
CREATE SCHEMA elsewhere;
CREATE EXTENSION rtcache SCHEMA elsewhere;
SELECT count(*) FROM elsewhere.rtcache_stats;
SELECT count(*) FROM elsewhere.rtcache_relay;
CREATE TABLE hero (id int PRIMARY KEY, name text);
CREATE TRIGGER t AFTER INSERT OR UPDATE OR DELETE ON hero
	FOR EACH ROW EXECUTE FUNCTION elsewhere.rtcache_write_through('ext:{id}');
INSERT INTO hero VALUES (1, 'Ada');
SELECT elsewhere.cache_wait();
SELECT elsewhere.cache_peek('ext:1');
SELECT error($$CREATE TRIGGER bad AFTER INSERT OR UPDATE OR DELETE ON hero
	FOR EACH ROW EXECUTE FUNCTION elsewhere.rtcache_write_through('ext:{ident}')$$);
DROP TABLE hero;
DROP EXTENSION rtcache;
DROP SCHEMA elsewhere;
CREATE EXTENSION rtcache;

REVOKE ALL ON SCHEMA public FROM rtc_plain;
DROP OWNED BY rtc_plain;
DROP ROLE rtc_plain;
