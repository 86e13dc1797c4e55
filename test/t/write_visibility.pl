# A commit reaches Redis when it is visible, not earlier, and lookups are exact
# before, during and after:
#
#	- commits that wait for a synchronous standby, whoever waits
#	- commits that the relay has not applied yet
#	- asynchronous commits
#	- prepared transactions, also across a restart, after which nobody knows
#	  what they wrote: the gate is closed until they are over

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

use RtcCoherence;
use RtcNode;
use RtcRedis;

my $redis = RtcRedis->new('main');
$redis->start;
my $node = RtcNode->new('main', redis => $redis);
$node->start;
create_heroes($node);
ok($node->wait_streaming, 'the relay streams');
$node->safe_psql('postgres',
	q{INSERT INTO hero SELECT i, 'old' FROM generate_series(1, 100) i});
same_as_table($node, $redis, 'Redis has the rows');
my $session = $node->background_psql('postgres');
$session->set_query_timer_restart;
is(reads($node, 1, $session), 'old', 'a session reads from Redis');

# Begins a commit that waits for a standby that does not exist, and returns
# when the relay has read it.
sub commit_and_wait
{
	my ($id) = @_;
	my $lsn = $node->safe_psql('postgres', 'SELECT pg_current_wal_insert_lsn()');
	my $writer = $node->background_psql('postgres', on_error_stop => 0);

	$writer->query_until(qr/begin/, qq{
		\\echo begin
		UPDATE hero SET name = 'new' WHERE id = $id;
	});
	ok( $node->poll_query_until('postgres',
			q{SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event = 'SyncRep'}),
		'a commit waits for a standby');
	ok( $node->poll_query_until('postgres',
			"SELECT read_lsn > '$lsn' FROM rtcache_relay"),
		'the relay has read it');
	return $writer;
}

# synchronous replication
$node->set_conf('synchronous_standby_names', 'nobody');
ok( $node->poll_query_until('postgres',
		q{SELECT setting = 'nobody' FROM pg_settings WHERE name = 'synchronous_standby_names'}));
