# What Redis holds is never older, nor newer, than what it is taken for, even if
# Redis or the database goes back in time at a bad moment.
#
#	- commits that left nothing in WAL for Redis, since nobody was interested:
#	  what shows them is stored when the position covers them, not earlier
#	- the position moves when what depends on a tag is gone, all of it
#	- a relay is fenced while Redis is out of memory as well
#	- a position that another data directory has written on our timeline is no
#	  place to go on from
#	- after a restart Redis is used, though nobody writes and the relay comes anew
#	- of two systems that register one prefix at the same time, one gets it
#	- an answer whose last millisecond has begun does not stay in L1
#
# Slow.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

use RtcCoherence;
use RtcFakeRedis;
use RtcNode;
use RtcRedis;

my $redis = RtcRedis->new('main');
$redis->start;
my $fake = RtcFakeRedis->new('faulty', $redis);
my $node = RtcNode->new('main', redis => $fake, conf => 'wal_writer_delay = 10s');
$node->start;
create_plain($node);

# Redis is used, and the relay knows all tag sets in it.
sub ready
{
	ok($node->wait_streaming, 'the relay streams');
	ok($node->wait_fill, 'lookups use it');
	ok($node->wait_sweep, 'the relay knows what is in it');
	return;
}

# What is committed, but not flushed, and unknown to Redis
ready();
my $session = $node->background_psql('postgres');
$session->query_safe('SET synchronous_commit = off');
$session->query_safe('UPDATE plain SET n = 77 WHERE id = 50');
is($session->query_safe(plain_lookup('unflushed', 50)), '77', 'a lookup sees an asynchronous commit');
$node->stop('immediate');
eval { $session->quit };
$node->start;
ready();
my $true = $node->safe_psql('postgres', 'SELECT n FROM plain WHERE id = 50');
is(look($node, 'unflushed', 50), $true, "after the crash it is as the table is ($true)");

# It is stored soon: the position follows.
$node->safe_psql('postgres', 'UPDATE plain SET n = 2 WHERE id = 51');
ok($node->poll_query_until('postgres', plain_lookup('soon', 51) . q{; SELECT cache_exists('soon')}, "2\nt"),
	'what shows a commit is stored when the position covers it');

# The second step of a tag drop does not come.
my ($position) = @{ $redis->query('KEYS', 'rtcache:position:*') };
my $many = q{SELECT count(cache_get('many:' || i, 'SELECT n FROM plain WHERE id = 7', NULL, '1 hour', '{many}'))
	FROM generate_series(1, 1500) i};
is($node->safe_psql('postgres', $many), '1500', 'many answers have a tag');
my ($set) = grep { $redis->query('ZCARD', $_) == 1500 } @{ $redis->query('KEYS', '*~tag:*') };
ok($set, 'Redis has them');
$fake->rule(match => '^EVAL\\S* .*~tag:\\w{16} 1000 ', skip => 1, action => 'hang', count => 1);
my $before = $node->safe_psql('postgres', 'SELECT pg_current_wal_insert_lsn()');
$node->safe_psql('postgres',
	q{BEGIN; SELECT cache_invalidate('many'); SELECT cache_set('many:1', '1'); COMMIT});
ok($fake->wait_hits(1), 'a tag drop is cut off');
my $lsn = $redis->query('HGET', $position, 'lsn');
is($node->safe_psql('postgres', "SELECT '$lsn'::pg_lsn <= '$before'::pg_lsn"), 't', 'the position is before it');
$fake->clear;
ok($node->cache_wait, 'it is done again');
is($redis->query('EXISTS', $set), 0, 'all that has the tag is gone');
is($redis->query('GET', 'postgres:many:1'), '1', 'but for what was written with it');
ready();

# Something else stands where the companion, the lease, the tag set belong.
foreach my $odd ('{postgres:odd}~query', '{postgres:odd}~lease', 'tag set')
{
	look($node, 'odd', 4);
	is($redis->query('EXISTS', 'postgres:odd'), 1, 'an answer is in Redis');
	my ($name) = grep { $redis->query('TYPE', $_) eq 'zset' && $redis->query('ZSCORE', $_, 'postgres:odd') }
	  @{ $redis->query('KEYS', '*~tag:*') };
	$name = $odd unless $odd eq 'tag set';
	$redis->query('DEL', $name);
	$redis->query('DEL', 'postgres:odd') if $odd =~ /lease/;
	$redis->query('HSET', $name, 'field', 'value');
	look($node, 'odd', 4);
	my $hits = $node->stat('l2_hits');
	look($node, 'odd', 4);
	is($node->stat('l2_hits'), $hits + 1, "$odd of the wrong type: it heals");
}

