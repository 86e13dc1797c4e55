# The cache in shared memory stays within its budget and right: a million keys
# go through 64 MB, lists of 1 MB and small answers push each other out, and
# while eviction is at work the hot ones stay.
#
# Slow.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use RtcNode;

my $node = RtcNode->new('main', conf => "rtcache.l1_size = 64MB\nrtcache.max_value_size = 4MB");
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION rtcache');
ok($node->poll_query_until('postgres', 'SELECT open FROM rtcache_l1'), 'the gate opens');
my $bounded = 'SELECT bytes <= budget, evictions > 0 FROM rtcache_l1';

# every answer is compared
is( $node->safe_psql('postgres', q{
		SELECT count(*) FROM generate_series(1, 1000000) AS i
		WHERE cache_get('k' || i, $$SELECT $1::int AS id, repeat('x', 80) AS x$$, ARRAY[i::text])
			->> 'id' IS DISTINCT FROM i::text}),
	'0', 'a million keys: every answer is right');
is($node->safe_psql('postgres', $bounded), 't|t', 'and the budget is kept');
is( $node->safe_psql('postgres', q{
		SELECT count(*) FROM generate_series(1000000, 1, -1) AS i
		WHERE cache_get('k' || i, $$SELECT $1::int AS id, repeat('x', 80) AS x$$, ARRAY[i::text])
			->> 'id' IS DISTINCT FROM i::text}),
	'0', 'backwards: right again');
cmp_ok($node->stat('l1_hits'), '>', 50000, 'what was left has been hit');

# lists of 1 MB in between
is( $node->safe_psql('postgres', q{
		SELECT count(*) FROM generate_series(1, 20000) AS i
		WHERE CASE WHEN i % 100 = 0
			THEN jsonb_array_length(cache_list('l' || i % 1000,
				$$SELECT i, repeat('y', 90) AS y FROM generate_series(1, 8000) AS i$$)) <> 8000
			ELSE cache_get('s' || i, $$SELECT $1::int AS id$$, ARRAY[i::text]) ->> 'id' <> i::text END}),
	'0', 'large lists and small answers');
is($node->safe_psql('postgres', $bounded), 't|t', 'within the budget');
is($node->safe_psql('postgres', q{SELECT count(*) FROM cache_l1_keys(1000000) WHERE bytes > 900000}),
	'10', 'the lists are kept');

# hot keys survive a scan
$node->safe_psql('postgres', 'SELECT cache_stats_reset()');
is( $node->safe_psql('postgres', q{
		SELECT count(*) FROM generate_series(1, 400000) AS i
		WHERE cache_get('hot' || i % 100, $$SELECT $1::int AS id$$, ARRAY[(i % 100)::text]) IS NULL
			OR cache_get('scan' || i, $$SELECT $1::int AS id, repeat('x', 80)$$, ARRAY[i::text]) IS NULL}),
	'0', 'hot keys and a scan');
cmp_ok($node->stat('l1_hits'), '>', 399000, 'nearly all lookups of hot keys hit');
is($node->safe_psql('postgres', q{SELECT count(*) >= 90 FROM cache_l1_keys(100) WHERE key LIKE 'hot%'}),
	't', 'cache_l1_keys() shows them');

# many at once
my $script = PostgreSQL::Test::Utils::tempdir() . '/many.sql';
append_to_file($script, q{
\set i random(1, 200000)
SELECT 1 / (cache_get('k' || :i, $$SELECT $1::int AS id, repeat('x', 100) AS x$$, ARRAY[:i::text]) ->> 'id' = :i::text)::int;
SELECT 1 / (jsonb_array_length(cache_list('l' || :i % 200, $$SELECT repeat('y', 90) AS y FROM generate_series(1, $1 % 50 * 20) AS i$$, ARRAY[(:i % 200)::text])) = :i % 200 % 50 * 20)::int;
});
$node->PostgreSQL::Test::Cluster::command_ok([ 'pgbench', '-n', '-M', 'prepared', '-c', '8', '-j', '2', '-t', '5000', '-f', $script,
		'-h', $node->host, '-p', $node->port, 'postgres' ], '8 clients');
is($node->safe_psql('postgres', $bounded), 't|t', 'within the budget');
ok($node->no_crash, 'no process has crashed');

$node->stop;
done_testing();
