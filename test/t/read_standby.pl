# A hot standby reads from Redis what agrees with what it has replayed.
#
#	- it hits when both stand at the same commit, and fills nothing
#	- replay is paused: Redis is ahead, the query answers; never an older nor a
#	  newer value, and a reader never goes back
#	- Redis is behind (the relay sleeps), empty, restored from an older snapshot,
#	  or gone: the query answers
#	- another prefix or database: no
#	- a value of an asynchronous commit that is not flushed is not filled

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

use RtcCoherence;
use RtcFakeRedis;
use RtcNode;
use RtcRedis;

my $redis = RtcRedis->new('main');
$redis->start;
my $fake = RtcFakeRedis->new('faulty', $redis);
my $node = RtcNode->new('main', redis => $fake, init => { allows_streaming => 1 },
	conf => "rtcache.breaker_cooldown = 100\nautovacuum = off\nbgwriter_lru_maxpages = 0\ncheckpoint_timeout = 1h");
$node->start;
create_heroes($node);
$node->safe_psql('postgres', q{INSERT INTO hero SELECT i, 'v1' FROM generate_series(1, 10) i;
	CREATE DATABASE other});
ok($node->wait_streaming, 'the relay streams');
$node->backup('copy');
my $standby = bless PostgreSQL::Test::Cluster->new('standby'), 'RtcNode';
$standby->init_from_backup($node, 'copy', has_streaming => 1);
$standby->start;

sub caught_up
{
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	ok($node->cache_wait);
	$node->wait_for_catchup($standby, 'replay', $node->lsn('insert'));
	return;
}

# Waits until Redis knows that it has all that the standby has replayed.
sub redis_is_told
{
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $position = $redis->cli('KEYS', 'rtcache:position:*');

	for (1 .. 10 * $PostgreSQL::Test::Utils::timeout_default)
	{
		my $lsn = $redis->cli('HGET', $position, 'verified_lsn');

		return pass('Redis has all that the standby has')
		  if $standby->safe_psql('postgres', "SELECT '$lsn' >= pg_last_wal_replay_lsn()") eq 't';
		usleep(100_000);
	}
	diag($redis->cli('HGETALL', $position));
	return fail('Redis has all that the standby has');
}

# A lookup that must not be answered by Redis
sub from_the_query
{
	my ($id, $name, $what) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $before = $standby->stat('l2_hits');

	is(reads($standby, $id), $name, "$what: the answer is right");
	is($standby->stat('l2_hits'), $before, "$what: and does not come from Redis");
	return;
}

caught_up();
ok(wait_hit($standby, 1, 'v1'), 'a lookup on a standby is answered by Redis');
$node->safe_psql('postgres', q{UPDATE hero SET name = 'v2' WHERE id = 1});
caught_up();
ok(wait_hit($standby, 1, 'v2'), 'and again after a write, when both are idle');
is($standby->stat('fills'), 0, 'it fills nothing');
is($standby->safe_psql('postgres', q{SELECT cache_get('absent', 'SELECT name FROM hero WHERE id = 2')->>'name'}),
	'v1', 'a lookup of what Redis does not have');
is($redis->cli('KEYS', '*absent*'), '', 'leaves neither value nor lease there');

# Replay is paused: Redis is ahead.
$standby->safe_psql('postgres', 'SELECT pg_wal_replay_pause()');
$standby->poll_query_until('postgres', q{SELECT pg_get_wal_replay_pause_state() = 'paused'});
ok(wait_hit($standby, 1, 'v2'), 'paused, but with nothing new: Redis');
my $session = $standby->background_psql('postgres');
is(reads($standby, 1, $session), 'v2', 'a reader');
$node->safe_psql('postgres', q{UPDATE hero SET name = 'v3' WHERE id = 1});
ok($node->cache_wait);
is($redis->cli('GET', 'postgres:hero:1'), '{"id":1,"name":"v3"}', 'Redis is ahead of the standby');
redis_is_told();
my $l2_hits = $standby->stat('l2_hits');
is(join(' ', map { reads($standby, 1, $session) } 1 .. 20), join(' ', ('v2') x 20),
	'the reader does not see the future');
is($standby->stat('l2_hits'), $l2_hits, 'Redis was not believed');
$standby->safe_psql('postgres', 'SELECT pg_wal_replay_resume()');
caught_up();
ok(wait_hit($standby, 1, 'v3'), 'replay goes on: Redis');
is(reads($standby, 1, $session), 'v3', 'also for the reader');

# Part of a large transaction is in Redis before the position says so.
$standby->safe_psql('postgres', 'SELECT pg_wal_replay_pause()');
$standby->poll_query_until('postgres', q{SELECT pg_get_wal_replay_pause_state() = 'paused'});
$node->set_conf('rtcache.batch_size', 10);
$fake->rule(match => '^EXEC', action => 'hang', skip => 3);
$node->safe_psql('postgres', q{UPDATE hero SET name = 'big' WHERE id = 1;
	SELECT cache_del('hero:1');
	BEGIN; UPDATE hero SET name = 'big' WHERE id = 2;
	INSERT INTO hero SELECT i, 'big' FROM generate_series(1000, 1100) i; COMMIT});
