# A lookup that is cancelled while it holds a lease gives it back, so that others
# need not wait for it to expire: by statement_timeout, by pg_cancel_backend,
# and with an error.  When Redis hangs, the cancel is answered all the same; when
# it has hung up, no new connection is opened for it.

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
	conf => "rtcache.lease_ttl = 1min
rtcache.fill_wait = 1min");
$node->start;
create_heroes($node);
$node->safe_psql('postgres', q{
	CREATE FUNCTION pause(id int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$
	BEGIN
		PERFORM pg_advisory_lock_shared(77);
		PERFORM pg_advisory_unlock_shared(77);
		RETURN 1 / id;
	END $$;
	INSERT INTO hero VALUES (0, 'zero'), (1, 'one');
});
ok($node->wait_streaming, 'the relay streams');
ok($node->cache_wait);

my $lock = $node->background_psql('postgres');
my $session = $node->background_psql('postgres', on_error_stop => 0);
my $pid = $session->query('SELECT pg_backend_pid()');

sub lookup
{
	my ($key, $id) = @_;

	return "SELECT cache_get('$key', 'SELECT id, pause(id) FROM hero WHERE id = $id')->>'id'";
}

sub lease
{
	my ($key) = @_;

	return $redis->cli('GET', "{postgres:$key}~lease") || '';
}

# Another lookup of the key; a test result
sub others_do_not_wait
{
	my ($key, $what) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $start = time;

	ok($redis->wait_for(0, 'EXISTS', "{postgres:$key}~lease"), "$what: the lease is given back");
	is($node->safe_psql('postgres', lookup($key, 1)), 1, "$what: the next lookup");
	cmp_ok(time - $start, '<', 30, "$what: does not wait");
	return;
}

# Starts a lookup and waits until it holds the lease.
sub begin_lookup
{
	my ($key) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	$session->{stderr} = '';
	$session->query_until(qr//, lookup($key, 1) . ";\n");
	ok($node->poll_query_until('postgres', qq{SELECT wait_event = 'advisory'
		FROM pg_stat_activity WHERE pid = $pid}), "$key: a lookup runs its query");
	isnt(lease($key), '', "$key: and holds a lease");
	return;
}

$lock->query('SELECT pg_advisory_lock(77)');
$session->query(q{SET statement_timeout = '5s'});
begin_lookup('timeout');
is($session->query('SELECT 1'), 1);
like($session->{stderr}, qr/ERROR:  canceling statement due to statement timeout/, 'it is ended by statement_timeout');
$session->query('RESET statement_timeout');
$lock->query('SELECT pg_advisory_unlock(77)');
others_do_not_wait('timeout', 'timeout');

$lock->query('SELECT pg_advisory_lock(77)');
begin_lookup('cancel');
$node->safe_psql('postgres', "SELECT pg_cancel_backend($pid)");
is($session->query('SELECT 1'), 1);
like($session->{stderr}, qr/ERROR:  canceling statement due to user request/, 'it is cancelled');
$lock->query('SELECT pg_advisory_unlock(77)');
others_do_not_wait('cancel', 'cancel');

$session->{stderr} = '';
$session->query(lookup('error', 0));
like($session->{stderr}, qr/ERROR:  division by zero/, 'an error');
others_do_not_wait('error', 'error');

# Redis does not answer, and sessions are patient.
$session->query(q{SET rtcache.command_timeout = '1min'});
$lock->query('SELECT pg_advisory_lock(77)');
begin_lookup('hang');
$redis->sigstop;
my $start = time;
$node->safe_psql('postgres', "SELECT pg_cancel_backend($pid)");
is($session->query('SELECT 1'), 1);
cmp_ok(time - $start, '<', 30, 'Redis hangs: a cancel is answered before it does');
like($session->{stderr}, qr/ERROR:  canceling statement due to user request/, 'as it should be');
$redis->sigcont;
$lock->query('SELECT pg_advisory_unlock(77)');

# Redis hangs up, and would not answer on a new connection.  The relay, which would
# find that out, is stopped.
is($session->query(lookup('before', 1)), 1, 'the session goes on');
$lock->query('SELECT pg_advisory_lock(77)');
begin_lookup('cut');
kill 'STOP', my $relay = $node->relay_pid;
$fake->commands;
$fake->rule(match => '^CLIENT SETNAME rtcache-backend', action => 'hang');
$fake->cut_all;
$start = time;
$node->safe_psql('postgres', "SELECT pg_cancel_backend($pid)");
is($session->query('SELECT 1'), 1);
cmp_ok(time - $start, '<', 30, 'Redis has hung up: a cancel is answered at once');
like($session->{stderr}, qr/ERROR:  canceling statement due to user request/, 'as it should be');
is(grep({ /rtcache-backend/ } $fake->commands), 0, 'without a new connection');
$fake->clear;
kill 'CONT', $relay;
$session->quit;
$lock->quit;

ok($node->no_crash, 'no process has crashed');
$node->stop;
done_testing();
