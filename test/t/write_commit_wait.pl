# rtcache.commit_wait = applied: COMMIT returns when Redis has the change.
#
#	- it does: also with synchronous_commit off, savepoints, SET LOCAL, in a
#	  procedure, and at COMMIT PREPARED; who changed nothing does not wait
#	- the relay's linger does not delay it; fifty waiters share few batches, also
#	  when all of them write one row, whose lock nobody holds while he waits
#	- timeout, query cancel and termination end the wait with
#	  one WARNING, and the change is committed; a procedure ends with an error
#	  then, also by statement_timeout
#	- who waits does not keep DROP DATABASE of another database waiting
#	- Redis is gone: the first ones wait for the timeout, later ones are told at
#	  once; without a limit the wait ends when Redis is back; without Redis in
#	  the settings nobody waits

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

# Enough for a machine under load to do what does not wait
use constant SOON => 30;

my $redis = RtcRedis->new('main');
$redis->start;
my $fake = RtcFakeRedis->new('faulty', $redis);
my $node = RtcNode->new('main', redis => $fake, conf => "rtcache.batch_delay = 1000\nwal_writer_delay = 10s");
$node->start;
create_heroes($node);
$node->safe_psql('postgres', q{
	INSERT INTO hero SELECT i, 'start' FROM generate_series(0, 50) i;
	CREATE TABLE plain (id int);
	CREATE PROCEDURE many(n int) LANGUAGE plpgsql AS $$
	BEGIN
		FOR i IN 1 .. n LOOP
			UPDATE hero SET name = 'many ' || i WHERE id = 1;
			COMMIT;
		END LOOP;
	END $$;
});
$node->safe_psql('postgres', 'CREATE DATABASE other');
ok($node->wait_streaming, 'the relay streams');
ok($node->cache_wait);

my $session = $node->background_psql('postgres', on_error_stop => 0);
$session->query(q{SET rtcache.commit_wait = applied; SET rtcache.commit_wait_timeout = '1min'});
my $pid = $session->query('SELECT pg_backend_pid()');

# Runs something and returns the seconds it took and the warnings.
sub run
{
	my ($sql) = @_;
	my $start = time;

	$session->{stderr} = '';
	$session->query($sql);
	return (time - $start, $session->{stderr} =~ /((?:WARNING|ERROR|FATAL): .*)/g);
}

# What half of them do not exceed; a machine under load may hold up some.
sub median { return (sort { $a <=> $b } @_)[ @_ / 2 ]; }

# It waits, and the relay, which else would linger for a second, hurries.
my $wrong = 0;
my @took;
my $start;
foreach my $i (1 .. 40)
{
	$session->query('SET synchronous_commit = ' . ($i % 2 ? 'off' : 'on'));
	$start = time;
	$session->query("UPDATE hero SET name = 'wait $i' WHERE id = 1");
	push @took, time - $start;
	$wrong++ if hero_in_redis($redis, 1) ne "wait $i";
}
is($wrong, 0, 'after each of 40 commits Redis has the change');
cmp_ok(median(@took), '<', 0.9, 'the linger of a second does not delay them');
is($node->stat('commit_waits'), 40, 'they were counted');
is($node->stat('commit_waits_given_up'), 0, 'none gave up');
$session->query('RESET synchronous_commit');

# ... also when others keep the relay busy, who do not wait
my $script = $node->basedir . '/busy.sql';
append_to_file($script, "\\set id random(2, 50)\nUPDATE hero SET name = 'busy' WHERE id = :id;\n");
my $busy = IPC::Run::start(
	[ 'pgbench', '-n', '-c', 2, '-T', 3, '-f', $script, '-h', $node->host,
		'-p', $node->port, 'postgres' ],
	'>', \my $busy_out, '2>&1');
$wrong = 0;
@took = ();
my $batches_before = $node->safe_psql('postgres', 'SELECT batches FROM rtcache_relay');
foreach my $i (1 .. 50)
{
	$start = time;
	$session->query("UPDATE hero SET name = 'rival $i' WHERE id = 1");
	push @took, time - $start;
	$wrong++ if hero_in_redis($redis, 1) ne "rival $i";
}
cmp_ok(median(@took), '<', 0.9, 'nor do others');
is($wrong, 0, 'and Redis has all of them');
IPC::Run::finish($busy);

