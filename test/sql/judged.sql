-- Code that runs while a query runs and that the query does not name: default
-- arguments, checks of domains, casts to json, operator classes, bodies of
-- functions in SQL.  What is not IMMUTABLE makes the query uncacheable.
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir /lib/helpers.psql
\set ECHO none
\i :helpers
\set ECHO all

CREATE ROLE rtc_judged;
CREATE TABLE rate (id int PRIMARY KEY, n int, d date, j jsonb, x text);
SELECT cache_attach('rate');
INSERT INTO rate VALUES (1, 1, '2026-01-01', '{"c": 1, "a": [1], "r": {"c": 1}}', '1'), (2, 2, '2026-01-02', '{}', '2');
GRANT rtc_judged TO CURRENT_USER;
GRANT EXECUTE ON FUNCTION cache_get, cache_list, cache_peek TO rtc_judged;
GRANT SELECT ON rate TO rtc_judged;
CREATE FUNCTION verdict(query text, args text[] = NULL) RETURNS text LANGUAGE sql AS
	'SELECT coalesce(detail, dependency) FROM cache_explain(query, args) LIMIT 1';
CREATE FUNCTION pure(n int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN n; END';
CREATE FUNCTION current_rate() RETURNS int LANGUAGE sql STABLE AS 'SELECT n FROM rate WHERE id = 1';
CREATE FUNCTION is_allowed(v int) RETURNS boolean LANGUAGE plpgsql STABLE AS
	$$BEGIN RETURN current_user <> 'rtc_judged' AND EXISTS (SELECT FROM rate WHERE n = v); END$$;
CREATE FUNCTION is_small(v int) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN v < 10; END';

-- default arguments
CREATE FUNCTION greet(who text DEFAULT current_user) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$BEGIN RETURN 'hello ' || who; END$$;
CREATE FUNCTION greet_sql(who text DEFAULT current_user) RETURNS text LANGUAGE sql IMMUTABLE AS $$SELECT 'hello ' || who$$;
CREATE FUNCTION stamp(t timestamptz DEFAULT clock_timestamp()) RETURNS text LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN t::text; END';
CREATE FUNCTION rated(n int DEFAULT current_rate()) RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN n; END';
CREATE FUNCTION several(a int, b int DEFAULT 2, c int DEFAULT current_rate(), d date DEFAULT 'today') RETURNS int LANGUAGE plpgsql IMMUTABLE AS
	'BEGIN RETURN a + b + c; END';
CREATE FUNCTION nested(a int DEFAULT pure(several(1, 2))) RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN a; END';
CREATE FUNCTION made(a int DEFAULT current_rate()) RETURNS SETOF int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN NEXT a; END';
CREATE FUNCTION either(a anyelement, b anyelement DEFAULT NULL) RETURNS anyelement LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN a; END';
CREATE VIEW greeting AS SELECT greet() AS g;
SELECT q, verdict('SELECT ' || q) FROM unnest(ARRAY['greet()', 'greet_sql()', 'stamp()', 'rated()', 'nested()', 'several(1, 2)', 'several(1, d => ''2026-01-01'', b => 3)',
	'id FROM rate WHERE n = rated()', 'id FROM rate ORDER BY rated()', 'id FROM rate LIMIT rated()', 'max(rated()) FROM rate', '* FROM made()',
	'* FROM ROWS FROM (made(), made(1))', 'g FROM greeting', 'CASE WHEN id = 1 THEN greet() END FROM rate', 'ARRAY[rated()]', '(SELECT rated())']) AS q;
SELECT q, verdict('SELECT ' || q) FROM unnest(ARRAY['greet(''you'')', 'greet_sql(''you'')', 'greet(who => ''you'')', 'rated(1)', 'nested(1)', 'several(1, 2, 3)',
	'several(1, c => 3, d => ''2026-01-01'')', '* FROM made(1)', 'either(1)', 'either(b => 1, a => 2)']) AS q;
SELECT q, verdict('SELECT ' || q) FROM unnest(ARRAY['greet(current_user::text)', 'several(1, c => rated())']) AS q;
-- and what the answers are: for another role, later, after a write
SELECT cache_get('j:greet', 'SELECT greet() AS g') ->> 'g' = 'hello ' || current_user;
SET ROLE rtc_judged;
SELECT cache_get('j:greet', 'SELECT greet() AS g');
SELECT cache_get('j:greet_sql', 'SELECT greet_sql() AS g');
RESET ROLE;
SELECT cache_get('j:greet_sql', 'SELECT greet_sql() AS g') ->> 'g' = 'hello ' || current_user;
SELECT cache_get('j:stamp', 'SELECT stamp()') AS answer \gset
SELECT cache_get('j:stamp', 'SELECT stamp()') <> :'answer'::jsonb;
SELECT cache_get('j:rated', 'SELECT rated()');
UPDATE rate SET n = 7 WHERE id = 1;
SELECT cache_get('j:rated', 'SELECT rated()');
UPDATE rate SET n = 1 WHERE id = 1;
-- a default that calls a function: whoever may not call it sees nothing
CREATE FUNCTION secret() RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN 42; END';
CREATE FUNCTION told(n int DEFAULT secret()) RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN n; END';
REVOKE EXECUTE ON FUNCTION secret FROM PUBLIC;
SELECT cache_get('j:told', 'SELECT told()');
SET ROLE rtc_judged;
SELECT error($$SELECT cache_get('j:told', 'SELECT told()')$$);
SELECT error($$SELECT cache_peek('j:told')$$);
RESET ROLE;
SELECT cache_peek('j:told');

-- checks of domains, wherever a value becomes one
CREATE DOMAIN code AS int CHECK (is_allowed(VALUE));
CREATE DOMAIN small AS int CHECK (is_small(VALUE)) CHECK (VALUE > 0);
CREATE DOMAIN code_too AS code CHECK (VALUE > 0);
CREATE TYPE pair AS (a int, c code);
CREATE TYPE small_pair AS (a int, c small);
CREATE DOMAIN pair_domain AS pair;
CREATE DOMAIN checked_pair AS small_pair CHECK (is_allowed((VALUE).a));
CREATE TYPE code_range AS RANGE (subtype = code);
CREATE TABLE holds (id int PRIMARY KEY, c code, s small, p pair, a code[]);
SELECT cache_attach('holds');
INSERT INTO holds VALUES (1, 1, 1, '(1,1)', '{1}');
GRANT SELECT ON holds TO rtc_judged;
CREATE FUNCTION coded(n int) RETURNS code LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN n; END';
CREATE FUNCTION coded_row(n int, OUT a int, OUT b code) LANGUAGE plpgsql IMMUTABLE AS 'BEGIN a := n; b := n; END';
CREATE FUNCTION coded_table(n int) RETURNS TABLE (p pair) LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN QUERY SELECT ROW(n, n)::pair; END';
CREATE FUNCTION with_code(n int DEFAULT 1::code) RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN n; END';
CREATE FUNCTION same(e anyelement) RETURNS anyelement LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN e; END';
SELECT q, verdict('SELECT ' || q || ' FROM rate') FROM unnest(ARRAY['n::code', 'n::code_too', 'x::code', '''1''::code', '1::code', 'ARRAY[n]::code[]', '''{1}''::code[]', 'x::code[]',
	'ROW(n, n)::pair', '''(1,1)''::pair', 'x::pair', 'x::pair_domain', '(ROW(n, n)::small_pair)::checked_pair', 'code_range(n::code, 5::code)', 'x::code_range', 'x::code_multirange',
	'jsonb_populate_record(NULL::pair, j)', 'jsonb_populate_record(NULL::holds, j)', 'coded(n)', 'coded_row(n)', 'coded_table(n)', 'with_code()', 'pure(n::code)', '(SELECT n::code)',
	'id FROM rate WHERE n::code > 0 UNION SELECT 1', 'count(n::code)', 'n::code AS k FROM rate UNION SELECT 1']) AS q;
SELECT q, verdict('SELECT * FROM rate, ' || q) FROM unnest(ARRAY['jsonb_to_record(j) AS r (c code)', 'jsonb_to_recordset(''[]'') AS r (r pair)', 'json_to_record(''{"a": [1]}'') AS r (a code[])',
	'xmltable(''/r'' PASSING xmlparse(CONTENT x) COLUMNS a code PATH ''.'')', 'ROWS FROM (jsonb_to_record(j) AS (c code_too))']) AS q;
SELECT q, verdict('SELECT ' || q, '{1}') FROM unnest(ARRAY['$1::code', 'pure($1::code)', '$1::code_too', 'n FROM rate WHERE id = $1::code']) AS q;
SELECT verdict('SELECT $1::code[]', ARRAY['{1}']), verdict('SELECT $1::pair', ARRAY['(1,1)']), verdict('SELECT $1::pair_domain', ARRAY['(1,1)']);
-- if all is immutable it is cached; and no check runs when a column is read
SELECT q, verdict('SELECT ' || q || ' FROM rate') FROM unnest(ARRAY['n::small', 'x::small', '1::small', 'ARRAY[n]::small[]', 'ROW(n, n)::small_pair', 'jsonb_populate_record(NULL::small_pair, j)']) AS q;
SELECT q, verdict('SELECT ' || q || ' FROM holds') FROM unnest(ARRAY['*', 'c', 'c + 1', 'p', '(p).c', 'a[1]', 'c = 1', 'id FROM holds WHERE c = 1 UNION SELECT c', 'DISTINCT c', 'to_jsonb(holds)', 'same(c + 0)']) AS q;
SELECT verdict('SELECT same(c) FROM holds'), verdict('SELECT $1::small', '{1}'), verdict('SELECT r.s FROM rate, jsonb_to_record(j) AS r (s small)');
-- what the answers are: the check refuses a role, and then a value
SELECT cache_list('j:code', 'SELECT n::code FROM rate ORDER BY n'), cache_get('j:arg', 'SELECT $1::code AS c', '{2}'),
	cache_list('j:json', 'SELECT c FROM rate, jsonb_to_record(j) AS r (c code) WHERE id = 1'), cache_get('j:default', 'SELECT with_code()');
SET ROLE rtc_judged;
SELECT error($$SELECT cache_list('j:code', 'SELECT n::code FROM rate ORDER BY n')$$), error($$SELECT cache_get('j:arg', 'SELECT $1::code AS c', '{2}')$$),
	error($$SELECT cache_list('j:json', 'SELECT c FROM rate, jsonb_to_record(j) AS r (c code) WHERE id = 1')$$), error($$SELECT cache_get('j:default', 'SELECT with_code()')$$);
RESET ROLE;
UPDATE rate SET n = 8 WHERE id = 2;
SELECT error($$SELECT cache_get('j:arg', 'SELECT $1::code AS c', '{2}')$$);
UPDATE rate SET n = 2 WHERE id = 2;

-- casts to json, which functions and the answer itself look up
CREATE TYPE mood AS ENUM ('sad', 'ok');
CREATE TYPE mood_too AS ENUM ('sad', 'ok');
CREATE DOMAIN mood_domain AS mood;
CREATE FUNCTION mood_json(m mood) RETURNS json LANGUAGE plpgsql STABLE AS 'BEGIN RETURN to_json(current_rate()); END';
CREATE FUNCTION mood_too_json(m mood_too) RETURNS json LANGUAGE plpgsql IMMUTABLE AS $$BEGIN RETURN '1'; END$$;
CREATE CAST (mood AS json) WITH FUNCTION mood_json (mood);
CREATE CAST (mood_too AS json) WITH FUNCTION mood_too_json (mood_too);
SELECT q, verdict('SELECT ' || q) FROM unnest(ARRAY['''ok''::mood', 'to_json(''ok''::mood)', 'json_agg(''ok''::mood)', 'ARRAY[''ok''::mood]', 'ROW(''ok''::mood)', 'row_to_json(s) FROM (SELECT ''ok''::mood AS m) AS s',
	'json_build_object(''m'', ''ok''::mood)', '''ok''::mood_domain', 'enum_range(NULL::mood)', '$1::mood']) AS q;
SELECT q, verdict('SELECT ' || q) FROM unnest(ARRAY['''ok''::mood_too', 'to_json(''ok''::mood_too)', 'enum_range(NULL::mood_too)']) AS q;
SELECT cache_get('j:mood', 'SELECT ''ok''::mood AS m');
UPDATE rate SET n = 3 WHERE id = 1;
SELECT cache_get('j:mood', 'SELECT ''ok''::mood AS m');
UPDATE rate SET n = 1 WHERE id = 1;

-- operator classes: those of a type, which sorting, hashing, joins and compound
-- types look up
CREATE TYPE duo AS (a int, b int);
CREATE FUNCTION duo_lt(duo, duo) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN ($1).a < ($2).a; END';
CREATE FUNCTION duo_le(duo, duo) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN ($1).a <= ($2).a; END';
CREATE FUNCTION duo_eq(duo, duo) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN ($1).a = ($2).a; END';
CREATE FUNCTION duo_ge(duo, duo) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN ($1).a >= ($2).a; END';
CREATE FUNCTION duo_gt(duo, duo) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN ($1).a > ($2).a; END';
CREATE FUNCTION duo_cmp(duo, duo) RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN btint4cmp(($1).a, ($2).a); END';
CREATE FUNCTION duo_hash(duo) RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN ($1).a; END';
CREATE OPERATOR <# (LEFTARG = duo, RIGHTARG = duo, FUNCTION = duo_lt, COMMUTATOR = >#);
CREATE OPERATOR <=# (LEFTARG = duo, RIGHTARG = duo, FUNCTION = duo_le, COMMUTATOR = >=#);
CREATE OPERATOR =# (LEFTARG = duo, RIGHTARG = duo, FUNCTION = duo_eq, COMMUTATOR = =#, MERGES, HASHES);
CREATE OPERATOR >=# (LEFTARG = duo, RIGHTARG = duo, FUNCTION = duo_ge, COMMUTATOR = <=#);
CREATE OPERATOR ># (LEFTARG = duo, RIGHTARG = duo, FUNCTION = duo_gt, COMMUTATOR = <#);
CREATE OPERATOR CLASS duo_btree DEFAULT FOR TYPE duo USING btree AS
	OPERATOR 1 <#, OPERATOR 2 <=#, OPERATOR 3 =#, OPERATOR 4 >=#, OPERATOR 5 >#, FUNCTION 1 duo_cmp(duo, duo);
CREATE OPERATOR CLASS duo_hash DEFAULT FOR TYPE duo USING hash AS OPERATOR 1 =#, FUNCTION 1 duo_hash(duo);
CREATE TYPE duo_range AS RANGE (subtype = duo);
CREATE TABLE duos (id int PRIMARY KEY, d duo);
SELECT cache_attach('duos');
INSERT INTO duos VALUES (1, '(1,1)'), (2, '(1,2)');
CREATE VIEW duo_queries (q) AS VALUES ('d FROM duos ORDER BY d'), ('d FROM duos ORDER BY d USING >#'), ('DISTINCT d FROM duos'), ('count(*) FROM duos GROUP BY d'), ('d FROM duos UNION TABLE q'),
	('count(DISTINCT d) FROM duos'), ('array_agg(id ORDER BY d) FROM duos'), ('x.id FROM duos AS x JOIN duos AS y ON x.d =# y.d'), ('id FROM duos WHERE d IN (SELECT d FROM q)'),
	('rank() OVER (ORDER BY d) FROM duos'), ('count(*) OVER (PARTITION BY d) FROM duos'), ('ARRAY[d] = ARRAY[d] FROM duos'), ('ROW(d, 1) < ROW(d, 2) FROM duos'), ('(d, 1) = (d, 1) FROM duos'),
	('greatest(d, d) FROM duos'), ('nullif(d, d) FROM duos'), ('d IS DISTINCT FROM d FROM duos'), ('d =# ANY (ARRAY[d]) FROM duos'), ('array_position(ARRAY[d], d) FROM duos'),
	('duo_range(d, d) FROM duos'), ('max(x) FROM (SELECT ARRAY[d] AS x FROM duos) AS s'), ('mode() WITHIN GROUP (ORDER BY d) FROM duos');
SELECT q, verdict('WITH q AS (SELECT d FROM duos) SELECT ' || q) FROM duo_queries WHERE verdict('WITH q AS (SELECT d FROM duos) SELECT ' || q) <> 'cacheable';
ALTER FUNCTION duo_cmp(duo, duo) STABLE;
SELECT q, verdict('WITH q AS (SELECT d FROM duos) SELECT ' || q) FROM duo_queries;
ALTER FUNCTION duo_cmp(duo, duo) IMMUTABLE;
ALTER FUNCTION duo_hash(duo) VOLATILE;
SELECT q, verdict('WITH q AS (SELECT d FROM duos) SELECT ' || q) FROM duo_queries LIMIT 3;
ALTER FUNCTION duo_hash(duo) IMMUTABLE;
-- a function that was replaced, and that the query does not name
SELECT cache_get('j:array', 'SELECT ARRAY[ROW(1, 1)::duo] < ARRAY[ROW(2, 2)::duo] AS x');
CREATE OR REPLACE FUNCTION duo_cmp(duo, duo) RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN btint4cmp(($2).a, ($1).a); END';
SELECT cache_get('j:array', 'SELECT ARRAY[ROW(1, 1)::duo] < ARRAY[ROW(2, 2)::duo] AS x');
-- those of an operator, whatever the type; its negator and its commutator
CREATE FUNCTION odd_lt(int, int) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN $1 < $2; END';
CREATE FUNCTION odd_cmp(int, int) RETURNS int LANGUAGE plpgsql STABLE AS 'BEGIN RETURN btint4cmp($1, $2) * current_rate(); END';
CREATE OPERATOR <# (LEFTARG = int, RIGHTARG = int, FUNCTION = odd_lt);
CREATE OPERATOR CLASS odd FOR TYPE int USING btree AS OPERATOR 1 <#, FUNCTION 1 odd_cmp(int, int);
ALTER OPERATOR FAMILY odd USING btree ADD OPERATOR 3 = (int, int);
CREATE FUNCTION near(int, int) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN abs($1 - $2) < 2; END';
CREATE FUNCTION far(int, int) RETURNS boolean LANGUAGE plpgsql STABLE AS 'BEGIN RETURN abs($1 - $2) >= current_rate(); END';
CREATE OPERATOR ~# (LEFTARG = int, RIGHTARG = int, FUNCTION = near, NEGATOR = !~#);
CREATE OPERATOR !~# (LEFTARG = int, RIGHTARG = int, FUNCTION = far, NEGATOR = ~#);
SELECT q, verdict('SELECT n FROM rate ' || q) FROM unnest(ARRAY['ORDER BY n USING <#', 'WHERE n <# 2', 'WHERE NOT (n ~# 2)', 'WHERE n ~# 2', 'ORDER BY n USING <', 'WHERE n < 2']) AS q;
-- an equality of the server's in such a family: a join may be made by it
SELECT verdict('SELECT n FROM rate WHERE n = 1');
SELECT cache_list('j:odd', 'SELECT n FROM rate ORDER BY n USING <#');
UPDATE rate SET n = -1 WHERE id = 1;
SELECT cache_list('j:odd', 'SELECT n FROM rate ORDER BY n USING <#');
UPDATE rate SET n = 1 WHERE id = 1;
DROP OPERATOR FAMILY odd USING btree;
SELECT verdict('SELECT n <# 2 FROM rate'), verdict('SELECT n FROM rate WHERE n = 1');

-- an operator made of a function whose arguments matter
CREATE OPERATOR @# (LEFTARG = timestamp, RIGHTARG = text, FUNCTION = to_char);
CREATE OPERATOR @# (LEFTARG = anyelement, RIGHTARG = jsonb, FUNCTION = jsonb_populate_record);
SELECT q, verdict('SELECT ' || q) FROM unnest(ARRAY[$$timestamp '2026-01-01' @# 'TMMonth'$$, $$to_char(timestamp '2026-01-01', 'YYYY') || (timestamp '2026-01-01' @# 'TMMonth')$$,
	's @# j FROM holds, rate', 'p @# j FROM holds, rate', $$to_char(timestamp '2026-01-01', 'YYYY')$$]) AS q;

-- the bodies of functions in SQL
CREATE FUNCTION duo_int(duo) RETURNS int LANGUAGE plpgsql STABLE AS 'BEGIN RETURN current_rate(); END';
CREATE FUNCTION f_time() RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT now()::text';
CREATE FUNCTION f_user() RETURNS text LANGUAGE sql IMMUTABLE RETURN current_user;
CREATE FUNCTION f_setting() RETURNS text LANGUAGE sql IMMUTABLE AS $$SELECT current_setting('app.tenant', true)$$;
CREATE FUNCTION f_atomic() RETURNS int LANGUAGE sql IMMUTABLE BEGIN ATOMIC SELECT 1; SELECT current_rate(); END;
CREATE FUNCTION f_table() RETURNS bigint LANGUAGE sql IMMUTABLE AS 'SELECT count(*) FROM rate';
CREATE FUNCTION f_rows() RETURNS SETOF rate LANGUAGE sql IMMUTABLE AS 'SELECT * FROM rate';
CREATE FUNCTION f_greet() RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT greet()';
CREATE FUNCTION f_code(n int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT n::code';
CREATE FUNCTION f_domain(n int) RETURNS code LANGUAGE sql IMMUTABLE AS 'SELECT n';
CREATE FUNCTION f_outer() RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT f_greet()';
CREATE FUNCTION f_today() RETURNS date LANGUAGE sql IMMUTABLE AS $$SELECT date 'today'$$;
CREATE CAST (duo AS int) WITH FUNCTION duo_int (duo) AS ASSIGNMENT;
CREATE FUNCTION f_result(d duo) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT d';
CREATE FUNCTION f_results(d duo) RETURNS TABLE (a text, b bigint) LANGUAGE sql IMMUTABLE AS 'SELECT ''x'', (d).a UNION ALL SELECT ''y'', d::int';
CREATE FUNCTION f_text(e anyelement) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT e::text';
CREATE FUNCTION f_volatile() RETURNS float8 LANGUAGE sql IMMUTABLE AS 'SELECT random()';
CREATE SCHEMA other;
CREATE FUNCTION other.whom() RETURNS text LANGUAGE plpgsql STABLE AS $$BEGIN RETURN 'other'; END$$;
CREATE FUNCTION whom() RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$BEGIN RETURN 'public'; END$$;
CREATE FUNCTION f_path() RETURNS text LANGUAGE sql IMMUTABLE SET search_path = other, public AS 'SELECT whom()';
CREATE FUNCTION f_whom() RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT whom()';
CREATE FUNCTION f_definer() RETURNS text LANGUAGE sql IMMUTABLE SECURITY DEFINER AS 'SELECT whom()';
CREATE AGGREGATE f_sum (int) (sfunc = int4pl, stype = int, initcond = '0');
CREATE FUNCTION f_loop(n int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT CASE WHEN n > 0 THEN f_sum(n) ELSE 0 END';
CREATE OR REPLACE FUNCTION f_loop(n int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT CASE WHEN n > 0 THEN f_loop(n - 1) ELSE 0 END';
CREATE FUNCTION f_plus(n int, m int DEFAULT 1) RETURNS numeric LANGUAGE sql IMMUTABLE AS 'SELECT n + m';
CREATE FUNCTION f_pairs(n int) RETURNS TABLE (a int, b text) LANGUAGE sql IMMUTABLE AS 'VALUES (n, ''x''), (2, ''y'')';
SELECT q, verdict('SELECT ' || q) FROM unnest(ARRAY['f_time()', 'f_user()', 'f_setting()', 'f_atomic()', 'f_table()', '* FROM f_rows()', 'f_greet()', 'f_code(1)', 'f_domain(1)', 'f_outer()', 'f_today()', 'f_result(ROW(1, 2))', '* FROM f_results(ROW(1, 2))',
	'f_text(''rate''::regclass)', 'f_volatile()', 'f_path()']) AS q;
SELECT q, verdict('SELECT ' || q) FROM unnest(ARRAY['f_text(1)', 'f_text(ARRAY[1.5])', 'f_whom()', 'f_definer()', 'f_loop(3)', 'f_plus(1)', 'f_plus(m => 1, n => 2)', '* FROM f_pairs(1)', 'f_sum(n) FROM rate']) AS q;
-- what the answers are
SET app.tenant = 'a';
SELECT cache_get('j:tenant', 'SELECT f_setting() AS t');
SET app.tenant = 'b';
SELECT cache_get('j:tenant', 'SELECT f_setting() AS t');
RESET app.tenant;
SELECT cache_get('j:table', 'SELECT f_table() AS n');
INSERT INTO rate VALUES (3, 3);
SELECT cache_get('j:table', 'SELECT f_table() AS n');
DELETE FROM rate WHERE id = 3;
-- from 18 on a session keeps the plan of a body, and what is folded in it
DISCARD PLANS;
SET ROLE rtc_judged;
SELECT cache_get('j:outer', 'SELECT f_outer() AS g');
RESET ROLE;
DISCARD PLANS;
SELECT cache_get('j:outer', 'SELECT f_outer() AS g') ->> 'g' = 'hello ' || current_user;
-- an error in a body is shown as the server shows it
SET check_function_bodies = off;
CREATE FUNCTION f_wrong() RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT nowhere';
SELECT cache_get('j:wrong', 'SELECT f_wrong()');
-- one that the user may not call is not looked into
CREATE FUNCTION f_private() RETURNS int LANGUAGE sql IMMUTABLE SECURITY DEFINER AS 'SELECT nowhere';
REVOKE EXECUTE ON FUNCTION f_private FROM PUBLIC;
SET ROLE rtc_judged;
SELECT cache_get('j:private', 'SELECT f_private()');
RESET ROLE;
RESET check_function_bodies;

-- aggregates: the initial value of one that is polymorphic, its sort operator
CREATE AGGREGATE collect (anycompatible) (sfunc = array_append, stype = anycompatiblearray, initcond = '{}');
CREATE AGGREGATE collect_now (anycompatible) (sfunc = array_append, stype = anycompatiblearray, initcond = '{now}');
CREATE OPERATOR CLASS odd FOR TYPE int USING btree AS OPERATOR 1 <#, OPERATOR 3 =, FUNCTION 1 odd_cmp(int, int);
CREATE AGGREGATE least_odd (int) (sfunc = int4smaller, stype = int, sortop = <#);
SELECT q, verdict('SELECT ' || q || ' FROM rate') FROM unnest(ARRAY['collect(n)', 'collect(x)', 'collect(n) OVER ()', 'collect(d)', 'collect_now(x)', 'collect_now(d)', 'least_odd(n)']) AS q;
DROP OPERATOR FAMILY odd USING btree;

-- records whose columns nobody knows, from a function of one's own
CREATE FUNCTION some_record() RETURNS record LANGUAGE plpgsql IMMUTABLE AS $$BEGIN RETURN ROW('rate'::regclass); END$$;
CREATE FUNCTION known_record(OUT a int, OUT b text) LANGUAGE plpgsql IMMUTABLE AS 'BEGIN a := 1; b := 2; END';
CREATE FUNCTION named_record(OUT a int, OUT b regclass) LANGUAGE plpgsql IMMUTABLE AS $$BEGIN a := 1; b := 'rate'; END$$;
SELECT q, verdict('SELECT ' || q) FROM unnest(ARRAY['some_record()', '* FROM some_record() AS r (n int)', 'known_record()', '* FROM known_record()', 'named_record()', '* FROM named_record()', '(known_record()).a']) AS q;

-- the analysis takes time in proportion to the query: 16 times the literals, at
-- most 80 times as long (it was 256 times)
CREATE FUNCTION took(query text) RETURNS float8 LANGUAGE plpgsql AS $$
DECLARE
	best float8;
	start timestamptz;
BEGIN
	FOR i IN 1 .. 3 LOOP
		start := clock_timestamp();
		PERFORM verdict(query || ' -- ' || i);
		best := least(best, extract(epoch FROM clock_timestamp() - start));
	END LOOP;
	RETURN best;
END $$;
CREATE FUNCTION dates(n int) RETURNS text LANGUAGE sql AS $$
	SELECT 'SELECT id FROM rate WHERE d IN (' || string_agg(quote_literal(date '2000-01-01' + i), ',') || ')' FROM generate_series(1, n) AS i $$;
SELECT took(dates(128000)) < 80 * took(dates(8000));
-- and what is large is judged all the same
SELECT verdict('SELECT * FROM rate WHERE ' || repeat('id = 1 AND ', 20000) || 'true'), verdict('SELECT * FROM rate WHERE ' || repeat('id = 1 AND ', 20000) || 'rated() = 1'),
	verdict('SELECT id FROM rate WHERE ' || repeat('n > 1 OR ', 2000) || 'n = rated()');
SELECT verdict('SELECT * FROM rate WHERE id IN (' || string_agg(i::text, ',') || ')') FROM generate_series(1, 100000) AS i;
SELECT verdict(string_agg('SELECT n FROM rate WHERE id = ' || i, ' UNION ALL ')), verdict(string_agg('SELECT n FROM rate WHERE id = ' || i, ' UNION ALL ') || ' UNION ALL SELECT rated()')
  FROM generate_series(1, 1000) AS i;
SELECT verdict('SELECT ' || string_agg('n + ' || i, ',') || ' FROM rate') FROM generate_series(1, 1600) AS i;
-- and it can be cancelled at once (it went on for minutes)
CREATE FUNCTION cancelled(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	start timestamptz := clock_timestamp();
BEGIN
	PERFORM verdict(query);
	RETURN 'not cancelled';
EXCEPTION WHEN query_canceled THEN
	RETURN CASE WHEN clock_timestamp() - start < interval '20 s' THEN 'cancelled' ELSE 'cancelled late' END;
END $$;
SET statement_timeout = '500 ms';
SELECT cancelled('SELECT * FROM rate WHERE ' || repeat('id = 1 AND ', 300000) || 'true');
RESET statement_timeout;

DROP TABLE rate, holds, duos CASCADE;
DROP SCHEMA other CASCADE;
DROP FUNCTION verdict, took, dates, cancelled;
DROP FUNCTION greet, greet_sql, stamp, rated, several, nested, made, either, secret, told, coded, coded_row, coded_table, with_code, same CASCADE;
DROP TYPE code_range, duo_range, pair, small_pair, duo CASCADE;
DROP DOMAIN code, small CASCADE;
DROP TYPE mood, mood_too CASCADE;
DROP OPERATOR @# (timestamp, text);
DROP OPERATOR @# (anyelement, jsonb);
DROP FUNCTION odd_lt, odd_cmp, near, far CASCADE;
DROP AGGREGATE collect (anycompatible);
DROP AGGREGATE collect_now (anycompatible);
DROP AGGREGATE f_sum (int);
DROP FUNCTION f_time, f_user, f_setting, f_atomic, f_table, f_greet, f_code, f_outer, f_today, f_text, f_volatile, f_path, f_whom, f_definer, f_loop, f_plus, f_pairs, f_wrong, f_private CASCADE;
DROP FUNCTION whom, some_record, known_record, named_record, current_rate, is_allowed, is_small, pure CASCADE;
REVOKE ALL ON FUNCTION cache_get, cache_list, cache_peek FROM rtc_judged;
DROP ROLE rtc_judged;
