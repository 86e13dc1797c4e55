# Redis lags behind the database, and lookups do without it until it does not.
#
#	- a commit is applied when it is flushed, not when it is written
#	- after a crash the relay applies what Redis has not got, in several batches:
#	  lookups wait for the last one
#	- transactions that were prepared before a crash have no stamps: when they are
#	  over, Redis gets what they wrote, and only then it is asked
#	- a clear comes in the middle of a transaction, part of which is in WAL before
#	  it: of what the rest says nothing is stored
#	- an older Redis comes back, with answers that a writer has just found nobody to
#	  have; he looks again

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

use RtcCoherence;
use RtcInject;
use RtcNode;
use RtcRedis;

plan skip_all => RtcInject::SKIP unless RtcInject::possible();
RtcInject::use_build();

my $redis = RtcRedis->new('main');
$redis->start;
my $node = RtcNode->new('main', redis => $redis, conf => <<'CONF');
autovacuum = off
bgwriter_lru_maxpages = 0
checkpoint_timeout = 1h
wal_buffers = 32kB
rtcache.batch_size = 10
CONF
my $inject = RtcInject->new($node);
$node->start;
create_heroes($node);
$node->safe_psql('postgres', q{
	CREATE TABLE filler (t text);
	INSERT INTO hero SELECT i, 'old' FROM generate_series(1, 300) i});
ok($node->wait_streaming, 'the relay streams');
same_as_table($node, $redis, 'Redis has the rows');

# Lookups come to Redis, and find it good.
sub used
{
	my ($id) = @_;
	my $hits = $node->stat('l2_hits');

	return $node->poll_query_until('postgres', qq{
		SELECT cache_get('hero:$id', 'SELECT * FROM hero WHERE id = $id') IS NOT NULL AND
			(SELECT l2_hits FROM rtcache_stats) > $hits});
}

# Written, but not flushed: WAL has gone out to make room in its buffers.
my $walwriter = $node->safe_psql('postgres', q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'walwriter'});
my $session = $node->background_psql('postgres');
ok(used(1), 'lookups use Redis');
$node->safe_psql('postgres', 'SELECT pg_switch_wal()');
kill 'STOP', $walwriter;
my $lsn = $session->query_safe(q{
	SET synchronous_commit = off;
	UPDATE hero SET name = 'new' WHERE id = 1;
	SELECT pg_current_wal_insert_lsn()});
$session->query_safe(q{INSERT INTO filler SELECT repeat('x', 1000) FROM generate_series(1, 1000)});
my $unflushed = qq{SELECT pg_current_wal_lsn() > '$lsn' AND pg_current_wal_flush_lsn() < '$lsn'};
is($session->query_safe($unflushed), 't', 'a commit is written and not flushed');
usleep(500_000);
is(hero_in_redis($redis, 1), 'old', 'Redis has not got it');
is(reads($node, 1, $session), 'new', 'a lookup sees it');
is($session->query_safe($unflushed), 't', 'it is still not flushed');
kill 'CONT', $walwriter;
ok($redis->wait_for('{"id":1,"name":"new"}', 'GET', 'postgres:hero:1'), 'Redis has it when it is');
$session->quit;

# Two commits that Redis has not got, and a crash.  The first of them is applied
# along with the beginning of the second.
ok(pass_mark($node), 'the position moves on');
kill 'STOP', my $relay = $node->relay_pid;
$node->safe_psql('postgres', $_)
  foreach (q{UPDATE hero SET name = 'new' WHERE id BETWEEN 11 AND 15}, q{UPDATE hero SET name = 'new' WHERE id BETWEEN 16 AND 60});
$node->stop('immediate');
kill 'CONT', $relay;
$inject->arm('op_batched', 'wait', 'relay');
$node->start;
ok($inject->wait_hit('op_batched'), 'after a crash the relay reads again what was committed');
for (1 .. 30)
{
	last if hero_in_redis($redis, 16) eq 'new';
	$inject->again('op_batched', 'wait', 'relay');
	$inject->wait_hit('op_batched');
}
is(hero_in_redis($redis, 15) . hero_in_redis($redis, 16), 'newnew', 'it has applied the first commit, and some of the second');
is(hero_in_redis($redis, 60), 'old', 'and goes on');
is(reads($node, 60), 'new', 'a lookup sees all of it');
$inject->release('op_batched');
ok($node->wait_streaming, 'the relay has caught up');
same_as_table($node, $redis, 'Redis has all');
ok(used(60), 'and is used');

