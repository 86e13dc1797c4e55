# Families and tables under load: what many sessions count at the same time adds up
# exactly; more families and tables than there is room for; places of databases that
# are gone; the time that a hit in Redis saves, which its companion tells.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use RtcNode;
use RtcRedis;

my $redis = RtcRedis->new('main');
$redis->start;
my $node = RtcNode->new('main', redis => $redis, l1 => 1);
$node->start;
$node->safe_psql('postgres', q{
	CREATE EXTENSION rtcache;
	CREATE TABLE hero (id int PRIMARY KEY, name text);
	SELECT cache_attach('hero', key => 'hero:{id}');
	CREATE VIEW families AS SELECT * FROM rtcache_families WHERE datname = 'postgres';
});
$node->wait_streaming;
$node->wait_fill;
$node->safe_psql('postgres', 'SELECT cache_stats_reset()');

# many sessions, a hundred families that all of them meet for the first time
my $script = $node->basedir . '/lookups.sql';
append_to_file($script, q{
\set n random(1, 100)
\set k random(1, 3)
SELECT cache_get('family' || :n || ':' || :k, 'SELECT ' || :n || ' AS n');
});
my $lookups = 8 * 500;
$node->PostgreSQL::Test::Cluster::command_ok([ 'pgbench', '-n', '-c', '8', '-j', '8', '-t', '500', '-f', $script, 'postgres' ],
	'lookups of many sessions');
is($node->safe_psql('postgres', q{SELECT count(*), count(DISTINCT family), sum(l1_hits + l2_hits + misses) FROM families}),
	"100|100|$lookups", 'each family has one row, and no lookup is lost');
is($node->safe_psql('postgres', q{
	SELECT sum(f.l1_hits) = max(s.l1_hits), sum(f.l2_hits) = max(s.l2_hits), sum(f.misses) = max(s.misses),
		sum(f.fills) = max(s.fills), sum(f.refused) = max(s.fills_refused),
		abs(sum(f.saved_ms) - max(s.saved_ms)) < 0.001
	  FROM rtcache_families AS f, rtcache_stats AS s}),
	't|t|t|t|t|t', 'as much as the counters of the server');

# writers of many sessions
my $writes = $node->basedir . '/writes.sql';
append_to_file($writes, q{
\set id random(1, 1000000000)
INSERT INTO hero VALUES (:id, 'x') ON CONFLICT (id) DO UPDATE SET name = 'x';
});
$node->PostgreSQL::Test::Cluster::command_ok([ 'pgbench', '-n', '-c', '8', '-j', '8', '-t', '200', '-f', $writes, 'postgres' ],
	'writes of many sessions');
is($node->safe_psql('postgres', q{SELECT sets, dels FROM rtcache_tables WHERE relation = 'hero'::regclass}),
	'1600|0', 'each is counted');
is($node->safe_psql('postgres', q{SELECT cache_wait(NULL, '60 s')}), 't', 'applied');
is($node->safe_psql('postgres', q{SELECT sets FROM rtcache_stats}), '1600', 'as often as the relay has counted');
is($node->safe_psql('postgres', q{BEGIN; INSERT INTO hero VALUES (-1); PREPARE TRANSACTION 'p'; COMMIT PREPARED 'p';
	SELECT sets FROM rtcache_tables WHERE relation = 'hero'::regclass}), '1601', 'a prepared transaction counts');

# a hit in Redis saves what the miss, in another session, has taken
$node->safe_psql('postgres', q{
	SELECT cache_stats_reset();
	ALTER SYSTEM SET rtcache.l1_size = 0;
	CREATE VIEW slow AS SELECT count(*) AS n FROM generate_series(1, 300000) AS i;
});
$node->restart;
$node->wait_streaming;
$node->wait_fill;
my $slow = q{SELECT cache_get('slow:1', 'SELECT n FROM slow')};
$node->safe_psql('postgres', "$slow; SELECT cache_stats_reset()");
$node->safe_psql('postgres', "$slow; $slow");
is($node->safe_psql('postgres', q{SELECT l1_hits, l2_hits, misses, hit_ratio, saved_ms > 4 FROM families}),
	'0|2|0|1|t', 'it is saved, although nobody has computed it since the reset');

