# Databases that are closed for readers, and clears, over what may happen meanwhile:
# Redis falls back behind the closing, a database is renamed and the server
# crashes, a deletion goes on while a clear waits for transactions, many deletions
# come at once, the end of a clear is not heard of.  Nothing old is ever believed,
# and all come to an end.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use RtcCoherence;
use RtcFakeRedis;
use RtcNode;
use RtcRedis;

my $redis = RtcRedis->new('main');
$redis->start;
my @may = qw(on nopass +@all ~rtcache:* ~postgres:* ~{postgres:* &*);
my @other = qw(~other:* ~{other:* ~renamed:* ~{renamed:*);
$redis->cli('ACL', 'SETUSER', 'rtcache', @may, @other);
my $fake = RtcFakeRedis->new('slow', $redis);
(my $url = $fake->url) =~ s{//}{//rtcache\@};
my $node = RtcNode->new('main', redis => $fake, conf => "rtcache.redis_url = '$url'");
$node->start;
create_heroes($node);
create_heroes($node, dbname => 'other');
$node->safe_psql($_, q{INSERT INTO hero SELECT i, 'old' FROM generate_series(1, 20) i})
  foreach ('postgres', 'other');
ok($node->wait_streaming, 'the relay streams');
ok($node->cache_wait($_), "\"$_\" is applied") foreach ('postgres', 'other');
my ($position) = $redis->cli('KEYS', 'rtcache:position:*');

sub fields
{
	return join ' ', sort grep { /^(?:prefix|closed):/ } split /\n/, $redis->cli('HKEYS', $position);
}

sub wait_open
{
	my ($dbname) = @_;

	return $node->poll_query_until($dbname, q{SELECT ok FROM cache_health() WHERE name = 'prefix'});
}

# Redis falls back behind the closing of a database.
my %before = map { split / /, $_ } split /\n/, $redis->cli('EVAL', qq{
	local h, t = redis.call('HGETALL', '$position'), {}
	for i = 1, #h, 2 do t[#t + 1] = h[i] .. ' ' .. h[i + 1] end
	return t}, 0);
$redis->cli('ACL', 'SETUSER', 'rtcache', 'resetkeys', grep { /^~/ } @may);
$node->safe_psql('other', q{UPDATE hero SET name = 'hidden' WHERE id = 1});
ok($node->cache_wait, 'a forbidden database is closed');
is(fields(), 'closed:other: prefix:postgres:', 'the position says so');
$redis->cli('DEL', $position);
$redis->cli('HSET', $position, %before);
is(fields(), 'prefix:other: prefix:postgres:', '(Redis has fallen back)');
$fake->cut_all;
$node->safe_psql('postgres', q{UPDATE hero SET name = 'shown' WHERE id = 1});
ok($node->cache_wait, 'WAL is read again');
is($redis->cli('GET', 'postgres:hero:1'), '{"id":1,"name":"shown"}', 'to its end');
is(fields(), 'closed:other: prefix:postgres:', 'the position says again that it is closed');
is($redis->cli('GET', 'other:hero:1'), '{"id":1,"name":"old"}', '(its old value is there)');
$node->stop('immediate');
$redis->cli('ACL', 'SETUSER', 'rtcache', @other);
$node->start;
ok($node->wait_streaming, 'the relay streams after a crash');
is(reads($node, 1, 'other'), 'hidden', 'the old value is not believed') foreach 1 .. 3;
ok(wait_open('other'), 'the database opens');
is(reads($node, 1, 'other'), 'hidden', 'a lookup is right') foreach 1 .. 2;

# The relay ends before the position says it; shared memory outlives it.
$redis->cli('ACL', 'SETUSER', 'rtcache', 'resetkeys', grep { /^~/ } @may);
$fake->rule(match => "^HDEL $position prefix:other:", action => 'close', count => 3);
$node->safe_psql('other', q{UPDATE hero SET name = 'hidden 2' WHERE id = 1});
ok($fake->wait_hits(1), 'the position does not hear that a database is closed');
my $pid = $node->safe_psql('postgres', 'SELECT pid FROM rtcache_relay');
$node->safe_psql('postgres', "SELECT pg_terminate_backend($pid)");
ok($node->poll_query_until('postgres', "SELECT pid <> $pid FROM rtcache_relay"), 'another relay');
ok($node->cache_wait, 'goes on');
$fake->clear;
is(fields(), 'closed:other: prefix:postgres:', 'and tells it');
$redis->cli('ACL', 'SETUSER', 'rtcache', @other);
ok(wait_open('other'), 'the database opens');
is(reads($node, 1, 'other'), 'hidden 2', 'a lookup is right');

# Redis has very many keys, and is slow.
$redis->cli('EVAL', q{for i = 1, 100000 do redis.call('SET', 'foreign:' .. i, '') end}, 0);
sub be_slow { $fake->rule(match => '^SCAN', action => 'delay', ms => 3); }
my $jobs = q{SELECT string_agg(phase, ', ') FROM rtcache_progress WHERE phase <> 'sweep'};

# A database is renamed, written, the server crashes, and it gets its name back.
ok($node->cache_wait('other'));
$node->safe_psql('other', q{UPDATE hero SET name = 'first'});
ok($node->cache_wait('other'));
be_slow();
$node->safe_psql('postgres', 'ALTER DATABASE other RENAME TO renamed');
is(reads($node, 1, 'renamed'), 'first', 'a lookup in a renamed database');
ok($node->poll_query_until('postgres', $jobs, 'registration'), 'which is registered anew');
$node->safe_psql('renamed', q{UPDATE hero SET name = 'second'});
ok($node->cache_wait, 'writes go on');
is($node->safe_psql('postgres', $jobs), 'registration', 'before that is over');
is(fields(), 'closed:other: closed:renamed: prefix:postgres:', 'neither prefix is in use');
is($redis->cli('GET', 'other:hero:20'), '{"id":20,"name":"first"}', '(old values are there)');
$node->stop('immediate');
$node->start;
$node->safe_psql('postgres', 'ALTER DATABASE renamed RENAME TO other');
is(reads($node, 20, 'other'), 'second', 'the old value is not believed') foreach 1 .. 2;
ok($node->wait_streaming, 'the relay streams after a crash');
is(reads($node, 20, 'other'), 'second', 'the old value is not believed') foreach 1 .. 3;
$fake->clear;
ok(wait_open('other'), 'the database opens');
is(reads($node, 20, 'other'), 'second', 'a lookup is right');
is($redis->cli('EVAL', q{return #redis.call('KEYS', '*renamed:*')}, 0), 0, 'no keys are left behind');

# Many deletions at once
be_slow();
$node->safe_psql('other', q{SELECT cache_del_pattern('x' || i || '*') FROM generate_series(1, 100) i});
ok($node->cache_wait, 'a hundred deletions by pattern do not stop the others');
ok($node->poll_query_until('postgres', $jobs, 'clear'), 'they become one clear');
$node->safe_psql('other', q{SELECT cache_del_pattern('hero:1*'); UPDATE hero SET name = 'third'});
ok($node->cache_wait);
is($node->safe_psql('postgres', $jobs), 'clear', 'another one has nothing to do');
$fake->clear;
ok($node->cache_wait('other'), 'it comes to its end');
is(reads($node, $_, 'other'), 'third', 'a lookup is right') foreach 1, 20;

# Many at once while a renamed database is registered
be_slow();
$node->safe_psql('postgres', 'ALTER DATABASE other RENAME TO renamed');
is(reads($node, 1, 'renamed'), 'third', 'a lookup in a renamed database');
ok($node->poll_query_until('postgres', $jobs, 'registration'), 'which is registered anew');
$node->safe_psql('renamed', q{SELECT cache_del_pattern('x' || i || '*') FROM generate_series(1, 100) i});
ok($node->cache_wait, 'a hundred deletions do not stop the others');
ok($node->poll_query_until('postgres', $jobs =~ s/phase, ', '/phase, ', ' ORDER BY phase/r,
	'clear, registration'), 'they become one clear, and the registration goes on');
$fake->clear;
ok(wait_open('renamed'), 'the database opens');
is(fields(), 'prefix:postgres: prefix:renamed:', 'the position names no other prefix');
is($redis->cli('EVAL', q{return #redis.call('KEYS', 'other:*')}, 0), 0, 'no keys are left behind');
$node->safe_psql('postgres', 'ALTER DATABASE renamed RENAME TO other');
is(reads($node, 1, 'other'), 'third', 'a lookup is right');
ok(wait_open('other'), 'with its old name it opens, too');

# A deletion while a clear waits for a transaction
my $session = $node->background_psql('postgres');
$session->query_safe(q{BEGIN; SELECT txid_current()});
$redis->cli('DEL', $position);
$fake->cut_all;
ok($node->poll_query_until('postgres', q{SELECT state = 'draining' FROM rtcache_relay}),
	'a clear waits for a transaction');
be_slow();
$node->safe_psql('other', q{SELECT cache_del_pattern('hero:1*')});
ok($node->poll_query_until('postgres', qq{SELECT EXISTS ($jobs HAVING count(*) > 0)}),
	'a deletion goes on meanwhile');
$fake->clear;
ok($node->poll_query_until('postgres', qq{SELECT NOT EXISTS ($jobs HAVING
	count(*) FILTER (WHERE phase <> 'clear of everything') > 0)}), 'to its end');

# The end of the clear is not heard of.
$fake->rule(match => '^EXEC', action => 'close_after', count => 1);
$session->query_safe('COMMIT');
$session->quit;
ok($fake->wait_hits(1), 'a connection is lost at the end of the clear');
$fake->clear;
ok($node->wait_streaming, 'the relay streams');
is($redis->cli('HGET', $position, 'horizon'), 0, 'the clear is over');
ok(wait_open($_), "\"$_\" opens") foreach ('postgres', 'other');
$node->safe_psql('other', q{UPDATE hero SET name = 'fourth'});
ok($node->cache_wait('other'));
is($redis->cli('GET', 'other:hero:20'), '{"id":20,"name":"fourth"}', 'a value is stored');
$node->append_conf('postgresql.conf', "rtcache.redis_url = ''");
$node->reload;
ok($node->poll_query_until('postgres', q{SELECT state = 'off' FROM rtcache_relay}), 'the cache is off');
$node->safe_psql('other', q{UPDATE hero SET name = 'fifth'});
$node->append_conf('postgresql.conf', "rtcache.redis_url = '$url'");
$node->reload;
ok($node->poll_query_until('postgres', q{SELECT state = 'streaming' FROM rtcache_relay}), 'and on');
is(reads($node, 20, 'other'), 'fifth', 'the next clear deletes what is old') foreach 1 .. 2;
ok(wait_open('other'), 'the database opens');
is(reads($node, 20, 'other'), 'fifth', 'a lookup is right') foreach 1 .. 2;

ok($node->no_crash, 'no process has crashed');
$node->stop;
done_testing();
