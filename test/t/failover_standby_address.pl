# On a hot standby the relay finds out where Redis is, and sessions use the address
# that it tells: none resolves a name itself, since nothing could cancel that.
#
#	- the relay resolves the name and shows the address; lookups hit
#	- a session that knows of another URL than the relay does not connect
#	- Redis restarts, and is found again; it is switched off; the standby is promoted

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use RtcCoherence;
use RtcNode;
use RtcRedis;

my $redis = RtcRedis->new('main', tcp => 1);
$redis->start;
my $node = RtcNode->new('main', redis => $redis, init => { allows_streaming => 1 },
	conf => "rtcache.breaker_cooldown = 100\nautovacuum = off\nbgwriter_lru_maxpages = 0\ncheckpoint_timeout = 1h");
$node->start;
create_heroes($node);
$node->safe_psql('postgres', q{INSERT INTO hero SELECT i, 'v1' FROM generate_series(1, 10) i});
ok($node->wait_streaming, 'the relay streams');
$node->backup('copy');
my $standby = bless PostgreSQL::Test::Cluster->new('standby'), 'RtcNode';
$standby->init_from_backup($node, 'copy', has_streaming => 1);
$standby->append_conf('postgresql.conf', "rtcache.redis_url = 'redis://localhost:" . $redis->port . "'");
$standby->start;

# Waits until a lookup is answered by Redis; a test result
sub relay_is
{
	my ($state, $what) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	return ok($standby->poll_query_until('postgres', "SELECT $state FROM rtcache_relay"), $what);
}

relay_is(q{state = 'standby' AND address = '127.0.0.1' AND connected_at IS NOT NULL},
	'the relay of the standby has resolved the name');
ok($node->cache_wait);
$node->wait_for_catchup($standby, 'replay', $node->lsn('insert'));
ok(wait_hit($standby, 1, 'v1'), 'a lookup is answered by Redis');

# The relay is stopped; a session reads a URL that the relay has not seen.
kill 'STOP', my $relay = $standby->relay_pid;
$standby->set_conf('rtcache.redis_url', 'redis://LOCALHOST:' . $redis->port);
ok($standby->poll_query_until('postgres', q{SELECT current_setting('rtcache.redis_url') LIKE '%LOCALHOST%'}),
	'sessions know of another name');
my $session = $standby->background_psql('postgres');
is(reads($standby, 1, $session), 'v1', 'a lookup is right');
is(grep({ /name=rtcache-backend / } split /\n/, $redis->cli('CLIENT', 'LIST')), 0,
	'the session has not looked for Redis itself');
is($standby->stat('errors'), 0, 'which is no failure of Redis');
kill 'CONT', $relay;
ok(wait_hit($standby, 1, 'v1'), 'when the relay has resolved it, Redis is used');
is(reads($standby, 1, $session), 'v1', 'by the session, too');
$session->quit;

# Redis restarts.
$redis->stop;
relay_is('connected_at IS NULL AND last_error IS NOT NULL', 'the relay notices that Redis is gone, and tells');
is(reads($standby, 1), 'v1', 'a lookup is right');
$redis->start;
relay_is('connected_at IS NOT NULL', 'Redis is found again');
$node->reload;
ok($node->wait_streaming, 'the primary clears');
$node->safe_psql('postgres', q{UPDATE hero SET name = 'v1'});
ok($node->cache_wait);
$node->wait_for_catchup($standby, 'replay', $node->lsn('insert'));
ok(wait_hit($standby, 1, 'v1'), 'and used');

# Off and on
$standby->set_conf('rtcache.redis_url', '');
relay_is('connected_at IS NULL', 'switched off');
is(reads($standby, 1), 'v1', 'a lookup is right');
$standby->set_conf('rtcache.redis_url', $redis->url);
relay_is('connected_at IS NOT NULL AND address IS NULL', 'on again, without a name');
ok(wait_hit($standby, 1, 'v1'), 'and used');

# Promotion
$node->stop('immediate');
$standby->promote;
ok($standby->wait_streaming, 'the standby is promoted, and its relay streams');
is(reads($standby, 1), 'v1', 'a lookup is right');
is(grep({ /name=rtcache-relay / } split /\n/, $redis->cli('CLIENT', 'LIST')), 1, 'the relay has one connection');

ok($standby->no_crash, 'no process has crashed');
$standby->stop;
done_testing();
