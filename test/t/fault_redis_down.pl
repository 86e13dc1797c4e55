# Redis is not there, or goes away:
#
#	- it is not there when the server starts: reads are exact, writes do not
#	  wait, the relay keeps trying
#	- it is killed and comes back empty: nothing stale, new writes arrive
#	- it is killed in the middle of a large transaction, and comes back with a
#	  part of it, or empty
#	- it is away for longer than max_wal_lag allows: WAL goes, the cache is
#	  cleared; for less than that: WAL is replayed

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

use RtcCoherence;
use RtcFakeRedis;
use RtcNode;
use RtcRedis;

my $redis = RtcRedis->new('main');
my $fake = RtcFakeRedis->new('faulty', $redis);
my $node = RtcNode->new(
	'main',
	redis => $fake,
	init => { extra => [ '-E', 'UTF8', '--locale=C', '--wal-segsize=1' ] },
	conf => <<'CONF');
min_wal_size = 2MB
rtcache.batch_size = 100
rtcache.max_wal_lag = 16MB
rtcache.wal_keep = 1MB
CONF

# not there at the start
$node->start;
create_heroes($node, away => 1);
is($node->safe_psql('postgres', 'SELECT state FROM rtcache_relay'),
	'connecting', 'the relay tries to connect');
my $start = time;
$node->safe_psql('postgres',
	join "\n", map { "INSERT INTO hero VALUES ($_, 'start');" } 1 .. 200);
# Waiting for connect_timeout would take 100 s.
cmp_ok(time - $start, '<', 20, 'writes do not wait for Redis');
is(reads($node, 1), 'start', 'a lookup is exact');
is($node->stat('errors'), 0, 'and did not try');
ok( $node->poll_query_until('postgres',
		'SELECT last_error IS NOT NULL FROM rtcache_relay'),
	'the view tells what the trouble is');
$redis->start;
ok($node->wait_streaming, 'the relay finds Redis when it comes up');
$node->safe_psql('postgres', q{UPDATE hero SET name = 'seen' WHERE id > 100});
same_as_table($node, $redis, 'no key is stale', partial => 1);
is($redis->cli('GET', 'postgres:hero:200'), '{"id":200,"name":"seen"}', 'a write arrives');

# empty
my $session = $node->background_psql('postgres');
$session->set_query_timer_restart;
is(reads($node, 1, $session), 'start', 'a lookup in a session that is kept');
my $offset = -s $node->logfile;
$redis->kill9;
is(reads($node, 200, $session), 'seen', 'a lookup is exact when Redis is gone');
$node->safe_psql('postgres', q{
	UPDATE hero SET name = 'while down' WHERE id = 200;
	DELETE FROM hero WHERE id = 199;
});
is(reads($node, 200, $session), 'while down', 'and sees what is written then');
$redis->start;
is(reads($node, 200, $session), 'while down', 'and when Redis has come back');
$node->reload;
ok(logged($node, qr/clearing the cache in Redis: Redis holds no position/, $offset),
	'the relay notices that Redis is empty');
ok($node->wait_streaming, 'and goes on');
is($node->stat('clears'), 2, 'it has cleared once more');
$node->safe_psql('postgres', q{UPDATE hero SET name = 'again'});
same_as_table($node, $redis, 'all is there that was written since');

# in the middle of a large transaction
foreach my $comes_back ('with a part of it', 'empty')
{
	$node->safe_psql('postgres', q{
		DELETE FROM hero;
		INSERT INTO hero SELECT i, 'before' FROM generate_series(1, 3000) i;
	});
	same_as_table($node, $redis, 'Redis has the rows');
	$fake->rule(match => '^EXEC', action => 'hang', skip => 10);
	$node->safe_psql('postgres', qq{
		BEGIN;
		UPDATE hero SET name = '$comes_back' WHERE id <= 2500;
		DELETE FROM hero WHERE id > 2500;
		UPDATE hero SET name = 'last' WHERE id = 1;
		COMMIT;
	});
	ok($fake->wait_hits(1), 'a transaction is applied in part');
	is($redis->cli('EXISTS', 'postgres:hero:3000'), 1, 'Redis misses the rest');
	is(reads($node, 1, $session), 'last', 'a lookup is exact now');
	$redis->save_rdb('part.rdb');
	$redis->kill9;
	$fake->clear;
	$redis->restore_rdb('part.rdb') unless $comes_back eq 'empty';
	$offset = -s $node->logfile;
	$redis->start;
	is(reads($node, 2999, $session), '', 'and when Redis has come back');
	$node->reload;
	if ($comes_back eq 'empty')
	{
		ok(logged($node, qr/cleared the cache in Redis/, $offset), 'Redis is cleared');
		ok($node->wait_streaming, 'the relay streams again');
		same_as_table($node, $redis, 'no key is stale', partial => 1);
	}
	else
	{
		ok(logged($node, qr/connected to Redis, which stands at/, $offset),
			'it is applied from the start');
		ok($node->wait_streaming, 'the relay streams again');
		same_as_table($node, $redis, 'all is applied');
	}
	# the next start begins with nothing
	unlink $redis->dir . '/dump.rdb';
}

