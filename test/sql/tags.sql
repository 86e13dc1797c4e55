-- Tags in rules and by hand: what is refused; what the keys of a table do when a
-- tag is not known.  (Which tags are dropped is for TAP tests to see.)
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir /lib/helpers.psql
\set ECHO none
\i :helpers
\set ECHO all

SELECT cache_invalidate('heroes', NULL, 'team:1');
SELECT cache_invalidate(VARIADIC '{}');
SELECT error($$SELECT cache_invalidate('')$$);
SELECT error($$SELECT cache_invalidate(repeat('x', 65537))$$);
SELECT error($$SELECT cache_invalidate(VARIADIC NULL)$$);
SELECT error($$SET LOCAL transaction_read_only = on; SELECT cache_invalidate('heroes')$$);

CREATE TABLE hero (id int, team int);
SELECT error($$CREATE TRIGGER try AFTER UPDATE ON hero FOR EACH ROW EXECUTE FUNCTION rtcache_invalidate('tag={nothing}')$$);
SELECT error($$CREATE TRIGGER try AFTER UPDATE ON hero FOR EACH ROW EXECUTE FUNCTION rtcache_invalidate('tag=')$$);
SELECT error($$CREATE TRIGGER try AFTER UPDATE OF team ON hero FOR EACH ROW EXECUTE FUNCTION rtcache_invalidate('tag={id}')$$);
SELECT error($$CREATE TRIGGER try AFTER TRUNCATE ON hero FOR EACH STATEMENT EXECUTE FUNCTION rtcache_truncate('keys=all')$$);
SELECT error($$CREATE TRIGGER try AFTER TRUNCATE ON hero FOR EACH STATEMENT EXECUTE FUNCTION rtcache_truncate('keys=none', 'x')$$);
SELECT error($$CREATE TRIGGER try AFTER UPDATE ON hero FOR EACH ROW EXECUTE FUNCTION rtcache_invalidate('keys=none')$$);

CREATE TRIGGER cache AFTER INSERT OR UPDATE OR DELETE ON hero
	FOR EACH ROW EXECUTE FUNCTION rtcache_invalidate('tag=heroes', 'tag=team:{team}');
SELECT cache_set('other', '1');
INSERT INTO hero VALUES (1, 1), (2, NULL);
UPDATE hero SET team = 2;
DELETE FROM hero;
SELECT * FROM held('other');
-- TRUNCATE: tags with columns are not known, so all goes
CREATE TRIGGER gone AFTER TRUNCATE ON hero FOR EACH STATEMENT EXECUTE FUNCTION rtcache_truncate('tag=heroes');
TRUNCATE hero;
SELECT * FROM held('other');
DROP TRIGGER gone ON hero;
CREATE TRIGGER gone AFTER TRUNCATE ON hero FOR EACH STATEMENT EXECUTE FUNCTION rtcache_truncate('tag=team:{team}');
TRUNCATE hero;
SELECT * FROM held('other');
DROP TRIGGER gone ON hero;
CREATE TRIGGER gone AFTER TRUNCATE ON hero FOR EACH STATEMENT EXECUTE FUNCTION rtcache_truncate('keys=none');
SELECT cache_set('other', '1');
TRUNCATE hero;
SELECT * FROM held('other');

-- more changes than can be named: all goes
SET rtcache.xact_buffer = 64;
INSERT INTO hero SELECT g, g FROM generate_series(1, 100) AS g;
SELECT * FROM held('other');
INSERT INTO hero SELECT g, g FROM generate_series(1, 10000) AS g;
SELECT * FROM held('other');
RESET rtcache.xact_buffer;

-- a rule that is dropped: likewise
SELECT cache_set('other', '1');
DROP TABLE hero;
SELECT * FROM held('other');
