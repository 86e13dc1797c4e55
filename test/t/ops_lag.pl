# rtcache_relay.lag_ms is the age of the oldest commit that is not applied, 0 if
# there is none: also while Redis is down, and when the relay or the server was
# restarted since, by a crash, too; also of a transaction that wrote its ops early, or
# was prepared, before Redis went; but not of commits that have nothing for Redis.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use RtcCoherence;
use RtcNode;
use RtcRedis;

my $redis = RtcRedis->new('main');
$redis->start;
my $node = RtcNode->new('main', redis => $redis, conf => "autovacuum = off\ncheckpoint_timeout = 1h");
$node->start;
create_heroes($node);
$node->safe_psql('postgres', 'CREATE TABLE plain (id int)');
ok($node->wait_streaming, 'the relay streams');

# Commits, and returns between which two times (ms) it did.
sub commit_between
{
	my ($sql) = @_;
	my $now = 'SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint';
	my @lines = split /\n/, $node->safe_psql('postgres', "$now; $sql; $now");

	return ($lines[0], $lines[-1]);
}

# Is the lag, as soon as there is one, the age of that commit?
sub is_age_of
{
	my ($what, $first, $last) = @_;
	my $slack = 20;

	ok($node->poll_query_until('postgres', 'SELECT lag_ms > 0 FROM rtcache_relay'), "$what: it lags");
	my ($t0, $lag, $t1) = split /\|/, $node->safe_psql('postgres', q{
		SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint,
			(SELECT lag_ms FROM rtcache_relay),
			(extract(epoch FROM clock_timestamp()) * 1000)::bigint});
	ok($t0 - $last - $slack <= $lag && $lag <= $t1 - $first + $slack, "$what: by the age of that commit")
	  or diag("$lag is not within " . ($t0 - $last) . ' and ' . ($t1 - $first));
	return;
}

# Waits until the relay has read all WAL and found nothing.
sub still_zero
{
	my ($what) = @_;
	my @worst = (0);

	# the relay looks at each of these
	for (1 .. 5)
	{
		$node->safe_psql('postgres', 'INSERT INTO plain VALUES (1)');
		push @worst, $node->safe_psql('postgres', 'SELECT lag_ms FROM rtcache_relay');
	}
	is((sort { $a <=> $b } @worst)[-1], 0, $what);
	return;
}

sub lag { return $node->safe_psql('postgres', 'SELECT lag_ms FROM rtcache_relay'); }

sub redis_away
{
	$redis->stop;
	ok($node->wait_state('connecting'), 'Redis is away');
	return;
}

sub redis_back
{
	my ($state) = @_;

	$redis->start;
	ok($node->wait_state($state || 'streaming'), 'Redis is back');
	ok($node->cache_wait);
	is(lag(), 0, 'nothing lags');
	return;
}

# The relay alone is started anew, after some seconds.
sub restart_relay
{
	my $pid = $node->relay_pid;

	kill 'TERM', $pid;
	ok($node->wait_other_relay($pid), 'another relay');
	return;
}

$node->safe_psql('postgres', q{INSERT INTO hero VALUES (1, 'start')});
ok($node->cache_wait);
is(lag(), 0, 'when all is applied it is 0');

# Redis is down
redis_away();
still_zero('commits without anything for Redis do not count');
my @first = commit_between(q{UPDATE hero SET name = 'first'});
is_age_of('Redis is down', @first);
$node->safe_psql('postgres', q{UPDATE hero SET name = 'second'});
is_age_of('and another commit', @first);
restart_relay();
is_age_of('after a restart of the relay', @first);
$node->restart;
is_age_of('after a restart of the server', @first);
$node->stop('immediate');
$node->start;
is_age_of('after a crash', @first);
redis_back();

# the relay is restarted before there is anything
redis_away();
restart_relay();
still_zero('after a restart of the relay nothing counts that is applied');
is_age_of('then a commit does', commit_between(q{UPDATE hero SET name = 'third'}));
redis_back();
redis_away();
$node->restart;
still_zero('nor after a restart of the server');
is_age_of('then a commit does', commit_between(q{UPDATE hero SET name = 'fourth'}));
redis_back();

# ops from before, a commit from afterwards
my $session = $node->background_psql('postgres');
$session->query_safe(q{SET rtcache.xact_buffer = '64kB'; BEGIN;
	INSERT INTO hero SELECT i, repeat('x', 1000) FROM generate_series(100, 300) i});
$node->safe_psql('postgres', q{BEGIN; INSERT INTO hero VALUES (2, 'prepared'); PREPARE TRANSACTION 'p';
	UPDATE hero SET name = 'fifth' WHERE id = 1});
ok($node->cache_wait);
redis_away();
still_zero('open transactions do not count');
my @early = commit_between('SELECT 1');
$session->query_safe('COMMIT');
$early[1] = (commit_between('SELECT 1'))[1];
$session->quit;
is_age_of('a transaction that has written early', @early);
redis_back('draining');
redis_away();
$node->restart;
still_zero('after a restart, a prepared transaction does not count');
is_age_of('its commit does', commit_between(q{COMMIT PREPARED 'p'}));
redis_back();
ok($node->no_crash, 'no process has crashed');

# Redis hangs: a batch is on its way
$redis->sigstop;
is_age_of('Redis hangs', commit_between(q{UPDATE hero SET name = 'sixth' WHERE id = 1}));
$redis->sigcont;
ok($node->wait_streaming, 'Redis goes on');
ok($node->cache_wait);
is(lag(), 0, 'nothing lags');
same_as_table($node, $redis, 'nothing is stale', partial => 1);
$node->stop;
done_testing();
