-- What depends on the time when the query runs: texts that are read as dates
-- and times only then, and 'today' in literals and arguments, however written.
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir /lib/helpers.psql
\set ECHO none
\i :helpers
\set ECHO all

CREATE TABLE word (x text, v varchar(20), j jsonb, a text[]);
INSERT INTO word VALUES ('now', 'now', '{"a": "now", "f1": "now"}', '{now}');
CREATE TYPE dated AS (n int, d date);
CREATE TYPE plain AS (n int);
CREATE DOMAIN day AS date;
CREATE DOMAIN dated_domain AS dated;
CREATE FUNCTION verdict(query text, args text[] = NULL) RETURNS text LANGUAGE sql AS
	'SELECT coalesce(detail, dependency) FROM cache_explain(query, args) LIMIT 1';

-- from text, through the input function
SELECT q, verdict('SELECT ' || q || ' AS n FROM word') FROM unnest(ARRAY[
	'x::date', 'x::time', 'x::timetz', 'x::timestamp', 'x::timestamptz(0)', 'v::date', 'CAST(x AS day)', '(''to'' || v)::timestamptz',
	'a::date[]', 'x::date[]', 'x::dated', 'x::dated_domain', 'x::dated[]', 'x::daterange', 'x::tstzmultirange', 'x::daterange[]',
	'date_in(x::cstring)', 'timestamptz_in(textout(x), 0, -1)', 'array_in(''{now}'', 1082, -1) IS NULL', '''today''::text::date',
	'jsonb_populate_record(NULL::dated, j)', 'jsonb_populate_record(ROW(date ''2026-01-01''), j)']) AS q;
SELECT q, verdict('SELECT * FROM word, ' || q) FROM unnest(ARRAY[
	'jsonb_to_record(j) AS r (a date)', 'jsonb_to_recordset(j) AS r (a int, b dated)', 'json_populate_recordset(NULL::dated, x::json)',
	'jsonb_populate_record(ROW(date ''2026-01-01''), j) AS r (f1 date)', 'ROWS FROM (json_to_record(x::json) AS (a timestamptz))',
	'xmltable(''/r'' PASSING xmlparse(CONTENT x) COLUMNS a timestamptz PATH ''.'')',
	'xmltable(''/r'' PASSING xmlparse(CONTENT x) COLUMNS a regclass PATH ''.'') AS r WHERE r.a = ''word''::regclass']) AS q;
-- from 17 on
SELECT q, CASE WHEN current_setting('server_version_num')::int >= 170000 THEN verdict('SELECT ' || q) ELSE e END FROM (VALUES
	('JSON_VALUE(j, ''$.a'' RETURNING date) FROM word', 'depends on the time'), ('JSON_QUERY(j, ''$'' RETURNING dated) FROM word', 'depends on the time'),
	('* FROM word, JSON_TABLE(j, ''$'' COLUMNS (a timestamptz)) AS t', 'depends on the time'),
	('JSON_VALUE(j, ''$.a'' RETURNING int) FROM word', 'cacheable'), ('JSON_QUERY(j, ''$'') FROM word', 'cacheable'), ('JSON_EXISTS(j, ''$.a'') FROM word', 'cacheable'),
	('* FROM word, JSON_TABLE(j, ''$'' COLUMNS (n FOR ORDINALITY, a int, b text, NESTED PATH ''$.c'' COLUMNS (c text))) AS t', 'cacheable')) AS t (q, e);
-- other types, and dates that are dates already
SELECT q, verdict('SELECT ' || q || ' AS n FROM word') FROM unnest(ARRAY[
	'x::int', 'x::interval', 'a::int[]', 'x::numrange', 'x::jsonb', 'to_date(x, ''YYYY-MM-DD'')', 'to_timestamp(5)',
	'date ''2026-01-01'' + 1', '(date ''2026-01-01'')::text', 'jsonb_populate_record(NULL::word, j)', 'date_trunc(''day'', timestamptz ''2026-01-01'')',
	'''word''::regclass::oid', 'timestamptz ''2026-01-01'' AT TIME ZONE ''IST''']) AS q;
SELECT verdict('SELECT * FROM word, jsonb_to_record(j) AS r (a int, b text[])'),
	verdict('SELECT * FROM word, xmltable(''/r'' PASSING xmlparse(CONTENT x) COLUMNS a int PATH ''.'') AS r');
SELECT verdict('SELECT x::name::regclass::oid FROM word');
-- the offset of a named zone is that of today
SELECT verdict('SELECT timetz ''10:00+00'' AT TIME ZONE ''Europe/Vienna''');

-- literals, as the parser reads them
SELECT q, verdict('SELECT ' || q) FROM unnest(ARRAY[
	'date ''2026-01-01''', 'date E''2026-01-01''', 'date $$2026-01-01$$', 'date $d$2026-01-01$d$', '''{2026-01-01}''::date[]',
	'''(1,2026-01-01)''::dated', 'date ''2026-'' ' || E'\n' || ' ''01-01''', '''[2026-01-01,)''::daterange', '''{now,today}''::text[]',
	'date ''2026-01-01'' IN (''2026-01-01'', ''2026-01-02'')', 'timestamptz(0) ''2026-01-01 00:00 UTC''']) AS q;
SELECT q, verdict('SELECT ' || q) FROM unnest(ARRAY[
	'date ''Today''', 'date E''tod\x61y''', 'date U&''tod\0061y''', 'date U&''tod!0061y'' UESCAPE ''!''', 'date ''''''today''', 'date $$ $today$$', 'date $d$ $today$d$',
	'date ''to'' ' || E'\n' || ' ''day''', '''{to\day}''::date[]', '''(1,to"d"ay)''::dated', '''["to"morrow,)''::daterange',
	'date ''2026-01-01'' IN (''2026-01-01'', ''tomorrow'')', 'date ''2026-01-01'' UNION SELECT ''yesterday''']) AS q;
-- arguments
SELECT q, a, verdict('SELECT ' || q, ARRAY[a]) FROM (VALUES
	('$1::date', '2026-01-01'), ('$1::date', 'today'), ('$1::date', ' "today"'), ('$1::text', 'today'), ('$1::text[]', '{today}'),
	('$1::date[]', '{2026-01-01}'), ('$1::date[]', '{2026-01-01,today}'), ('$1::date[]', '{to\day}'), ('$1::date[]', '{"today"}'),
	('$1::dated', '(1,2026-01-01)'), ('$1::dated', '(1,to"d"ay)'), ('$1::dated[]', '{"(1,\"today\")"}'), ('$1::day', 'now'),
	('$1::text::date', '2026-01-01'), ('$1::text::timestamptz::text', 'now')) AS t (q, a);

-- what the answers are
-- one transaction each: the time is that of its beginning
SELECT cache_list('m:arg', 'SELECT $1::text::timestamptz::text', '{now}') AS answer \gset
SELECT cache_list('m:arg', 'SELECT $1::text::timestamptz::text', '{now}') <> :'answer'::jsonb;
SELECT cache_list('m:column', 'SELECT x::timestamptz FROM word') AS answer \gset
SELECT cache_list('m:column', 'SELECT x::timestamptz FROM word') <> :'answer'::jsonb;
SELECT cache_list('m:json', 'SELECT r.a FROM word, jsonb_to_record(j) AS r (a timestamptz)') AS answer \gset
SELECT cache_list('m:json', 'SELECT r.a FROM word, jsonb_to_record(j) AS r (a timestamptz)') <> :'answer'::jsonb;
SELECT cache_list('m:array', 'SELECT $1::timestamptz[] AS t', ARRAY['{n\ow}']) AS answer \gset
SELECT cache_list('m:array', 'SELECT $1::timestamptz[] AS t', ARRAY['{n\ow}']) <> :'answer'::jsonb;

-- aggregates are what their functions are, and read their initial values
CREATE FUNCTION tick(text, text) RETURNS text LANGUAGE sql VOLATILE AS 'SELECT clock_timestamp()::text';
CREATE FUNCTION look(text) RETURNS text LANGUAGE sql STABLE AS 'SELECT x FROM word';
CREATE AGGREGATE ticks (text) (sfunc = tick, stype = text, initcond = '');
CREATE AGGREGATE looks (text) (sfunc = textcat, stype = text, finalfunc = look);
CREATE AGGREGATE latest (timestamptz) (sfunc = timestamptz_larger, stype = timestamptz, initcond = 'now');
CREATE AGGREGATE joined (text) (sfunc = textcat, stype = text, initcond = 'now');
SELECT q, verdict('SELECT ' || q || ' FROM word') FROM unnest(ARRAY['ticks(x)', 'looks(x)', 'latest(timestamptz ''2026-01-01'')', 'joined(x)',
	'ticks(x) OVER ()', 'joined(x) OVER ()']) AS q;

-- a type that gets another part
SELECT verdict('SELECT ($1::dated).n', '{"(1,2026-01-01)"}'), verdict('SELECT x::plain FROM word'), verdict('SELECT ($1::plain).n', '{(1)}');
ALTER TYPE plain ADD ATTRIBUTE d date;
SELECT verdict('SELECT x::plain FROM word'), verdict('SELECT ($1::plain).n', '{"(1,today)"}'), verdict('SELECT ($1::plain).n', '{"(1,2026-01-01)"}');

DROP AGGREGATE ticks (text);
DROP AGGREGATE looks (text);
DROP AGGREGATE latest (timestamptz);
DROP AGGREGATE joined (text);
DROP FUNCTION tick, look, verdict;
DROP TABLE word;
DROP TYPE dated CASCADE;
DROP TYPE plain;
DROP DOMAIN day;
