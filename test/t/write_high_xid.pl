# Transaction ids above 2^31, which half of all servers see one day.  The relay
# has no snapshot, and must not take such transactions for finished:
# - a prepared one keeps its keys away from lookups
# - and its writes reach Redis when it commits

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
$node->safe_psql('postgres', 'VACUUM FREEZE');
$node->stop;
PostgreSQL::Test::Utils::command_ok(
	[ 'pg_resetwal', '-x', '3000000000', '-D', $node->data_dir ],
	'the next transaction id is three billion');
open my $clog, '>', $node->data_dir . '/pg_xact/0B2D' or die "cannot create file: $!";
print $clog "\0" x 262144;
close $clog;
$node->start;

$node->safe_psql('postgres', q{
	CREATE EXTENSION rtcache;
	CREATE TABLE hero (id int PRIMARY KEY, name text);
	INSERT INTO hero VALUES (1, 'old');
	CREATE TRIGGER hero_cache AFTER INSERT OR UPDATE OR DELETE ON hero
		FOR EACH ROW EXECUTE FUNCTION rtcache_invalidate('hero:{id}');
});
ok($node->wait_open, 'Redis is used');
ok($node->cache_wait);

my $lookup = q{SELECT cache_get('hero:1', 'SELECT * FROM hero WHERE id = 1') ->> 'name'};
is($node->safe_psql('postgres', $lookup), 'old', 'a lookup fills');
ok($redis->cli('EXISTS', 'postgres:hero:1'), 'Redis has the key');

$node->safe_psql('postgres', q{
	BEGIN;
	UPDATE hero SET name = 'new' WHERE id = 1;
	PREPARE TRANSACTION 'p';
});

# The relay looks after prepared transactions once a second: give it other
# work for two.
my $end = time() + 2;
do
{
	$node->safe_psql('postgres', q{SELECT cache_set('other', '1'), cache_wait()});
} while (time() <= $end);

$node->safe_psql('postgres', 'SELECT cache_stats_reset()');
is($node->safe_psql('postgres', $lookup), 'old', 'it is not committed yet');
is($node->safe_psql('postgres', 'SELECT bypass_pending FROM rtcache_stats'),
	'1', 'and still keeps lookups from the caches');

$node->safe_psql('postgres', q{COMMIT PREPARED 'p'});
is($node->safe_psql('postgres', $lookup), 'new', 'a lookup sees the commit');
ok($node->cache_wait, 'Redis has caught up');
# the lookup may have filled it again
unlike($redis->cli('GET', 'postgres:hero:1') // '', qr/old/, 'its delete has reached Redis');

$node->stop;
$redis->stop;
done_testing();
