# Redis answers, but not as it should: errors inside and outside of EXEC, nil,
# a cut in the middle of an answer, garbage.  The batch does not count, it is
# applied again, nothing is lost, and there is one WARNING for each fault.  Lookups
# get the right answer meanwhile; the breaker opens and closes again.

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

my $node = RtcNode->new(
	'main',
	redis => $fake,
	conf => "rtcache.breaker_cooldown = 100\nrtcache.breaker_threshold = 5");
$node->start;
create_heroes($node);
$node->safe_psql('postgres', q{INSERT INTO hero VALUES (1, 'v0'), (2, 'v0'), (3, 'v0')});
ok($node->wait_streaming, 'the relay streams');
ok($node->cache_wait, 'Redis has caught up');

my ($sysid) = $redis->cli('KEYS', 'rtcache:position:*') =~ /(\d+)$/;

sub position { return $redis->cli('HGET', "rtcache:position:$sysid", $_[0]); }

sub warnings_since
{
	my ($offset) = @_;

	return slurp_file($node->logfile, $offset) =~
	  /WARNING:  (rtcache (?:lost Redis|does not write).*)/g;
}

sub values_in_redis
{
	return $redis->cli('MGET', map { "postgres:hero:$_" } 1 .. 3);
}

sub all_are
{
	return join "\n", map { qq({"id":$_,"name":"$_[0]"}) } 1 .. 3;
}

# Each fault once, and in the transaction of the update: the relay also writes its
# position alone, now and then.
my $set = '^SET postgres:hero:2 ';
my @faults = (
	[ 'OOM inside EXEC', qr/OOM/, match => $set, action => 'exec_error',
		text => 'OOM command not allowed when used memory > maxmemory' ],
	[ 'READONLY inside EXEC', qr/READONLY/, match => $set, action => 'exec_error',
		text => 'READONLY You can\'t write against a read only replica.' ],
	[ 'LOADING inside EXEC', qr/LOADING/, match => $set, action => 'exec_error',
		text => 'LOADING Redis is loading the dataset in memory' ],
	[ 'NOPERM inside EXEC', qr/NOPERM/, match => $set, action => 'exec_error',
		text => 'NOPERM this user has no permissions to run the command' ],
	[ 'error of the UNLINK of leases', qr/OOM/, match => '^UNLINK ', action => 'exec_error',
		text => 'OOM no' ],
	[ 'error of the position', qr/OOM/, match => '^HSET rtcache:position',
		action => 'exec_error', text => 'OOM no' ],
	[ 'EXECABORT', qr/NOPERM/, match => $set, action => 'error', text => 'NOPERM no' ],
	[ 'NOAUTH', qr/NOAUTH/, match => $set, action => 'error',
		text => 'NOAUTH Authentication required.' ],
	[ 'EXEC refused', qr/LOADING/, match => '^EXEC', within => $set, action => 'error',
		text => 'LOADING Redis is loading the dataset in memory' ],
	[ 'EXEC is nil', qr/changed the position/, match => '^EXEC', within => $set, action => 'reply',
		text => "*-1\r\n" ],
	[ 'EXEC with an answer too few', qr/EXEC/, match => '^EXEC', within => $set, action => 'reply',
		text => "*1\r\n+OK\r\n" ],
	[ 'an answer too many', qr/more than|has taken/, match => '^WATCH', action => 'reply',
		text => "+OK\r\n+OK\r\n" ],
	[ 'cut before EXEC', qr/./, match => '^EXEC', within => $set, action => 'close' ],
	[ 'cut behind EXEC', qr/./, match => '^EXEC', within => $set, action => 'close_after' ],
	[ 'cut in the middle of an answer', qr/./, match => '^EXEC', within => $set, action => 'close_half' ],
	[ 'garbage', qr/Protocol error/, match => '^EXEC', within => $set, action => 'reply',
		text => "\x00\xffgarbage\r\n" ],
	[ 'no answer', qr/timeout/, match => '^EXEC', within => $set, action => 'hang' ]);
my $n = 0;

foreach my $fault (@faults)
{
	my ($name, $warning, %rule) = @$fault;
	my $offset = -s $node->logfile;

	$n++;
	$fake->clear;
	$fake->rule(count => 1, %rule);
	$node->safe_psql('postgres', "UPDATE hero SET name = 'v$n'");
	ok($fake->wait_hits(1), "$name: happened");
	ok($node->cache_wait, "$name: applied in the end");
	is(values_in_redis(), all_are("v$n"), "$name: nothing is lost");

	my @warnings = warnings_since($offset);
	is(scalar @warnings, 1, "$name: one warning");
	like($warnings[0], $warning, "$name: which says why");
}

