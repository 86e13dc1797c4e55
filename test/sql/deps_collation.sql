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
-- the hash of a name ignores collations
CREATE TABLE n (n name COLLATE ci, t text COLLATE ci, c name);
CREATE INDEX ON n (n);
CREATE INDEX ON n (t);
CREATE INDEX ON n (c);
SELECT watch('n');
SELECT deps('SELECT 1 FROM n WHERE t = ''x''::name COLLATE ci');
SELECT deps('SELECT 1 FROM n WHERE ''x''::name COLLATE ci = t');
SELECT deps('SELECT 1 FROM n WHERE n = ''x''');
SELECT deps('SELECT 1 FROM n WHERE n = ''x''::text COLLATE ci');
SELECT deps('SELECT 1 FROM n WHERE t = ANY (ARRAY[''x''::name] COLLATE ci)');
SELECT deps('SELECT 1 FROM n WHERE t = c COLLATE ci AND c = ''x''');
SELECT deps('SELECT 1 FROM n WHERE t = ''x''');
SELECT deps('SELECT 1 FROM n WHERE c = ''x''');

DROP TABLE l, n;
DROP COLLATION ci;
