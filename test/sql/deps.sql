-- What an answer depends on, as cache_explain tells: when rows, when whole
-- relations, and when nothing but the time to live.
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir /lib/helpers.psql
\set deps :abs_srcdir /lib/deps.psql
\set ECHO none
\i :helpers
\i :deps
\set ECHO all

CREATE TABLE a (id int PRIMARY KEY, big bigint, name text, kind varchar(20), n int);
CREATE INDEX ON a (name);
CREATE INDEX ON a (kind, n);
CREATE INDEX ON a (big);
CREATE TABLE b (bid bigint PRIMARY KEY, aid int, x int);
CREATE INDEX ON b (aid);
CREATE INDEX ON b (x);
CREATE TABLE c (cid int PRIMARY KEY, bid bigint, tag text);
CREATE INDEX ON c (bid);
SELECT watch('a', 'b', 'c');

-- the query itself
SELECT * FROM cache_explain('SELECT * FROM a WHERE id = 5');
SELECT * FROM cache_explain('SELECT now()');
SELECT * FROM cache_explain('SELECT 1 AS n');
SELECT * FROM cache_explain('SELECT * FROM a WHERE id = $1');
SELECT * FROM cache_explain('SELECT * FROM a WHERE id = $1', '{7}');
SELECT error($$SELECT cache_explain(NULL)$$);
SELECT error($$SELECT cache_explain('DELETE FROM a')$$);
SELECT error($$SELECT cache_explain('SELECT * FROM nothing')$$);
SELECT error($$SELECT cache_explain('SELECT * FROM a WHERE id = $1', '{}')$$);
SELECT error($$SELECT cache_explain('SELECT * FROM a WHERE id = $1', '{x}')$$);
SELECT deps('SELECT ctid FROM a WHERE id = 5');
SELECT deps('SELECT * FROM a WHERE xmin = 5');
SELECT deps('SELECT tableoid FROM a WHERE id = 5');

-- equalities, and what is none
SELECT deps('SELECT * FROM a');
SELECT deps('SELECT * FROM a WHERE 5 = id');
SELECT deps('SELECT * FROM a WHERE id > 5');
SELECT deps('SELECT * FROM a WHERE id <> 5');
SELECT deps('SELECT * FROM a WHERE NOT id = 5');
SELECT deps('SELECT * FROM a WHERE id = 5 OR name = ''x''');
SELECT deps('SELECT * FROM a WHERE (id = 5) IS NOT FALSE');
SELECT deps('SELECT * FROM a WHERE id IS NOT DISTINCT FROM 5');
SELECT deps('SELECT * FROM a WHERE id + 0 = 5');
SELECT deps('SELECT * FROM a WHERE id = n');
SELECT deps('SELECT * FROM a WHERE n = 5');
SELECT deps('SELECT * FROM a WHERE id = 5 AND name = ''x''');
SELECT deps('SELECT * FROM a WHERE name = ''it''''s'' AND n > 3');
SELECT deps('SELECT * FROM a WHERE id = 5 AND id = 6');
SELECT deps('SELECT * FROM a WHERE (id, name) = (5, ''x'')');
SELECT deps('SELECT * FROM a WHERE id = NULL');
SELECT deps('SELECT * FROM a WHERE id = $1', '{NULL}');
SELECT deps('SELECT * FROM a WHERE id IN (1, 2, NULL)');
SELECT deps('SELECT * FROM a WHERE id IN (1, $1, 1)', '{3}');
SELECT deps('SELECT * FROM a WHERE id = ANY (''{1, 2}'')');
SELECT deps('SELECT * FROM a WHERE id = ANY (''{}'')');
SELECT deps('SELECT * FROM a WHERE id = ANY (NULL)');
SELECT deps('SELECT * FROM a WHERE id = ANY ($1)');
SELECT deps('SELECT * FROM a WHERE id = ANY ($1)', ARRAY['{1, 2, NULL}']);
SELECT deps('SELECT * FROM a WHERE id = ANY ($1)', '{NULL}');
SELECT deps('SELECT * FROM a WHERE id = ALL (''{1}'')');
SELECT deps('SELECT * FROM a WHERE id <> ANY (''{1}'')');
SELECT deps('SELECT * FROM a WHERE id IN (1, n)');
SELECT deps('SELECT * FROM a WHERE id NOT IN (1, 2)');
SELECT deps('SELECT * FROM a WHERE id = ANY ($1)', ARRAY[(SELECT array_agg(i) FROM generate_series(1, 32) AS i)::text]);
SELECT deps('SELECT * FROM a WHERE id = ANY ($1)', ARRAY[(SELECT array_agg(i) FROM generate_series(1, 33) AS i)::text]);
SELECT deps(format('SELECT * FROM a WHERE id IN (%s)', (SELECT string_agg(i::text, ', ') FROM generate_series(1, 33) AS i)));
-- a unique column before others, then the fewest values
SELECT deps('SELECT * FROM a WHERE name = ''x'' AND id IN (1, 2)');
SELECT deps('SELECT * FROM a WHERE name = ANY ($1) AND kind = ''y''');
-- HAVING is none
SELECT deps('SELECT id FROM a GROUP BY id HAVING id = 5');
SELECT deps('SELECT count(*) FROM a WHERE id = 5 HAVING count(*) > 0');
SELECT deps('SELECT id FROM a WHERE id = 5 ORDER BY name LIMIT 1');

