# Tag sets in Redis: a fill registers its key before it has the lease; a drop
# deletes values, companions and leases, in chunks, also while Redis is out of
# memory; a fill in flight dies with it; a key that is not in its tag sets any
# more is a miss; patterns leave tag sets alone; the sweeper trims them, and
# finds out after a restart what is registered.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use RtcNode;
use RtcRedis;

my $redis = RtcRedis->new('main');
$redis->start;
my $node = RtcNode->new('main', redis => $redis);
$node->start;
$node->safe_psql('postgres', q{
	CREATE EXTENSION rtcache;
	CREATE TABLE t (id int PRIMARY KEY, n int);
	INSERT INTO t VALUES (1, 1);
	CREATE FUNCTION lookup(key text, tags text[], query text = 'SELECT n FROM t') RETURNS text LANGUAGE sql AS $$
		SELECT cache_get(key, query, NULL, '1 hour', tags)->>'n' $$;
	CREATE FUNCTION slow(n int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$
		BEGIN PERFORM pg_advisory_xact_lock_shared(1); RETURN n; END $$;
});
$node->wait_streaming;
ok($node->wait_fill, 'lookups use Redis');

sub tag_sets
{
	my @names = sort @{ $redis->query('KEYS', 'postgres:~tag:*') };

	return @names;
}

# What a lookup gives, and whether Redis had it.
sub is_lookup
{
	my ($key, $tags, $expected, $hits, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $before = $node->stat('l2_hits');
	my $n = $node->safe_psql('postgres', "SELECT lookup('$key', '$tags')");

	return is("$n " . ($node->stat('l2_hits') - $before), "$expected $hits", $name);
}

# registering
is_lookup('k', '{a,b}', 1, 0, 'a miss');
my @sets = tag_sets();
is(scalar @sets, 2, 'two tag sets');
like($sets[0], qr/^postgres:~tag:[0-9a-f]{16}$/, 'and their names');
is_deeply($redis->query('ZRANGE', $_, 0, -1), ['postgres:k'], 'with the key in it') foreach @sets;
my $score = $redis->query('ZSCORE', $sets[0], 'postgres:k');
cmp_ok(abs($score / 1000 - time - 3611), '<', 60, 'for as long as lease and value live');
is($redis->query('TTL', $sets[0]), -1, 'without a time to live');
like($redis->query('GET', '{postgres:k}~query'), qr/^[0-9a-f]{32}r[0-9a-f]* \d+:[-0-9,]+ [0-9a-f]{16},[0-9a-f]{16}~\d+$/, 'the companion');
cmp_ok($redis->query('PTTL', '{postgres:k}~query'), '>', $redis->query('PTTL', 'postgres:k'), 'outlives the value');
is_lookup('k', '{a,b}', 1, 1, 'a hit');
is_lookup('k', '{}', 1, 1, 'and for one who wants no tags');
is_lookup('k', '{c}', 1, 0, 'but not with another tag');
$node->safe_psql('postgres', q{SELECT lookup('eternal', '{a}'), cache_get('eternal', 'SELECT n FROM t', NULL, '0', '{e}')});
is(scalar(grep { ($redis->query('ZSCORE', $_, 'postgres:eternal') || '') eq 'inf' } tag_sets()), 1, 'what does not expire stays');

# dropping
$node->safe_psql('postgres', q{SELECT lookup('k', '{a,b}'), lookup('k2', '{a}'), lookup('other', '{z}'), lookup('h{ash}tag', '{a}')});
$node->safe_psql('postgres', q{UPDATE t SET n = 2});
is_lookup('k', '{a,b}', 1, 1, 'nothing has been said');
$redis->query('SET', '{postgres:k}~lease', 'somebody', 'PX', 60000);
$node->safe_psql('postgres', q{SELECT cache_invalidate('a')});
$node->cache_wait;
is($redis->query('EXISTS', 'postgres:k', '{postgres:k}~query', '{postgres:k}~lease', 'postgres:k2', '{postgres:k2}~query',
	'postgres:h{ash}tag', 'postgres:h{ash}tag~query'), 0, 'a drop deletes values, companions and leases');
is($redis->query('EXISTS', 'postgres:other', '{postgres:other}~query'), 2, 'and nothing else');
is_lookup('k', '{a,b}', 2, 0, 'the new value is stored');
is_lookup('k', '{a,b}', 2, 1, 'and found');
cmp_ok($node->stat('tag_drops'), '>=', 3, 'drops are counted');
$node->safe_psql('postgres', q{SELECT cache_invalidate('a', 'a') FROM generate_series(1, 100)});
$node->cache_wait;
is($redis->query('EXISTS', 'postgres:k'), 0, 'many at once');

# many members
$node->safe_psql('postgres', q{SELECT lookup('many:' || i, '{many}') FROM generate_series(1, 2500) AS i});
my ($many) = grep { $redis->query('ZCARD', $_) == 2500 } tag_sets();
ok($many, '2,500 members');
my $before = $node->stat('tag_drops');
$node->safe_psql('postgres', q{SELECT cache_invalidate('many')});
$node->cache_wait;
is(scalar @{ $redis->query('KEYS', '*many:*') }, 0, 'are all deleted when Redis is said to have it');
is($redis->query('EXISTS', $many), 0, 'the set too');
is($node->stat('tag_drops') - $before, 2500, 'and counted');
$redis->query('SCRIPT', 'FLUSH');
$node->safe_psql('postgres', q{SELECT lookup('k', '{a}')});
$redis->query('SCRIPT', 'FLUSH');
$node->safe_psql('postgres', q{SELECT cache_invalidate('a')});
$node->cache_wait;
is($redis->query('EXISTS', 'postgres:k'), 0, 'Redis forgets scripts');

# a set that Redis has evicted
$node->safe_psql('postgres', q{SELECT lookup('evicted', '{v}')});
is_lookup('evicted', '{v}', 2, 1, 'a hit');
my ($evicted) = grep { defined $redis->query('ZSCORE', $_, 'postgres:evicted') } tag_sets();
$redis->query('DEL', $evicted);
$node->safe_psql('postgres', q{UPDATE t SET n = 3; SELECT cache_invalidate('v')});
$node->cache_wait;
is($redis->query('GET', 'postgres:evicted') =~ s/\s+$//r, '{"n":2}', 'without its set a value survives');
my $holder = $node->background_psql('postgres');
$holder->query_safe('SELECT pg_advisory_lock(1)');
my $reader = $node->background_psql('postgres');
$reader->query_until(qr/ready/, q{
\echo ready
SELECT lookup('evicted', '{v}', 'SELECT slow(n) AS n FROM t');
});
ok($redis->wait_for(1, 'EXISTS', '{postgres:evicted}~lease'), 'somebody else registers it again');
is($redis->query('EXISTS', 'postgres:evicted'), 0, 'and deletes what is there');
is($node->safe_psql('postgres', q{SET rtcache.fill_wait = 0; SELECT lookup('evicted', '{v}')}), 3, 'so it is no hit');
$holder->query_safe('SELECT pg_advisory_unlock(1)');
$reader->quit;

# a fill in flight
$holder->query_safe('SELECT pg_advisory_lock(1)');
$reader = $node->background_psql('postgres');
my $refused = $node->stat('fills_refused');
$reader->query_until(qr/ready/, q{
\echo ready
SELECT cache_get('flight', 'SELECT slow(n) AS n FROM t', NULL, NULL, '{f}');
});
ok($redis->wait_for(1, 'EXISTS', '{postgres:flight}~lease'), 'a lookup has the lease');
ok($node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted}), 'and a snapshot');
$node->safe_psql('postgres', q{UPDATE t SET n = 4; SELECT cache_invalidate('f')});
$node->cache_wait;
$holder->query_safe('SELECT pg_advisory_unlock(1)');
$reader->query_safe('SELECT 1');
is($node->stat('fills_refused') - $refused, 1, 'a drop meanwhile: it stores nothing');
is($redis->query('EXISTS', 'postgres:flight', '{postgres:flight}~query'), 0, 'indeed');
$reader->quit;

# patterns and clear
$node->safe_psql('postgres', q{SELECT lookup('p', '{a}')});
my @before = tag_sets();
$node->safe_psql('postgres', q{SELECT cache_del_pattern('*')});
$node->cache_wait;
is($redis->query('EXISTS', 'postgres:p', '{postgres:p}~query'), 0, 'a pattern deletes');
is_deeply([ tag_sets() ], \@before, 'but no tag set');
cmp_ok(scalar @before, '>', 0, 'of which there are some');
$node->safe_psql('postgres', q{SELECT cache_clear()});
$node->cache_wait;
is(scalar(@{ $redis->query('KEYS', '*postgres:*') }), 0, 'clear deletes all');

# out of memory
$node->safe_psql('postgres', q{SELECT lookup('full:' || i, '{full}') FROM generate_series(1, 1500) AS i});
$redis->query('CONFIG', 'SET', 'maxmemory', '1');
$node->safe_psql('postgres', q{SELECT cache_invalidate('full')});
ok($redis->wait_for('', 'KEYS', 'postgres:full:*'), 'a Redis out of memory drops as well');
$redis->query('CONFIG', 'SET', 'maxmemory', '0');
$node->wait_streaming;

# the sweeper
ok($node->wait_fill, 'lookups go on');
my $mine = 'postgres:~tag:0123456789abcdef';
$redis->query('ZADD', $mine, 1000 + $_, "postgres:old:$_") foreach 1 .. 600;
my $foreign = 'foreign:~tag:0123456789abcdef';
$redis->query('ZADD', $foreign, 1000, 'foreign:old');
$node->safe_psql('postgres', q{SELECT lookup('k', '{a}')});
my $pid = $node->relay_pid;
kill 'TERM', $pid;
$node->wait_other_relay($pid);
$node->wait_streaming;
ok($redis->wait_for(0, 'EXISTS', $mine), 'the sweeper takes out whose time is over');
is($redis->query('ZCARD', $foreign), 1, 'of what is ours');
my ($kept) = grep { defined $redis->query('ZSCORE', $_, 'postgres:k') } tag_sets();
ok($kept, 'and nothing else');
ok($node->wait_fill, 'lookups use Redis again');

# after a restart
$node->safe_psql('postgres', q{SELECT lookup('before', '{restart}')});
$node->restart;
$node->wait_streaming;
ok($node->wait_sweep, 'the relay has found what is registered');
$node->safe_psql('postgres', q{SELECT cache_invalidate('restart')});
$node->cache_wait;
is($redis->query('EXISTS', 'postgres:before'), 0, 'what was registered before a restart is dropped');

ok($node->no_crash, 'no process has crashed');
$node->stop;
$redis->stop;
done_testing();
