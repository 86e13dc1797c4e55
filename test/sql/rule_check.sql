-- Rules that are refused, when they are made and when their table is altered;
-- what happens to one that got past the check.
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir /lib/helpers.psql
\set ECHO none
\i :helpers
\set ECHO all

CREATE TABLE hero (id int PRIMARY KEY, name text, "Mixed" int, gone int, note text);
ALTER TABLE hero DROP COLUMN gone;
-- tries a rule with these arguments
CREATE FUNCTION try(function text, VARIADIC args text[] = '{}') RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text;
BEGIN
	result := error(format('CREATE TRIGGER try %s ON hero %s EXECUTE FUNCTION rtcache_%s(%s)',
		CASE function WHEN 'truncate' THEN 'AFTER TRUNCATE' ELSE 'AFTER INSERT OR UPDATE OR DELETE' END,
		CASE function WHEN 'truncate' THEN 'FOR EACH STATEMENT' ELSE 'FOR EACH ROW' END,
		function, (SELECT string_agg(quote_literal(a), ', ') FROM unnest(args) AS a)));
	DROP TRIGGER IF EXISTS try ON hero;
	RETURN result;
END $$;

-- templates
SELECT try('write_through', '');
SELECT try('write_through', repeat('x', 65537));
SELECT length(try('write_through', repeat('x', 65536)));
SELECT try('write_through', '~hero');
SELECT try('write_through', 'hero~lease');
SELECT try('write_through', 'hero:{id');
SELECT try('write_through', 'hero:{{id}}');
SELECT try('write_through', 'hero:{}');
SELECT try('write_through', 'hero:id}');
SELECT try('write_through', 'hero :{id}');
SELECT try('write_through', E'hero:\t{id}');
SELECT try('write_through', E'hero:\x01{id}');
SELECT try('write_through', 'hero:{ID}');
SELECT try('write_through', 'hero:{mixed}');
SELECT try('write_through', 'hero:{Mixed}');
SELECT try('write_through', 'hero:{gone}');
SELECT try('write_through', 'hero:{nothing}');
SELECT try('write_through', 'hero:{ctid}');
SELECT try('write_through', 'hero:{id }');
SELECT try('invalidate', 'hero:{id}', 'hero:{nothing}');
SELECT try('truncate', 'hero:{nothing}');
SELECT try('write_through', 'hero:{id}', 'del=hero:{nothing}');
SELECT try('write_through', 'hero:{id}', 'del=');

-- arguments and options
SELECT try('write_through');
SELECT try('write_through', 'ttl=1 hour');
SELECT try('write_through', 'ttl=1 hour', 'hero:{id}');
SELECT try('write_through', 'hero:{id}', 'hero:all');
SELECT try('write_through', 'hero:{id}', '');
SELECT try('write_through', 'hero:{id}', 'tag=heroes');
SELECT try('write_through', 'hero:{id}', 'TTL=1 hour');
SELECT try('write_through', 'hero:{id}', 'ttl=1 hour', 'ttl=2 hours');
SELECT try('write_through', 'hero:{id}', 'ttl=');
SELECT try('write_through', 'hero:{id}', 'ttl=soon');
SELECT try('write_through', 'hero:{id}', 'ttl=99999999999999999999 years');
SELECT try('write_through', 'hero:{id}', 'ttl=-1 s');
SELECT try('write_through', 'hero:{id}', 'ttl=2000 years');
SELECT try('write_through', 'hero:{id}', 'ttl=0');
SELECT try('write_through', 'hero:{id}', 'columns=id', 'columns=name');
SELECT try('write_through', 'hero:{id}', 'columns=');
SELECT try('write_through', 'hero:{id}', 'columns=,');
SELECT try('write_through', 'hero:{id}', 'columns="id');
SELECT try('write_through', 'hero:{id}', 'columns=id,nothing');
SELECT try('write_through', 'hero:{id}', 'columns=id,Mixed');
SELECT try('write_through', 'hero:{id}', 'columns=id,"Mixed"');
SELECT try('write_through', 'hero:{id}', 'columns=id,name,id');
SELECT try('write_through', 'hero:{id}', 'columns=id,gone');
SELECT try('invalidate');
SELECT try('invalidate', 'ttl=1');
SELECT try('invalidate', 'hero:{id}', 'del=hero:all');
SELECT try('invalidate', 'hero=all');
SELECT try('invalidate', 'hero:x=all');
SELECT try('truncate', 'tag=heroes');
SELECT try('truncate');