$session->query(q{
	BEGIN;
	UPDATE hero SET name = 'outer' WHERE id = 1;
	SAVEPOINT s;
	UPDATE hero SET name = 'inner' WHERE id = 1;
	ROLLBACK TO s;
	COMMIT});
is(hero_in_redis($redis, 1), 'outer', 'savepoints');
$session->query('CALL many(20)');
is(hero_in_redis($redis, 1), 'many 20', 'commits in a procedure');

my $waits = $node->stat('commit_waits');
$session->query('INSERT INTO plain VALUES (1)');
$session->query('BEGIN; UPDATE hero SET name = 1; ROLLBACK');
$session->query('SELECT * FROM hero');
$session->query(q{BEGIN; UPDATE hero SET name = 'local off' WHERE id = 1;
	SET LOCAL rtcache.commit_wait = off; COMMIT});
is($node->stat('commit_waits'), $waits, 'who changed nothing, or does not want to, does not wait');
$session->query(q{SET rtcache.commit_wait = off});
$session->query(q{BEGIN; SET LOCAL rtcache.commit_wait = applied;
	UPDATE hero SET name = 'local on' WHERE id = 1; COMMIT});
is(hero_in_redis($redis, 1), 'local on', 'SET LOCAL');
is($node->stat('commit_waits'), $waits + 1, 'one has waited');

# Prepared transactions
foreach my $i (1 .. 10)
{
	$session->query(qq{BEGIN; UPDATE hero SET name = 'prepared $i' WHERE id = 1;
		PREPARE TRANSACTION 'p'});
	$session->query(q{SET rtcache.commit_wait = applied});
	$session->query(q{COMMIT PREPARED 'p'});
	$wrong++ if hero_in_redis($redis, 1) ne "prepared $i";
}
is($wrong, 0, 'COMMIT PREPARED');
$waits = $node->stat('commit_waits');
$session->query(q{BEGIN; INSERT INTO plain VALUES (1); PREPARE TRANSACTION 'p'});
$session->query(q{COMMIT PREPARED 'p'});
$session->query(q{BEGIN; UPDATE hero SET name = 'undone' WHERE id = 1; PREPARE TRANSACTION 'p'});
$session->query(q{ROLLBACK PREPARED 'p'});
is($node->stat('commit_waits'), $waits, 'not for one that changed nothing, nor for ROLLBACK PREPARED');

# Many waiters: each round trip takes a while.
$node->set_conf('rtcache.command_timeout', '5s');
$node->set_conf('rtcache.batch_delay', 1);
foreach my $rows ('fifty rows', 'one row')
{
	my $script = $node->basedir . "/$rows.sql";
	my $id = $rows eq 'one row' ? 0 : ':client_id';

	append_to_file($script, "UPDATE hero SET name = 'group' WHERE id = $id;\n");
	$fake->clear;
	$fake->rule(match => '^MULTI', action => 'delay', ms => 50);
	my $batches = $node->safe_psql('postgres', 'SELECT batches FROM rtcache_relay');
	$start = time;
	{
		local $ENV{PGOPTIONS} = '-c rtcache.commit_wait=applied -c rtcache.commit_wait_timeout=180s';
		command_ok(
			[ 'pgbench', '-n', '-c', 50, '-j', 2, '-t', 10, '-f', $script,
				'-h', $node->host, '-p', $node->port, 'postgres' ],
			"50 sessions commit 10 times each, $rows");
	}
	$batches = $node->safe_psql('postgres', 'SELECT batches FROM rtcache_relay') - $batches;
	cmp_ok($batches, '<=', 100, sprintf('500 waits took %d batches, %.1f s', $batches, time - $start));
	$fake->clear;
}
is($node->stat('commit_waits_given_up'), 0, 'none gave up');

# Timeout: Redis does not answer.
$session->query(q{SET rtcache.commit_wait_timeout = '300ms'});
$fake->rule(match => '^EXEC', action => 'hang', count => 1);
my ($seconds, @warnings) = run(q{UPDATE hero SET name = 'late' WHERE id = 1});
cmp_ok($seconds, '>=', 0.3, 'a timeout');
cmp_ok($seconds, '<', SOON, 'is kept');
is_deeply(\@warnings,
	['WARNING:  Redis does not have the transaction within "rtcache.commit_wait_timeout"'],
	'and one WARNING tells of it');
