# pg_upgrade: the rules come along, and what the old server has left in Redis is
# not believed by the new one, which is another database system.

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
my $old = RtcNode->new('old', redis => $redis);
$old->start;
$old->safe_psql('postgres', q{
	CREATE EXTENSION rtcache;
	CREATE TABLE hero (id int PRIMARY KEY, name text) PARTITION BY RANGE (id);
	CREATE TABLE hero_low PARTITION OF hero FOR VALUES FROM (1) TO (11);
	CREATE TABLE hero_high PARTITION OF hero FOR VALUES FROM (11) TO (21);
	SELECT cache_attach('hero', key => 'hero:{id}', ttl => '1 hour', tags => ARRAY['hero:{id}']);
	INSERT INTO hero SELECT i, 'v1' FROM generate_series(1, 20) i;
});
ok($old->wait_streaming, 'the relay streams');
ok($old->cache_wait);
my $rules = q{SELECT tgrelid::regclass, tgname, tgenabled, tgnargs, encode(tgargs, 'hex') FROM pg_trigger
	WHERE tgfoid::regproc::text LIKE 'rtcache%' ORDER BY tgrelid::regclass::text, tgname;
	SELECT evtname, evtenabled FROM pg_event_trigger ORDER BY 1;
	SELECT * FROM rtcache_rules ORDER BY trigger};
my $before = $old->safe_psql('postgres', $rules);
$old->stop;

my $new = RtcNode->new('new', redis => $redis);
my ($bindir) = run_command([ 'pg_config', '--bindir' ]);
chdir $PostgreSQL::Test::Utils::tmp_check;
command_ok(
	[ 'pg_upgrade', '--no-sync', '-d', $old->data_dir, '-D', $new->data_dir, '-b', $bindir, '-B', $bindir,
		'-s', $new->host, '-p', $old->port, '-P', $new->port ],
	'pg_upgrade');

# what Redis has must not be taken for the new server's
$redis->cli('SET', 'postgres:hero:1', '{"id":1,"name":"wrong"}');
$new->start;
is($new->safe_psql('postgres', $rules), $before, 'the rules and the event triggers are the same');
my $hero = q{SELECT cache_get('hero:1', 'SELECT * FROM hero WHERE id = 1') ->> 'name'};
is($new->safe_psql('postgres', $hero), 'v1', 'lookups are right while the old server may still live');

# the old server has been silent for a minute
foreach my $key (@{ $redis->query('KEYS', 'rtcache:position:*') })
{
	$redis->query('HSET', $key, 'seen', 0) if $redis->query('HGET', $key, 'prefix:postgres:');
}
ok($new->wait_streaming, 'the new relay streams');
ok($new->poll_query_until('postgres', "SELECT bool_and(ok) FROM cache_health()"), 'all is well');
is($redis->query('GET', 'postgres:hero:1'), undef, 'what the old server has left is gone');
is($new->safe_psql('postgres', $hero), 'v1', 'lookups are right');
$new->safe_psql('postgres', q{UPDATE hero SET name = 'v2'});
same_as_table($new, $redis, 'writes reach Redis');
is($new->safe_psql('postgres', $hero), 'v2', 'and lookups');
ok($new->no_crash, 'no process has crashed');
$new->stop;
$redis->stop;
done_testing();