-- types: what is equal must have the same hash
CREATE TYPE mood AS ENUM ('sad', 'happy');
CREATE DOMAIN posint AS int CHECK (VALUE > 0);
CREATE TABLE t (i2 smallint, i4 int, i8 bigint, num numeric, f4 real, f8 double precision, t text, v varchar(5), c char(5),
				nm name, u uuid, d date, ts timestamp, tz timestamptz, m mood, o oid, dom posint, arr int[], b bool, j jsonb, r int4range, p point);
DO $$
DECLARE
	col name;
BEGIN
	FOR col IN SELECT attname FROM pg_attribute WHERE attrelid = 't'::regclass AND attnum > 0 AND attname NOT IN ('p', 'j', 'arr', 'r') LOOP
		EXECUTE format('CREATE INDEX ON t (%I)', col);
	END LOOP;
END $$;
CREATE INDEX ON t USING gist (p);
CREATE INDEX ON t USING hash (arr);
CREATE INDEX ON t USING gin (j);
CREATE INDEX ON t (r);
SELECT watch('t');
SELECT deps('SELECT 1 FROM t WHERE i2 = 5');
SELECT deps('SELECT 1 FROM t WHERE i8 = 5');
SELECT deps('SELECT 1 FROM t WHERE i4 = 5000000000');
SELECT deps('SELECT 1 FROM t WHERE i4 = $1::int8', '{5}');
SELECT deps('SELECT 1 FROM t WHERE i4 = 5::int8');
SELECT deps('SELECT 1 FROM t WHERE i4 = 5.0');
SELECT deps('SELECT 1 FROM t WHERE num = 5');
SELECT deps('SELECT 1 FROM t WHERE num = 1.00');
SELECT deps('SELECT 1 FROM t WHERE num IN (1.0, 1.00, 2)');
SELECT deps('SELECT 1 FROM t WHERE num = $1', '{1.000}');
SELECT deps('SELECT 1 FROM t WHERE f4 = 1.5');
SELECT deps('SELECT 1 FROM t WHERE f8 = $1', '{1.5}');
SELECT deps('SELECT 1 FROM t WHERE f4 = $1::float8', '{1.5}');
SELECT deps('SELECT 1 FROM t WHERE t = ''x''');
SELECT deps('SELECT 1 FROM t WHERE v = ''x''');
SELECT deps('SELECT 1 FROM t WHERE v = $1', '{x}');
SELECT deps('SELECT 1 FROM t WHERE v IN (''x'', ''y'')');
SELECT deps('SELECT 1 FROM t WHERE v = ANY (''{x,y}''::varchar[])');
SELECT deps('SELECT 1 FROM t WHERE v = ANY ($1::varchar[])', ARRAY['{x,y}']);
SELECT deps('SELECT 1 FROM t WHERE t = v');
SELECT deps('SELECT 1 FROM t WHERE t = v AND v = ''x''');
SELECT deps('SELECT 1 FROM t WHERE c = ''x''');
SELECT deps('SELECT 1 FROM t WHERE c = ''x  ''::char(10)');
SELECT deps('SELECT 1 FROM t WHERE c = $1', '{x }');
SELECT deps('SELECT 1 FROM t WHERE c = ''x''::text');
SELECT deps('SELECT 1 FROM t WHERE c::text = ''x''');
SELECT deps('SELECT 1 FROM t WHERE nm = ''x''');
SELECT deps('SELECT 1 FROM t WHERE nm = ''x''::text');
SELECT deps('SELECT 1 FROM t WHERE u = ''00000000-0000-0000-0000-00000000000A''');
SELECT deps('SELECT 1 FROM t WHERE u = $1', '{00000000-0000-0000-0000-00000000000A}');
SELECT deps('SELECT 1 FROM t WHERE d = ''2026-02-01''');
SELECT deps('SELECT 1 FROM t WHERE d = $1', '{1/2/2026}');
SELECT deps('SELECT 1 FROM t WHERE d = ''2026-02-01''::timestamp');
SELECT deps('SELECT 1 FROM t WHERE ts = ''2026-02-01 12:00''');
SELECT deps('SELECT 1 FROM t WHERE tz = $1', '{2026-02-01 12:00+02}');
SELECT deps('SELECT 1 FROM t WHERE m = ''sad''');
SELECT deps('SELECT 1 FROM t WHERE m = $1', '{happy}');
SELECT deps('SELECT 1 FROM t WHERE m = ANY ($1)', ARRAY['{sad,happy}']);
SELECT deps('SELECT 1 FROM t WHERE o = 5');
SELECT deps('SELECT 1 FROM t WHERE o::int = 5');
SELECT deps('SELECT 1 FROM t WHERE dom = 5');
SELECT deps('SELECT 1 FROM t WHERE dom = $1', '{5}');
SELECT deps('SELECT 1 FROM t WHERE dom = $1::posint', '{5}');
SELECT deps('SELECT 1 FROM t WHERE arr = ''{1,2}''');
SELECT deps('SELECT 1 FROM t WHERE b = true');
SELECT deps('SELECT 1 FROM t WHERE b');
SELECT deps('SELECT 1 FROM t WHERE r = ''[1,3)''');
SELECT deps('SELECT 1 FROM t WHERE p ~= ''(1,1)''');
SELECT deps('SELECT 1 FROM t WHERE j = ''{}''');

