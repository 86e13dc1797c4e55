# A Redis that is behind what the database knows is not believed.
#
#	- an older snapshot comes back, with tag sets that writers did not know of:
#	  the server had been restarted, and Redis had been empty
#	- a session is connected to a Redis with our position, but an old one, such as
#	  a replica that was split off

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use RtcFakeRedis;
use RtcNode;
use RtcRedis;

my $redis = RtcRedis->new('main');
$redis->start;
my $fake = RtcFakeRedis->new('faulty', $redis);
my $node = RtcNode->new('main', redis => $fake);
$node->start;
$node->safe_psql('postgres', q{
	CREATE EXTENSION rtcache;
	CREATE TABLE plain (id int PRIMARY KEY, n int);
	INSERT INTO plain SELECT i, 1 FROM generate_series(1, 100) i;
	CREATE TRIGGER row AFTER INSERT OR UPDATE OR DELETE ON plain
		FOR EACH ROW EXECUTE FUNCTION rtcache_invalidate();
	CREATE TRIGGER truncated AFTER TRUNCATE ON plain
		FOR EACH STATEMENT EXECUTE FUNCTION rtcache_truncate();
});

sub look
{
	my ($key, $id) = @_;

	return $node->safe_psql('postgres',
		"SELECT cache_get('$key', 'SELECT n FROM plain WHERE id = \$1', '{$id}', '1 hour') ->> 'n'");
}

# Waits until Redis is used, and the relay knows all tag sets in it.
sub ready
{
	ok($node->wait_streaming, 'the relay streams');
	my $fills = $node->stat('fills');
	ok($node->poll_query_until('postgres',
			"SELECT cache_get('probe:' || clock_timestamp(), 'SELECT 1 AS n', NULL, '1 min') IS NOT NULL
			AND fills > $fills FROM rtcache_stats"),
		'lookups use it');
	sleep 1;
	return;
}

# An older snapshot
ready();
look('old', 1);
my $hits = $node->stat('l2_hits');
is(look('old', 1), '1', 'a lookup');
is($node->stat('l2_hits'), $hits + 1, 'Redis has the answer');
$redis->save_rdb('old.rdb');
$redis->query('FLUSHALL');
ready();
$node->restart;
ready();
$node->safe_psql('postgres', 'UPDATE plain SET n = 2 WHERE id = 1');
ok($node->cache_wait, 'nobody is interested in a change');
$redis->kill9;
$redis->restore_rdb('old.rdb');
$redis->start;
is($redis->query('GET', 'postgres:old'), '{"n": 1}', 'Redis has gone back in time');
is(look('old', 1), '2', 'a lookup at once');
ready();
is(look('old', 1), '2', 'a lookup when the relay has caught up');
is(look('old', 1), '2', 'and another one');

# A session whose Redis is behind
$node->safe_psql('postgres', 'UPDATE plain SET n = 3 WHERE id = 1');
ok($node->cache_wait);
ready();
look('old', 1);
my ($position) = @{ $redis->query('KEYS', 'rtcache:position:*') };
my $epoch = $redis->query('HGET', $position, 'epoch');
my $text = $redis->query('GET', 'postgres:old');
is($text, '{"n": 3}', 'Redis has the answer');
$redis->query('SET', 'postgres:old', '{"n": 1}', 'KEEPTTL');
is(look('old', 1), '1', '(an old value there would be believed)');
$fake->rule(match => '^HMGET rtcache:position:\d+ epoch lsn$', action => 'reply',
	text => "*2\r\n\$16\r\n$epoch\r\n\$3\r\n0/1\r\n");
is(look('old', 1), '3', 'not if the position beside it is behind');
ok($fake->hits > 0, '(it was looked at)');
$fake->clear;

ok($node->no_crash, 'no process has crashed');
done_testing();
