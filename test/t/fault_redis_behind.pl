# A Redis that is behind what the database knows is not believed.
#
#	- an older snapshot comes back, with tag sets that writers did not know of:
#	  the server had been restarted, and Redis had been empty
#	- a session is connected to a Redis with our position, but an old one, such as
#	  a replica that was split off: whatever it has missed, a write of which Redis
#	  was told or one that nobody was interested in, or one from before a start of
#	  the server, and whenever that shows
#	- a Redis falls back while connections to it live on
#
# Slow.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use RtcCoherence;
use RtcFakeRedis;
use RtcNode;
use RtcRedis;

my $redis = RtcRedis->new('main', tcp => 1);
$redis->start;
my $fake = RtcFakeRedis->new('faulty', $redis);
my $node = RtcNode->new('main', redis => $fake);
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

# An older snapshot
ready();
look($node, 'old', 1);
my $hits = $node->stat('l2_hits');
is(look($node, 'old', 1), '1', 'a lookup');
is($node->stat('l2_hits'), $hits + 1, 'Redis has the answer');
$redis->save_rdb('old.rdb');
$redis->query('FLUSHALL');
ready();
$node->restart;
ready();
$node->safe_psql('postgres', 'UPDATE plain SET n = 2 WHERE id = 1');
ok($node->cache_wait, 'nobody is interested in a change');
kill 'STOP', my $relay = $node->relay_pid;
$redis->kill9;
$redis->restore_rdb('old.rdb');
$redis->start;
is($redis->query('GET', 'postgres:old'), '{"n":1}', 'Redis has gone back in time');
is(look($node, 'old', 1), '2', 'a lookup at once');
kill 'CONT', $relay;
ready();
is(look($node, 'old', 1), '2', 'a lookup when the relay has caught up');
is(look($node, 'old', 1), '2', 'and another one');

# A session whose Redis is behind
$node->safe_psql('postgres', 'UPDATE plain SET n = 3 WHERE id = 1');
ok($node->cache_wait);
ready();
look($node, 'old', 1);
my ($position) = @{ $redis->query('KEYS', 'rtcache:position:*') };
my $epoch = $redis->query('HGET', $position, 'epoch');
my $text = $redis->query('GET', 'postgres:old');
is($text, '{"n":3}', 'Redis has the answer');
$redis->query('SET', 'postgres:old', '{"n": 1}', 'KEEPTTL');
is(look($node, 'old', 1), '1', '(an old value there would be believed)');
# the first one is that of a new connection
$fake->rule(match => '^HMGET rtcache:position:\d+ epoch lsn$', skip => 1, action => 'reply',
	text => "*2\r\n\$16\r\n$epoch\r\n\$3\r\n0/1\r\n");
is(look($node, 'old', 1), '3', 'not if the position beside it is behind');
ok($fake->hits > 0, '(it was looked at)');
$fake->clear;

# The same when nobody was interested in the write: there are no ops of it, and
# the answer hangs on a tag set that only this Redis has.
ready();
$redis->query('DEL', 'postgres:old');
is(look($node, 'old', 1), '3', 'a lookup fills');
my $companion = $redis->query('GET', '{postgres:old}~query');
my @sets = grep { $redis->query('ZSCORE', $_, 'postgres:old') } @{ $redis->query('KEYS', '*~tag:*') };
ok($companion && @sets, 'the answer has a companion and a tag set');
$redis->query('FLUSHALL');
ready();
$node->restart;
ready();
$epoch = $redis->query('HGET', $position, 'epoch');
my $before = $redis->query('HGET', $position, 'lsn');
$node->safe_psql('postgres', 'UPDATE plain SET n = 4 WHERE id = 1');
ok($node->cache_wait, 'nobody is interested in a change');
ready();
$redis->query('SET', 'postgres:old', '{"n": 3}', 'PX', 3_600_000);
$redis->query('SET', '{postgres:old}~query', $companion, 'PX', 3_600_000);
$redis->query('ZADD', $_, '+inf', 'postgres:old') foreach @sets;
is(look($node, 'old', 1), '3', '(an old value there would be believed)');
$fake->rule(match => '^HMGET rtcache:position:\d+ epoch lsn$', skip => 1, action => 'reply',
	text => "*2\r\n\$16\r\n$epoch\r\n\$" . length($before) . "\r\n$before\r\n");
