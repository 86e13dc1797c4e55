-- cache_set, cache_del, cache_del_pattern, cache_clear: they take effect at
-- commit, the last one on a key wins, and what is rolled back never happened.
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir /lib/helpers.psql
\set ECHO none
\i :helpers
\set ECHO all

-- values are what they were
SELECT cache_set('s:object', '{"b": 1, "a": [1, 2.50, "x", null, true]}');
SELECT cache_set('s:string', '"text"');
SELECT cache_set('s:number', '1.0');
SELECT cache_set('s:null', 'null');
SELECT cache_set('s:sqlnull', NULL);
SELECT cache_set('s:unicode', '"ü\u20ac𝄞\"\\"');
SELECT * FROM held('s:object', 's:string', 's:number', 's:null', 's:sqlnull', 's:unicode', 's:none');

-- time to live: the default, one of its own, none
SELECT cache_set('t:default', '1');
SELECT cache_set('t:minute', '1', '1 minute');
SELECT cache_set('t:month', '1', '1 month');
SELECT cache_set('t:never', '1', '0');
SELECT cache_set('t:never2', '1', '1 day -24 hours');
SELECT cache_set('t:short', '1', '1 microsecond');
SET rtcache.default_ttl = '10min';
SELECT cache_set('t:setting', '1');
SET rtcache.default_ttl = 0;
SELECT cache_set('t:zero', '1');
RESET rtcache.default_ttl;
SELECT cache_wait();
SELECT k, cache_exists('t:' || k) AS there,
	   cache_ttl('t:' || k) BETWEEN max - interval '30 s' AND max AS ttl
  FROM (VALUES ('default', interval '1 hour'), ('minute', '1 minute'), ('month', '720 hours'),
			   ('never', NULL), ('never2', NULL), ('setting', '10 minutes'), ('zero', NULL)) AS t (k, max);
SELECT error($$SELECT cache_set('t', '1', '-1 s')$$);
SELECT error($$SELECT cache_set('t', '1', '-1 microsecond')$$);
SELECT error($$SELECT cache_set('t', '1', '1 month -31 days')$$);
SELECT error($$SELECT cache_set('t', '1', '1100 years')$$);
-- a second SET replaces the time to live as well
SELECT cache_set('t:minute', '2', '0');
SELECT * FROM held('t:minute');
SELECT cache_exists('t:minute'), cache_ttl('t:minute');

-- several keys, NULLs among them
SELECT cache_set('d:' || n, to_jsonb(n)) FROM generate_series(1, 5) AS n \g /dev/null
SELECT cache_del('d:1', NULL, 'd:3', 'd:none');
SELECT * FROM held('d:1', 'd:2', 'd:3', 'd:4', 'd:5');
SELECT cache_del(VARIADIC '{}');
-- one bad key, and none is deleted
SELECT error($$SELECT cache_del('d:2', '')$$);
SELECT * FROM held('d:2');