-- kinds of triggers
SELECT error($$CREATE TRIGGER try BEFORE INSERT OR UPDATE OR DELETE ON hero
	FOR EACH ROW EXECUTE FUNCTION rtcache_write_through('hero:{id}')$$);
SELECT error($$CREATE TRIGGER try AFTER INSERT OR UPDATE OR DELETE ON hero
	FOR EACH STATEMENT EXECUTE FUNCTION rtcache_write_through('hero:{id}')$$);
SELECT error($$CREATE TRIGGER try BEFORE UPDATE ON hero
	FOR EACH ROW EXECUTE FUNCTION rtcache_invalidate('hero:{id}')$$);
SELECT error($$CREATE TRIGGER try AFTER TRUNCATE ON hero
	FOR EACH STATEMENT EXECUTE FUNCTION rtcache_invalidate('hero:{id}')$$);
SELECT error($$CREATE TRIGGER try BEFORE TRUNCATE ON hero
	FOR EACH STATEMENT EXECUTE FUNCTION rtcache_truncate('hero:{id}')$$);
SELECT error($$CREATE TRIGGER try AFTER TRUNCATE OR DELETE ON hero
	FOR EACH STATEMENT EXECUTE FUNCTION rtcache_truncate('hero:{id}')$$);
SELECT error($$CREATE TRIGGER try AFTER DELETE ON hero
	FOR EACH ROW EXECUTE FUNCTION rtcache_truncate('hero:{id}')$$);
CREATE VIEW hero_view AS SELECT * FROM hero;
SELECT error($$CREATE TRIGGER try INSTEAD OF UPDATE ON hero_view
	FOR EACH ROW EXECUTE FUNCTION rtcache_write_through('hero:{id}')$$);
DROP VIEW hero_view;
SELECT error($$CREATE TRIGGER try AFTER INSERT OR UPDATE OR DELETE ON hero
	FOR EACH ROW WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION rtcache_write_through('hero:{id}')$$);
SELECT error($$CREATE TRIGGER try AFTER TRUNCATE ON hero
	FOR EACH STATEMENT WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION rtcache_truncate('hero:{id}')$$);
SELECT error($$CREATE TRIGGER try AFTER INSERT OR UPDATE OF id, name OR DELETE ON hero
	FOR EACH ROW EXECUTE FUNCTION rtcache_write_through('hero:{id}')$$);
SELECT error($$CREATE TRIGGER try AFTER INSERT OR UPDATE OF name OR DELETE ON hero
	FOR EACH ROW EXECUTE FUNCTION rtcache_invalidate('hero:{id}')$$);
SELECT error($$CREATE TRIGGER try AFTER INSERT OR UPDATE OF id OR DELETE ON hero
	FOR EACH ROW EXECUTE FUNCTION rtcache_invalidate('hero:{id}', 'hero:name:{name}')$$);
-- what will not be seen is warned of
CREATE TRIGGER try AFTER INSERT OR UPDATE ON hero
	FOR EACH ROW EXECUTE FUNCTION rtcache_write_through('hero:{id}');
DROP TRIGGER try ON hero;
CREATE TRIGGER try AFTER DELETE ON hero
	FOR EACH ROW EXECUTE FUNCTION rtcache_write_through('hero:{id}');
DROP TRIGGER try ON hero;
CREATE TRIGGER try AFTER DELETE ON hero
	FOR EACH ROW EXECUTE FUNCTION rtcache_invalidate('hero:{id}');
DROP TRIGGER try ON hero;

-- tables that a crash, or the end of the session, empties
CREATE TEMPORARY TABLE temporary (id int);
SELECT error($$CREATE TRIGGER try AFTER INSERT OR UPDATE OR DELETE ON temporary
	FOR EACH ROW EXECUTE FUNCTION rtcache_write_through('temporary:{id}')$$);
CREATE UNLOGGED TABLE unlogged (id int);
SELECT error($$CREATE TRIGGER try AFTER INSERT OR UPDATE OR DELETE ON unlogged
	FOR EACH ROW EXECUTE FUNCTION rtcache_invalidate('unlogged:{id}')$$);