# Another server takes over while Redis is full; at last there is room again.
my $timeline = $redis->query('HGET', $position, 'timeline');
$redis->query('CONFIG', 'SET', 'maxmemory', '1');
$node->safe_psql('postgres', q{SELECT cache_set('full', '1')});
ok($node->wait_state('full'), 'Redis is full');
$redis->query('CONFIG', 'SET', 'maxmemory', '0');
$redis->query('HSET', $position, 'owner', '0123456789abcdef', 'timeline', $timeline + 7,
	'seen', int(time * 1000) + 60_000);
$redis->query('CONFIG', 'SET', 'maxmemory', '1');
ok($node->wait_state('fenced'), 'another server takes over, and it is found out');
$redis->query('CONFIG', 'SET', 'maxmemory', '0');
sleep 1;
is($redis->query('HGET', $position, 'owner'), '0123456789abcdef', 'the position stays with it');
is($redis->query('EXISTS', 'postgres:full'), 0, 'and nothing is written');

# It is gone, and has left its position on our timeline.
my $offset = -s $node->logfile;
$redis->query('HSET', $position, 'timeline', $timeline, 'seen', 1);
ready();
like(slurp_file($node->logfile, $offset),
	qr/clearing the cache in Redis: another data directory has written to it/,
	'what another data directory has written is cleared');

# The relay comes anew before the first lookup, and nobody writes.
$node->restart;
ok($node->wait_streaming, 'the relay streams');
$offset = -s $node->logfile;
$redis->query('CLIENT', 'KILL', 'TYPE', 'normal');
for (1 .. 20 * $PostgreSQL::Test::Utils::timeout_default)
{
	last if slurp_file($node->logfile, $offset) =~ /Redis has caught up/;
	usleep(50_000);
}
ready();

# The last millisecond in Redis
my $l1 = RtcNode->new('l1', redis => $fake, l1 => 1, conf => "rtcache.key_prefix = 'l1:%d:'");
$l1->start;
create_heroes($l1);
ok($l1->wait_streaming, 'the relay of a server with L1 streams');
# L1 would keep an answer of the database: so first of all lookups use Redis, and the row
# comes when no clear can take it out of Redis any more
for (1 .. 20 * $PostgreSQL::Test::Utils::timeout_default)
{
	$l1->safe_psql('postgres', q{SELECT cache_get('probe:' || clock_timestamp(), 'SELECT 1 AS n')});
	last if @{ $redis->query('KEYS', 'l1:postgres:probe:*') };
	usleep(50_000);
}
$l1->safe_psql('postgres', q{INSERT INTO hero VALUES (1, 'Ada')});
ok($l1->cache_wait);
ok($redis->wait_for('{"id":1,"name":"Ada"}', 'GET', 'l1:postgres:hero:1'), 'Redis has a row');
$fake->rule(match => '^PTTL', action => 'reply', text => ":0\r\n", count => 1);
my $hero = q{SELECT cache_get('hero:1', 'SELECT id, name FROM hero WHERE id = 1') ->> 'name'};
ok($l1->poll_query_until('postgres', "$hero; SELECT l2_hits FROM rtcache_stats", "Ada\n1"),
	'an answer comes from Redis');
ok($fake->wait_hits(1), 'where it has less than a millisecond left');
$fake->clear;
$redis->query('DEL', 'l1:postgres:hero:1');
usleep(10_000);
is($l1->safe_psql('postgres', q{SELECT cache_exists('hero:1')}), 'f', 'L1 has not got it any more');

# Another system gets the prefix between our look and our entry.
$fake->rule(match => '^SCAN .*race:', action => 'hold');
$l1->set_conf('rtcache.key_prefix', 'race:%d:');
ok($fake->wait_hits(1), 'the relay has looked');
$redis->query('HSET', 'rtcache:position:12345', 'seen', int(time * 1000));
$redis->query('HSET', 'rtcache:owners', 'race:postgres:', '12345');
$fake->clear;
ok($l1->wait_state('fenced'), 'a prefix that another system has got meanwhile is refused');
is($redis->query('HGET', 'rtcache:owners', 'race:postgres:'), '12345', 'and stays with it');
ok($l1->no_crash, 'no process has crashed');

ok($node->no_crash, 'no process has crashed');
done_testing();
