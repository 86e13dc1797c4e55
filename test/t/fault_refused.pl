# Redis refuses one operation and obeys otherwise: a value above its limit, at
# which it hangs up; a database whose prefix the ACL lacks; a key that cannot be
# deleted.  The operation is found, named once, and left out or replaced by a
# deletion; all others go on.  A database that was given up never shows what it
# left behind, not after a restart either, and opens again when Redis obeys.
# What stands under a name of ours and is of another type is deleted.

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
$redis->cli('ACL', 'SETUSER', 'rtcache', @may, qw(~other:* ~{other:*));
(my $url = $redis->url) =~ s{//}{//rtcache\@};
my $node = RtcNode->new('main', redis => $redis, conf => <<"CONF");
rtcache.redis_url = '$url'
rtcache.max_value_size = '8MB'
CONF
$node->start;
create_heroes($node);
create_heroes($node, dbname => 'other');
$node->safe_psql($_, q{INSERT INTO hero SELECT i, 'old' FROM generate_series(1, 100) i})
  foreach ('postgres', 'other');
ok($node->wait_streaming, 'the relay streams');
ok($node->cache_wait($_), "\"$_\" is applied") foreach ('postgres', 'other');

sub in_redis { return $redis->cli('GET', "$_[0]:hero:$_[1]"); }

sub count_in_log
{
	my ($offset, $pattern) = @_;
	my @found = slurp_file($node->logfile, $offset) =~ /$pattern/g;

	return scalar @found;
}

# A value above proto-max-bulk-len, in the middle of a large transaction
my $offset = -s $node->logfile;
$redis->cli('CONFIG', 'SET', 'proto-max-bulk-len', 1024 * 1024);
$node->safe_psql('postgres', q{
	BEGIN;
	UPDATE hero SET name = 'new' WHERE id < 50;
	UPDATE hero SET name = repeat('x', 2000000) WHERE id = 50;
	UPDATE hero SET name = 'new' WHERE id > 50;
	COMMIT});
$node->safe_psql('other', q{UPDATE hero SET name = 'new' WHERE id = 1});
ok($node->cache_wait, 'a value that is too large does not stop the relay');
is(in_redis('postgres', 50), undef, 'its key is deleted');
is($redis->cli('EVAL', q{local n = 0 for i = 1, 100 do
	if string.find(redis.call('GET', 'postgres:hero:' .. i) or '', '"new"') then n = n + 1 end end
	return n}, 0), 99, 'all others are written');
is(in_redis('other', 1), '{"id":1,"name":"new"}', 'those of another database, too');
is(length reads($node, 50, 'postgres'), 2000000, 'a lookup is right');
is($node->stat('sets_refused'), 1, 'it is counted');
is(count_in_log($offset,
		qr/WARNING:  Redis refuses the value of key "hero:50" of database "postgres": .+\n.*DETAIL:  It has 20000\d\d bytes/),
	1, 'the log names it once');
cmp_ok(count_in_log($offset, qr/rtcache lost Redis/), '<=', 3, 'and is short');
is($node->stat('closings'), 0, 'no database is closed');
$node->safe_psql('postgres', q{UPDATE hero SET name = 'small' WHERE id = 50});
ok($node->cache_wait);
is(in_redis('postgres', 50), '{"id":50,"name":"small"}', 'a smaller value is written');

# Many of them
$offset = -s $node->logfile;
$node->safe_psql('postgres', q{UPDATE hero SET name = repeat('x', 1100000) WHERE id <= 10});
ok($node->cache_wait, 'ten values that are too large');
is($redis->cli('EXISTS', map { "postgres:hero:$_" } 1 .. 10), 0, 'are deleted');
is($node->stat('sets_refused'), 11, 'and counted');
$redis->cli('CONFIG', 'SET', 'proto-max-bulk-len', 512 * 1024 * 1024);

# The ACL lacks one database
$offset = -s $node->logfile;
$redis->cli('ACL', 'SETUSER', 'rtcache', 'resetkeys', grep { /^~/ } @may);
$node->safe_psql('other', q{UPDATE hero SET name = 'hidden' WHERE id = 1});
$node->safe_psql('postgres', q{UPDATE hero SET name = 'shown' WHERE id = 60});
ok($node->cache_wait, 'a database that is forbidden does not stop the others');
is(in_redis('postgres', 60), '{"id":60,"name":"shown"}', 'which are written');
is(reads($node, 1, 'other'), 'hidden', 'its lookups are right');
is(in_redis('other', 1), '{"id":1,"name":"new"}', '(Redis has the old value)');
is($node->stat('closings'), 1, 'that is counted');
like($node->health('prefix', 'other'), qr/^false Redis is not used for this database: .*hero:1.*NOPERM/,
	'cache_health() says why');
like($node->health('databases', 'postgres'), qr/^false Redis is not used for: other \(.*NOPERM/,
	'in the other database as well');
is($node->health('prefix', 'postgres'), 'true Keys of this database begin with "postgres:".',
	'which is all right');
ok($node->wait_open, 'the relay has caught up again');
my $hits = $node->stat('l2_hits');
is(reads($node, 60, 'postgres'), 'shown', 'a lookup there');
is($node->stat('l2_hits'), $hits + 1, 'is a hit');
$node->safe_psql('other', qq{UPDATE hero SET name = 'hidden $_' WHERE id = 1}) foreach 1 .. 20;
ok($node->cache_wait);
is(count_in_log($offset, qr/WARNING:  the cache of database "other" in Redis is closed: /),
	1, 'the log says so once');
cmp_ok(count_in_log($offset, qr/rtcache lost Redis/), '<=', 3, 'and is short');
is(count_in_log($offset, qr/WARNING:  Redis refuses the value/), 1, 'it named the first value');

# After a restart nothing in memory tells that it was closed.
$node->stop;
$redis->cli('ACL', 'SETUSER', 'rtcache', qw(~other:* ~{other:*));
is(in_redis('other', 1), '{"id":1,"name":"new"}', 'Redis has the old value');
$node->start;
ok($node->wait_streaming, 'the relay streams after a restart');
is(reads($node, 1, 'other'), 'hidden 20', 'the old value is not believed') foreach 1 .. 3;
$hits = $node->stat('l2_hits');
ok($node->poll_query_until('other', qq{
	SELECT cache_get('hero:1', 'SELECT id, name FROM hero WHERE id = 1')->>'name' = 'hidden 20'
		AND l2_hits > $hits FROM rtcache_stats}), 'the database is open again');
is($node->health('databases', 'postgres'), 'true Redis refuses no database.', 'cache_health() says so');

# The same without a restart
$redis->cli('ACL', 'SETUSER', 'rtcache', 'resetkeys', grep { /^~/ } @may);
$node->safe_psql('other', q{UPDATE hero SET name = 'again' WHERE id = 1});
ok($node->cache_wait, 'forbidden again');
is(reads($node, 1, 'other'), 'again', 'a lookup is right');
$redis->cli('ACL', 'SETUSER', 'rtcache', qw(~other:* ~{other:*));
$hits = $node->stat('l2_hits');
ok($node->poll_query_until('other', qq{
	SELECT cache_get('hero:1', 'SELECT id, name FROM hero WHERE id = 1')->>'name' = 'again'
		AND l2_hits > $hits FROM rtcache_stats}), 'it opens when Redis obeys');
$node->safe_psql('other', q{UPDATE hero SET name = 'written' WHERE id = 2});
ok($node->cache_wait('other'));
is(in_redis('other', 2), '{"id":2,"name":"written"}', 'and is written');

# A clear that is forbidden
$redis->cli('ACL', 'SETUSER', 'rtcache', 'resetkeys', grep { /^~/ } @may);
$node->safe_psql('other', q{SELECT cache_clear(); UPDATE hero SET name = 'cleared' WHERE id = 2});
$node->safe_psql('postgres', q{UPDATE hero SET name = 'shown 2' WHERE id = 60});
ok($node->cache_wait, 'a clear that is forbidden does not stop the others');
is(in_redis('postgres', 60), '{"id":60,"name":"shown 2"}', 'which are written');
is(reads($node, 2, 'other'), 'cleared', 'a lookup is right');
like($node->health('prefix', 'other'), qr/^false Redis is not used for this database: its keys cannot be deleted: .*NOPERM/,
	'cache_health() says why');
$redis->cli('ACL', 'SETUSER', 'rtcache', qw(~other:* ~{other:*));
ok($node->poll_query_until('other', q{SELECT ok FROM cache_health() WHERE name = 'prefix'}),
	'it opens when Redis obeys');

# Something else under our names
my ($position) = $redis->cli('KEYS', 'rtcache:position:*');
my $lookup = q{SELECT cache_get('mine', 'SELECT id, name FROM hero WHERE id = 3')->>'name'};
is($node->safe_psql('other', $lookup), 'old', 'a value that a lookup has stored');
ok($node->cache_wait('other'));
foreach my $name (grep { /mine|tag|hero:3/ } split /\n/, $redis->cli('KEYS', '*other:*'))
{
	$redis->cli('DEL', $name);
	$redis->cli('LPUSH', $name, 'x');
}
$redis->cli('LPUSH', '{other:hero:3}~lease', 'x');
$redis->cli('LPUSH', '{other:hero:3}~query', 'x');
is($node->safe_psql('other', $lookup), 'old', 'a lookup is right') foreach 1 .. 2;
$node->safe_psql('other', q{UPDATE hero SET name = 'typed' WHERE id = 3});
ok($node->cache_wait('other'), 'lists under our names do not stop the relay');
is($node->safe_psql('other', $lookup), 'typed', 'a lookup is right') foreach 1 .. 2;
is(in_redis('other', 3), '{"id":3,"name":"typed"}', 'a value is written over one');

foreach my $name ($position, 'rtcache:owners')
{
	$redis->cli('DEL', $name);
	$redis->cli('SET', $name, 'x');
}
$redis->cli('CLIENT', 'KILL', 'USER', 'rtcache');
$node->safe_psql('other', q{UPDATE hero SET name = 'position' WHERE id = 3});
ok($node->cache_wait('other'), 'nor does something else in place of the position');
is($node->safe_psql('other', $lookup), 'position', 'a lookup is right');
ok($node->wait_streaming, 'the relay streams');

ok($node->no_crash, 'no process has crashed');
$node->stop;

# A key that cannot be deleted, and a Redis that hangs up on it
my $fake = RtcFakeRedis->new('faulty', $redis);
$node->append_conf('postgresql.conf', "rtcache.redis_url = '" . $fake->url . "'");
$node->start;
ok($node->wait_streaming, 'the relay streams');
$node->safe_psql($_, 'UPDATE hero SET name = name') foreach ('postgres', 'other');
ok($node->cache_wait);
$offset = -s $node->logfile;
$fake->rule(match => 'other:hero:7', action => 'close');
$node->safe_psql('other', q{UPDATE hero SET name = 'gone'});
$node->safe_psql('postgres', q{UPDATE hero SET name = 'there'});
ok($node->cache_wait, 'a key at which Redis hangs up does not stop the others');
is(in_redis('postgres', 7), '{"id":7,"name":"there"}', 'which are written');
is(reads($node, 7, 'other'), 'gone', 'a lookup is right');
is(count_in_log($offset, qr/WARNING:  the cache of database "other" in Redis is closed: Redis refuses to delete key "hero:7"/),
	1, 'the log names the key');
cmp_ok(count_in_log($offset, qr/WARNING/), '<=', 6, 'and is short');
$fake->clear;
ok($node->poll_query_until('other', q{SELECT ok FROM cache_health() WHERE name = 'prefix'}),
	'it opens when Redis obeys');
is(reads($node, 7, 'other'), 'gone', 'a lookup is right');

ok($node->no_crash, 'no process has crashed');
$node->stop;
done_testing();