-- joins
SELECT deps('SELECT 1 FROM a, b WHERE a.id = 5 AND b.aid = a.id');
SELECT deps('SELECT 1 FROM a JOIN b ON b.aid = a.id WHERE b.aid = 5');
SELECT deps('SELECT 1 FROM a JOIN b ON b.aid = a.id AND a.id = 5');
SELECT deps('SELECT 1 FROM a JOIN b ON b.bid = a.id WHERE a.id = $1', '{5}');
SELECT deps('SELECT 1 FROM a JOIN b ON b.bid = a.big WHERE a.big = 5');
SELECT deps('SELECT 1 FROM a JOIN b ON b.aid = a.id JOIN c ON c.bid = a.id WHERE c.bid IN (1, 2)');
SELECT deps('SELECT 1 FROM a JOIN b ON b.aid > a.id WHERE a.id = 5');
SELECT deps('SELECT 1 FROM a LEFT JOIN b ON b.aid = a.id WHERE a.id = 5');
SELECT deps('SELECT 1 FROM a LEFT JOIN b ON b.aid = a.id AND a.id = 5');
SELECT deps('SELECT 1 FROM a LEFT JOIN b ON b.aid = 5');
SELECT deps('SELECT 1 FROM a LEFT JOIN b ON b.aid = a.id WHERE b.aid = 5');
SELECT deps('SELECT 1 FROM a LEFT JOIN b ON b.aid = a.id WHERE b.aid = 5 AND a.id = b.aid');
SELECT deps('SELECT 1 FROM a RIGHT JOIN b ON b.aid = a.id WHERE b.aid = 5');
SELECT deps('SELECT 1 FROM a RIGHT JOIN b ON b.aid = a.id AND b.aid = 5');
SELECT deps('SELECT 1 FROM a FULL JOIN b ON b.aid = a.id WHERE a.id = 5');
SELECT deps('SELECT 1 FROM a FULL JOIN b ON b.aid = a.id AND a.id = 5');
SELECT deps('SELECT 1 FROM a FULL JOIN b ON b.aid = a.id WHERE a.id = 5 AND b.aid = 5');
SELECT deps('SELECT 1 FROM (a JOIN b ON b.aid = a.id) LEFT JOIN c ON c.bid = b.bid WHERE a.id = 5');
SELECT deps('SELECT 1 FROM c LEFT JOIN (a JOIN b ON b.aid = a.id AND a.id = 5) ON c.bid = b.bid');
SELECT deps('SELECT 1 FROM c LEFT JOIN (a LEFT JOIN b ON b.aid = a.id AND a.id = 5) ON c.bid = b.bid');
SELECT deps('SELECT 1 FROM c LEFT JOIN (a JOIN b ON b.aid = a.id) ON c.cid = a.id AND c.cid = 5');
SELECT deps('SELECT 1 FROM a JOIN (SELECT bid AS id, x FROM b) AS s USING (id) WHERE id = 5');
SELECT deps('SELECT 1 FROM a AS p JOIN a AS q USING (id) WHERE id = 5');
SELECT deps('SELECT 1 FROM a AS p LEFT JOIN a AS q USING (id) WHERE id = 5');
SELECT deps('SELECT 1 FROM a AS p FULL JOIN a AS q USING (id) WHERE id = 5');
SELECT deps('SELECT 1 FROM (a AS p NATURAL JOIN a AS q) AS j WHERE j.id = 5');
SELECT deps('SELECT 1 FROM a AS p, a AS q WHERE p.id = 5 AND q.id = 6');
SELECT deps('SELECT 1 FROM a AS p, a AS q WHERE p.id = 55 AND q.id = 5');
SELECT deps('SELECT 1 FROM a AS p, a AS q WHERE p.id = 5');

