# Without shared_preload_libraries: CREATE EXTENSION works, rules go on writing
# their ops to WAL, lookups bypass and are right, everything else raises 55000
# with a hint, LOAD and a POSTMASTER setting in the configuration do no harm.
# When the library is preloaded again no key is stale, whether Redis was
# configured meanwhile (the ops are applied) or not (a gap mark: a clear).

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use RtcNode;
use RtcRedis;

my $redis = RtcRedis->new('main');
$redis->start;
my $node = RtcNode->new(
	'main',
	redis => $redis,
	preload => 0,
	conf => 'rtcache.stamp_buckets = 2048');
$node->start;

# a fresh server
my $schema = q{
	CREATE EXTENSION rtcache;
	CREATE TABLE hero (id int PRIMARY KEY, name text);
	CREATE TRIGGER hero_cache AFTER INSERT OR UPDATE OR DELETE ON hero
		FOR EACH ROW EXECUTE FUNCTION rtcache_write_through('hero:{id}');
	CREATE TRIGGER hero_truncate AFTER TRUNCATE ON hero
		EXECUTE FUNCTION rtcache_truncate();
	INSERT INTO hero VALUES (1, 'Ada'), (2, 'Bea');
};
$node->safe_psql('postgres', $schema);
ok(1, 'CREATE EXTENSION and a rule');
ok(-f $node->data_dir . '/rtcache.key', 'the key of messages is made when it is needed');
is(sprintf('%o', (stat _)[2] & 07777), '600', 'with the mode of a secret');

my $lookup = q{SELECT cache_get('hero:1', 'SELECT name FROM hero WHERE id = 1')};
my $list = q{SELECT cache_list('all', 'SELECT name FROM hero ORDER BY id')};
is($node->safe_psql('postgres', "$lookup; $lookup"),
	qq({"name": "Ada"}\n{"name": "Ada"}), 'cache_get');
is($node->safe_psql('postgres', $list), '[{"name": "Ada"}, {"name": "Bea"}]', 'cache_list');
is($node->safe_psql('postgres', q{SELECT cache_key('a', 'b:c')}), 'a:b%3Ac', 'cache_key');

foreach my $call (
	q{cache_peek('k')}, q{cache_exists('k')},
	q{cache_ttl('k')}, q{cache_set('k', '1')},
	q{cache_del('k')}, q{cache_del_pattern('k*')},
	q{cache_clear()}, q{cache_wait()},
	q{cache_stats()}, q{cache_stats_reset()},
	q{rtcache_relay()})
{
	my ($status, $stdout, $stderr) =
	  $node->psql('postgres', "\\set VERBOSITY verbose\nSELECT $call");

	like($stderr,
		qr/ERROR:  55000: rtcache must be loaded via "shared_preload_libraries".*HINT:  Add rtcache/s,
		"$call is refused");
}
foreach my $view (qw(rtcache_stats rtcache_relay))
{
	my ($status, $stdout, $stderr) = $node->psql('postgres', "SELECT * FROM $view");

	like($stderr, qr/rtcache must be loaded via/, "$view is refused");
}

my ($status, $stdout, $stderr) = $node->psql('postgres', "LOAD 'rtcache'; LOAD 'rtcache'; $lookup");
is($status, 0, 'LOAD');
is($stdout, '{"name": "Ada"}', 'and a lookup after it');
unlike($stderr, qr/ERROR|FATAL|server closed/, 'without an error');
is($redis->cli('DBSIZE'), 0, 'nothing reaches Redis');

# preloaded, for the first time
sub preload
{
	my ($preload, $url) = @_;

	$node->stop if $node->{_pid};
	$node->adjust_conf('postgresql.conf', 'shared_preload_libraries',
		$preload ? "'rtcache'" : "''");
	$node->adjust_conf('postgresql.conf', 'rtcache.redis_url', "'$url'");
	$node->start;
}

sub write_name
{
	my ($name) = @_;

	$node->safe_psql('postgres', "UPDATE hero SET name = '$name' WHERE id = 1");
}

sub in_redis { return $redis->cli('GET', 'postgres:hero:1'); }

preload(1, $redis->url);
ok($node->wait_streaming, 'the relay streams');
is($node->safe_psql('postgres', 'SHOW rtcache.stamp_buckets'), '2048', 'rtcache.stamp_buckets');
write_name('Grace');
ok($node->cache_wait);
is(in_redis(), '{"id":1,"name":"Grace"}', 'rules reach Redis');
$node->safe_psql('postgres',
	q{SELECT cache_get('top', 'SELECT name FROM hero WHERE id = 2')});
isnt($redis->cli('GET', 'postgres:top'), undef, 'a lookup fills');

# not preloaded for a while, Redis configured: the ops are in WAL
preload(0, $redis->url);
write_name('Barbara');
$node->safe_psql('postgres', 'BEGIN; DELETE FROM hero WHERE id = 2; ROLLBACK');
is($node->safe_psql('postgres', $lookup), '{"name": "Barbara"}', 'a lookup bypasses');
is(in_redis(), '{"id":1,"name":"Grace"}', '(Redis is behind)');
preload(1, $redis->url);
ok($node->wait_streaming, 'the relay streams again');
ok($node->cache_wait);
is(in_redis(), '{"id":1,"name":"Barbara"}', 'what was written meanwhile is applied');
is($node->stat('clears'), 0, 'without a clear');

# not preloaded for a while, no Redis configured: the ops are lost, and it shows
preload(0, '');
write_name('Hedy');
is($node->safe_psql('postgres', $lookup), '{"name": "Hedy"}', 'a lookup bypasses');
preload(1, $redis->url);
ok($node->wait_streaming, 'the relay streams again');
ok($node->cache_wait);
is(in_redis(), undef, 'the key that was missed is cleared');
is($node->stat('clears'), 1, 'by a clear');
is($node->safe_psql('postgres', "$lookup; $lookup"),
	qq({"name": "Hedy"}\n{"name": "Hedy"}), 'lookups are right');

# the same with a prepared transaction that commits under the new server
preload(0, '');
$node->safe_psql('postgres', q{
	BEGIN;
	UPDATE hero SET name = 'Joan' WHERE id = 1;
	PREPARE TRANSACTION 'p'});
preload(1, $redis->url);
is($node->safe_psql('postgres', $lookup), '{"name": "Hedy"}', 'before COMMIT PREPARED');
$node->safe_psql('postgres', "COMMIT PREPARED 'p'");
is($node->safe_psql('postgres', $lookup), '{"name": "Joan"}', 'and after it');
ok($node->wait_streaming, 'the relay streams');
ok($node->cache_wait);
is($node->safe_psql('postgres', "$lookup; $lookup"),
	qq({"name": "Joan"}\n{"name": "Joan"}), 'lookups are right');
my $value = in_redis();
ok(!defined $value || $value =~ /Joan/, 'no stale key');

ok($node->no_crash, 'no process has crashed');
$node->stop;
done_testing();