SELECT error($$CREATE TRIGGER try AFTER TRUNCATE ON unlogged
	FOR EACH STATEMENT EXECUTE FUNCTION rtcache_truncate('unlogged:{id}')$$);
DROP TABLE unlogged;

-- a refused rule leaves no trigger behind
SELECT count(*) FROM pg_trigger WHERE tgrelid = 'hero'::regclass AND NOT tgisinternal;

-- ALTER TABLE that would break a rule
CREATE TRIGGER cache AFTER INSERT OR UPDATE OR DELETE ON hero
	FOR EACH ROW EXECUTE FUNCTION rtcache_write_through('hero:{id}', 'del=hero:named:{name}', 'columns=id,name,note');
INSERT INTO hero VALUES (1, 'Ada');
SELECT error('ALTER TABLE hero DROP COLUMN id');
SELECT error('ALTER TABLE hero DROP COLUMN name');
SELECT error('ALTER TABLE hero DROP COLUMN note');
SELECT error('ALTER TABLE hero RENAME COLUMN id TO ident');
SELECT error('ALTER TABLE hero RENAME name TO title');
SELECT error('ALTER TABLE hero RENAME note TO notes');
SELECT error('ALTER TABLE hero SET UNLOGGED');
SELECT error('ALTER TABLE hero DROP COLUMN "Mixed", DROP COLUMN note');
-- and that would not: the keys of the rule are deleted
SELECT * FROM held('hero:1');
ALTER TABLE hero DROP COLUMN "Mixed";
SELECT * FROM held('hero:1');
UPDATE hero SET note = 'x';
ALTER TABLE hero ALTER COLUMN id TYPE bigint, ADD COLUMN more int DEFAULT 7;
SELECT * FROM held('hero:1');
UPDATE hero SET note = 'y';
SELECT * FROM held('hero:1');
ALTER TABLE hero RENAME TO heroine;
INSERT INTO heroine VALUES (2, 'Grace');
SELECT * FROM held('hero:2');
ALTER TABLE heroine RENAME TO hero;
-- rolled back
INSERT INTO hero VALUES (3, 'Jean');
BEGIN;
ALTER TABLE hero DROP COLUMN more;
ROLLBACK;
SELECT * FROM held('hero:3');
-- without columns= a new column appears, and a dropped one disappears
DROP TRIGGER cache ON hero;
CREATE TRIGGER cache AFTER INSERT OR UPDATE OR DELETE ON hero
	FOR EACH ROW EXECUTE FUNCTION rtcache_write_through('hero:{id}');
SELECT * FROM held('hero:3');
UPDATE hero SET note = 'z' WHERE id = 1;
SELECT * FROM held('hero:1');
ALTER TABLE hero DROP COLUMN note, ADD COLUMN last text DEFAULT 'new';
ALTER TABLE hero RENAME COLUMN name TO title;
UPDATE hero SET last = 'set' WHERE id = 1;
SELECT * FROM held('hero:1');
-- one that is disabled is let be, until it is enabled
ALTER TABLE hero DISABLE TRIGGER cache;
ALTER TABLE hero RENAME COLUMN id TO ident;
INSERT INTO hero VALUES (4, 'Radia');
SELECT error('ALTER TABLE hero ENABLE TRIGGER cache');
ALTER TABLE hero RENAME COLUMN ident TO id;
ALTER TABLE hero ENABLE TRIGGER cache;
UPDATE hero SET last = 'seen' WHERE id = 4;
SELECT * FROM held('hero:4');
-- a rule that is made deletes the keys it will own: who knows what they hold
SELECT cache_set('own:1', '"old"'), cache_set('owned', '"old"'), cache_set('other', '1');
CREATE TRIGGER two AFTER INSERT OR UPDATE OR DELETE ON hero
	FOR EACH ROW EXECUTE FUNCTION rtcache_invalidate('own:{id}', 'owned');
SELECT * FROM held('own:1', 'owned', 'other');
DROP TABLE hero CASCADE;

