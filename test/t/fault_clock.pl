# Somebody sets the clock on the wall back by an hour, or forward, while the
# server runs.  What is measured in intervals goes on:
#
#	- the relay's upkeep: the replication slot follows what is applied
#	- its attempts to connect: it finds a Redis that is back
#	- a COMMIT that waits for Redis gives up at its timeout; and the time that
#	  Redis has been away counts, no more of it than has passed
#	- times to live in shared memory, and the age of what is not applied
#
# Slow.

use strict;
use warnings;

use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

use RtcCoherence;
use RtcNode;
use RtcRedis;
use RtcWallClock;

my $hour = 3600;
my $clock = RtcWallClock->new;
my $redis = RtcRedis->new('main');
$redis->start;
my $node = RtcNode->new('main', redis => $redis, l1 => 1, conf => 'rtcache.wal_keep = 0');
$clock->start($node);
create_heroes($node);
$node->safe_psql('postgres', q{INSERT INTO hero VALUES (1, 'start')});
ok($node->wait_streaming, 'the relay streams');

sub server_time { return $node->safe_psql('postgres', 'SELECT extract(epoch FROM clock_timestamp())'); }

# A server under a sanitizer has its own idea of what is preloaded.
my $before = server_time();
$clock->set_back($hour);
if (server_time() > $before)
{
	$node->stop;
	plan skip_all => 'the clock of this server cannot be set';
}
pass('the clock was set back');

# upkeep
my $lsn = $node->safe_psql('postgres', q{
	SELECT pg_switch_wal();
	CHECKPOINT;
	SELECT pg_current_wal_insert_lsn()});
$lsn = (split /\n/, $lsn)[-1];
$node->safe_psql('postgres', q{UPDATE hero SET name = 'moved'});
ok($node->cache_wait);
ok( $node->poll_query_until('postgres',
		"SELECT restart_lsn >= '$lsn' FROM pg_replication_slots WHERE slot_name = 'rtcache'"),
	'the slot moves on');

# the age of what waits
$redis->stop;
$node->safe_psql('postgres', q{UPDATE hero SET name = 'waits'});
ok($node->poll_query_until('postgres', 'SELECT lag_ms > 0 FROM rtcache_relay'), 'a commit waits');
$clock->set_back(-$hour);
cmp_ok($node->safe_psql('postgres', 'SELECT lag_ms FROM rtcache_relay'),
	'<', 1000 * $hour, 'not for as long as the clock was set forward');
$clock->set_back($hour);

# a COMMIT that waits
ok($node->wait_state('connecting'), 'Redis is away');
my $session = $node->background_psql('postgres', on_error_stop => 0);
$session->query('SET rtcache.commit_wait = applied');
my $pid = $session->query('SELECT pg_backend_pid()');
$session->query(q{SET rtcache.commit_wait_timeout = '20s'});
my $start = time;
my $waiting = $session->query_until(qr/begun/, q{
\echo begun
UPDATE hero SET name = 'waited for';
\echo waited
});
ok( $node->poll_query_until('postgres',
		"SELECT wait_event_type = 'Extension' FROM pg_stat_activity WHERE pid = $pid"),
	'a COMMIT waits');
$clock->set_back($hour);
$session->query_until(qr/waited/, '');
cmp_ok(time - $start, '<', 60, 'it gives up when its time is over');
like($session->{stderr}, qr/does not have the transaction within/, 'with a warning');

# the time that Redis was away is no more than that
$session->{stderr} = '';
$session->query(q{SET rtcache.commit_wait_timeout = '10min'});
$clock->set_back(-2 * $hour);
$waiting = $session->query_until(qr/begun/, q{
\echo begun
UPDATE hero SET name = 'waited for again';
\echo waited
});
ok( $node->poll_query_until('postgres',
		"SELECT wait_event_type = 'Extension' FROM pg_stat_activity WHERE pid = $pid"),
	'two hours on, a COMMIT waits');

# the way back
$clock->set_back($hour);
$redis->start;
ok($node->wait_streaming, 'the relay finds Redis again');
$session->query_until(qr/waited/, '');
unlike($session->{stderr}, qr/does not have the transaction/, 'and the COMMIT that waited is told');
$session->quit;
same_as_table($node, $redis, 'Redis has nothing stale', partial => 1);

# times to live in shared memory
my $get = q{SELECT cache_get('n', 'SELECT count(*) FROM hero', ttl => '10 min')};
$node->safe_psql('postgres', $get);
my $hits = $node->stat('l1_hits');
$clock->set_back(-$hour);
$node->safe_psql('postgres', $get);
is($node->stat('l1_hits') - $hits, 1, 'an answer of ten minutes outlives an hour on the wall');

ok($node->no_crash, 'no process has crashed');
$node->stop;
done_testing();
