-- Dependencies on text under collations that do not agree on what is equal.
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir /lib/helpers.psql
\set deps :abs_srcdir /lib/deps.psql
\set ECHO none
\i :helpers
\i :deps
\set ECHO all

-- needs a server built with ICU
SELECT count(*) = 0 AS no_icu FROM pg_collation WHERE collprovider = 'i' \gset
\if :no_icu
\quit
\endif

CREATE COLLATION ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE TABLE l (c text COLLATE "C", d text COLLATE "POSIX", i text COLLATE ci);
CREATE INDEX ON l (c);
CREATE INDEX ON l (d COLLATE "C");
CREATE INDEX ON l (i COLLATE "C");
SELECT watch('l');
SELECT deps('SELECT 1 FROM l WHERE c = ''x''');
SELECT deps('SELECT 1 FROM l WHERE c = ''x'' COLLATE "POSIX"');
SELECT deps('SELECT 1 FROM l WHERE c = ''x'' COLLATE ci');
SELECT deps('SELECT 1 FROM l WHERE d = ''x''');
SELECT deps('SELECT 1 FROM l WHERE i = ''x''');
SELECT deps('SELECT 1 FROM l WHERE i = ''x'' COLLATE "C"');
SELECT deps('SELECT 1 FROM l WHERE i COLLATE "C" = ''x''');
SELECT deps('SELECT 1 FROM l WHERE c = d COLLATE "C" AND d = ''x''');
SELECT deps('SELECT 1 FROM l WHERE i = c COLLATE ci AND c = ''x''');
SELECT deps('SELECT 1 FROM l WHERE i = c COLLATE ci AND i = ''x''');
SELECT deps('SELECT 1 FROM (SELECT DISTINCT i FROM l) AS s WHERE i = ''x''');
SELECT deps('SELECT 1 FROM (SELECT DISTINCT i FROM l) AS s WHERE i = ''x'' COLLATE "C"');
SELECT deps('SELECT 1 FROM (SELECT DISTINCT i COLLATE "C" AS i FROM l) AS s WHERE i = ''x''');

DROP TABLE l;
DROP COLLATION ci;
