-- cache_key; what a key may be, and how long; keys of other bytes than letters.
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir /lib/helpers.psql
\set ECHO none
\i :helpers
\set ECHO all

-- parts are joined with ':'
SELECT cache_key('hero', '7');
SELECT cache_key('hero');
SELECT cache_key(VARIADIC '{a,b,c}');
SELECT cache_key('hero', NULL, '7');
SELECT cache_key(VARIADIC NULL);
SELECT cache_key('', '');
SELECT error($$SELECT cache_key(VARIADIC '{}')$$);

-- each part is percent-encoded
SELECT cache_key('a:b', '100%', '{x}', '*?[]\', E'sp ace\ttab\nline\x7F\x01', '~a', 'ü€𝄞', '"''/,;=');
SELECT cache_key('a', 'b:c') <> cache_key('a:b', 'c') AS "no collision";

-- as a template encodes its columns
CREATE TABLE word (id int PRIMARY KEY, word text);
CREATE TRIGGER cache AFTER INSERT OR UPDATE OR DELETE ON word
	FOR EACH ROW EXECUTE FUNCTION rtcache_write_through('word:{word}');
INSERT INTO word SELECT n, w FROM unnest(ARRAY['a:b', '100%', '{x}', '*?[]\', E'sp ace\ttab\nline\x7F\x01',
	'~a', 'ü€𝄞', '"''/,;=', '', '~lease']) WITH ORDINALITY AS t (w, n);
SELECT cache_wait();
SELECT id, cache_peek(cache_key('word', word)) -> 'id' AS held FROM word WHERE word <> '~lease' ORDER BY id;
DROP TABLE word;

-- keys are bytes to Redis: any text will do
SELECT cache_set(k, to_jsonb(k)) FROM unnest(ARRAY['k 1', E'k\n2', 'k*3', 'k{4}', 'k{5', 'k}6', 'k{}7', 'ключ', '鍵']) AS k \g /dev/null
SELECT * FROM held('k 1', E'k\n2', 'k*3', 'k{4}', 'k{5', 'k}6', 'k{}7', 'ключ', '鍵');
SELECT g.*
  FROM unnest(ARRAY['f 1', E'f\n2', 'f*3', 'f{4}', 'f{5', 'f}6', 'f{}7', 'ключ2', '鍵2']) AS k,
	   get(k, 'SELECT $1 AS key', ARRAY[k]) AS g;
SELECT k, cache_peek(k)
  FROM unnest(ARRAY['f 1', E'f\n2', 'f*3', 'f{4}', 'f{5', 'f}6', 'f{}7', 'ключ2', '鍵2']) AS k;

-- what a key must not be: empty, reserved, NULL, too long
SELECT error($$SELECT cache_get('', 'SELECT 1')$$);
SELECT error($$SELECT cache_list('', 'SELECT 1')$$);
SELECT error($$SELECT cache_peek('')$$);
SELECT error($$SELECT cache_exists('')$$);
SELECT error($$SELECT cache_ttl('')$$);
SELECT error($$SELECT cache_set('', '1')$$);
SELECT error($$SELECT cache_del('a', '')$$);
SELECT error($$SELECT cache_get('~x', 'SELECT 1')$$);
SELECT error($$SELECT cache_set('~tag:1', '1')$$);
SELECT error($$SELECT cache_del('x~lease')$$);
SELECT error($$SELECT cache_del('~lease')$$);
SELECT error($$SELECT cache_peek('~')$$);
SELECT error($$SELECT cache_set('x~lease2', '1')$$);
SELECT error($$SELECT cache_get(NULL, 'SELECT 1')$$);
SELECT error($$SELECT cache_list(NULL, 'SELECT 1')$$);
SELECT error($$SELECT cache_set(NULL, '1')$$);
SELECT error($$SELECT cache_del(VARIADIC NULL)$$);
SELECT cache_peek(NULL), cache_exists(NULL), cache_ttl(NULL);

-- 64 kB is the limit
SELECT * FROM get(repeat('k', 65536), 'SELECT 1 AS one');
SELECT * FROM get(repeat('k', 65536), 'SELECT 1 AS one');
SELECT cache_set(repeat('ü', 32768), '"long"');
SELECT value FROM held(repeat('ü', 32768));
SELECT error($$SELECT cache_get(repeat('k', 65537), 'SELECT 1 AS one')$$);
SELECT error($$SELECT cache_peek(repeat('ü', 32769))$$);
SELECT error($$SELECT cache_set(repeat('k', 65537), '1')$$);
SELECT error($$SELECT cache_del('a', repeat('k', 70000))$$);
SELECT error($$SELECT cache_del_pattern(repeat('k', 65537))$$);
SELECT length(cache_key(repeat('%', 40000)));
SELECT cache_del(repeat('k', 65536), repeat('ü', 32768));
SELECT value FROM held(repeat('k', 65536), repeat('ü', 32768));
