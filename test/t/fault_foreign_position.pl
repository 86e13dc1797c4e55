# Somebody else has written to the name under which the relay keeps its position in
# Redis: a string, a hash with thousands of fields, or with one of 100 MB.  The relay
# deletes it, tells so, and goes on; also if its user in Redis may not ask how large
# it is.

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
my $fake = RtcFakeRedis->new('faulty', $redis);
my $node = RtcNode->new('main', redis => $redis);
$node->start;
create_heroes($node);
$node->safe_psql('postgres', q{INSERT INTO hero VALUES (1, 'v0'), (2, 'v0')});
ok($node->wait_streaming, 'the relay streams');
same_as_table($node, $redis, 'Redis has the rows');
my ($position) = @{ $redis->query('KEYS', 'rtcache:position:*') };
my $n = 0;

# What the relay does with what the code puts there; the reason it tells
sub replaced
{
	my ($what, $reason, $code) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $from = -s $node->logfile;
	my $clears = $node->stat('clears');

	note("### $what");
	$code->();
	$n++;
	$node->safe_psql('postgres', "UPDATE hero SET name = 'v$n'");
	ok($node->poll_query_until('postgres', "SELECT clears > $clears FROM rtcache_stats"), "$what: the relay clears");
	ok($node->wait_streaming, "$what: and streams");
	like(substr(slurp_file($node->logfile), $from),
		qr/LOG:  deleted key "\Q$position\E" in Redis, which is no position of this server: $reason/, "$what: it says so");
	is($redis->cli('TYPE', $position), 'hash', "$what: there is a position again");
	cmp_ok($redis->cli('HLEN', $position), '<', 20, "$what: with its own fields");
	$node->safe_psql('postgres', "UPDATE hero SET name = 'w$n'");
	same_as_table($node, $redis, "$what: Redis has the rows");
	is(reads($node, 1), "w$n", "$what: a lookup is right");
	return;
}

my $many = q{for i = 1, 10000 do redis.call('HSET', KEYS[1], 'field:' .. i, i) end};
my $large = q{redis.call('HSET', KEYS[1], 'prefix:other:', string.rep('x', 100000000))};

replaced('a string', 'it is not a hash', sub { $redis->cli('SET', $position, 'mine') });
replaced('a list', 'it is not a hash', sub { $redis->cli('DEL', $position); $redis->cli('RPUSH', $position, 'mine') });
replaced('many fields', 'it has too many fields', sub { $redis->cli('EVAL', $many, 1, $position) });
replaced('a large field', 'it is too large', sub { $redis->cli('EVAL', $large, 1, $position) });
$node->append_conf('postgresql.conf', "rtcache.command_timeout = '30s'");	# a proxy takes its time
$node->set_conf('rtcache.redis_url', $fake->url);
ok($node->poll_query_until('postgres', q{SELECT current_setting('rtcache.redis_url') LIKE '%fake.sock'}), 'by way of a proxy');
$fake->rule(match => '^(HLEN|MEMORY)', action => 'error', text => 'NOPERM this user has no permissions');
replaced('many fields, not allowed to ask', 'it has too many fields', sub { $redis->cli('EVAL', $many, 1, $position) });
$fake->clear;

# It stays after a restart of the server
$node->stop;
$redis->cli('SET', $position, 'mine');
$node->start;
ok($node->wait_streaming, 'at start: the relay streams');
same_as_table($node, $redis, 'at start: Redis has nothing else', partial => 1);

ok($node->no_crash, 'no process has crashed');
$node->stop;
done_testing();