-- queries in FROM, and views
CREATE VIEW va AS SELECT id AS vid, name, n + 1 AS n1 FROM a;
CREATE VIEW vab WITH (security_barrier) AS SELECT a.id, b.bid FROM a JOIN b ON b.aid = a.id;
CREATE VIEW vu AS SELECT id, name FROM a UNION ALL SELECT cid, tag FROM c;
SELECT deps('SELECT * FROM va WHERE vid = 5');
SELECT deps('SELECT * FROM va WHERE n1 = 5');
SELECT deps('SELECT * FROM va WHERE vid = $1', '{5}');
SELECT deps('SELECT * FROM vab WHERE id = 5');
SELECT deps('SELECT * FROM vab JOIN va ON vid = id WHERE id = 5');
SELECT deps('SELECT * FROM vu WHERE id = 5');
SELECT deps('SELECT * FROM va LEFT JOIN vab ON vab.id = vid WHERE vid = 5');
SELECT deps('SELECT * FROM (SELECT * FROM a LIMIT 1) AS s WHERE id = 5');
SELECT deps('SELECT * FROM (SELECT * FROM a OFFSET 1) AS s WHERE id = 5');
SELECT deps('SELECT * FROM (SELECT id, count(*) FROM a GROUP BY id) AS s WHERE id = 5');
SELECT deps('SELECT * FROM (SELECT max(id) AS id FROM a) AS s WHERE id = 5');
SELECT deps('SELECT * FROM (SELECT id, rank() OVER (ORDER BY n) FROM a) AS s WHERE id = 5');
SELECT deps('SELECT * FROM (SELECT DISTINCT ON (n) id FROM a) AS s WHERE id = 5');
SELECT deps('SELECT * FROM (SELECT DISTINCT id, n FROM a) AS s WHERE id = 5');
SELECT deps('SELECT * FROM (SELECT id, generate_series(1, n) FROM a) AS s WHERE id = 5');
SELECT deps('SELECT * FROM (SELECT * FROM a ORDER BY n) AS s WHERE id = 5');
SELECT deps('SELECT * FROM (SELECT * FROM a WHERE id = 5 LIMIT 1) AS s');
SELECT deps('SELECT * FROM (SELECT id FROM a UNION SELECT cid FROM c) AS s WHERE id = 5');
SELECT deps('SELECT * FROM (SELECT id FROM a UNION ALL SELECT bid FROM b) AS s WHERE id = 5');
SELECT deps('SELECT * FROM (SELECT id FROM a EXCEPT SELECT cid FROM c) AS s WHERE id = 5');
SELECT deps('SELECT * FROM (SELECT id FROM a INTERSECT ALL SELECT cid FROM c) AS s WHERE id = 5');
SELECT deps('SELECT * FROM (SELECT id FROM a UNION ALL SELECT cid FROM c LIMIT 1) AS s WHERE id = 5');
SELECT deps('SELECT * FROM (SELECT id FROM a UNION ALL (SELECT cid FROM c LIMIT 1)) AS s WHERE id = 5');
SELECT deps('SELECT * FROM ((SELECT id FROM a UNION SELECT 1) UNION ALL SELECT cid FROM c) AS s WHERE id = 5');
SELECT deps('SELECT id FROM a WHERE id = 5 UNION SELECT cid FROM c WHERE cid = 6');

