# Redis goes elsewhere, and the database stays.  Reads are right all the time.
#
#	- a replica that misses the last writes is promoted, and the URL reloaded:
#	  what it misses is applied again; sessions do not believe it before that
#	- a replica behind the URL (READONLY), and one that is a replica only later
#	- a user without one of the commands: a clear error, and no wrong answer
#	- CLIENT PAUSE; a Redis that sleeps for longer than every timeout
#	- while Redis is away reads and writes are as fast as without it
#
# Slow.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);

use RtcCoherence;
use RtcNode;
use RtcRedis;

my $redis = RtcRedis->new('a', tcp => 1);
my $other = RtcRedis->new('b', tcp => 1);
$_->start foreach ($redis, $other);
my $node = RtcNode->new('main', redis => $redis,
	conf => "rtcache.breaker_cooldown = 100\nrtcache.command_timeout = 200\nautovacuum = off");
$node->start;
create_heroes($node);
$node->safe_psql('postgres', q{
	CREATE TRIGGER hero_names AFTER INSERT OR UPDATE OR DELETE ON hero
		FOR EACH ROW EXECUTE FUNCTION rtcache_invalidate('names');
	INSERT INTO hero SELECT i, 'v1' FROM generate_series(1, 50) i;
});
ok($node->wait_streaming, 'the relay streams');
ok($node->cache_wait);
my $session = $node->background_psql('postgres');

# Lookups in an old session and in a new one
sub check_reads
{
	my ($name, $what) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	is( join(' ', map { $_, $_ } reads($node, 1, $session), reads($node, 1), lists($node, 1, $session), lists($node, 1)),
		join(' ', ($name) x 8), "$what: reads are right");
	return;
}

# A replica is cut off, and promoted without the last writes.
check_reads('v1', 'a Redis with a replica');
$other->cli('REPLICAOF', '127.0.0.1', $redis->port);
ok($other->wait_for('{"id":1,"name":"v1"}', 'GET', 'postgres:hero:1'), 'the replica has the keys');
$other->cli('REPLICAOF', 'NO', 'ONE');
$node->safe_psql('postgres', q{UPDATE hero SET name = 'v2' WHERE id <= 25; DELETE FROM hero WHERE id = 50});
same_as_table($node, $redis, 'the old Redis has the last writes');
check_reads('v2', 'before the failover');
my $relay = $node->relay_pid;
kill 'STOP', $relay;
$redis->kill9;
$node->set_conf('rtcache.redis_url', $other->url);
is($other->cli('GET', 'postgres:hero:1'), '{"id":1,"name":"v1"}', 'the promoted one does not');
check_reads('v2', 'before the relay knows') foreach 1 .. 3;
my $offset = -s $node->logfile;
kill 'CONT', $relay;
ok(logged($node, qr/Redis has lost writes, which are applied again/, $offset), 'the relay finds out');
ok($node->wait_streaming, 'and streams');
same_as_table($node, $other, 'all is applied');
is($node->stat('clears'), 1, 'nothing was cleared but at the start');
check_reads('v2', 'after the failover');

# The master becomes a replica, under relay and sessions that are connected.
$redis->start;
$other->cli('REPLICAOF', '127.0.0.1', $redis->port);
$node->safe_psql('postgres', q{UPDATE hero SET name = 'v3'});
check_reads('v3', 'the master has become a replica');
ok($node->poll_query_until('postgres',
	q{SELECT last_error ~ 'READONLY|replica|position' FROM rtcache_relay}), 'the relay says so');
check_reads('v3', 'a replica behind the URL') foreach 1 .. 3;
$other->cli('REPLICAOF', 'NO', 'ONE');
$node->reload;
ok($node->wait_streaming, 'it is a master again');
ok($node->cache_wait);
same_as_table($node, $other, 'no key is stale', partial => 1);
check_reads('v3', 'a master again');

# A user without a command
my $n = 3;
my $lost = "rtcache lost Redis: ";
foreach my $command (qw(unlink multi watch hset hgetall scan evalsha get))
{
	$n++;
	$other->cli('ACL', 'SETUSER', 'default', "-$command");
	$other->cli('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
	$node->safe_psql('postgres', "UPDATE hero SET name = 'v$n'");
	check_reads("v$n", "no right to $command") foreach 1 .. 2;
	if ($command !~ /^(evalsha|get|scan)$/)
	{
		ok($node->poll_query_until('postgres', qq{
			SELECT last_error ~* 'NOPERM.*$command|executing the script|ACL failure in script' FROM rtcache_relay}),
			"no right to $command: the error says so")
		  or diag($node->safe_psql('postgres', 'SELECT last_error FROM rtcache_relay'));
	}
	$other->cli('ACL', 'SETUSER', 'default', "+$command");
	$node->reload;
	ok($node->wait_streaming, "with the right to $command the relay streams");
	same_as_table($node, $other, "and nothing is lost", partial => 1);
	check_reads("v$n", "with the right to $command");
}

# CLIENT PAUSE, and a sleep longer than every timeout
foreach my $how ('CLIENT PAUSE', 'SIGSTOP')
{
	$n++;
	if ($how eq 'SIGSTOP') { $other->sigstop; }
	else { $other->cli('CLIENT', 'PAUSE', 25_000, 'ALL'); }
	my $start = time;
	$node->safe_psql('postgres', "UPDATE hero SET name = 'v$n'");
	cmp_ok(time - $start, '<', 20, "$how: a write does not wait");
	check_reads("v$n", $how);
	ok($node->wait_state('connecting'), "$how: the relay notices");
	check_reads("v$n", $how);
	if ($how eq 'SIGSTOP')
	{
		# reads and writes by themselves, with nobody else about
		my $quick = sub {
			my ($sql) = @_;
			my $start = time;

			$session->query_safe("DO \$\$ BEGIN FOR i IN 1 .. 2000 LOOP $sql; END LOOP; END \$\$");
			return (time - $start) / 2000;
		};
		$session->query_safe('SET rtcache.enabled = off');
		my $lookup = q{PERFORM cache_get('hero:2', 'SELECT * FROM hero WHERE id = 2')};
		my $without = $quick->($lookup);
		$session->query_safe('SET rtcache.enabled = on');
		my $with = $quick->($lookup);
		# without the breaker each would wait for 200 ms
		cmp_ok($with, '<', 3 * $without + 0.02,
			sprintf('a read takes %.0f us, without the cache %.0f us', 1e6 * $with, 1e6 * $without));
		$start = time;
		$node->safe_psql('postgres', "UPDATE hero SET name = 'v$n' WHERE id = $_") foreach 1 .. 10;
		cmp_ok(time - $start, '<', 60, 'writes do not wait');
		$other->sigcont;
	}
	ok($node->poll_query_until('postgres', q{
		SELECT pg_reload_conf(); SELECT state = 'streaming' FROM rtcache_relay}, "t\nt"),
		"$how: the relay comes back");
	same_as_table($node, $other, "$how: nothing is lost", partial => 1);
	check_reads("v$n", "after $how");
}

$session->quit;
ok($node->no_crash, 'no process has crashed');
$node->stop;
done_testing();
