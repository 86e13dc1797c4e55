-- A write drops the answers about values that are equal to those it writes, as
-- the column compares them, however they are written and of whatever type.
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir /lib/helpers.psql
\set deps :abs_srcdir /lib/deps.psql
\set ECHO none
\i :helpers
\i :deps
-- Which answers about a column are dropped by a row with this value there?
CREATE FUNCTION dropped(col text, written text, VARIADIC conditions text[]) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	query text[];
BEGIN
	FOR i IN 1 .. array_length(conditions, 1) LOOP
		query[i] := format('SELECT count(*) AS n FROM t WHERE %I %s', col, conditions[i]);
	END LOOP;
	PERFORM ask(VARIADIC query);
	PERFORM set_config('test.query', query::text, false);
	PERFORM set_config('test.write', format('INSERT INTO t (%I) VALUES (%s)', col, written), false);
END $$;
CREATE FUNCTION write() RETURNS void LANGUAGE plpgsql AS $$ BEGIN EXECUTE current_setting('test.write'); END $$;
CREATE FUNCTION told() RETURNS SETOF text LANGUAGE sql AS $$
	SELECT answer(q) || ' ' || regexp_replace(q, '.* WHERE ', '') || ' (' ||
		(SELECT string_agg(d, ', ') FROM deps(q) AS d) || ')'
	FROM unnest(current_setting('test.query')::text[]) AS q;
$$;
\set ECHO all

CREATE TABLE t (num numeric, num2 numeric(6, 2), i2 int2, i4 int4, i8 int8, f4 float4, f8 float8, c char(5), v varchar(10), tx text,
				nm name, u uuid, iv interval, tz timestamptz, j jsonb, ip inet, arr numeric[], ran numrange, o oid);
DO $$
DECLARE
	col name;
BEGIN
	FOR col IN SELECT attname FROM pg_attribute WHERE attrelid = 't'::regclass AND attnum > 0 LOOP
		EXECUTE format('CREATE INDEX ON t (%I)', col);
	END LOOP;
END $$;
SELECT cache_attach('t');

SELECT dropped('num', '1.00', '= 1', '= 1.0', '= 1.000::numeric(8, 3)', '= 1::int8', 'IN (1.0, 5)', '= ANY (''{7,1.0000}'')', '= 10', '= 1.001');
SELECT write();
SELECT told();
SELECT dropped('num', '''NaN''', '= ''NaN''', '= 0');
SELECT write();
SELECT told();
SELECT dropped('num2', '1.004', '= 1', '= 1.00', '= 1.004');
SELECT write();
SELECT told();
SELECT dropped('i2', '-1', '= -1', '= -1::int8', '= ANY (''{-1}''::int8[])', '= 1', '= 65535');
SELECT write();
SELECT told();
SELECT dropped('i4', '5', '= 5::int2', '= 5::int8', 'IN (5::int2, 6)', '= 5.0', '= 4294967301');
SELECT write();
SELECT told();
SELECT dropped('i8', '-7', '= -7::int2', '= -7', '= ANY (''{-7,1}''::int4[])', '= 7');
SELECT write();
SELECT told();
SELECT dropped('o', '4294967295', '= 4294967295', '= 1');
SELECT write();
SELECT told();
SELECT dropped('f4', '''-0''', '= 0', '= ''-0''::float8', '= 1');
SELECT write();
SELECT told();
SELECT dropped('f4', '0.1', '= 0.1::float4', '= 0.1::float8', '= 0.1::float4::float8');
SELECT write();
SELECT told();
SELECT dropped('f8', '''NaN''', '= ''NaN''', '= ''NaN''::float4', '= 0');
SELECT write();
SELECT told();
SELECT dropped('c', '''ab''', '= ''ab''', '= ''ab   ''', '= ''ab''::char(9)', '= ''ab''::text', '= ''abc''');
SELECT write();
SELECT told();
SELECT dropped('v', '''ab ''', '= ''ab ''', '= ''ab ''::text', '= ''ab''', '= ''ab ''::char(7)');
SELECT write();
SELECT told();
SELECT dropped('tx', '''ab''', '= ''ab''::varchar(3)', '= ''ab''::name', '= ''AB''', '= ''ab'' COLLATE "POSIX"');
SELECT write();
SELECT told();
SELECT dropped('nm', '''ab''', '= ''ab''', '= ''ab''::text', '= ''b''');
SELECT write();
SELECT told();
SELECT dropped('u', '''A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11''', '= ''{a0eebc999c0b4ef8bb6d6bb9bd380a11}''', '= ''a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a12''');
SELECT write();
SELECT told();
SELECT dropped('iv', '''1 day''', '= ''24 hours''', '= ''1440 min''', '= ''25 hours''');
SELECT write();
SELECT told();
SELECT dropped('tz', '''2026-01-01 12:00+00''', '= ''2026-01-01 14:00+02''', '= ''2026-01-01 14:00+00''');
SELECT write();
SELECT told();
SELECT dropped('j', '''{"a": 1.0, "b": 2}''', '= ''{"b": 2, "a": 1.00}''', '= ''{"a": 1.0}''');
SELECT write();
SELECT told();
SELECT dropped('ip', '''10.0.0.1''', '= ''10.0.0.1/32''', '= ''10.0.0.1/32''::cidr', '= ''10.0.0.0/8''');
SELECT write();
SELECT told();
SELECT dropped('arr', '''{1.0,NULL}''', '= ''{1,NULL}''', '= ''{1.00,2}''');
SELECT write();
SELECT told();
SELECT dropped('ran', '''[1.0,2)''', '= ''[1,2.00)''', '= ''[1,2]''');
SELECT write();
SELECT told();

DROP TABLE t;
DROP FUNCTION dropped, write, told;