-- lateral, correlated and other queries in expressions
SELECT deps('SELECT 1 FROM a, LATERAL (SELECT 1 FROM b WHERE b.aid = a.id) AS s WHERE a.id = 5');
SELECT deps('SELECT 1 FROM a LEFT JOIN LATERAL (SELECT 1 FROM b WHERE b.aid = a.id LIMIT 3) AS s ON true WHERE a.id = $1', '{5}');
SELECT deps('SELECT 1 FROM a LEFT JOIN LATERAL (SELECT b.x FROM b WHERE b.aid = a.id) AS s ON a.id = 5');
SELECT deps('SELECT (SELECT count(*) FROM b WHERE b.aid = a.id) FROM a WHERE id = 5');
SELECT deps('SELECT (SELECT count(*) FROM b WHERE b.aid = a.n) FROM a WHERE id = 5');
SELECT deps('SELECT * FROM a WHERE id = 5 AND EXISTS (SELECT 1 FROM b WHERE b.aid = a.id)');
SELECT deps('SELECT * FROM a WHERE id = 5 AND NOT EXISTS (SELECT 1 FROM b WHERE b.aid = a.id)');
SELECT deps('SELECT * FROM a WHERE id = 5 OR EXISTS (SELECT 1 FROM b WHERE b.aid = a.id)');
SELECT deps('SELECT * FROM a WHERE EXISTS (SELECT 1 FROM b WHERE b.aid = a.id AND a.id = 5)');
SELECT deps('SELECT * FROM a WHERE id = (SELECT aid FROM b WHERE bid = 7)');
SELECT deps('SELECT * FROM a WHERE id IN (SELECT aid FROM b WHERE bid = 7)');
SELECT deps('SELECT * FROM a WHERE id = 5 AND id IN (SELECT aid FROM b)');
SELECT deps('SELECT (SELECT (SELECT count(*) FROM c WHERE c.cid = a.id) FROM b WHERE b.aid = a.id) FROM a WHERE id = 5');
SELECT deps('SELECT count(*) FROM a GROUP BY n HAVING EXISTS (SELECT 1 FROM b WHERE b.aid = a.n)');
SELECT deps('SELECT id FROM a WHERE id = 5 ORDER BY (SELECT max(x) FROM b WHERE b.aid = a.id)');
SELECT deps('SELECT id FROM a WHERE id = 5 LIMIT (SELECT x FROM b WHERE bid = 1)');
SELECT deps('SELECT * FROM a FULL JOIN c ON a.id = c.cid AND EXISTS (SELECT 1 FROM b WHERE b.aid = a.id) WHERE a.id = 5');
SELECT deps('SELECT * FROM generate_series(1, (SELECT n FROM a WHERE id = 5)) AS g');
SELECT deps('SELECT * FROM a, generate_series(1, a.n) AS g WHERE id = 5');
SELECT deps('VALUES ((SELECT n FROM a WHERE id = 5))');