-- values of enums and attributes of composites can be renamed: all is cleared
CREATE TYPE mood AS ENUM ('glad', 'sad');
SELECT cache_set('other', '1');
ALTER TYPE mood RENAME VALUE 'sad' TO 'blue';
SELECT * FROM held('other');
DROP TYPE mood;

-- partitions
CREATE TABLE log (id int, day int) PARTITION BY LIST (day);
CREATE TABLE log_1 PARTITION OF log FOR VALUES IN (1);
CREATE UNLOGGED TABLE log_2 (id int, day int);
ALTER TABLE log ATTACH PARTITION log_2 FOR VALUES IN (2);
SELECT error($$CREATE TRIGGER cache AFTER INSERT OR UPDATE OR DELETE ON log
	FOR EACH ROW EXECUTE FUNCTION rtcache_write_through('log:{id}')$$);
DROP TABLE log_2;
CREATE TRIGGER cache AFTER INSERT OR UPDATE OR DELETE ON log
	FOR EACH ROW EXECUTE FUNCTION rtcache_write_through('log:{id}');
SELECT error('CREATE UNLOGGED TABLE log_2 PARTITION OF log FOR VALUES IN (2)');
CREATE UNLOGGED TABLE log_2 (id int, day int);
SELECT error('ALTER TABLE log ATTACH PARTITION log_2 FOR VALUES IN (2)');
SELECT error('ALTER TABLE log RENAME COLUMN id TO ident');
SELECT error('ALTER TABLE log DROP COLUMN id');
DROP TABLE log, log_2;

-- a rule that got past the check neither fails a write nor leaves a stale key:
-- it warns, and clears
CREATE TABLE bad (id int);
CREATE TABLE good (id int, n int);
CREATE TRIGGER cache AFTER INSERT OR UPDATE OR DELETE ON good
	FOR EACH ROW EXECUTE FUNCTION rtcache_write_through('good:{id}');
ALTER EVENT TRIGGER rtcache_check_rules DISABLE;
CREATE TRIGGER cache AFTER INSERT OR UPDATE OR DELETE ON bad
	FOR EACH ROW EXECUTE FUNCTION rtcache_write_through('bad:{ident}');
CREATE TRIGGER gone AFTER TRUNCATE ON bad
	FOR EACH STATEMENT EXECUTE FUNCTION rtcache_truncate('bad:{ident}');
ALTER TABLE good RENAME COLUMN id TO ident;
SELECT cache_set('other', '1');
INSERT INTO bad VALUES (1), (2);
SELECT * FROM held('other');
SELECT cache_set('other', '1');
TRUNCATE bad;
SELECT * FROM held('other');
SELECT cache_set('other', '1');
INSERT INTO good VALUES (1, 1);
SELECT * FROM held('other', 'good:1');
ALTER TABLE good RENAME COLUMN ident TO id;
UPDATE good SET n = 2;
SELECT * FROM held('good:1');
-- a savepoint that rolls back takes its clear along
SELECT cache_set('other', '1');
BEGIN;
SAVEPOINT s;
INSERT INTO bad VALUES (3);
ROLLBACK TO s;
COMMIT;
SELECT * FROM held('other');
BEGIN;
SAVEPOINT s;
INSERT INTO bad VALUES (3);
ROLLBACK TO s;
INSERT INTO bad VALUES (4);
COMMIT;
SELECT * FROM held('other');
-- a trigger of the wrong kind cannot do that: it is an error
CREATE TRIGGER before BEFORE INSERT ON good
	FOR EACH ROW EXECUTE FUNCTION rtcache_write_through('good:{id}');
SELECT error('INSERT INTO good VALUES (2, 2)');
DROP TRIGGER before ON good;
CREATE TRIGGER statement AFTER INSERT ON good
	FOR EACH STATEMENT EXECUTE FUNCTION rtcache_invalidate('good:{id}');
SELECT error('INSERT INTO good VALUES (2, 2)');
DROP TRIGGER statement ON good;
CREATE TRIGGER row AFTER INSERT ON good
	FOR EACH ROW EXECUTE FUNCTION rtcache_truncate('good:{id}');
SELECT error('INSERT INTO good VALUES (2, 2)');
DROP TRIGGER row ON good;
ALTER EVENT TRIGGER rtcache_check_rules ENABLE ALWAYS;
DROP TABLE bad, good;
DROP FUNCTION try;
