# The hand that looks for what to evict from shared memory holds up nobody for
# long.  A cache is full of answers that were all hit, in four partitions; one
# more answer has room made for it, and in no partition the hand has gone through
# more than a few entries.  Those that were not hit go first, all the same.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use RtcNode;

my $node = RtcNode->new('main', conf => "rtcache.l1_size = 2MB\nautovacuum = off");
$node->start;

# Keys of the first partitions: this is rtc_l1_hash() in SQL.
$node->safe_psql('postgres', q{
	CREATE EXTENSION rtcache;
	CREATE FUNCTION part(key text) RETURNS bigint LANGUAGE sql STABLE AS $$
		SELECT hashtextextended(key, (1::bigint << 32) | oid::bigint) & 127 FROM pg_database WHERE datname = current_database()
	$$;
	CREATE FUNCTION look(key text) RETURNS boolean LANGUAGE sql VOLATILE AS $$
		SELECT cache_get(key, 'SELECT 1 AS one') IS NOT NULL
	$$;
	CREATE TABLE k AS SELECT key, part(key), row_number() OVER () AS n
		FROM generate_series(100000, 499999) AS i, text(i) AS key WHERE part(key) < 4;
});
ok($node->poll_query_until('postgres', 'SELECT open FROM rtcache_l1'), 'the gate opens');

# As many as there is room for, and all of them hit
$node->safe_psql('postgres', q{
	DO $$
	DECLARE r record;
	BEGIN
		FOR r IN SELECT * FROM k ORDER BY n LOOP
			PERFORM look(r.key);
			EXIT WHEN (SELECT evictions FROM rtcache_l1) > 0;
		END LOOP;
	END $$;
	CREATE TABLE cached AS SELECT key, part(key) FROM cache_l1_keys(1000000);
});
cmp_ok($node->safe_psql('postgres', 'SELECT min(count) FROM (SELECT count(*) FROM cached GROUP BY part) s'),
	'>', 500, 'each partition has more than 500 entries');
is($node->safe_psql('postgres', 'SELECT count(*) FROM cached WHERE NOT look(key)'), 0, 'all are hit');
is($node->safe_psql('postgres', 'SELECT count(*), bool_and(visited), max(survived) FROM cache_l1_keys(1000000)'),
	$node->safe_psql('postgres', 'SELECT count(*), true, 0 FROM cached'), 'and the hand has passed none');

# One more
my $evicted = $node->safe_psql('postgres', 'SELECT evictions FROM rtcache_l1');
is($node->safe_psql('postgres', q{SELECT look('one more')}), 't', 'one more answer');
is($node->safe_psql('postgres', 'SELECT evictions FROM rtcache_l1'), $evicted + 1, 'takes the place of another');
is($node->safe_psql('postgres', q{SELECT count(*) FROM cache_l1_keys(1000000) WHERE key = 'one more'}), 1, 'and is there');
my $passed = $node->safe_psql('postgres', q{
	SELECT max(count) FROM (SELECT count(*) FROM cache_l1_keys(1000000) WHERE survived > 0 GROUP BY part(key)) s});
cmp_ok($passed, '>', 0, 'the hand has spared some');
cmp_ok($passed, '<=', 32, 'and passed a few of each partition');

# A hundred more: of what was hit, one goes for each pass of all hands in vain.
$node->safe_psql('postgres', q{CREATE TABLE hit AS SELECT key FROM cache_l1_keys(1000000) WHERE visited;
	SELECT bool_and(look('more ' || i)) FROM generate_series(1, 100) i});
is($node->safe_psql('postgres', 'SELECT evictions FROM rtcache_l1'), $evicted + 101, 'a hundred more');
cmp_ok($node->safe_psql('postgres', q{SELECT count(*) FROM hit WHERE key NOT IN (SELECT key FROM cache_l1_keys(1000000))}),
	'<=', $node->safe_psql('postgres', 'SELECT count(*) / 128 + 1 FROM hit'), 'few of those that were hit have gone');

ok($node->no_crash, 'no process has crashed');
$node->stop;
done_testing();