my $writer = commit_and_wait(1);
foreach my $n (1 .. 5)
{
	is(reads($node, 1, $session), 'old', "a lookup does not see it ($n)");
	is(hero_in_redis($redis, 1), 'old', "nor does Redis ($n)");
}
is(reads($node, 1), 'old', 'nor does a new session');
cmp_ok($node->stat('bypass_pending'), '>=', 6, 'the lookups found it pending');
$node->safe_psql('postgres',
	q{SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'});
ok( $node->poll_query_until('postgres', q{SELECT name = 'new' FROM hero WHERE id = 1}),
	'it becomes visible');
is(reads($node, 1, $session), 'new', 'a lookup sees it');
ok($redis->wait_for('{"id":1,"name":"new"}', 'GET', 'postgres:hero:1'), 'so does Redis');
is(reads($node, 1, $session), 'new', 'a lookup still sees it');
$writer->quit;

# Whoever waits, and whoever is through in between.  One of them comes first in
# the server's array of processes.
my @writers = map { $node->background_psql('postgres', on_error_stop => 0) } 1 .. 3;
foreach my $id (31 .. 33)
{
	my $lsn = $node->safe_psql('postgres', 'SELECT pg_current_wal_insert_lsn()');

	$writer = shift @writers;
	$writer->query_until(qr/begin/, qq{
		\\echo begin
		UPDATE hero SET name = 'new' WHERE id = $id;
	});
	ok( $node->poll_query_until('postgres',
			q{SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event = 'SyncRep'}),
		"a commit waits for a standby ($id)");
	$node->safe_psql('postgres', q{
		SET synchronous_commit = local;
		CREATE TABLE later ();
		DROP TABLE later;
	});
	ok( $node->poll_query_until('postgres',
			"SELECT read_lsn > '$lsn' FROM rtcache_relay"),
		'the relay has read it');
	# it looks again every 50 ms, while nobody is connected but them
	usleep(300_000);
	is(hero_in_redis($redis, $id), 'old', 'Redis does not see it, though a later one is over');
	$node->safe_psql('postgres',
		q{SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'});
	ok($redis->wait_for(qq({"id":$id,"name":"new"}), 'GET', "postgres:hero:$id"),
		'it does when it is visible');
	push @writers, $writer;
}
$_->quit foreach @writers;

# A crash makes it visible as well.
$writer = commit_and_wait(2);
is(hero_in_redis($redis, 2), 'old', 'Redis does not see another one');
$node->stop('immediate');
eval { $writer->quit };
eval { $session->quit };
$node->append_conf('postgresql.conf', "synchronous_standby_names = ''");
$node->start;
is(reads($node, 2), 'new', 'a crash makes it visible');
ok($node->wait_streaming, 'the relay streams again');
same_as_table($node, $redis, 'Redis has it');

# a relay that lags
$session = $node->background_psql('postgres');
is(reads($node, 3, $session), 'old', 'a session reads from Redis');
my $relay = $node->relay_pid;
kill 'STOP', $relay;
$node->safe_psql('postgres', q{UPDATE hero SET name = 'new' WHERE id = 3});
is(hero_in_redis($redis, 3), 'old', 'Redis lags');
is(reads($node, 3, $session), 'new', 'a lookup does not');
is(reads($node, 3), 'new', 'in a new session as well');
kill 'CONT', $relay;
same_as_table($node, $redis, 'Redis has it');

# asynchronous commits; nobody else writes WAL to have them flushed
$node->safe_psql('postgres', q{
	SET synchronous_commit = off;
	UPDATE hero SET name = 'new' WHERE id = 4;
});
is(reads($node, 4), 'new', 'a lookup sees an asynchronous commit');
ok($redis->wait_for('{"id":4,"name":"new"}', 'GET', 'postgres:hero:4'), 'so does Redis, later');

# prepared transactions
sub prepare
{
	my (@ids) = @_;

	$node->safe_psql('postgres', qq{
		BEGIN;
		UPDATE hero SET name = 'new' WHERE id = $_;
		PREPARE TRANSACTION 'p$_';
	}) foreach @ids;
	return;
}

prepare(5, 6);
is(reads($node, 5, $session), 'old', 'a prepared transaction is not seen');
kill 'STOP', $relay;
$node->safe_psql('postgres', q{COMMIT PREPARED 'p5'});
is(hero_in_redis($redis, 5), 'old', 'Redis lags behind COMMIT PREPARED');
is(reads($node, 5, $session), 'new', 'a lookup does not');
kill 'CONT', $relay;
$node->safe_psql('postgres', q{ROLLBACK PREPARED 'p6'});
same_as_table($node, $redis, 'Redis has what was committed');
is(reads($node, 6, $session), 'old', 'a lookup does not see what was rolled back');
my $hits = $node->stat('l2_hits');
ok( $node->poll_query_until('postgres', qq{
		SELECT cache_get('hero:6', 'SELECT * FROM hero WHERE id = 6') IS NOT NULL AND
			(SELECT l2_hits FROM rtcache_stats) > $hits}),
	'Redis is used for it again');

# across a restart
foreach my $how ('fast', 'immediate')
{
	my @id = $how eq 'fast' ? (7, 8) : (9, 10);

	prepare(@id);
	$session->quit;
	$node->stop($how);
	$node->start;
	ok($node->wait_streaming, "the relay streams after a restart ($how)");
	$session = $node->background_psql('postgres');
	is($node->safe_psql('postgres', q{SELECT ok FROM cache_health() WHERE name = 'gate'}),
		'f', 'but the gate is closed');
	is(reads($node, $id[0], $session), 'old', 'a lookup does not see what is prepared');
	cmp_ok($node->stat('bypass_not_ready'), '>', 0, 'and does not ask Redis');
	$node->safe_psql('postgres', qq{UPDATE hero SET name = '$how' WHERE id = 20});
	ok($redis->wait_for(qq({"id":20,"name":"$how"}), 'GET', 'postgres:hero:20'),
		'other commits arrive');
	is(hero_in_redis($redis, $id[0]), 'old', 'Redis does not see what is prepared');

	$relay = $node->relay_pid;
	kill 'STOP', $relay;
	$node->safe_psql('postgres', qq{COMMIT PREPARED 'p$id[0]'});
	is(hero_in_redis($redis, $id[0]), 'old', 'Redis lags behind COMMIT PREPARED');
	is(reads($node, $id[0], $session), 'new', 'a lookup does not');
	kill 'CONT', $relay;
	ok($redis->wait_for(qq({"id":$id[0],"name":"new"}), 'GET', "postgres:hero:$id[0]"),
		'COMMIT PREPARED arrives');
	is($node->safe_psql('postgres', q{SELECT ok FROM cache_health() WHERE name = 'gate'}),
		'f', 'the gate is closed as long as one is left');
	is($node->stat('l2_hits'), 0, 'nothing was read from Redis');
	$node->safe_psql('postgres', qq{ROLLBACK PREPARED 'p$id[1]'});
	ok( $node->poll_query_until('postgres',
			q{SELECT ok FROM cache_health() WHERE name = 'gate'}),
		'then it opens');
	is(reads($node, $id[0], $session), 'new', 'a lookup is exact');
	is(reads($node, $id[1], $session), 'old', 'for what was rolled back, too');
	cmp_ok($node->stat('l2_hits'), '>', 0, 'and asks Redis');
	same_as_table($node, $redis, 'Redis has what was committed');
}

$session->quit;
ok($node->no_crash, 'no process has crashed');
$node->stop;
$redis->stop;
done_testing();
