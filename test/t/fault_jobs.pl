# Deletions that go through all keys of a Redis which holds very many of others,
# over connections that are cut all the time: they come to an end, other databases
# do not wait for them, their own one is not read meanwhile, and rtcache_progress
# tells how far they are.  A restart in the middle leaves nothing old behind.
#
# Slow.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep time);

use RtcCoherence;
use RtcFakeRedis;
use RtcNode;
use RtcRedis;

my $redis = RtcRedis->new('main');
$redis->start;
my $fake = RtcFakeRedis->new('slow', $redis);
my $node = RtcNode->new('main', redis => $fake);
$node->start;
create_heroes($node);
create_heroes($node, dbname => 'other');
$node->safe_psql($_, q{INSERT INTO hero SELECT i, 'old' FROM generate_series(1, 20) i})
  foreach ('postgres', 'other');
ok($node->wait_streaming, 'the relay streams');
ok($node->cache_wait($_), "\"$_\" is applied") foreach ('postgres', 'other');

# A transaction stores keys, and deletes them by pattern.  When a connection is cut
# behind most of them, WAL is read again, and the deletion goes on where it was.
$redis->cli('EVAL', q{for i = 1, 20000 do redis.call('SET', 'foreign:' .. i, '') end}, 0);
$fake->rule(match => '^SCAN .* MATCH postgres:x\* COUNT', action => 'close', skip => 40, count => 1);
$node->safe_psql('postgres', q{BEGIN;
	SELECT cache_set('x' || i, '1') FROM generate_series(1, 100) i;
	SELECT cache_del_pattern('x*');
	COMMIT});