-- WITH
SELECT deps('WITH w AS (SELECT * FROM a WHERE id = 5) SELECT * FROM w');
SELECT deps('WITH w AS (SELECT * FROM a) SELECT * FROM w WHERE id = 5');
SELECT deps('WITH w AS (SELECT * FROM a WHERE id = 5) SELECT * FROM w JOIN b ON b.aid = w.id');
SELECT deps('WITH RECURSIVE w AS (SELECT aid FROM b WHERE bid = 1 UNION SELECT c.cid FROM c JOIN w ON c.bid = w.aid) TABLE w');
SELECT deps('SELECT (WITH w AS (SELECT x FROM b WHERE b.aid = a.id) SELECT max(x) FROM w) FROM a WHERE id = 5');

-- indexes that can be used, and those that cannot
CREATE TABLE i (a int, b int, c int, d int, e int);
SELECT watch('i');
SELECT deps('SELECT 1 FROM i WHERE a = 1');
CREATE INDEX i_a ON i (a);
SELECT deps('SELECT 1 FROM i WHERE a = 1');
DROP INDEX i_a;
SELECT deps('SELECT 1 FROM i WHERE a = 1');
CREATE INDEX ON i (b, c);
CREATE INDEX ON i ((d + 1));
CREATE INDEX ON i (e) WHERE a > 0;
SELECT deps('SELECT 1 FROM i WHERE b = 1');
SELECT deps('SELECT 1 FROM i WHERE c = 1');
SELECT deps('SELECT 1 FROM i WHERE d = 1');
SELECT deps('SELECT 1 FROM i WHERE d + 1 = 1');
SELECT deps('SELECT 1 FROM i WHERE e = 1');
ALTER TABLE i ALTER b TYPE text;
SELECT deps('SELECT 1 FROM i WHERE b = ''1''');

