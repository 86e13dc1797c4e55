# L1 in front of Redis: what comes from there is kept with the time it has left;
# a write makes both a miss; L1 is right and goes on while Redis lags or is
# away; who finds a lease taken waits for the value, for a time.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

use RtcNode;
use RtcRedis;
use RtcCoherence;

my $redis = RtcRedis->new('main');
$redis->start;
my $node = RtcNode->new('main', redis => $redis, l1 => 1);
$node->start;
create_heroes($node);
$node->safe_psql('postgres',
	q{INSERT INTO hero SELECT i, 'old' FROM generate_series(1, 20) AS i});
$node->wait_streaming;
ok($node->cache_wait, 'Redis has all');
ok($node->wait_fill, 'lookups use it');

# Counts what the lookups of one hero did.
sub counted
{
	my ($id) = @_;
	my $columns = 'l1_hits, l2_hits, misses';
	my @before = split /\|/, $node->safe_psql('postgres', "SELECT $columns FROM rtcache_stats");
	my $name = reads($node, $id);
	my @after = split /\|/, $node->safe_psql('postgres', "SELECT $columns FROM rtcache_stats");

	return join ' ', $name, map { $after[$_] - $before[$_] } 0 .. 2;
}

is(counted(1), 'old 0 1 0', 'first from Redis');
is(counted(1), 'old 1 0 0', 'then from L1');
like($node->safe_psql('postgres', q{SELECT cache_ttl('hero:1')}), qr/^(00:59|01:00)/,
	'with the time that it had left');
$node->safe_psql('postgres', q{UPDATE hero SET name = 'new' WHERE id = 1});
$node->cache_wait;
is(counted(1), 'new 0 1 0', 'a write: from Redis again');
is(counted(1), 'new 1 0 0', 'and from L1');

my $relay = $node->relay_pid;
kill 'STOP', $relay;
$node->safe_psql('postgres', q{UPDATE hero SET name = 'newer' WHERE id = 1});
is(counted(1), 'newer 0 0 1', 'Redis lags: from the query');
is(counted(1), 'newer 1 0 0', 'then from L1');
kill 'CONT', $relay;
$node->cache_wait;
is(counted(1), 'newer 1 0 0', 'still when Redis has it');

$redis->stop;
is(counted(1), 'newer 1 0 0', 'Redis is away: from L1');
like(counted(2), qr/^old 0 0 1/, 'or from the query');
is(counted(2), 'old 1 0 0', 'then from L1');
$node->safe_psql('postgres', q{UPDATE hero SET name = 'new' WHERE id = 2});
like(counted(2), qr/^new 0 0 1/, 'a write meanwhile');
is(counted(2), 'new 1 0 0', 'is seen');
$redis->start;
$node->wait_streaming;
$node->cache_wait;
is(reads($node, 2), 'new', 'and when Redis is back');

# a lease that another server has
ok( $node->poll_query_until('postgres', q{SELECT cache_exists('hero:3') FROM cache_get('hero:3', 'SELECT 3 AS n')}),
	'Redis is used again');
$redis->query('SET', '{postgres:busy}~lease', 'other', 'PX', 400);
my $start = time;
is($node->safe_psql('postgres', q{SELECT cache_get('busy', 'SELECT 1 AS n')}), '{"n": 1}',
	'a lease is taken by another server');
cmp_ok(time - $start, '>', 0.2, 'the lookup waits for it');
is($redis->query('GET', 'postgres:busy'), '{"n":1}', 'and takes the lease when it is free');
$redis->query('SET', '{postgres:busy2}~lease', 'other', 'PX', 60000);
$start = time;
is($node->safe_psql('postgres', q{SET rtcache.fill_wait = '200 ms'; SELECT cache_get('busy2', 'SELECT 2 AS n')}),
	'{"n": 2}', 'not longer than fill_wait');
cmp_ok(time - $start, '<', 20, 'indeed');

ok($node->no_crash, 'no process has crashed');
$node->stop;
$redis->stop;
done_testing();
