# Crashes on the side of PostgreSQL:
#
#	- a backend is killed between trigger and commit: its ops never arrive
#	- a batch of which Redis executed a part is applied again by the next relay
#	- the relay is killed with ops pending: nothing is lost, order is kept
#	- the relay is ended by SIGTERM: it comes back and goes on
#	- the server is killed, or stopped at once, with ops pending: so as well
#	- the server is restarted while Redis is down

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use RtcCoherence;
use RtcFakeRedis;
use RtcNode;
use RtcRedis;

my $redis = RtcRedis->new('main');
$redis->start;
my $fake = RtcFakeRedis->new('faulty', $redis);
my $node = RtcNode->new('main', redis => $fake);
$node->start;
create_heroes($node);
ok($node->wait_streaming, 'the relay streams');
$node->safe_psql('postgres',
	q{INSERT INTO hero SELECT i, 'start' FROM generate_series(1, 100) i});
same_as_table($node, $redis, 'Redis has the rows');

# a backend
my $relay = $node->relay_pid;
my $session = $node->background_psql('postgres');
$session->query_safe(q{
	SET rtcache.xact_buffer = '64kB';
	BEGIN;
	UPDATE hero SET name = 'lost' WHERE id <= 10;
	SAVEPOINT s;
	INSERT INTO hero SELECT i, 'lost' FROM generate_series(1001, 5000) i;
	RELEASE s;
});
cmp_ok($node->stat('messages'), '>', 1, 'some of its ops are in WAL');
my $pid = $session->query_safe('SELECT pg_backend_pid()');
kill 'KILL', $pid;
ok($node->wait_other_relay($relay), 'the server restarts after a backend was killed');
eval { $session->quit };
$node->safe_psql('postgres', q{UPDATE hero SET name = 'after' WHERE id = 11});
ok($node->wait_streaming, 'the relay streams again');
same_as_table($node, $redis, 'no op of the killed backend has arrived, all others have');
is(reads($node, 1), 'start', 'a lookup is exact');

# a batch that Redis executed in part, and a relay that did not live to see it
$node->safe_psql('postgres', q{
	ALTER SYSTEM SET rtcache.command_timeout = '30s';
	SELECT pg_reload_conf();
	UPDATE hero SET name = 'reload seen' WHERE id = 100;
});
ok($redis->wait_for('{"id":100,"name":"reload seen"}', 'GET', 'postgres:hero:100'));
$fake->rule(match => '^SET postgres:hero:12 ', action => 'exec_error',
	text => 'OOM command not allowed', count => 1);
$fake->rule(match => '^EXEC', action => 'hang', count => 1);
$node->safe_psql('postgres', q{UPDATE hero SET name = 'in part' WHERE id = 12});
ok($fake->wait_hits(2), 'Redis executes a batch but for one command');
ok($node->kill_relay, 'the relay is killed before it knows');
$fake->clear;
$node->safe_psql('postgres', q{
	ALTER SYSTEM RESET rtcache.command_timeout;
	SELECT pg_reload_conf();
});
ok($node->wait_streaming, 'the relay streams again');
same_as_table($node, $redis, 'the batch has been applied again');

# Several commits on the same keys, whose order matters.
my $writes = q{
	UPDATE hero SET name = 'first' WHERE id BETWEEN 20 AND 29;
	UPDATE hero SET name = 'second' WHERE id BETWEEN 20 AND 29;
	DELETE FROM hero WHERE id BETWEEN 30 AND 39;
	INSERT INTO hero VALUES (30, 'back');
	UPDATE hero SET id = id + 1000 WHERE id BETWEEN 40 AND 49;
	UPDATE hero SET id = id - 1000 WHERE id BETWEEN 1045 AND 1049;
	INSERT INTO hero VALUES (200, 'new'), (201, 'new');
	DELETE FROM hero WHERE id = 201;
	UPDATE hero SET name = 'third' WHERE id = 20;
};
my $restore = q{
	DELETE FROM hero;
	INSERT INTO hero SELECT i, 'start' FROM generate_series(1, 100) i;
};

# One statement, one commit; while Redis hangs or is down.
sub write_unseen
{
	$node->safe_psql('postgres', $_) foreach grep { /\S/ } split /;/, $writes;
	return;
}

# the relay, while Redis hangs
pass_mark($node);
$redis->sigstop;
write_unseen();
ok($node->kill_relay, 'the relay is killed with ops pending');
is(reads($node, 20), 'third', 'a lookup is exact while Redis hangs');
$redis->sigcont;
ok($node->wait_streaming, 'the relay streams again');
same_as_table($node, $redis, 'all is applied, in order');

# the relay alone, by SIGTERM
$node->safe_psql('postgres', $restore);
ok($node->cache_wait);
$session = $node->background_psql('postgres');
$relay = $node->relay_pid;
$redis->sigstop;
kill 'TERM', $relay;
ok( $node->poll_query_until('postgres',
		"SELECT pid IS DISTINCT FROM $relay FROM rtcache_relay"),
	'the relay ends');
write_unseen();
is(reads($node, 20), 'third', 'a lookup is exact without a relay');
is(reads($node, 20, $session), 'third', 'in a session from before as well');
$redis->sigcont;
is(reads($node, 20, $session), 'third', 'when Redis goes on as well');
ok($node->wait_other_relay($relay), 'another relay starts by itself');
ok($node->wait_streaming, 'and streams');
same_as_table($node, $redis, 'all is applied, in order');
is($session->query_safe('SELECT 1'), 1, 'the server did not restart for that');
$session->quit;

# the server, and Redis is down as well: what it had is kept
foreach my $how ('killed', 'stopped at once', 'stopped fast')
{
	pass_mark($node);
	$node->safe_psql('postgres', $restore);
	same_as_table($node, $redis, 'Redis has the rows');
	$redis->save_rdb('before.rdb');
	$redis->kill9;
	write_unseen();
	if ($how eq 'killed') { $node->kill9; }
	else { $node->stop($how eq 'stopped fast' ? 'fast' : 'immediate'); }
	my $offset = -s $node->logfile;
	ok(start_again($node), "the server starts after it was $how");
	is(reads($node, 20), 'third', 'a lookup is exact');
	$redis->restore_rdb('before.rdb');
	$redis->start;
	$node->reload;
	ok($node->wait_streaming, 'the relay streams again');
	same_as_table($node, $redis, 'all is applied, in order');
	unlike(substr(slurp_file($node->logfile), $offset),
		qr/clearing the cache/, 'Redis was not cleared for that');
}

$node->stop;
$redis->stop;
done_testing();
