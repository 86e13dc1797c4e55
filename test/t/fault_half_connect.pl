# A connect that breaks after the relay has seen that this is another Redis, an older
# one, hides that from the next connect neither for a clear that is not over nor
# for a database whose keys are still being deleted.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use RtcFakeRedis;
use RtcNode;
use RtcRedis;

# A server in front of whose Redis single commands can be made to fail.
sub set_up
{
	my ($name, @dbnames) = @_;
	my $redis = RtcRedis->new($name);
	my ($fake, $node);

	$redis->start;
	$fake = RtcFakeRedis->new($name, $redis);
	$node = RtcNode->new($name, conf => <<"CONF");
autovacuum = off
rtcache.l1_size = 0
rtcache.redis_url = '${\$fake->url}'
CONF
	$node->start;
	foreach my $dbname (@dbnames)
	{
		$node->safe_psql('postgres', "CREATE DATABASE $dbname") if $dbname ne 'postgres';
		$node->safe_psql($dbname, q{
			CREATE EXTENSION IF NOT EXISTS rtcache;
			CREATE TABLE hero (id int PRIMARY KEY, name text);
			SELECT cache_attach('hero', 'hero:{id}', ttl => '1 hour');
		});
		ok($node->wait_open($dbname), "$name: Redis is used for $dbname");
		$node->safe_psql($dbname, q{INSERT INTO hero SELECT i, 'old' FROM generate_series(1, 20) i});
		ok($node->cache_wait($dbname), "$name: Redis has the rows of $dbname");
	}
	return ($redis, $fake, $node);
}

# Redis comes back as it was in a snapshot, and the first connect breaks.
sub come_back
{
	my ($redis, $fake, $snapshot) = @_;

	$redis->stop;
	$fake->clear;
	$fake->rule(match => '^INFO memory', action => 'close', count => 1);
	$redis->restore_rdb($snapshot);
	$redis->start;
	ok($fake->wait_hits(1), 'the first connect breaks');
	$fake->clear;
	return;
}

my ($redis, $fake, $node) = set_up('clear', 'postgres');
my $cached = q{SELECT cache_get('hero:1', 'SELECT * FROM hero WHERE id = 1') ->> 'name'};

# What is in Redis cannot be repaired: the key that seals messages is another one.
$redis->save_rdb('old.rdb');
$redis->stop;
$node->safe_psql('postgres', q{UPDATE hero SET name = 'new'});
$node->stop;
unlink $node->data_dir . '/rtcache.key' or die "could not remove the key: $!";
$node->start;
my $writer = $node->background_psql('postgres');
$writer->query_safe('BEGIN; SELECT txid_current();');
$fake->rule(match => '^SCAN', action => 'hang', count => 1);
$redis->restore_rdb('old.rdb');
$redis->start;
ok($fake->wait_hits(1), 'a clear has claimed the position');
$redis->save_rdb('claimed.rdb');
ok($node->wait_state('draining'), 'it has deleted, and waits for a transaction');
is($redis->cli('EXISTS', 'postgres:hero:1'), '0', 'the old value is gone');

come_back($redis, $fake, 'claimed.rdb');
ok($node->wait_state('draining'), 'the relay waits for the transaction again');
$writer->query_safe('COMMIT;');
$writer->quit;
ok($node->wait_streaming, 'the relay streams');
ok($node->cache_wait, 'Redis has everything');
is($node->safe_psql('postgres', $cached), 'new', 'the older Redis was cleared, too');
ok($node->no_crash, 'no process has crashed');
$node->stop;

($redis, $fake, $node) = set_up('job', 'postgres', 'other');
$redis->cli('EVAL', q{for i = 1, 100000 do redis.call('SET', 'foreign:' .. i, '') end}, 0);
$fake->rule(match => '^SCAN', action => 'delay', ms => 100);
$node->safe_psql('other', q{
	ALTER TABLE hero DISABLE TRIGGER USER;
	UPDATE hero SET name = 'new';
	SELECT cache_clear()});
ok($node->poll_query_until('postgres',
		q{SELECT count(*) = 1 FROM rtcache_progress WHERE datname = 'other' AND phase = 'clear'}),
	'a clear of one database goes on');
$node->safe_psql('postgres', q{UPDATE hero SET name = 'x' WHERE id = 2});
ok($node->cache_wait, 'the position moves past it');
is($redis->cli('EXISTS', 'other:hero:1'), 1, 'an old value is still there');
$redis->save_rdb('now.rdb');

come_back($redis, $fake, 'now.rdb');
ok($node->wait_streaming, 'the relay streams');
ok($node->wait_open('other'), 'the database is opened');
is($node->safe_psql('other', $cached), 'new', 'and its old values are gone');
ok($node->no_crash, 'no process has crashed');
done_testing();