-- patterns: * ? [] and escapes; only of this database
SELECT cache_set(k, '1') FROM unnest(ARRAY['p:1', 'p:2', 'p:11', 'p:a', 'p:b', 'p:*', 'p:*x', 'q:1', 'p']) AS k \g /dev/null
SELECT cache_del_pattern('p:[ab]');
SELECT string_agg(key, ' ') FROM held('p:1', 'p:2', 'p:11', 'p:a', 'p:b', 'p:*', 'p:*x', 'q:1', 'p') WHERE value IS NOT NULL;
SELECT cache_del_pattern('p:\*');
SELECT string_agg(key, ' ') FROM held('p:1', 'p:2', 'p:11', 'p:a', 'p:b', 'p:*', 'p:*x', 'q:1', 'p') WHERE value IS NOT NULL;
SELECT cache_del_pattern('p:?');
SELECT string_agg(key, ' ') FROM held('p:1', 'p:2', 'p:11', 'p:a', 'p:b', 'p:*', 'p:*x', 'q:1', 'p') WHERE value IS NOT NULL;
SELECT cache_del_pattern('p:*');
SELECT string_agg(key, ' ') FROM held('p:1', 'p:2', 'p:11', 'p:a', 'p:b', 'p:*', 'p:*x', 'q:1', 'p') WHERE value IS NOT NULL;
SELECT cache_del_pattern('[');
SELECT cache_del_pattern('\');
SELECT error($$SELECT cache_del_pattern('')$$);
SELECT error($$SELECT cache_del_pattern(NULL)$$);

-- clear: all keys of the database
SELECT cache_clear();
SELECT * FROM held('q:1', 'p', 's:object', 't:never');

-- nothing happens before commit
BEGIN;
SELECT cache_set('c:1', '"uncommitted"');
SELECT cache_wait();
SELECT cache_peek('c:1'), cache_exists('c:1');
COMMIT;
SELECT * FROM held('c:1');

-- nor at all with a rollback
BEGIN;
SELECT cache_set('c:1', '"rolled back"');
SELECT cache_set('c:2', '"rolled back"');
ROLLBACK;
BEGIN;
SELECT cache_del('c:1');
SELECT cache_clear();
SELECT cache_del_pattern('*');
ROLLBACK;
BEGIN;
SELECT cache_set('c:1', '"failed"');
SELECT 1 / 0;
COMMIT;
SELECT * FROM held('c:1', 'c:2');

-- the last op on a key wins, and order counts for patterns too
BEGIN;
SELECT cache_set('o:1', '1');
SELECT cache_set('o:1', '2');
SELECT cache_set('o:2', '1');
SELECT cache_del('o:2');
SELECT cache_del('o:3');
SELECT cache_set('o:3', '3');
SELECT cache_set('o:4', '4');
SELECT cache_del_pattern('o:4*');
SELECT cache_set('o:41', '41');
SELECT cache_set('o:4', '5');
SELECT cache_del_pattern('o:41');
COMMIT;
SELECT * FROM held('o:1', 'o:2', 'o:3', 'o:4', 'o:41');
BEGIN;
SELECT cache_set('o:5', '5');
SELECT cache_clear();
SELECT cache_set('o:6', '6');
COMMIT;
SELECT * FROM held('o:1', 'o:5', 'o:6');

-- savepoints
BEGIN;
SELECT cache_set('v:1', '1');
SAVEPOINT a;
SELECT cache_set('v:2', '2');
SELECT cache_del('v:1');
SAVEPOINT b;
SELECT cache_set('v:3', '3');
ROLLBACK TO b;
SELECT cache_set('v:4', '4');
RELEASE a;
SAVEPOINT c;
SELECT cache_set('v:1', '"no"');
SELECT cache_set('v:5', '"no"');
ROLLBACK TO c;
SELECT cache_set('v:6', '6');
COMMIT;
SELECT * FROM held('v:1', 'v:2', 'v:3', 'v:4', 'v:5', 'v:6');
-- an exception block is a savepoint
DO $$
BEGIN
	PERFORM cache_set('v:7', '7');
	BEGIN
		PERFORM cache_set('v:7', '"no"');
		PERFORM cache_set('v:8', '"no"');
		RAISE division_by_zero;
	EXCEPTION WHEN division_by_zero THEN
		PERFORM cache_set('v:9', '9');
	END;
END $$;
SELECT * FROM held('v:7', 'v:8', 'v:9');
-- everything rolled back but the shell
BEGIN;
SAVEPOINT a;
SELECT cache_set('v:7', '"no"');
ROLLBACK TO a;
COMMIT;
SELECT * FROM held('v:7');

-- many ops, written to WAL early, also inside savepoints that roll back
SET rtcache.xact_buffer = 64;
BEGIN;
SELECT count(cache_set('x:' || n, to_jsonb(repeat('x', 1000)))) FROM generate_series(1, 300) AS n;
SAVEPOINT a;
SELECT count(cache_set('x:' || n, '"no"')) FROM generate_series(1, 3000) AS n;
SAVEPOINT b;
SELECT count(cache_set('x:' || n, '"no, no"')) FROM generate_series(1, 3000) AS n;
RELEASE b;
ROLLBACK TO a;
SELECT count(cache_set('x:' || n, '2')) FROM generate_series(1, 100) AS n;
SAVEPOINT c;
SELECT count(cache_set('x:' || n, to_jsonb(repeat('y', 1000)))) FROM generate_series(101, 200) AS n;
RELEASE c;
SELECT cache_set('x:101', '3');
COMMIT;
RESET rtcache.xact_buffer;
SELECT cache_wait(NULL, '30 s');
SELECT left(cache_peek('x:' || n)::text, 3), count(*), min(n), max(n)
  FROM generate_series(1, 3000) AS n GROUP BY 1 ORDER BY 3;

-- a value above rtcache.max_value_size is not stored, its key is deleted
SELECT cache_set('m:1', '1'), cache_set('m:2', '2');
SET rtcache.max_value_size = '1kB';
SELECT moved() \g /dev/null
SELECT cache_set('m:1', to_jsonb(repeat('x', 1022)));
SELECT cache_set('m:2', to_jsonb(repeat('x', 1023)));
SELECT moved();
RESET rtcache.max_value_size;
SELECT key, length(value::text) FROM held('m:1', 'm:2');

-- read-only transactions
BEGIN READ ONLY;
SELECT error($$SELECT cache_set('r', '1')$$);
SELECT error($$SELECT cache_del('r')$$);
SELECT error($$SELECT cache_del_pattern('r*')$$);
SELECT error($$SELECT cache_clear()$$);
SELECT cache_get('r', 'SELECT 1 AS one');
COMMIT;

-- a statement that fails half way
SELECT error($$SELECT cache_set('h:' || n, '1'), 1 / (n - 3) FROM generate_series(1, 5) AS n$$);
SELECT * FROM held('h:1');

SELECT cache_clear();
