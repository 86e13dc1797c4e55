-- Which answers a rule stores anyway, as cache_explain tells by their key.
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir /lib/helpers.psql
\set ECHO none
\i :helpers
-- The key under which the answer is stored.
CREATE FUNCTION key(query text, args text[] = NULL) RETURNS text LANGUAGE sql AS $$
	SELECT detail FROM cache_explain(query, args) WHERE relation IS NULL;
$$;
-- Makes the rules of a table.
CREATE FUNCTION attach(rel regclass, template text, VARIADIC options text[] = '{}') RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('CREATE TRIGGER rows AFTER INSERT OR UPDATE OR DELETE ON %s FOR EACH ROW EXECUTE FUNCTION rtcache_write_through(%L %s)',
		rel, template, (SELECT string_agg(', ' || quote_literal(o), '') FROM unnest(options) AS o));
	EXECUTE format('CREATE TRIGGER truncate AFTER TRUNCATE ON %s EXECUTE FUNCTION rtcache_truncate(%L)', rel, template);
	EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER rows', rel);
	EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER truncate', rel);
END $$;
\set ECHO all

CREATE TABLE hero (id int PRIMARY KEY, name varchar(20) UNIQUE, n numeric UNIQUE, c char(5) UNIQUE, big bigint UNIQUE, part int, born date UNIQUE,
				   UNIQUE (part, id));