-- which relations are covered
CREATE TABLE r (id int PRIMARY KEY, n int);
SELECT deps('SELECT * FROM r WHERE id = 1');
CREATE TRIGGER w AFTER INSERT OR UPDATE ON r FOR EACH ROW EXECUTE FUNCTION rtcache_invalidate('r:{id}');
ALTER TABLE r ENABLE ALWAYS TRIGGER w;
SELECT deps('SELECT * FROM r WHERE id = 1');
CREATE TRIGGER v AFTER DELETE ON r FOR EACH ROW EXECUTE FUNCTION rtcache_write_through('r:{id}');
ALTER TABLE r ENABLE ALWAYS TRIGGER v;
SELECT deps('SELECT * FROM r WHERE id = 1');
CREATE TRIGGER t AFTER TRUNCATE ON r EXECUTE FUNCTION rtcache_truncate('r:{id}');
ALTER TABLE r ENABLE ALWAYS TRIGGER t;
SELECT deps('SELECT * FROM r WHERE id = 1');
ALTER TABLE r ENABLE TRIGGER v;
SELECT deps('SELECT * FROM r WHERE id = 1');
ALTER TABLE r DISABLE TRIGGER v;
SELECT deps('SELECT * FROM r WHERE id = 1');
ALTER TABLE r ENABLE ALWAYS TRIGGER v;
SELECT deps('SELECT * FROM r WHERE id = 1');
DROP TRIGGER w ON r;
CREATE TRIGGER w AFTER INSERT OR UPDATE ON r FOR EACH ROW WHEN (NEW.n > 0) EXECUTE FUNCTION rtcache_invalidate('r:{id}');
ALTER TABLE r ENABLE ALWAYS TRIGGER w;
SELECT deps('SELECT * FROM r WHERE id = 1');
DROP TRIGGER w ON r;
CREATE TRIGGER w AFTER INSERT OR UPDATE OF id ON r FOR EACH ROW EXECUTE FUNCTION rtcache_invalidate('r:{id}');
ALTER TABLE r ENABLE ALWAYS TRIGGER w;
SELECT deps('SELECT * FROM r WHERE id = 1');
CREATE TRIGGER z AFTER INSERT OR UPDATE ON r FOR EACH ROW EXECUTE FUNCTION rtcache_invalidate('r');
ALTER TABLE r ENABLE ALWAYS TRIGGER z;
SELECT deps('SELECT * FROM r WHERE id = 1');
SELECT deps('SELECT * FROM r, a WHERE a.id = r.id AND a.id = 1');
ALTER EVENT TRIGGER rtcache_check_rules DISABLE;
SELECT deps('SELECT * FROM r WHERE id = 1');
ALTER EVENT TRIGGER rtcache_check_rules ENABLE ALWAYS;
SELECT deps('SELECT * FROM r WHERE id = 1');
DROP TRIGGER t ON r;
SELECT deps('SELECT * FROM r WHERE id = 1');
-- other kinds of relations
CREATE UNLOGGED TABLE un (id int PRIMARY KEY);
CREATE MATERIALIZED VIEW mv AS SELECT * FROM a;
CREATE UNIQUE INDEX ON mv (id);
SELECT deps('SELECT * FROM un WHERE id = 1');
SELECT deps('SELECT * FROM mv WHERE id = 1');
SELECT deps('SELECT relname FROM pg_class');
-- partitions
CREATE TABLE p (id int, n int, PRIMARY KEY (id)) PARTITION BY RANGE (id);
SELECT deps('SELECT * FROM p WHERE id = 5');
CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10);
SELECT deps('SELECT * FROM p WHERE id = 5');
SELECT watch('p1');
SELECT deps('SELECT * FROM p WHERE id = 5');
SELECT deps('SELECT * FROM p WHERE n = 5');
SELECT deps('SELECT * FROM p1 WHERE id = 5');
CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (10) TO (20) PARTITION BY LIST (id);
SELECT deps('SELECT * FROM p WHERE id = 5');
CREATE TABLE p2a PARTITION OF p2 DEFAULT;
SELECT deps('SELECT * FROM p WHERE id = 5');
SELECT watch('p2a');
SELECT deps('SELECT * FROM p WHERE id = 5');
ALTER TABLE p2a DISABLE TRIGGER rows;
SELECT deps('SELECT * FROM p WHERE id = 5');
DROP TABLE p2;
SELECT deps('SELECT * FROM p WHERE id = 5');
-- inheritance
CREATE TABLE parent (id int PRIMARY KEY);
CREATE TABLE child (extra int) INHERITS (parent);
SELECT watch('parent');
SELECT deps('SELECT * FROM parent WHERE id = 5');
SELECT deps('SELECT * FROM ONLY parent WHERE id = 5');
SELECT deps('SELECT * FROM ONLY parent AS o, parent WHERE o.id = 5');
SELECT watch('child');
SELECT deps('SELECT * FROM parent WHERE id = 5');
ALTER TABLE child DROP COLUMN extra;
CREATE TABLE grandchild () INHERITS (child);
SELECT deps('SELECT * FROM parent WHERE id = 5');
SELECT deps('SELECT * FROM parent WHERE id = 5');

-- too much
SELECT deps(format('SELECT 1 FROM %s', (SELECT string_agg('a AS a' || i, ', ') FROM generate_series(1, 70) AS i)));
DO $$
BEGIN
	FOR i IN 1 .. 65 LOOP
		EXECUTE format('CREATE TABLE many%s ()', i);
	END LOOP;
