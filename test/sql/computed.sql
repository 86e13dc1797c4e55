-- Columns that are computed when they are read: virtual generated columns, which the
-- server has from 18 on.  Before that a view computes the same.
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir /lib/helpers.psql
\set ECHO none
\i :helpers
\set ECHO all
CREATE FUNCTION virtual() RETURNS boolean LANGUAGE sql AS
	$$SELECT current_setting('server_version_num')::int >= 180000$$;
-- Redis is to know of all commits
CREATE FUNCTION asked(key text, query text, args text[] = NULL) RETURNS TABLE (answer jsonb, how text)
LANGUAGE plpgsql AS $$
BEGIN
	PERFORM cache_wait(NULL, '30 s');
	RETURN QUERY SELECT * FROM list(key, query, args);
END $$;
CREATE TEXT SEARCH CONFIGURATION plain (COPY = simple);
DO $$
BEGIN
	IF virtual() THEN
		CREATE TABLE item (id int PRIMARY KEY, a int, t text);
		EXECUTE 'ALTER TABLE item ADD v int GENERATED ALWAYS AS (a * 2) VIRTUAL,
			ADD words tsvector GENERATED ALWAYS AS (to_tsvector(''plain''::regconfig, t)) VIRTUAL';
		PERFORM cache_attach('item');
	ELSE
		CREATE TABLE item_rows (id int PRIMARY KEY, a int, t text);
		CREATE VIEW item AS SELECT *, a * 2 AS v, to_tsvector('plain', t) AS words FROM item_rows;
		PERFORM cache_attach('item_rows');
	END IF;
END $$;
INSERT INTO item (id, a, t) VALUES (1, 1, 'the cats'), (2, 2, 'the dogs');

-- found by its value, and as a part of the row
SELECT dependency FROM cache_explain('SELECT id FROM item WHERE v = 2');
SELECT dependency FROM cache_explain('SELECT words FROM item');
SELECT * FROM asked('v', 'SELECT id FROM item WHERE v = $1', '{2}');
SELECT * FROM asked('v', 'SELECT id FROM item WHERE v = $1', '{2}');
SELECT * FROM asked('row', 'SELECT item AS i FROM item WHERE id = 1');
SELECT * FROM asked('row', 'SELECT item AS i FROM item WHERE id = 1');
UPDATE item SET a = 3 WHERE id = 1;
SELECT * FROM asked('v', 'SELECT id FROM item WHERE v = $1', '{2}');
SELECT * FROM asked('row', 'SELECT item AS i FROM item WHERE id = 1');
UPDATE item SET a = 1 WHERE id = 2;
SELECT * FROM asked('v', 'SELECT id FROM item WHERE v = $1', '{2}');
SELECT * FROM asked('v', 'SELECT id FROM item WHERE v = $1', '{2}');

-- another expression
DO $$
BEGIN
	IF virtual() THEN
		EXECUTE 'ALTER TABLE item ALTER v SET EXPRESSION AS (a * 10)';
	ELSE
		CREATE OR REPLACE VIEW item AS SELECT *, a * 10 AS v, to_tsvector('plain', t) AS words FROM item_rows;
	END IF;
END $$;
SELECT * FROM asked('v', 'SELECT id FROM item WHERE v = $1', '{2}');
SELECT * FROM asked('row', 'SELECT item AS i FROM item WHERE id = 1');

-- another meaning of the same expression
SELECT * FROM asked('words', 'SELECT words FROM item WHERE id = 1');
SELECT * FROM asked('words', 'SELECT words FROM item WHERE id = 1');
ALTER TEXT SEARCH CONFIGURATION plain ALTER MAPPING FOR asciiword WITH english_stem;
SELECT * FROM asked('words', 'SELECT words FROM item WHERE id = 1');
SELECT * FROM asked('row', 'SELECT item AS i FROM item WHERE id = 1');

-- a rule stores nothing that a trigger is not told
DO $$ BEGIN IF virtual() THEN PERFORM cache_detach('item'); END IF; END $$;
SELECT CASE WHEN virtual() THEN split_part(error($$SELECT cache_attach('item', key => 'item:{id}')$$), E'\n', 1)
	ELSE '0A000 cannot cache virtual generated column "v"' END;
SELECT CASE WHEN virtual() THEN split_part(error($$SELECT cache_attach('item', key => 'item:{id}:{v}')$$), E'\n', 1)
	ELSE '0A000 key template "item:{id}:{v}" uses virtual generated column "v"' END;

DO $$ BEGIN IF virtual() THEN DROP TABLE item; ELSE DROP TABLE item_rows CASCADE; END IF; END $$;
DROP TEXT SEARCH CONFIGURATION plain;
DROP FUNCTION virtual, asked;
