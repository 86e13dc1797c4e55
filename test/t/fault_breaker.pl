# The circuit breaker: fifty backends and a Redis that is killed, that hangs, or
# that fails each lookup: reads stay right and fast; while it is open one process
# at a time tries, and when Redis is back it closes.  A backend whose connections
# fail does not lose file descriptors.

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
$redis->start;
my $fake = RtcFakeRedis->new('faulty', $redis);
my $node = RtcNode->new('main', redis => $fake,
	conf => "rtcache.breaker_cooldown = 100\nrtcache.breaker_threshold = 5");
$node->start;
create_heroes($node);
$node->safe_psql('postgres', q{
	INSERT INTO hero VALUES (1, 'Ada');
	-- a lookup that complains when it is wrong
	CREATE FUNCTION look(name text) RETURNS void LANGUAGE plpgsql AS $$
	DECLARE
		got text := cache_get('hero:1', 'SELECT id, name FROM hero WHERE id = 1') ->> 'name';
	BEGIN
		IF got IS DISTINCT FROM name THEN
			RAISE 'wrong answer: % instead of %', got, name;
		END IF;
	END $$;
});
ok($node->wait_streaming, 'the relay streams');
ok($node->cache_wait);
my $lookup = q{SELECT look('Ada')};

# Runs lookups in 50 backends, with a timeout if Redis is not to answer; the seconds
# that took.
sub many_lookups
{
	my ($what, $each, $timeout) = @_;
	local $ENV{PGOPTIONS} = $timeout
	  ? "-c rtcache.command_timeout=$timeout -c rtcache.connect_timeout=$timeout" : '';
	my $script = $node->basedir . '/lookup.sql';
	my $start;

	append_to_file($script, "$lookup;\n") unless -f $script;
	$start = time;
	command_ok(
		[ 'pgbench', '-n', '-c', 50, '-j', 2, '-t', $each, '-f', $script,
			'-h', $node->host, '-p', $node->port, 'postgres' ],
		"$what: all lookups are right");
	return time - $start;
}

sub breaker { return $node->safe_psql('postgres', 'SELECT breaker FROM rtcache_relay'); }

sub wait_usable
{
	return $node->poll_query_until('postgres', qq{
		$lookup;
		SELECT breaker = 'closed' AND state = 'streaming' FROM rtcache_relay}, "\nt");
}

# Redis fails every lookup, at once
my $hits = $node->stat('l2_hits');
many_lookups('Redis is well', 20);
is($node->stat('l2_hits') - $hits, 1000, 'and all of them hit');
$fake->rule(match => '^MGET', action => 'error', text => 'LOADING Redis is loading');
$node->safe_psql('postgres', "$lookup;" x 5);
isnt(breaker(), 'closed', 'the breaker opens after five failures');
is($fake->hits, 5, 'no more than that were tried');
many_lookups('each lookup fails', 100);
my $probes = $fake->hits - 5;
cmp_ok($probes, '<=', 8, "of 5000 lookups $probes were tried");
$fake->clear;
ok(wait_usable(), 'the breaker closes');

# Redis does not answer lookups: a prober waits for its timeout, a second, others do
# not; without the breaker each backend would wait a hundred times
$fake->rule(match => '^MGET', action => 'hang');
my $seconds = many_lookups('no answer to lookups', 100, '1s');
cmp_ok($seconds, '<', 60, "50 backends, 100 lookups each: $seconds s");
cmp_ok($fake->hits, '<=', 50 + 10, 'those on the way, then one by one');
$fake->clear;
ok(wait_usable(), 'the breaker closes');

# Redis hangs as a whole
$redis->sigstop;
$seconds = many_lookups('Redis hangs', 100, '1s');
cmp_ok($seconds, '<', 60, "50 backends, 100 lookups each: $seconds s");
$redis->sigcont;
ok(wait_usable(), 'all is well when it goes on');

# Redis is killed
$redis->kill9;
$seconds = many_lookups('Redis is killed', 100);
cmp_ok($seconds, '<', 60, "50 backends, 100 lookups each: $seconds s");
$redis->start;
ok(wait_usable(), 'all is well when it is back');
$hits = $node->stat('l2_hits');
many_lookups('Redis is back', 20);
cmp_ok($node->stat('l2_hits') - $hits, '>=', 949, 'and lookups hit');

# File descriptors
$node->set_conf('rtcache.breaker_threshold', 1000);
my $session = $node->background_psql('postgres', on_error_stop => 0);
my $pid = $session->query('SELECT pg_backend_pid()');

sub descriptors
{
	opendir my $dir, "/proc/$pid/fd" or return -1;
	return scalar grep { /^\d/ } readdir $dir;
}

SKIP:
{
	$session->query($lookup);
	my $before = descriptors() + 5;	# files that it opens later

	skip 'no /proc here', 1 if $before < 5;
	foreach my $fault (
		[ 'is cut off', 200, action => 'close' ],
		[ 'is refused', 200, action => 'error', text => 'NOAUTH no' ],
		[ 'is answered by garbage', 200, action => 'reply', text => "?\r\n" ],
		[ 'is not answered', 100, action => 'hang' ])
	{
		my ($what, $n, %rule) = @$fault;

		$fake->clear;
		$fake->cut_all;
		ok($node->wait_streaming);
		$fake->rule(match => '^HMGET', %rule);
		$session->query('SET rtcache.command_timeout = ' . ($rule{action} eq 'hang' ? 20 : 5000));
		$session->query("SELECT count(look('Ada')) FROM generate_series(1, $n)");
		# (a timeout may be over before that command)
		cmp_ok($fake->hits, '>=', $rule{action} eq 'hang' ? 1 : $n, "$n connections, each $what");
		cmp_ok(descriptors(), '<=', $before, 'no file descriptor is lost');
	}
	$fake->clear;
	$session->query('RESET rtcache.command_timeout');
	ok($node->wait_streaming);
	$hits = $node->stat('l2_hits');
	$session->query("$lookup; $lookup");
	is($node->stat('l2_hits') - $hits, 2, 'and the backend can use Redis again');
}
$session->quit;

ok($node->no_crash, 'no process has crashed');
$node->stop;
done_testing();
