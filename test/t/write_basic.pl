# A committed write reaches Redis, a rolled-back one does not, and a restart of
# the server loses nothing.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use RtcNode;
use RtcRedis;

my $redis = RtcRedis->new('main');
$redis->start;

my $node = RtcNode->new('main', redis => $redis);
$node->start;

$node->safe_psql('postgres', q{
	CREATE EXTENSION rtcache;
	CREATE TABLE hero (id int PRIMARY KEY, name text);
	CREATE TRIGGER hero_cache AFTER INSERT OR UPDATE OR DELETE ON hero
		FOR EACH ROW EXECUTE FUNCTION rtcache_write_through('hero:{id}', 'ttl=1 hour');
});
ok($node->wait_streaming, 'the relay streams');

# commit
$node->safe_psql('postgres', q{INSERT INTO hero VALUES (1, 'Ada')});
ok($node->cache_wait, 'Redis has caught up');
is($redis->cli('GET', 'postgres:hero:1'), '{"id":1,"name":"Ada"}', 'INSERT sets the key');
cmp_ok($redis->cli('TTL', 'postgres:hero:1'), '>', 3500, 'with its time to live');

$node->safe_psql('postgres', q{UPDATE hero SET name = 'Grace' WHERE id = 1});
ok($node->cache_wait);
is($redis->cli('GET', 'postgres:hero:1'), '{"id":1,"name":"Grace"}', 'UPDATE sets it anew');

# rollback
$node->safe_psql('postgres', q{
	BEGIN;
	UPDATE hero SET name = 'Nobody' WHERE id = 1;
	INSERT INTO hero VALUES (2, 'Nobody');
	ROLLBACK;
	BEGIN;
	SAVEPOINT s;
	INSERT INTO hero VALUES (3, 'Nobody');
	ROLLBACK TO s;
	INSERT INTO hero VALUES (4, 'Edsger');
	COMMIT;
});
ok($node->cache_wait);
is($redis->cli('GET', 'postgres:hero:1'), '{"id":1,"name":"Grace"}', 'ROLLBACK changes nothing');
is($redis->cli('GET', 'postgres:hero:2'), undef, 'and adds nothing');
is($redis->cli('GET', 'postgres:hero:3'), undef, 'nor does a rolled-back savepoint');
is($redis->cli('GET', 'postgres:hero:4'), '{"id":4,"name":"Edsger"}', 'what came after it counts');

# a key that moves, and one that goes
$node->safe_psql('postgres', q{
	UPDATE hero SET id = 10 WHERE id = 1;
	DELETE FROM hero WHERE id = 4;
});
ok($node->cache_wait);
is($redis->cli('GET', 'postgres:hero:1'), undef, 'the old key is gone');
is($redis->cli('GET', 'postgres:hero:10'), '{"id":10,"name":"Grace"}', 'the new one is there');
is($redis->cli('GET', 'postgres:hero:4'), undef, 'DELETE deletes');

# reading through
my $lookup = q{SELECT cache_get('top', 'SELECT name FROM hero WHERE id = 10')};
is($node->safe_psql('postgres', $lookup), '{"name": "Grace"}', 'miss');
is($node->safe_psql('postgres', $lookup), '{"name": "Grace"}', 'hit');
is($node->stat('l2_hits'), 1, 'one of them was a hit');

# restart
$node->restart;
ok($node->wait_streaming, 'the relay streams after a restart');
$node->safe_psql('postgres', q{UPDATE hero SET name = 'Barbara' WHERE id = 10});
ok($node->cache_wait);
is($redis->cli('GET', 'postgres:hero:10'), '{"id":10,"name":"Barbara"}', 'and applies');

is($node->safe_psql('postgres', q{SELECT count(*), min(datname) IS NULL FROM pg_stat_activity
	JOIN rtcache_relay USING (pid) WHERE backend_type = 'rtcache relay'}),
	'1|t', 'the relay can be seen at work, in no database');

ok($node->no_crash, 'no process has crashed');
$node->stop;
$redis->stop;
done_testing();