# Faults that come to an end only when all is refused, the position included
my $offset = -s $node->logfile;
$fake->clear;
$fake->rule(match => '^HSET rtcache:position', action => 'exec_error', text => 'READONLY no');
my $commit = $node->safe_psql('postgres',
	q{UPDATE hero SET name = 'last'; SELECT pg_current_wal_insert_lsn()});
ok($fake->wait_hits(3), 'it is tried again and again');
is( $node->safe_psql('postgres',
		"SELECT '" . position('verified_lsn') . "'::pg_lsn < '$commit'::pg_lsn"),
	't',
	'the position that is verified stays before it');
is($node->safe_psql('postgres', q{SELECT cache_wait(timeout => '10 ms')}),
	'f', 'nobody is told that it was applied');
is( $node->safe_psql('postgres',
		"SELECT applied_lsn < '$commit'::pg_lsn FROM rtcache_relay"),
	't',
	'rtcache_relay does not say so either');
like($node->safe_psql('postgres', 'SELECT last_error FROM rtcache_relay'),
	qr/: READONLY no/, 'but tells what is wrong');
is( $node->safe_psql('postgres',
		q{SELECT cache_get('hero:2', 'SELECT name FROM hero WHERE id = 2')}),
	'{"name": "last"}',
	'a lookup gets the new value');
my @warnings = warnings_since($offset);
is(scalar @warnings, 1, 'one warning for all attempts');
my $hits;
$fake->clear;
ok($node->cache_wait, 'applied when the fault is over');
is(values_in_redis(), all_are('last'), 'all of it');
is($node->stat('sets_refused') + $node->stat('closings'), 0, 'nothing was refused');

# Lookups
my $lookup = q{SELECT cache_get('top', 'SELECT name FROM hero WHERE id = 1')};
my $right = '{"name": "last"}';

ok($node->wait_streaming);
foreach my $fault (
	[ 'OOM', action => 'error', text => 'OOM no' ],
	[ 'LOADING', action => 'error', text => 'LOADING Redis is loading' ],
	[ 'NOAUTH', action => 'error', text => 'NOAUTH Authentication required.' ],
	[ 'a number', action => 'reply', text => ":1\r\n" ],
	[ 'an array', action => 'reply', text => "*1\r\n:1\r\n" ],
	[ 'garbage', action => 'reply', text => "\xff\xfe\r\n" ],
	[ 'a cut', action => 'close_half' ],
	[ 'silence', action => 'hang' ])
{
	my ($name, %rule) = @$fault;

	foreach my $command ('^MGET', '^EVALSHA', '^HMGET')
	{
		$redis->cli('DEL', 'postgres:top', '{postgres:top}~lease');
		$fake->clear;
		$fake->rule(match => $command, count => 1, %rule);
		is($node->safe_psql('postgres', $lookup), $right, "$name to $command");
		is($fake->hits, 1, "$name to $command: happened");

		# a success in between keeps the breaker closed
		$fake->clear;
		$redis->cli('DEL', '{postgres:top}~lease');
		is($node->safe_psql('postgres', $lookup), $right);
	}
}

# The breaker
$offset = -s $node->logfile;
$redis->cli('DEL', 'postgres:top', '{postgres:top}~lease');
$fake->clear;
$fake->rule(match => '^MGET', action => 'error', text => 'LOADING Redis is loading');
my $warned = 0;
for (1 .. 8)
{
	my ($stdout, $stderr);

	$node->psql('postgres', $lookup, stdout => \$stdout, stderr => \$stderr);
	is($stdout, $right, 'a lookup under a fault that lasts');
	$warned++ if $stderr =~ /WARNING:  Redis cannot be used/;
}
is($warned, 1, 'who opens the breaker gets the one warning');
like($node->safe_psql('postgres', 'SELECT breaker FROM rtcache_relay'),
	qr/^(open|half-open)$/, 'the breaker is open');
# one that comes after the cooldown tries Redis; not so the next one
ok( $node->poll_query_until(
		'postgres', "$lookup; $lookup; SELECT bypass_breaker > 0 FROM rtcache_stats", "$right\n$right\nt"),
	'lookups do without Redis');
$fake->clear;
ok( $node->poll_query_until(
		'postgres', "$lookup; SELECT breaker = 'closed' FROM rtcache_relay", "$right\nt"),
	'it closes when Redis answers again');
$hits = $node->stat('l2_hits');
is($node->safe_psql('postgres', "$lookup; $lookup"), "$right\n$right");
cmp_ok($node->stat('l2_hits'), '>', $hits, 'and lookups hit');

ok($node->no_crash, 'no process has crashed');
$node->stop;
done_testing();