SELECT attach('hero', 'hero:{id}');
SELECT key('SELECT * FROM hero WHERE id = 5');
SELECT key('SELECT * FROM hero WHERE id = $1', '{5}');
SELECT key('SELECT * FROM hero WHERE id = $1', '{007}');
SELECT key('SELECT * FROM hero WHERE id = $1', '{NULL}');
SELECT key('SELECT * FROM hero WHERE id = $1');
SELECT key('SELECT * FROM hero WHERE id = $1::bigint', '{5}');
SELECT key('SELECT * FROM hero WHERE id = 5000000000');
SELECT key('SELECT * FROM hero AS h WHERE 5 = h.id');
SELECT key('SELECT id, name, n, c, big, part, born FROM hero WHERE id = 5');
-- something else
SELECT key('SELECT id, name FROM hero WHERE id = 5');
SELECT key('SELECT *, 1 AS more FROM hero WHERE id = 5');
SELECT key('SELECT name, id, n, c, big, part, born FROM hero WHERE id = 5');
SELECT key('SELECT id AS no, name, n, c, big, part, born FROM hero WHERE id = 5');
SELECT key('SELECT id, upper(name) AS name, n, c, big, part, born FROM hero WHERE id = 5');
SELECT key('SELECT * FROM hero');
SELECT key('SELECT * FROM hero WHERE id > 5');
SELECT key('SELECT * FROM hero WHERE id IN (5, 6)');
SELECT key('SELECT * FROM hero WHERE id = 5 AND part = 1');
SELECT key('SELECT * FROM hero WHERE id = 5 AND id = 5');
SELECT key('SELECT * FROM hero WHERE id = 5 AND name IS NOT NULL');
SELECT key('SELECT * FROM hero WHERE part = 5');
SELECT key('SELECT * FROM hero WHERE big = 5');
SELECT key('SELECT * FROM hero WHERE id = 5 LIMIT 1');
SELECT key('SELECT * FROM hero WHERE id = 5 ORDER BY id');
SELECT key('SELECT DISTINCT * FROM hero WHERE id = 5');
SELECT key('SELECT * FROM hero WHERE id = 5 UNION SELECT * FROM hero WHERE id = 5');
SELECT key('SELECT * FROM hero, (SELECT 1) AS s WHERE id = 5');
SELECT key('SELECT * FROM (SELECT * FROM hero) AS s WHERE id = 5');
SELECT key('WITH w AS (SELECT 1) SELECT * FROM hero WHERE id = 5');
-- other templates
DROP TRIGGER rows ON hero; DROP TRIGGER truncate ON hero;
SELECT attach('hero', 'hero:{name}', 'columns=name,id', 'ttl=1 hour');
SELECT key('SELECT name, id FROM hero WHERE name = ''Ada L:''');
SELECT key('SELECT name, id FROM hero WHERE name = $1', '{Ada}');
SELECT key('SELECT id, name FROM hero WHERE name = $1', '{Ada}');
SELECT key('SELECT name, id FROM hero WHERE id = 5');
DROP TRIGGER rows ON hero; DROP TRIGGER truncate ON hero;
SELECT attach('hero', 'hero:{part}:{id}', 'columns=id');
SELECT key('SELECT id FROM hero WHERE id = 5 AND part = $1', '{7}');
SELECT key('SELECT id FROM hero WHERE id = 5');
DROP TRIGGER rows ON hero; DROP TRIGGER truncate ON hero;
SELECT attach('hero', 'hero:{big}', 'columns=id');
SELECT key('SELECT id FROM hero WHERE big = 5');
DROP TRIGGER rows ON hero; DROP TRIGGER truncate ON hero;
SELECT attach('hero', 'hero:{born}', 'columns=id');
SET DateStyle = 'SQL, DMY';
SELECT key('SELECT id FROM hero WHERE born = $1', '{2026-12-31}');
RESET DateStyle;
-- what is equal but written in other ways
DROP TRIGGER rows ON hero; DROP TRIGGER truncate ON hero;
SELECT attach('hero', 'hero:{n}', 'columns=id');
SELECT key('SELECT id FROM hero WHERE n = 1.0');
DROP TRIGGER rows ON hero; DROP TRIGGER truncate ON hero;
SELECT attach('hero', 'hero:{c}', 'columns=id');
SELECT key('SELECT id FROM hero WHERE c = ''x''');
DROP TRIGGER rows ON hero; DROP TRIGGER truncate ON hero;
-- rules that do not see everything, and others that make the same key
SELECT attach('hero', 'hero:{id}', 'columns=id');
SELECT key('SELECT id FROM hero WHERE id = 5');
ALTER TABLE hero ENABLE TRIGGER rows;
SELECT key('SELECT id FROM hero WHERE id = 5');
ALTER TABLE hero ENABLE ALWAYS TRIGGER rows;
DROP TRIGGER truncate ON hero;
SELECT key('SELECT id FROM hero WHERE id = 5');
CREATE TRIGGER truncate AFTER TRUNCATE ON hero EXECUTE FUNCTION rtcache_truncate('other:{id}');
ALTER TABLE hero ENABLE ALWAYS TRIGGER truncate;
SELECT key('SELECT id FROM hero WHERE id = 5');
DROP TRIGGER truncate ON hero;
CREATE TRIGGER truncate AFTER TRUNCATE ON hero EXECUTE FUNCTION rtcache_truncate();
ALTER TABLE hero ENABLE ALWAYS TRIGGER truncate;
SELECT key('SELECT id FROM hero WHERE id = 5');
-- what TRUNCATE deletes: the row that it takes must not stay under its key
DROP TRIGGER truncate ON hero;
CREATE TRIGGER truncate AFTER TRUNCATE ON hero EXECUTE FUNCTION rtcache_truncate('keys=none');
SELECT key('SELECT id FROM hero WHERE id = 5');
INSERT INTO hero (id) VALUES (5);
SELECT cache_wait(NULL, '30 s');
SELECT cache_get('hero:5', 'SELECT id FROM hero WHERE id = $1', '{5}');
TRUNCATE hero;
SELECT cache_get('hero:5', 'SELECT id FROM hero WHERE id = $1', '{5}');
DROP TRIGGER truncate ON hero;
CREATE TRIGGER truncate AFTER TRUNCATE ON hero EXECUTE FUNCTION rtcache_truncate('tag=x');
SELECT key('SELECT id FROM hero WHERE id = 5');
INSERT INTO hero (id) VALUES (5);
SELECT cache_wait(NULL, '30 s');
SELECT cache_get('hero:5', 'SELECT id FROM hero WHERE id = $1', '{5}');
TRUNCATE hero;
SELECT cache_get('hero:5', 'SELECT id FROM hero WHERE id = $1', '{5}');
DROP TRIGGER truncate ON hero;
CREATE TRIGGER truncate AFTER TRUNCATE ON hero EXECUTE FUNCTION rtcache_truncate('tag=x:{id}');
SELECT key('SELECT id FROM hero WHERE id = 5');
DROP TRIGGER truncate ON hero;
CREATE TRIGGER truncate AFTER TRUNCATE ON hero EXECUTE FUNCTION rtcache_truncate('{big}:{id}');
SELECT key('SELECT id FROM hero WHERE id = 5');
DROP TRIGGER truncate ON hero;
CREATE TRIGGER truncate AFTER TRUNCATE ON hero EXECUTE FUNCTION rtcache_truncate('{.table}:{big}', 'tag=x');
SELECT key('SELECT id FROM hero WHERE id = 5');
CREATE TABLE villain (id int PRIMARY KEY);
SELECT attach('villain', 'villain:{id}');
SELECT key('SELECT id FROM hero WHERE id = 5');
CREATE TRIGGER also AFTER INSERT OR UPDATE OR DELETE ON villain FOR EACH ROW EXECUTE FUNCTION rtcache_write_through('he{id}');
SELECT key('SELECT id FROM hero WHERE id = 5');
CREATE TRIGGER again AFTER INSERT OR UPDATE OR DELETE ON villain FOR EACH ROW EXECUTE FUNCTION rtcache_write_through('hero:{id}');
SELECT key('SELECT id FROM hero WHERE id = 5');
DROP TRIGGER also ON villain;
DROP TRIGGER again ON villain;
SELECT key('SELECT id FROM hero WHERE id = 5');
CREATE TRIGGER also AFTER INSERT OR UPDATE OR DELETE ON hero FOR EACH ROW EXECUTE FUNCTION rtcache_write_through('hero:{part}');
SELECT key('SELECT id FROM hero WHERE id = 5');
DROP TRIGGER also ON hero;
CREATE TABLE child () INHERITS (hero);
SELECT key('SELECT id FROM hero WHERE id = 5');
DROP TABLE child;
SELECT key('SELECT id FROM hero WHERE id = 5');
ALTER TABLE hero DROP CONSTRAINT hero_pkey;
SELECT key('SELECT id FROM hero WHERE id = 5');
ALTER TABLE hero ADD UNIQUE (id) DEFERRABLE;
SELECT key('SELECT id FROM hero WHERE id = 5');
CREATE UNIQUE INDEX hero_id ON hero (id) WHERE id > 0;
SELECT key('SELECT id FROM hero WHERE id = 5');
DROP INDEX hero_id;
CREATE UNIQUE INDEX hero_id ON hero (id);
SELECT key('SELECT id FROM hero WHERE id = 5');

-- a single column of JSON is not wrapped by cache_get, but is by the rule
CREATE TABLE doc (id int PRIMARY KEY, doc jsonb);
SELECT attach('doc', 'doc:{id}', 'columns=doc');
SELECT key('SELECT doc FROM doc WHERE id = 5');
DROP TABLE doc, hero, villain;
DROP FUNCTION key, attach;
