-- {.schema} and {.table} in templates: which keys and tags they make, whose names
-- they are, and that no key of a name is left that a table has lost.
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir /lib/helpers.psql
\set ECHO none
\i :helpers
\set ECHO all

CREATE SCHEMA one;
CREATE SCHEMA "Two: 2%";
CREATE TABLE one.hero (id int PRIMARY KEY, name text);
CREATE TABLE "Two: 2%".hero (id int PRIMARY KEY, name text);
SELECT cache_attach('one.hero', '{.schema}:{.table}:{id}', del => '{"names:{.schema}:{name}"}', tags => '{"{.schema}"}');
SELECT cache_attach('"Two: 2%".hero', '{.schema}:{.table}:{id}', tags => '{"{.schema}"}');
SELECT relation, key, del, tags FROM rtcache_rules WHERE kind = 'set' ORDER BY 1;
SELECT cache_set('names:one:Ada', '1'), cache_set('names:Two%3A%202%25:Ada', '1');
INSERT INTO one.hero VALUES (1, 'Ada');
INSERT INTO "Two: 2%".hero VALUES (1, 'Bea');
SELECT * FROM held('one:hero:1', 'Two%3A%202%25:hero:1', 'names:one:Ada', 'names:Two%3A%202%25:Ada');
-- a rule owns these keys
SELECT detail FROM cache_explain('SELECT * FROM one.hero WHERE id = 1') WHERE relation IS NULL;
SELECT detail FROM cache_explain('SELECT * FROM "Two: 2%".hero WHERE id = 1') WHERE relation IS NULL;
SELECT * FROM get('one:hero:1', 'SELECT * FROM one.hero WHERE id = 1');
-- tags
SELECT cache_get('tagged', 'SELECT count(*) FROM one.hero', tags => '{one}');
INSERT INTO "Two: 2%".hero VALUES (2, 'Bob');
SELECT cache_wait(NULL, '30 s'), cache_exists('tagged');
INSERT INTO one.hero VALUES (2, 'Bob');
SELECT cache_wait(NULL, '30 s'), cache_exists('tagged');
-- TRUNCATE deletes the keys of one table
TRUNCATE one.hero;
SELECT * FROM held('one:hero:2', 'Two%3A%202%25:hero:2');
DROP TABLE "Two: 2%".hero;
SELECT * FROM held('Two%3A%202%25:hero:2');
DROP SCHEMA "Two: 2%";

-- the table is renamed, moved, and its schema is renamed
INSERT INTO one.hero VALUES (3, 'Cid');
SELECT * FROM held('one:hero:3');
ALTER TABLE one.hero RENAME TO villain;
SELECT * FROM held('one:hero:3', 'one:villain:3');
UPDATE one.villain SET name = 'Cyd';
SELECT * FROM held('one:hero:3', 'one:villain:3');
CREATE SCHEMA three;
ALTER TABLE one.villain SET SCHEMA three;
SELECT * FROM held('one:villain:3', 'three:villain:3');
UPDATE three.villain SET name = 'Cod';
SELECT * FROM held('one:villain:3', 'three:villain:3');
ALTER SCHEMA three RENAME TO four;
SELECT * FROM held('three:villain:3', 'four:villain:3');
UPDATE four.villain SET name = 'Cad';
SELECT * FROM held('three:villain:3', 'four:villain:3');
-- another owner is not another name
CREATE ROLE rtc_named;
ALTER SCHEMA four OWNER TO rtc_named;
SELECT * FROM held('four:villain:3');
ALTER SCHEMA four OWNER TO CURRENT_USER;
DROP ROLE rtc_named;
-- several times in a transaction, and dropped in the end
BEGIN;
ALTER SCHEMA four RENAME TO five;
UPDATE five.villain SET name = 'Ced';
ALTER TABLE five.villain RENAME TO rogue;
UPDATE five.rogue SET name = 'Cud';
ALTER SCHEMA five RENAME TO six;
COMMIT;
SELECT * FROM held('four:villain:3', 'five:villain:3', 'five:rogue:3', 'six:rogue:3');
UPDATE six.rogue SET name = 'Ced';
SELECT * FROM held('six:rogue:3');
BEGIN;
ALTER TABLE six.rogue RENAME TO hero;
DROP SCHEMA six CASCADE;
COMMIT;
SELECT * FROM held('six:rogue:3', 'six:hero:3');
-- while the rule is off
CREATE TABLE one.hero (id int PRIMARY KEY);
SELECT cache_attach('one.hero', '{.table}:{id}');
INSERT INTO one.hero VALUES (1);
SELECT * FROM held('hero:1');
ALTER TABLE one.hero DISABLE TRIGGER ALL;
ALTER TABLE one.hero RENAME TO villain;
SELECT * FROM held('hero:1');
DROP TABLE one.villain;
-- undone
CREATE TABLE one.hero (id int PRIMARY KEY);
SELECT cache_attach('one.hero', '{.table}:{id}');
INSERT INTO one.hero VALUES (1);
SELECT * FROM held('hero:1');
BEGIN;
ALTER TABLE one.hero RENAME TO villain;
UPDATE one.villain SET id = 2;
ROLLBACK;
UPDATE one.hero SET id = 3;
SELECT * FROM held('hero:1', 'villain:2', 'hero:3');
SELECT cache_detach('one.hero');
SELECT * FROM held('hero:3');
-- other tables of these names keep their keys
CREATE TABLE one.villain (id int PRIMARY KEY);
SELECT cache_attach('one.hero', '{.schema}:{.table}:{id}');
SELECT cache_attach('one.villain', '{.schema}:{.table}:{id}');
INSERT INTO one.hero VALUES (4);
INSERT INTO one.villain VALUES (4);
SELECT cache_detach('one.hero');
SELECT * FROM held('one:hero:4', 'one:villain:4');
DROP SCHEMA one CASCADE;