ok($fake->wait_hits(1), 'a deletion is cut off');
$fake->clear;
ok($node->cache_wait, 'it comes to its end');
is($redis->cli('EVAL', q{return #redis.call('KEYS', 'postgres:x*')}, 0), 0,
	'what was set before it is not there again');

$redis->cli('EVAL', q{for i = 1, 100000 do redis.call('SET', 'foreign:' .. i, '') end}, 0);

my $progress = q{SELECT coalesce(datname, '-') || ' ' || phase || ' ' || coalesce(pattern, '-')
	FROM rtcache_progress WHERE phase <> 'sweep'};

# From here on it takes a few seconds to go through all keys.
sub be_slow { $fake->rule(match => '^SCAN', action => 'delay', ms => 3); }

# Cuts connections until a query of the other database is true.
sub cut_until
{
	my ($query) = @_;
	my $resumed = 0;

	for (1 .. 5 * $PostgreSQL::Test::Utils::timeout_default)
	{
		my $now = $node->safe_psql('postgres',
			q{SELECT max(resumed) FROM rtcache_progress WHERE phase <> 'sweep'});

		$resumed = $now if $now ne '' && $now > $resumed;
		return $resumed || -1 if $node->safe_psql('other', $query) eq 't';
		$fake->cut_all;
		usleep(200_000);
	}
	return 0;
}

# A deletion by pattern
$node->safe_psql('postgres', q{UPDATE hero SET name = 'mine' WHERE id = 1});
ok($node->cache_wait);
be_slow();
$node->safe_psql('other', q{SELECT cache_del_pattern('hero:1*')});
ok($node->poll_query_until('postgres', $progress, 'other delete by pattern other:hero:1*'),
	'rtcache_progress tells of a deletion by pattern');
my $hits = $node->stat('l2_hits');
is(reads($node, 1, 'postgres'), 'mine', 'a lookup in another database');
is($node->stat('l2_hits'), $hits + 1, 'is a hit meanwhile');
is(reads($node, 1, 'other'), 'old', 'one in this database is right');
is($node->stat('l2_hits'), $hits + 1, 'and no hit');
my $begin = time;
$node->safe_psql('postgres', q{UPDATE hero SET name = 'applied' WHERE id = 2});
ok($node->cache_wait, 'a write of another database');
is($redis->cli('GET', 'postgres:hero:2'), '{"id":2,"name":"applied"}', 'is applied');
is($node->safe_psql('postgres', $progress), 'other delete by pattern other:hero:1*',
	'before the deletion is over');
is($node->safe_psql('other', q{SELECT cache_wait(timeout => '10 ms')}), 'f',
	'for which its own database waits');
is($node->safe_psql('other', q{SELECT detail FROM cache_health() WHERE name = 'prefix'}),
	'Redis is not used for this database until keys are deleted; see rtcache_progress.',
	'cache_health() tells why');
is($node->safe_psql('postgres', q{SELECT total >= 100000 AND done <= total
	AND pass <= passes AND started_at <= now() FROM rtcache_progress WHERE phase <> 'sweep'}),
	't', 'the figures are possible');
$node->safe_psql('other', q{UPDATE hero SET name = 'new' WHERE id = 15});
cmp_ok(cut_until(q{SELECT cache_wait(timeout => '10 ms')}), '>', 1,
	'it goes on over many connections, to its end');
is($redis->cli('EXISTS', map { "other:hero:$_" } 1, 10 .. 14, 16 .. 19), 0, 'all that match are deleted');
is($redis->cli('EXISTS', map { "other:hero:$_" } 2 .. 9, 20), 9, 'others are not');
like($redis->cli('GET', 'other:hero:15') // '', qr/^$|new/, 'a value that was written meanwhile is there, or none');
is(reads($node, $_, 'other'), 'old', 'a lookup is right') foreach 1 .. 3;
is(reads($node, 15, 'other'), 'new', 'another one');
is($node->stat('closings'), 0, 'nothing was refused');

# A clear, and a restart in the middle
$node->safe_psql('other', q{UPDATE hero SET name = 'before'});
$fake->clear;
ok($node->cache_wait('other'));
be_slow();
$node->safe_psql('other', q{SELECT cache_clear()});
ok($node->poll_query_until('postgres', $progress, 'other clear other:*'),
	'rtcache_progress tells of a clear');
$node->safe_psql('postgres', q{UPDATE hero SET name = 'applied too' WHERE id = 2});
ok($node->cache_wait, 'a write of another database is applied');
$node->safe_psql('other', q{ALTER TABLE hero DISABLE TRIGGER USER; UPDATE hero SET name = 'unseen'});
is($redis->cli('EXISTS', 'other:hero:1'), 1, 'an old value is still there');
$node->stop('immediate');
$node->start;
ok($node->wait_streaming, 'the relay streams after a crash');
is(reads($node, $_, 'other'), 'unseen', 'the old value is not believed') foreach 1 .. 3;
cmp_ok(cut_until(q{SELECT ok FROM cache_health() WHERE name = 'prefix'}), '>', 0,
	'the database is cleared, and opened');
is($redis->cli('EXISTS', map { "other:hero:$_" } 4 .. 20), 0, 'nothing is left');
is(reads($node, $_, 'other'), 'unseen', 'lookups are right') foreach 4 .. 6;

# A clear of everything
my ($position) = $redis->cli('KEYS', 'rtcache:position:*');
$redis->cli('DEL', $position);
$fake->cut_all;
ok($node->poll_query_until('postgres', qq{SELECT EXISTS ($progress AND phase = 'clear of everything')}),
	'rtcache_progress tells of a clear of everything');
is(reads($node, 1, 'postgres'), 'mine', 'a lookup is right');
cmp_ok(cut_until(q{SELECT state = 'streaming' FROM rtcache_relay}), '>', 1,
	'it goes on over many connections, to its end');
$fake->clear;
ok($node->poll_query_until('postgres', q{SELECT state = 'streaming' AND ok FROM rtcache_relay,
	cache_health() WHERE name = 'prefix'}), 'the relay streams');
$node->safe_psql('postgres', q{UPDATE hero SET name = 'after' WHERE id = 2});
ok($node->cache_wait, 'writes are applied');
is($redis->cli('GET', 'postgres:hero:2'), '{"id":2,"name":"after"}', 'and stored');

ok($node->no_crash, 'no process has crashed');
$node->stop;
done_testing();
