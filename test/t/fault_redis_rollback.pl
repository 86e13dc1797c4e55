# Redis goes back in time: it is restarted from an older snapshot.
#
#	- the relay finds out and applies again what Redis has lost
#	- where WAL is gone it clears
#	- lookups do not believe such a Redis before that, neither in sessions that
#	  were connected nor in new ones, although the relay has not noticed
#	- an idle relay notices by itself that Redis hangs up

use strict;
use warnings;

use POSIX ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use RtcCoherence;
use RtcNode;
use RtcRedis;

my $redis = RtcRedis->new('main');
$redis->start;
my $node = RtcNode->new(
	'main',
	redis => $redis,
	init => { extra => [ '-E', 'UTF8', '--locale=C', '--wal-segsize=1' ] },
	conf => <<'CONF');
min_wal_size = 2MB
rtcache.wal_keep = 16MB
CONF
$node->start;
create_heroes($node);
$node->safe_psql('postgres', q{
	CREATE TRIGGER hero_list AFTER INSERT OR UPDATE OR DELETE ON hero
		FOR EACH ROW EXECUTE FUNCTION rtcache_invalidate('names')});
ok($node->wait_streaming, 'the relay streams');

my $session = $node->background_psql('postgres');
$session->set_query_timer_restart;

foreach my $wal ('kept', 'gone')
{
	$node->safe_psql('postgres', q{
		DELETE FROM hero;
		INSERT INTO hero SELECT i, 'old' FROM generate_series(1, 200) i;
	});
	same_as_table($node, $redis, "Redis has the rows (WAL is to be $wal)");
	is(reads($node, 1, $session), 'old', 'a session reads from Redis');
	is(lists($node, 2, $session), 'old', 'and fills');
	is($redis->cli('GET', 'postgres:names'), '[{"name":"old"}]', 'so that it is there');
	$redis->save_rdb('old.rdb');

	# one statement, one commit
	$node->safe_psql('postgres', $_)
	  foreach (
		q{UPDATE hero SET name = 'new' WHERE id <= 50},
		q{DELETE FROM hero WHERE id BETWEEN 61 AND 70},
		q{UPDATE hero SET id = id + 1000 WHERE id BETWEEN 71 AND 80},
		q{INSERT INTO hero VALUES (300, 'new')},
		q{DELETE FROM hero WHERE id = 81},
		q{INSERT INTO hero VALUES (81, 'back')});
	same_as_table($node, $redis, 'Redis has what was written later');
	is(reads($node, 1, $session), 'new', 'a session reads that');

	if ($wal eq 'gone')
	{
		$node->set_conf('rtcache.wal_keep', '0');
		$node->safe_psql('postgres', q{SELECT pg_switch_wal();
			UPDATE hero SET name = name WHERE id = 200})
		  foreach 1 .. 4;
		ok($node->cache_wait);
		ok( $node->poll_query_until('postgres', q{
				SELECT pg_current_wal_lsn() - restart_lsn < 1024 * 1024
				FROM pg_replication_slots WHERE slot_name = 'rtcache'}),
			'the slot lets WAL go');
		$node->safe_psql('postgres', 'CHECKPOINT');
	}

	# The relay sleeps, so that there is time to look.
	my $offset = -s $node->logfile;
	my $hits = $node->stat('l2_hits');
	my $relay = $node->relay_pid;
	kill 'STOP', $relay;
	$redis->kill9;
	$redis->restore_rdb('old.rdb');
	$redis->start;
	is($redis->cli('GET', 'postgres:hero:1'),
		'{"id":1,"name":"old"}', 'Redis has gone back in time');

	foreach my $where ($session, undef)
	{
		my $which = $where ? 'a session from before' : 'a new session';

		is(reads($node, 1, $where), 'new', "$which reads an updated row");
		is(reads($node, 61, $where), '', "$which, a deleted one");
		is(reads($node, 300, $where), 'new', "$which, an inserted one");
		is(lists($node, 2, $where), 'new', "$which, a list");
		isnt(reads($node, 100, $where), '', "$which, one that is the same");
	}
	is($node->stat('l2_hits'), $hits, 'all of that not from Redis');

	kill 'CONT', $relay;
	$node->reload;
	if ($wal eq 'kept')
	{
		ok(logged($node, qr/Redis has lost writes, which are applied again/, $offset),
			'the relay finds out');
		ok( logged($node, qr/Redis has caught up at .*\n.*[1-9]\d* commits were applied/, $offset),
			'and says so when it is done');
		same_as_table($node, $redis, 'all is applied again');
	}
	else
	{
		ok( logged(
				$node,
				qr/clearing the cache in Redis: WAL from \S+ on has been removed/,
				$offset),
			'the relay finds out');
		ok(logged($node, qr/cleared the cache in Redis: [1-9]\d* keys/, $offset),
			'and clears');
		same_as_table($node, $redis, 'no key is stale', partial => 1);
	}
	ok($node->wait_streaming, 'the relay streams again');
	is(lists($node, 2, $session), 'new', 'a list is exact');
	is(reads($node, 1, $session), 'new', 'a row as well');
	is(reads($node, 1, $session), 'new', 'and again');
	cmp_ok($node->stat('l2_hits'), '>', $hits, 'now from Redis');

	$node->safe_psql('postgres', q{UPDATE hero SET name = 'last'});
	same_as_table($node, $redis, 'what is written then is there');
	unlink $redis->dir . '/dump.rdb';
}

# Seconds of processor time that the relay has used.
sub relay_cpu
{
	my @field = split / /, slurp_file('/proc/' . $node->relay_pid . '/stat');

	return ($field[13] + $field[14]) / POSIX::sysconf(POSIX::_SC_CLK_TCK());
}

# Nothing was written since the snapshot: it is as good as what was lost.
$redis->save_rdb('same.rdb');
my $cpu = relay_cpu();
my $clears = $node->stat('clears');
my $hits = $node->stat('l2_hits');
$redis->kill9;
ok($node->wait_state('connecting'), 'an idle relay sees that Redis is gone');
cmp_ok(relay_cpu() - $cpu, '<', 1, 'without looking all the time');
$redis->restore_rdb('same.rdb');
$redis->start;
$node->reload;
ok( $node->poll_query_until('postgres', q{
		SELECT cache_get('hero:1', 'SELECT * FROM hero WHERE id = 1') IS NOT NULL AND
			(SELECT l2_hits FROM rtcache_stats) > } . $hits),
	'a Redis that lost nothing is used again');
is($node->stat('clears'), $clears, 'nothing was cleared for that');
same_as_table($node, $redis, 'all is there');

$session->quit;
ok($node->no_crash, 'no process has crashed');
$node->stop;
$redis->stop;
done_testing();