# Megabytes of WAL, each in a segment of its own.
sub switch_wal
{
	my ($segments) = @_;

	$node->safe_psql('postgres', q{SELECT pg_switch_wal();
		SELECT pg_logical_emit_message(false, 'other', 'x')})
	  foreach 1 .. $segments;
	return;
}

# WAL files that wait to be read, not those that wait to be written.
sub wal_kept
{
	return $node->safe_psql('postgres', q{
		SELECT count(*) FROM pg_ls_waldir()
		WHERE name < pg_walfile_name(pg_current_wal_lsn())});
}

# away for less and for more than max_wal_lag
foreach my $segments (8, 40)
{
	$node->safe_psql('postgres', q{
		DELETE FROM hero;
		INSERT INTO hero SELECT i, 'before' FROM generate_series(1, 100) i;
	});
	same_as_table($node, $redis, 'Redis has the rows');
	my $clears = $node->stat('clears');
	$redis->save_rdb('before.rdb');
	$redis->kill9;
	$node->safe_psql('postgres', q{
		UPDATE hero SET name = 'while down' WHERE id <= 50;
		DELETE FROM hero WHERE id > 90;
	});
	switch_wal($segments);
	ok( $node->poll_query_until('postgres', q{
			SELECT pg_current_wal_lsn() - restart_lsn < 18 * 1024 * 1024
			FROM pg_replication_slots WHERE slot_name = 'rtcache'}),
		"the slot keeps no more than max_wal_lag ($segments MB were written)");
	$node->safe_psql('postgres', 'CHECKPOINT');
	cmp_ok(wal_kept(), '>=', 8, 'WAL is kept while Redis is away');
	cmp_ok(wal_kept(), '<=', 18, 'but not more than max_wal_lag');
	is(reads($node, 1, $session), 'while down', 'a lookup is exact');

	$offset = -s $node->logfile;
	$redis->restore_rdb('before.rdb');
	$redis->start;
	is(reads($node, 1, $session), 'while down', 'and when Redis has come back');
	is(reads($node, 91, $session), '', 'for a deleted row, too');
	$node->reload;
	if ($segments == 8)
	{
		ok(logged($node, qr/connected to Redis, which stands at/, $offset),
			'WAL is read again');
		ok($node->wait_streaming, 'the relay streams again');
		same_as_table($node, $redis, 'all is applied');
		is($node->stat('clears'), $clears, 'nothing was cleared');
	}
	else
	{
		ok( logged(
				$node,
				qr/clearing the cache in Redis: WAL from \S+ on has been removed/,
				$offset),
			'the cache is cleared');
		ok($node->wait_streaming, 'the relay streams again');
		same_as_table($node, $redis, 'no key is stale', partial => 1);
		$node->safe_psql('postgres', q{UPDATE hero SET name = 'again'});
		same_as_table($node, $redis, 'what is written then is there');
	}
	unlink $redis->dir . '/dump.rdb';
}
$node->safe_psql('postgres', 'CHECKPOINT');
ok( $node->poll_query_until('postgres', q{
		SELECT pg_current_wal_lsn() - restart_lsn < 4 * 1024 * 1024
		FROM pg_replication_slots WHERE slot_name = 'rtcache'}),
	'the slot keeps no more than wal_keep when all is applied');

$session->quit;
ok($node->no_crash, 'no process has crashed');
$node->stop;
$redis->stop;
done_testing();