is(look($node, 'old', 1), '4', 'not if the position beside it is behind');
$fake->clear;

# GET has missed, and been told that all is well; the lease comes to the other one.
$redis->query('DEL', 'postgres:old', '{postgres:old}~query', @sets);
$node->safe_psql('postgres', 'UPDATE plain SET n = 5 WHERE id = 1');
ok($node->cache_wait);
ready();
is(look($node, 'old', 1), '5', 'a lookup fills');
is($redis->query('GET', 'postgres:old'), '{"n":5}', 'Redis has the answer');
kill 'STOP', $relay = $node->relay_pid;
my $text_lsn = $redis->query('HGET', $position, 'lsn');
my $n = length $text_lsn;
$redis->query('SET', 'postgres:old', '{"n": 4}', 'KEEPTTL');
$fake->rule(match => '^MGET postgres:old ', action => 'reply', text => "*2\r\n\$-1\r\n\$-1\r\n");
is(look($node, 'old', 1), '4', '(what the lease finds would be believed)');
$redis->query('HSET', $position, 'lsn', '0/1');
$fake->rule(match => '^HMGET rtcache:position:\d+ epoch lsn$', action => 'reply',
	text => "*2\r\n\$16\r\n$epoch\r\n\$$n\r\n$text_lsn\r\n");
is(look($node, 'old', 1), '5', 'not if the position that the lease finds is behind');
ok($fake->hits >= 4, '(GET was told otherwise)');
$fake->clear;
$redis->query('DEL', 'postgres:old');
$redis->query('HSET', $position, 'lsn', $text_lsn);
kill 'CONT', $relay;
ready();
is(look($node, 'old', 1), '5', 'and when all is as it was');

# Stamps do not tell of commits from before a start of the server
$redis->query('SET', 'postgres:old', '{"n": 1}', 'KEEPTTL');
$node->restart;
ready();
$epoch = $redis->query('HGET', $position, 'epoch');
is(look($node, 'old', 1), '1', '(an old value there would be believed)');
# the first one is that of a new connection
$fake->rule(match => '^HMGET rtcache:position:\d+ epoch lsn$', skip => 1, action => 'reply',
	text => "*2\r\n\$16\r\n$epoch\r\n\$3\r\n0/1\r\n");
is(look($node, 'old', 1), '5', 'not if the position is behind where the relay has caught up');
ok($fake->hits > 0, '(it was looked at)');
$fake->clear;

# A Redis falls back under connections that live on, after a start
$node->safe_psql('postgres', 'UPDATE plain SET n = 6 WHERE id = 1');
ok($node->cache_wait);
ready();
is(look($node, 'old', 1), '6', 'another value');
my $other = RtcRedis->new('other', tcp => 1);
$other->start;
$other->cli('REPLICAOF', '127.0.0.1', $redis->port);
ok($other->wait_for('{"n":6}', 'GET', 'postgres:old'), 'which a replica has');
$other->cli('REPLICAOF', 'NO', 'ONE');
$node->safe_psql('postgres', 'UPDATE plain SET n = 7 WHERE id = 1');
ok($node->cache_wait);
$node->restart;
ready();
my $session = $node->background_psql('postgres');
my $look = q{SELECT cache_get('old', 'SELECT n FROM plain WHERE id = $1', '{1}', '1 hour') ->> 'n'};
is($session->query_safe("$look; $look"), "7\n7", 'a session that is connected');
$redis->cli('REPLICAOF', '127.0.0.1', $other->port);
ok($redis->wait_for('{"n":6}', 'GET', 'postgres:old'), 'Redis has fallen back');
$redis->cli('REPLICAOF', 'NO', 'ONE');
is($session->query_safe("$look; $look"), "7\n7", 'the session does not believe it') for 1 .. 3;
ready();
is($session->query_safe("$look; $look"), "7\n7", 'nor what it was, when the relay has caught up');
$session->quit;

ok($node->no_crash, 'no process has crashed');
done_testing();