is($session->query('SELECT name FROM hero WHERE id = 1'), 'late', 'the change is committed');
$session->query('\set VERBOSITY verbose');
($seconds, @warnings) = run(q{UPDATE hero SET name = 'later' WHERE id = 1});
like($warnings[0], qr/WARNING:  01000: /, 'SQLSTATE 01000');
$session->query('\set VERBOSITY default');
is($node->stat('commit_waits_given_up'), 2, 'they were counted');
$node->set_conf('rtcache.command_timeout', '2s');
$fake->clear;
$fake->cut_all;
ok($node->cache_wait, 'Redis gets it later');
is(hero_in_redis($redis, 1), 'later', 'it does');

# Cancel, statement_timeout, termination: the relay is kept from working.
sub wait_event
{
	return $node->poll_query_until('postgres', qq{
		SELECT wait_event_type = 'Extension' FROM pg_stat_activity
		WHERE pid = $pid AND state = 'active'});
}
$session->query('SET rtcache.commit_wait_timeout = 0');
my $relay = $node->relay_pid;
kill 'STOP', $relay;
$session->{stderr} = '';
$session->query_until(qr//, "UPDATE hero SET name = 'cancel' WHERE id = 1;\n");
ok(wait_event(), 'a commit waits without a limit');
is($node->safe_psql('postgres', 'SELECT name FROM hero WHERE id = 1'), 'cancel',
	'others see it meanwhile');
$node->safe_psql('postgres', q{SET lock_timeout = '30s'; UPDATE hero SET name = 'other' WHERE id = 1;
	BEGIN; LOCK TABLE hero; COMMIT});
is($node->safe_psql('postgres', 'SELECT name FROM hero WHERE id = 1'), 'other',
	'and can write the same row');
$start = time;
$node->safe_psql('postgres', "SELECT pg_cancel_backend($pid)");
is($session->query('SELECT 1'), 1, 'it can be cancelled');
cmp_ok(time - $start, '<', SOON, 'at once');
is_deeply([ $session->{stderr} =~ /((?:WARNING|ERROR|FATAL): .*)/g ],
	['WARNING:  canceling wait for Redis due to user request'], 'with one WARNING');

# A cancel is for one statement, also of those that are sent together.
$session->{stderr} = '';
$session->query_until(qr//, "BEGIN\\; UPDATE hero SET name = 'together' WHERE id = 1\\; COMMIT\\; SELECT 'next';\n");
ok(wait_event(), 'a commit waits, with another statement behind it');
$node->safe_psql('postgres', "SELECT pg_cancel_backend($pid)");
is($session->query('SELECT 1'), "next\n1", 'that is not cancelled');
is_deeply([ $session->{stderr} =~ /((?:WARNING|ERROR|FATAL): .*)/g ],
	['WARNING:  canceling wait for Redis due to user request'], 'there is one WARNING');

# A procedure goes on after its COMMIT, so what cancels it ends it.
$session->query(q{SET statement_timeout = '2s'});
($seconds, @warnings) = run('CALL many(3)');
cmp_ok($seconds, '>=', 2, 'statement_timeout in a procedure that commits');
cmp_ok($seconds, '<', SOON, 'is kept');
is_deeply(\@warnings, ['WARNING:  canceling wait for Redis due to statement timeout',
		'ERROR:  canceling statement due to statement timeout'], 'and ends the procedure');
is($node->safe_psql('postgres', 'SELECT name FROM hero WHERE id = 1'), 'many 1',
	'what it had committed is committed');
($seconds, @warnings) = run('SELECT 1');
is(scalar @warnings, 0, 'the next statement is not cancelled');
$session->query(q{RESET statement_timeout});
$session->{stderr} = '';
$session->query_until(qr//, "CALL many(3);\n");
ok(wait_event(), 'a procedure waits');
$node->safe_psql('postgres', "SELECT pg_cancel_backend($pid)");
is($session->query('SELECT 1'), 1, 'it can be cancelled');
is_deeply([ $session->{stderr} =~ /((?:WARNING|ERROR|FATAL): .*)/g ],
	['WARNING:  canceling wait for Redis due to user request',
		'ERROR:  canceling statement due to user request'], 'as a whole');
$session->{stderr} = '';
$session->query_until(qr//, "UPDATE hero SET name = 'terminate' WHERE id = 1;\n");
ok(wait_event(), 'a commit waits');
$start = time;
is($node->safe_psql('postgres', "SELECT pg_terminate_backend($pid, 30000)"), 't', 'it can be terminated');
cmp_ok(time - $start, '<', SOON, 'at once');
$session->{run}->finish;
like($session->{stderr},
	qr/WARNING:  canceling the wait for Redis and terminating connection/, 'with a WARNING');
is($node->safe_psql('postgres', 'SELECT name FROM hero WHERE id = 1'), 'terminate',
	'the change is committed');
kill 'CONT', $relay;
ok($node->cache_wait, 'the relay goes on');
is(hero_in_redis($redis, 1), 'terminate', 'nothing is lost');

# Redis is gone
$session = $node->background_psql('postgres', on_error_stop => 0);
$session->query(q{SET rtcache.commit_wait = applied; SET rtcache.commit_wait_timeout = '5s'});
$redis->kill9;
$node->wait_state('connecting');
my @seconds;
my $nwarnings = 0;
foreach my $i (1 .. 20)
{
	my ($seconds, @warnings) = run("UPDATE hero SET name = 'gone $i' WHERE id = 1");

	push @seconds, $seconds;
	$nwarnings += @warnings;
}
is($nwarnings, 20, 'Redis is gone: a WARNING each');
my $sum = 0;
$sum += $_ foreach @seconds;
cmp_ok($sum, '<', 50, sprintf('20 commits together wait about one timeout (%.2f s)', $sum));
cmp_ok(median(@seconds[10 .. 19]), '<', 4, 'the last ones do not wait');
$session->query('SET rtcache.commit_wait_timeout = 0');
$pid = $session->query('SELECT pg_backend_pid()');
$session->query_until(qr//, "UPDATE hero SET name = 'patient' WHERE id = 1;\n");
ok(wait_event(), 'without a limit it waits');
$start = time;
is($node->psql('postgres', 'DROP DATABASE other', timeout => 180, timed_out => \my $timed_out), 0,
	'DROP DATABASE of another database');
cmp_ok(time - $start, '<', SOON, 'does not wait for it');
$redis->start;
$node->reload;
is($session->query('SELECT 1'), 1, 'until Redis is back');
is(hero_in_redis($redis, 1), 'nothing', 'which was cleared');

# COMMIT PREPARED of a transaction from before a restart
$session->query(q{BEGIN; UPDATE hero SET name = 'survivor' WHERE id = 1; PREPARE TRANSACTION 'p'});
$session->quit;
$node->restart;
ok($node->poll_query_until('postgres', q{SELECT state IN ('streaming', 'draining') FROM rtcache_relay}));
$node->safe_psql('postgres', q{SET rtcache.commit_wait = applied; SET rtcache.commit_wait_timeout = '180s';
	COMMIT PREPARED 'p'});
is(hero_in_redis($redis, 1), 'survivor', 'COMMIT PREPARED after a restart');
ok($node->wait_streaming, 'the relay streams');

# Switched off while one waits, and then
$session = $node->background_psql('postgres', on_error_stop => 0);
$session->query('SET rtcache.commit_wait = applied; SET rtcache.commit_wait_timeout = 0');
$redis->sigstop;
$session->query_until(qr//, "UPDATE hero SET name = 'off' WHERE id = 1;\n");
$node->set_conf('rtcache.redis_url', '');
is($session->query('SELECT 1'), 1, 'Redis switched off: the wait ends');
($seconds, @warnings) = run(q{UPDATE hero SET name = 'none' WHERE id = 1});
cmp_ok($seconds, '<', SOON, 'nobody waits without a Redis');
is(scalar @warnings, 0, 'nor is warned');
$redis->sigcont;
$session->quit;

ok($node->no_crash, 'no process has crashed');
$node->stop;
done_testing();