# Prepared before a crash, committed when the relay sleeps.
ok(pass_mark($node), 'the position moves on');
$node->safe_psql('postgres', q{BEGIN; UPDATE hero SET name = 'prepared' WHERE id = 80; PREPARE TRANSACTION 'p'});
$node->stop('immediate');
$node->start;
ok($node->wait_streaming, 'the relay streams after another crash');
same_as_table($node, $redis, 'Redis has all');
is($node->safe_psql('postgres', q{SELECT ok FROM cache_health() WHERE name = 'gate'}), 'f', 'the gate is closed');
kill 'STOP', $relay = $node->relay_pid;
$inject->arm('commit_read', 'wait', 'relay');
$node->safe_psql('postgres', q{COMMIT PREPARED 'p'});
kill 'CONT', $relay;
ok($inject->wait_hit('commit_read'), 'what was prepared is committed');
is(hero_in_redis($redis, 80), 'old', 'and not applied');
is($node->safe_psql('postgres', q{SELECT ok FROM cache_health() WHERE name = 'gate'}), 't', 'the gate is open');
is(reads($node, 80), 'prepared', 'a lookup sees it');
$inject->release('commit_read');
same_as_table($node, $redis, 'Redis has it when the relay goes on');
ok(used(80), 'and is used');

# A clear in the middle of a transaction.  It has set a key twice; what the
# subtransaction has set, which counts, is in WAL before the clear, and what was
# set before that comes behind.
my $writer = $node->background_psql('postgres');
$writer->query_safe(q{
	BEGIN;
	SET LOCAL rtcache.xact_buffer = 64;
	UPDATE hero SET name = 'outer' WHERE id = 90;
	SAVEPOINT part;
	UPDATE hero SET name = 'inner' WHERE id = 90;
	UPDATE hero SET name = repeat('x', 1000) WHERE id BETWEEN 101 AND 200});
my $clears = $node->stat('clears');
$redis->cli('DEL', $_) foreach @{ $redis->query('KEYS', 'rtcache:position:*') };
$node->safe_psql('postgres', q{UPDATE hero SET name = 'other' WHERE id = 70});
ok($node->poll_query_until('postgres', "SELECT clears > $clears FROM rtcache_stats"), 'Redis is cleared');
ok($node->cache_wait, 'a commit is applied');
is($node->safe_psql('postgres', 'SELECT state FROM rtcache_relay'), 'draining', 'while a transaction is older');
is(hero_in_redis($redis, 70), 'nothing', 'nothing is stored');
is(reads($node, 70), 'other', 'a lookup is exact');
is(hero_in_redis($redis, 70), 'nothing', 'and stores nothing');
$writer->query_safe('COMMIT');
ok($node->wait_streaming, 'when the transaction is over, the relay streams');
isnt(hero_in_redis($redis, 90), 'outer', 'Redis has not got what it had overwritten itself');
is(reads($node, 90), 'inner', "a lookup is exact ($_)") foreach 1, 2;
same_as_table($node, $redis, 'nothing is stale', partial => 1);
$node->safe_psql('postgres', q{UPDATE hero SET name = 'last' WHERE id = 70});
ok($node->cache_wait);
is(hero_in_redis($redis, 70), 'last', 'what is written now is stored');
$writer->quit;

# Nobody is interested, as far as is known: the server has been restarted, and
# Redis was empty.
$node->safe_psql('postgres', q{
	CREATE TABLE saga (id int PRIMARY KEY, name text);
	SELECT cache_attach('saga');
	INSERT INTO saga VALUES (1, 'old')});
my $saga = q{SELECT cache_get('saga:1', 'SELECT name FROM saga WHERE id = 1')->>'name'};
ok($node->poll_query_until('postgres', "$saga; SELECT cache_exists('saga:1')", "old\nt"),
	'Redis has an answer that hangs on a tag set');
$redis->save_rdb('old.rdb');
$redis->cli('FLUSHALL');
ok($node->poll_query_until('postgres',
		q{SELECT cache_get('empty', 'SELECT 1 AS n') IS NOT NULL AND cache_exists('empty')}),
	'Redis has been emptied, and is used again');
$inject->arm('interest_known', 'sleep', 'relay');
$node->restart;
ok($inject->wait_hit('interest_known'), 'after a restart the relay has found no tag sets');
ok($node->wait_streaming);
$writer = $node->background_psql('postgres');
$inject->arm('mark_begins', 'wait', 'backend');
$writer->query_until(qr/begin/, "\\echo begin\nUPDATE saga SET name = 'new' WHERE id = 1;\n");
ok($inject->wait_hit('mark_begins'), 'a writer has found that nobody is interested');
$inject->arm('interest_known', 'sleep', 'relay');
$redis->kill9;
$redis->restore_rdb('old.rdb');
$redis->start;
ok($inject->wait_hit('interest_known'), 'an older Redis is back, and the relay has found what is in it');
ok($node->wait_streaming);
$inject->release('mark_begins');
$writer->quit;
ok($node->cache_wait);
is($node->safe_psql('postgres', $saga), 'new', "a lookup is exact ($_)") foreach 1, 2;

ok($node->no_crash, 'no process has crashed');
$node->stop;
$redis->stop;
done_testing();
