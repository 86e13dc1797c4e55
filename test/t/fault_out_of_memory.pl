# A Redis that is out of memory (maxmemory, noeviction):
# - a committed change never leaves the old value there: the key is deleted
# - nothing is lost for lookups, which run their queries meanwhile
# - when there is room again, writing goes on and lookups use Redis again

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
my $node = RtcNode->new('full', redis => $redis);
$node->start;
create_heroes($node);
$node->safe_psql('postgres', q{INSERT INTO hero VALUES (1, 'old'), (2, 'two')});
$node->wait_streaming;
$node->cache_wait;
is($redis->cli('GET', 'postgres:hero:1'), '{"id":1,"name":"old"}', 'stored');

$redis->cli('CONFIG', 'SET', 'maxmemory', '1');
$node->safe_psql('postgres', q{UPDATE hero SET name = 'new' WHERE id = 1});
$node->cache_wait;
is($redis->cli('EXISTS', 'postgres:hero:1'), '0',
	'a key that cannot be written is deleted');
is($redis->cli('EXISTS', 'postgres:hero:2'), '1', 'others stay');
is($node->safe_psql('postgres', 'SELECT state FROM rtcache_relay'),
	'full', 'the relay says so');
is( $node->safe_psql('postgres',
		q{SELECT cache_get('hero:1', 'SELECT * FROM hero WHERE id = 1') ->> 'name'}),
	'new', 'a lookup is exact');


# A database that comes now has to wait for a prefix, and does not stop others.
my $offset = -s $node->logfile;
create_heroes($node, dbname => 'another', away => 1);
$node->safe_psql('another', q{INSERT INTO hero VALUES (1, 'another')});
is( $node->safe_psql('another',
		q{SELECT cache_get('hero:1', 'SELECT * FROM hero WHERE id = 1') ->> 'name'}),
	'another', 'a lookup in a database without prefix is exact');
$node->safe_psql('postgres', q{UPDATE hero SET name = 'second' WHERE id = 2});
$node->cache_wait;
is($redis->cli('EXISTS', 'postgres:hero:2'), '0', 'the keys of others are deleted');
sleep 2;
is($node->safe_psql('postgres', 'SELECT state FROM rtcache_relay'), 'full', 'the relay stays connected');
unlike(slurp_file($node->logfile, $offset), qr/rtcache lost Redis|connected to Redis/, 'all the while');

$redis->cli('CONFIG', 'SET', 'maxmemory', '0');
$node->wait_streaming;
ok( $node->poll_query_until('another',
		q{SELECT cache_get('hero:1', 'SELECT * FROM hero WHERE id = 1') ->> 'name' = 'another'
			AND l2_hits > 0 FROM rtcache_stats}),
	'the other database gets its prefix');
is($redis->cli('GET', 'another:hero:1'), '{"id":1,"name":"another"}', 'and is cached');
$node->safe_psql('postgres', q{UPDATE hero SET name = 'newer' WHERE id = 1});
$node->cache_wait;
is($redis->cli('GET', 'postgres:hero:1'), '{"id":1,"name":"newer"}',
	'writing goes on');
$node->safe_psql('postgres', 'SELECT cache_stats_reset()');
is( $node->safe_psql('postgres',
		q{SELECT cache_get('hero:1', 'SELECT * FROM hero WHERE id = 1') ->> 'name'}),
	'newer', 'and lookups are exact');
is($node->safe_psql('postgres', 'SELECT l2_hits FROM rtcache_stats'),
	'1', 'from Redis again');

# A clear that the relay has missed is done when it comes back.  Then lookups store
# again, so the next clear is another one, also if Redis is full by then.
my $tagged = q{SELECT cache_get('plain', 'SELECT name FROM plain', tags => '{plain}') ->> 'name'};
$node->safe_psql('postgres', q{CREATE TABLE plain AS SELECT 'old' AS name});
$redis->sigstop;
$node->safe_psql('postgres', 'SELECT cache_clear()');
ok($node->wait_state('connecting'), 'a clear comes when Redis does not answer');
$redis->sigcont;
ok($node->wait_streaming, 'the relay streams');
is($redis->cli('EXISTS', 'postgres:hero:1'), '0', 'the clear is done');
$node->safe_psql('postgres', 'SELECT cache_stats_reset()');
ok($node->poll_query_until('postgres', "$tagged = 'old' AND l2_hits > 0 FROM rtcache_stats"),
	'lookups use Redis again');
$redis->cli('CONFIG', 'SET', 'maxmemory', '1');
$node->safe_psql('postgres', q{UPDATE plain SET name = 'new'});
ok($node->wait_state('full'), 'Redis has no memory left');
$node->safe_psql('postgres', 'SELECT cache_clear()');
ok($node->cache_wait, 'there is another clear');
is($redis->cli('EXISTS', 'postgres:plain'), '0', 'it is done, too');
$redis->cli('CONFIG', 'SET', 'maxmemory', '0');
ok($node->wait_streaming, 'the relay streams');
is($node->safe_psql('postgres', $tagged), 'new', 'a lookup is exact');

$node->stop;
$redis->stop;
done_testing();
