-- Rows, and rules, that would share keys: what cache_attach refuses, and what is
-- only warned of.
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir /lib/helpers.psql
\set ECHO none
\i :helpers
-- Attaches a table, and detaches it again.
CREATE FUNCTION try(rel regclass, key text, mode text = 'set') RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM cache_attach(rel, key, mode);
	PERFORM cache_detach(rel);
	RETURN key;
END $$;
CREATE FUNCTION attempt(rel regclass, key text) RETURNS text LANGUAGE sql AS $$
	SELECT error(format('SELECT try(%L, %L)', rel, key))
$$;
\set ECHO all

CREATE SCHEMA blue;
CREATE TABLE hero (id int PRIMARY KEY, name text, team int, UNIQUE (team, name));
CREATE TABLE blue.hero (id int PRIMARY KEY, name text, team int);

-- unique columns
SELECT try('hero', 'hero:{id}');
SELECT try('hero', 'hero:{name}:{team}');
SELECT try('hero', 'hero:{id}:{name}');
SELECT try('hero', 'hero:{name}');
SELECT try('hero', '{.table}:{team}');
SELECT try('hero', 'hero:{name}', 'del');
CREATE UNIQUE INDEX part ON hero (name) WHERE team > 1;
SELECT try('hero', 'hero:{name}');
CREATE UNIQUE INDEX expr ON hero (lower(name));
SELECT try('hero', 'hero:{name}');
DROP INDEX part, expr;
ALTER TABLE hero ADD UNIQUE (name) DEFERRABLE INITIALLY DEFERRED;
SELECT try('hero', 'hero:{name}');
-- none at all
SELECT attempt('hero', 'hero');
SELECT attempt('hero', '{.schema}:{.table}');
SELECT try('hero', 'hero', 'del');
CREATE TRIGGER one AFTER INSERT OR UPDATE OR DELETE ON hero FOR EACH ROW EXECUTE FUNCTION rtcache_write_through('settings');
DROP TRIGGER one ON hero;

-- another rule makes the same keys, for certain
SELECT cache_attach('blue.hero', 'hero:{id}');
SELECT attempt('hero', 'hero:{id}');
SELECT attempt('hero', 'hero:{team}');
SELECT attempt('hero', '{.table}:{id}');
SELECT try('hero', 'hero:{id}', 'del');
SELECT try('hero', '{.schema}:hero:{id}');
SELECT try('hero', 'heroes:{id}');
SELECT try('hero', 'hero:{id}:');
SELECT try('hero', 'hero:{team}:{id}');
SELECT try('hero', 'hero:x{id}');
CREATE TRIGGER one AFTER INSERT OR UPDATE OR DELETE ON hero FOR EACH ROW EXECUTE FUNCTION rtcache_write_through('hero:{id}');
SELECT ok, detail FROM cache_health() WHERE name = 'rules';
-- beside rules that are not ENABLE ALWAYS
ALTER TABLE hero DISABLE TRIGGER one;
SELECT ok, detail FROM cache_health() WHERE name = 'rules';
DROP TRIGGER one ON hero;
SELECT ok, detail FROM cache_health() WHERE name = 'rules';
-- some of them
SELECT try('hero', 'hero:{name}');
SELECT try('hero', 'hero:1{id}');
SELECT try('hero', '{name}:{id}');
SELECT try('hero', 'h{name}:{id}');
CREATE TRIGGER one AFTER INSERT OR UPDATE OR DELETE ON hero FOR EACH ROW EXECUTE FUNCTION rtcache_write_through('hero:17');
DROP TRIGGER one ON hero;
CREATE TRIGGER one AFTER INSERT OR UPDATE OR DELETE ON hero FOR EACH ROW EXECUTE FUNCTION rtcache_write_through('hero:all');
DROP TRIGGER one ON hero;

-- two rules of one table
CREATE TRIGGER one AFTER INSERT OR UPDATE OR DELETE ON blue.hero FOR EACH ROW EXECUTE FUNCTION rtcache_write_through('hero:{id}', 'columns=name');
DROP TRIGGER one ON blue.hero;
SELECT cache_detach('blue.hero');

-- a new name may lead there
SELECT cache_attach('hero', '{.table}:{id}');
SELECT cache_attach('blue.hero', '{.schema}:{id}');
ALTER SCHEMA blue RENAME TO hero;
ALTER SCHEMA hero RENAME TO blue;
ALTER TABLE hero RENAME TO blue;
ALTER TABLE blue RENAME TO hero;
DROP SCHEMA blue CASCADE;
DROP TABLE hero;

-- partitions and children are of one family
CREATE TABLE hero (id int PRIMARY KEY) PARTITION BY LIST (id);
CREATE TABLE one PARTITION OF hero FOR VALUES IN (1);
CREATE TABLE two PARTITION OF hero FOR VALUES IN (2);
SELECT cache_attach('one', 'hero:{id}');
SELECT cache_attach('two', 'hero:{id}');
SELECT cache_attach('hero', 'hero:{id}');
CREATE TABLE other (id int PRIMARY KEY, more text);
SELECT attempt('other', 'hero:{id}');
DROP TABLE hero, other;
CREATE TABLE parent (id int PRIMARY KEY);
CREATE TABLE child (PRIMARY KEY (id)) INHERITS (parent);
SELECT cache_attach('parent', 'id:{id}');
SELECT cache_attach('child', 'id:{id}');
DROP TABLE parent CASCADE;

-- long ones
CREATE TABLE hero (id int PRIMARY KEY, name text UNIQUE);
SELECT cache_attach('hero', repeat('{name}{id}', 1000));
CREATE TABLE other (id int PRIMARY KEY, name text UNIQUE);
SELECT length(try('other', repeat('{name}{id}', 1000) || 'x'));
SELECT length(try('other', repeat('{name}:{id}', 500)));
DROP TABLE hero, other;
DROP FUNCTION try, attempt;