-- partitions have the names of the partitioned table
CREATE SCHEMA one;
CREATE TABLE one.hero (id int, day int, PRIMARY KEY (id, day)) PARTITION BY LIST (day);
CREATE TABLE one.monday PARTITION OF one.hero FOR VALUES IN (1);
SELECT cache_attach('one.hero', '{.schema}:{.table}:{id}:{day}');
CREATE TABLE one.tuesday PARTITION OF one.hero FOR VALUES IN (2) PARTITION BY LIST (id);
CREATE TABLE one.five PARTITION OF one.tuesday FOR VALUES IN (5);
INSERT INTO one.hero VALUES (4, 1), (5, 2);
SELECT * FROM held('one:hero:4:1', 'one:hero:5:2', 'one:monday:4:1');
ALTER TABLE one.monday RENAME TO lundi;
INSERT INTO one.lundi VALUES (6, 1);
SELECT * FROM held('one:hero:4:1', 'one:hero:6:1');
-- what was cached before in this session
ALTER TABLE one.hero RENAME TO villain;
SELECT * FROM held('one:hero:4:1', 'one:hero:5:2', 'one:hero:6:1');
INSERT INTO one.lundi VALUES (7, 1);
UPDATE one.five SET day = 2;
SELECT * FROM held('one:hero:7:1', 'one:villain:7:1', 'one:villain:5:2');
ALTER SCHEMA one RENAME TO two;
SELECT * FROM held('one:villain:7:1');
UPDATE two.lundi SET day = 1 WHERE id = 7;
SELECT * FROM held('two:villain:7:1');
TRUNCATE two.five;
SELECT * FROM held('two:villain:7:1', 'two:villain:5:2');
UPDATE two.lundi SET day = 1 WHERE id = 7;
SELECT * FROM held('two:villain:7:1');
ALTER TABLE two.villain DETACH PARTITION two.lundi;
SELECT * FROM held('two:villain:7:1');
DROP SCHEMA two CASCADE;

-- children have names of their own
CREATE TABLE parent (id int PRIMARY KEY);
CREATE TABLE child (PRIMARY KEY (id)) INHERITS (parent);
SELECT cache_attach('parent', '{.table}:{id}');
SELECT cache_attach('child', '{.table}:{id}');
INSERT INTO parent VALUES (1);
INSERT INTO child VALUES (2);
SELECT * FROM held('parent:1', 'child:2', 'parent:2');
DROP TABLE parent CASCADE;

-- refused
CREATE TABLE hero (id int PRIMARY KEY);
SELECT error($$SELECT cache_attach('hero', '{.tables}:{id}')$$);
SELECT error($$SELECT cache_attach('hero', '{.schema:{id}')$$);
SELECT error($$SELECT cache_attach('hero', '~{.table}:{id}')$$);
DROP TABLE hero;