ok($fake->wait_hits(1), 'a transaction is applied in part');
is($redis->cli('GET', 'postgres:hero:2'), '{"id":2,"name":"big"}', 'Redis has some of it');
redis_is_told();
is(reads($standby, 2), 'v1', 'a standby that has not replayed it does not see it');
$fake->clear;
$standby->safe_psql('postgres', 'SELECT pg_wal_replay_resume()');
caught_up();
ok(wait_hit($standby, 2, 'big'), 'and does when it is over');

# Redis is behind.
my $relay = $node->relay_pid;
kill 'STOP', $relay;
$node->safe_psql('postgres', q{UPDATE hero SET name = 'v4' WHERE id = 1});
$node->wait_for_catchup($standby, 'replay', $node->lsn('insert'));
from_the_query(1, 'v4', 'Redis is behind');
kill 'CONT', $relay;
caught_up();
ok(wait_hit($standby, 1, 'v4'), 'Redis has caught up');

# Redis goes back in time, under a standby that is connected.
$redis->save_rdb('old.rdb');
$node->safe_psql('postgres', q{UPDATE hero SET name = 'v5' WHERE id = 1});
caught_up();
ok(wait_hit($standby, 1, 'v5'), 'Redis');
kill 'STOP', $relay;
$redis->kill9;
from_the_query(1, 'v5', 'Redis is gone');
$redis->restore_rdb('old.rdb');
$redis->start;
is($redis->cli('GET', 'postgres:hero:1'), '{"id":1,"name":"v4"}', 'Redis has gone back in time');
from_the_query(1, 'v5', 'it is not believed') foreach 1 .. 3;
$redis->cli('FLUSHALL');
from_the_query(1, 'v5', 'Redis is empty');
kill 'CONT', $relay;
$node->reload;
ok($node->wait_streaming, 'the relay clears');
$node->safe_psql('postgres', q{UPDATE hero SET name = 'v6' WHERE id = 1});
caught_up();
ok(wait_hit($standby, 1, 'v6'), 'Redis is used again');
unlink $redis->dir . '/dump.rdb';

# Another prefix
$standby->set_conf('rtcache.key_prefix', 'mine:%d:');
ok($standby->poll_query_until('postgres', q{SELECT current_setting('rtcache.key_prefix') LIKE 'mine%'}));
$redis->cli('SET', 'mine:postgres:hero:1', '{"id":1,"name":"wrong"}');
from_the_query(1, 'v6', 'a prefix that is not that of the primary');
$standby->set_conf('rtcache.key_prefix', '%d:');
my $position = $redis->cli('KEYS', 'rtcache:position:*');
my $oid = $redis->cli('HGET', $position, 'prefix:postgres:');
$redis->cli('HSET', $position, 'prefix:postgres:', $oid + 1);
from_the_query(1, 'v6', 'the prefix is that of another database');
$redis->cli('HSET', $position, 'prefix:postgres:', $oid);
$session->quit;

# An asynchronous commit between the lease and the snapshot of a fill
ok($node->wait_streaming, 'the relay streams');
my $lists = q{SELECT cache_get('fresh', 'SELECT name FROM hero WHERE id = 3')->>'name'};
$node->safe_psql('postgres', q{CREATE TRIGGER hero_fresh AFTER INSERT OR UPDATE OR DELETE ON hero
	FOR EACH ROW EXECUTE FUNCTION rtcache_invalidate('fresh')});
$node->safe_psql('postgres', q{ALTER SYSTEM SET wal_writer_delay = '10s'});
$node->safe_psql('postgres', q{ALTER SYSTEM SET rtcache.command_timeout = '10s'});
$node->reload;
my $walwriter = $node->safe_psql('postgres', q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'walwriter'});
my $reader = $node->background_psql('postgres');
my $writer = $node->background_psql('postgres');
my $reader_pid = $reader->query_safe('SELECT pg_backend_pid()');
$writer->query_safe('SET synchronous_commit = off');
ok($node->cache_wait);
is($reader->query_safe($lists), 'v1', 'a fill');
is($redis->cli('GET', 'postgres:fresh'), '{"name":"v1"}', 'is there');
$redis->cli('DEL', 'postgres:fresh');
my $refused = $node->stat('fills_refused');
kill 'STOP', $walwriter;
$fake->rule(match => '^EVALSHA', action => 'hold');
$reader->query_until(qr//, "$lists;\n");
ok( $node->poll_query_until('postgres', qq{
		SELECT wait_event_type = 'Extension' FROM pg_stat_activity
		WHERE pid = $reader_pid AND state = 'active'}),
	'a lookup asks for a lease');
$writer->query_safe(q{UPDATE hero SET name = 'async' WHERE id = 3});
$fake->clear;
$reader->query_safe('SELECT 1');
is($node->stat('fills_refused'), $refused + 1, 'the fill is refused');
is($redis->cli('EXISTS', 'postgres:fresh'), 0, 'it does not store what it sees of a commit that is not flushed');
$node->stop('immediate');
$reader->{run}->kill_kill;
$writer->{run}->kill_kill;
kill 'KILL', $walwriter;
ok(start_again($node), 'the server crashes');
ok($node->wait_streaming, 'and starts again');
is($node->safe_psql('postgres', 'SELECT name FROM hero WHERE id = 3'), 'v1', 'that commit is lost');
is($node->safe_psql('postgres', "$lists; $lists"), "v1\nv1", 'lookups are right');

$standby->stop;
$node->stop;
done_testing();