END $$;
SELECT count(*) FROM deps(format('SELECT 1 FROM %s', (SELECT string_agg('many' || i, ', ') FROM generate_series(1, 64) AS i)));
SELECT deps(format('SELECT 1 FROM %s', (SELECT string_agg('many' || i, ', ') FROM generate_series(1, 65) AS i)));

-- tags take the place of all that
SELECT cache_get('tag:1', 'SELECT name FROM a WHERE id = 1', tags => '{x,y}');
SELECT cache_get('tag:2', 'SELECT name FROM a WHERE id = 1', tags => '{}');
SELECT cache_list('tag:3', 'SELECT name FROM a WHERE id = 1', tags => (SELECT array_agg(i::text) FROM generate_series(1, 64) AS i));
SELECT error($$SELECT cache_get('tag:e', 'SELECT 1 AS n', tags => '{x,NULL}')$$);
SELECT error($$SELECT cache_get('tag:e', 'SELECT 1 AS n', tags => '{""}')$$);
SELECT error($$SELECT cache_get('tag:e', 'SELECT 1 AS n', tags => '{{a,b}}')$$);
SELECT error($$SELECT cache_get('tag:e', 'SELECT 1 AS n', tags => ARRAY[repeat('x', 65537)])$$);
SELECT error($$SELECT cache_get('tag:e', 'SELECT 1 AS n', tags => (SELECT array_agg(i::text) FROM generate_series(1, 65) AS i))$$);

DROP MATERIALIZED VIEW mv;
DROP VIEW va, vab, vu;
DROP TABLE a, b, c, t, i, r, un, p, grandchild, child, parent;
DROP DOMAIN posint;
DROP TYPE mood;
DO $$
BEGIN
	FOR i IN 1 .. 65 LOOP
		EXECUTE format('DROP TABLE many%s', i);
	END LOOP;
END $$;

-- why it is the whole table, and what would make it row
CREATE TABLE why (id int PRIMARY KEY, team text, name text, born date, note json);
CREATE TABLE bare (team text);
SELECT watch('why', 'bare');
SELECT deps('SELECT * FROM why WHERE team = $1');
SELECT deps('SELECT * FROM bare WHERE team IS NOT NULL');
CREATE INDEX ON why (team, name);
SELECT deps('SELECT * FROM why WHERE team = $1');
SELECT deps('SELECT * FROM why WHERE name = $1');
SELECT deps('SELECT * FROM why WHERE name > $1 AND team < $2');
SELECT deps('SELECT * FROM why WHERE upper(team) = $1');
SELECT deps('SELECT * FROM why WHERE team || name = $1');
SELECT deps('SELECT * FROM why WHERE team = $1 OR id = 3');
SELECT deps('SELECT * FROM why WHERE NOT team = $1');
SELECT deps('SELECT * FROM why WHERE team IS NULL');
SELECT deps('SELECT * FROM why WHERE team = name');
SELECT deps('SELECT * FROM why WHERE team = lower($1)');
SELECT deps('SELECT * FROM why WHERE team = ANY (string_to_array($1, $2))');
SELECT deps('SELECT * FROM why WHERE id <> ALL ($1)');
SELECT deps('SELECT * FROM why AS w LEFT JOIN bare AS b ON w.team = $1');
SELECT deps('SELECT * FROM why AS w JOIN bare AS b USING (team) WHERE team > $1');
SELECT deps('SELECT * FROM (SELECT * FROM why LIMIT 10) AS w WHERE team = $1');
SELECT deps('SELECT * FROM (SELECT team, count(*) FROM why GROUP BY team) AS w WHERE team = $1');
SELECT deps('SELECT * FROM bare WHERE team = $1 AND EXISTS (SELECT FROM why WHERE why.name = bare.team)');
SELECT deps('WITH w AS (SELECT * FROM why) SELECT * FROM w WHERE team = $1');
SELECT deps('SELECT * FROM why AS w, LATERAL (SELECT * FROM bare AS b WHERE b.team = w.team || w.name) AS l');
SELECT deps('SELECT count(*) FROM why');
SELECT * FROM cache_explain('SELECT name FROM why WHERE team LIKE ''a%''');
DROP TABLE why, bare;