# answers in Redis that a write ends
$node->safe_psql('postgres', q{
	INSERT INTO hero VALUES (1, 'one'), (2, 'two');
	SELECT cache_wait(NULL, '60 s');
	SELECT cache_stats_reset();
	SELECT cache_list('heroes:' || i, 'SELECT * FROM hero WHERE id = $1', ARRAY[i::text]) FROM generate_series(1, 2) AS i;
	SELECT cache_list('all', 'SELECT count(*) FROM hero');
});
$node->safe_psql('postgres', q{UPDATE hero SET name = 'uno' WHERE id = 1; SELECT cache_wait(NULL, '60 s')});
is($node->safe_psql('postgres', q{SELECT answers_ended FROM rtcache_tables WHERE relation = 'hero'::regclass}),
	'2', 'those over its row and over all rows');

# more than there is room for
$node->safe_psql('postgres', q{
	SELECT cache_stats_reset();
	SELECT count(cache_get('many' || i || ':1', 'SELECT 1 AS n')) FROM generate_series(1, 3000) AS i;
});
is($node->safe_psql('postgres', q{
	SELECT sum(misses), sum(misses) FILTER (WHERE family = '*' AND datname IS NULL) BETWEEN 1976 AND 2400,
		count(*) FILTER (WHERE family <> '*') BETWEEN 600 AND 1024
	  FROM rtcache_families}), '3000|t|t', 'families that found no room are one');
$node->safe_psql('postgres', q{
	SELECT cache_stats_reset();
	DO $$ BEGIN
		FOR i IN 1 .. 1300 LOOP
			EXECUTE format('CREATE TABLE t%s (id int PRIMARY KEY)', i);
			PERFORM cache_attach(format('t%s', i)::regclass, key => '{.table}:{id}');
		END LOOP;
	END $$});
$node->safe_psql('postgres', q{
	DO $$ BEGIN
		FOR i IN 1 .. 1300 LOOP
			EXECUTE format('INSERT INTO t%s VALUES (1)', i);
		END LOOP;
	END $$});
is($node->safe_psql('postgres', q{
	SELECT sum(sets), sum(sets) FILTER (WHERE relation IS NULL) BETWEEN 276 AND 700 FROM rtcache_tables}),
	'1300|t', 'tables that found no room are one');
$node->safe_psql('postgres', q{
	DO $$ BEGIN
		FOR i IN 1 .. 1300 LOOP
			EXECUTE format('DROP TABLE t%s', i);
		END LOOP;
	END $$;
	UPDATE hero SET name = 'eins' WHERE id = 1});
is($node->safe_psql('postgres', q{SELECT relation, sets FROM rtcache_tables WHERE relation IS NOT NULL}),
	'hero|1', 'those that are dropped make room');

# a database that is gone
$node->safe_psql('postgres', q{SELECT cache_stats_reset()});
$node->safe_psql('postgres', 'CREATE DATABASE other');
$node->safe_psql('other', q{CREATE EXTENSION rtcache; CREATE TABLE t (id int PRIMARY KEY);
	SELECT cache_attach('t', key => 't:{id}'); INSERT INTO t VALUES (1)});
ok($node->poll_query_until('other', q{SELECT bool_and(ok) FROM cache_health()}), 'another database');
$node->safe_psql('other', q{SELECT cache_get('many1:1', 'SELECT 1 AS n')});
$node->safe_psql('postgres', q{SELECT cache_get('many1:1', 'SELECT 1 AS n')});
is($node->safe_psql('postgres', q{SELECT family, misses, datname FROM rtcache_families ORDER BY datname}),
	"many1|1|other\nmany1|1|postgres", 'has families of its own');
is($node->safe_psql('postgres', q{SELECT count(*) FROM rtcache_tables}), '0', 'and tables');
$node->safe_psql('postgres', 'DROP DATABASE other');
is($node->safe_psql('postgres', q{SELECT family, datname FROM rtcache_families}), 'many1|postgres', 'until it goes');

$node->stop;
done_testing();
