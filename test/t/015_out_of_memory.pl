# A Redis that is out of memory (maxmemory, noeviction):
# - a committed change never leaves the old value there: the key is deleted
# - nothing is lost for lookups, which run their queries meanwhile
# - when there is room again, writing goes on and lookups use Redis again

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use RtcNode;
use RtcRedis;

my $redis = RtcRedis->new('main');
$redis->start;
my $node = RtcNode->new('full', redis => $redis);
$node->start;
$node->safe_psql('postgres', q{
	CREATE EXTENSION rtcache;
	CREATE TABLE hero (id int PRIMARY KEY, name text);
	CREATE TRIGGER hero_cache AFTER INSERT OR UPDATE OR DELETE ON hero
		FOR EACH ROW EXECUTE FUNCTION rtcache_write_through('hero:{id}');
	INSERT INTO hero VALUES (1, 'old'), (2, 'two');
});
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

$redis->cli('CONFIG', 'SET', 'maxmemory', '0');
$node->wait_streaming;
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

$node->stop;
$redis->stop;
done_testing();
