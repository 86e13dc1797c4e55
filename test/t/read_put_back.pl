# What Redis has lost comes back by hits in L1: after a clear, with a new connection of the
# relay to a Redis that is older, and after an eviction.  A hit takes no round trip for that,
# and a write that comes in between is never overwritten.
#
# The last part takes safeguards away, one at a time, and sees that the same tests notice.

use strict;
use warnings;

use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

use RtcCoherence;
use RtcInject;
use RtcNode;
use RtcRedis;

plan skip_all => RtcInject::SKIP unless RtcInject::possible();
RtcInject::use_build();

my $redis = RtcRedis->new('main');
$redis->start;
my $node = RtcNode->new('main', redis => $redis, l1 => 1, conf => 'rtcache.lease_ttl = 5min');
my $inject = RtcInject->new($node);
$node->start;
create_heroes($node);
$node->safe_psql('postgres', q{
	CREATE TABLE saga (id int PRIMARY KEY, name text);
	SELECT cache_attach('saga');
});

my $last_id = 0;

# A lookup of a row, as SQL.  A rule stores those of hero; those of saga are filled.
sub get
{
	my ($key) = @_;
	my ($table, $id) = split /:/, $key;

	return "SELECT cache_get('$key', 'SELECT id, name FROM $table WHERE id = $id', NULL, '1 hour')";
}

# What Redis has under a key: a name, '' = nothing.
sub in_redis
{
	my ($key) = @_;
	my $value = $redis->cli('GET', "postgres:$key");

	return defined $value && $value =~ /"name":\s*"(\w+)"/ ? $1 : '';
}

# Makes a new row whose answer is in L1 and in Redis; returns its key.
sub cached
{
	my ($table) = @_;
	my $id = ++$last_id;
	my $key = "$table:$id";

	$node->safe_psql('postgres', "INSERT INTO $table VALUES ($id, 'old')");
	$node->cache_wait;
	for (1 .. 10 * $PostgreSQL::Test::Utils::timeout_default)
	{
		# one that was computed when Redis could not be used stays in L1
		$node->safe_psql('postgres', "SELECT cache_del('$key')") if $table eq 'saga';
		$node->cache_wait;
		$node->safe_psql('postgres', get($key));
		last if in_redis($key) eq 'old';
		usleep(100_000);
	}
	is(in_redis($key), 'old', "$key is in Redis");
	return $key;
}

# Looks a key up until something is so; a test result.
sub hit_until
{
	my ($key, $done, $what) = @_;

	for (1 .. 10 * $PostgreSQL::Test::Utils::timeout_default)
	{
		$node->safe_psql('postgres', get($key));
		return pass($what) if $done->();
		usleep(100_000);
	}
	return fail($what);
}

sub comes_back
{
	my ($key, $what) = @_;

	return hit_until($key, sub { in_redis($key) eq 'old' }, $what);
}

# Redis loses all, and the relay has seen it.
sub flush
{
	my $clears = $node->stat('clears');

	$redis->cli('FLUSHALL');
	$node->poll_query_until('postgres', "SELECT clears > $clears FROM rtcache_stats") or die;
	$node->wait_open or die;
	return;
}

# A worker that puts a key back is stopped at a point; then the row is changed, and the relay
# tells Redis.  Returns what Redis has when the worker has gone on.
sub race
{
	my ($table, $point) = @_;
	my $key = cached($table);
	my $id = $last_id;

	flush();
	$inject->arm('asked_again', 'wait', 'refresh');
	$inject->arm($point, 'wait', 'refresh');
	hit_until($key, sub { $inject->hit($point) }, "a worker is stopped at $point");
	$node->safe_psql('postgres', "UPDATE $table SET name = 'new' WHERE id = $id");
	$node->cache_wait;
	$inject->release($point);
	ok($inject->wait_hit('asked_again'), 'the worker is through');
	my $name = in_redis($key);
	$inject->release('asked_again');
	return $name;
}

# Redis loses an answer between its fill and L1.
sub lost_meanwhile
{
	my $id = ++$last_id;
	my $key = "saga:$id";

	$node->safe_psql('postgres', "INSERT INTO saga VALUES ($id, 'old')");
	$node->cache_wait;
	$inject->arm('l1_store_begins', 'wait', 'backend');
	my $run = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-c', get($key) ],
		'<', \undef, '>', \my $out, '2>', \my $err);
	$inject->wait_hit('l1_store_begins') or die 'nobody computes it';
	flush();
	$inject->release('l1_store_begins');
	$run->finish;
	is(in_redis($key), '', 'the answer is not in Redis');
	my $hits = $node->stat('l1_hits');
	$node->safe_psql('postgres', get($key)) =~ /old/ or die;
	is($node->stat('l1_hits'), $hits + 1, 'it is in L1');
	return $key;
}

# ---------------- it comes back ----------------

ok($node->wait_open, 'Redis is used');
my @keys = map { cached($_) } qw(hero saga);
flush();
is(in_redis($_), '', "$_ is lost") foreach @keys;
my $hits = $node->stat('l1_hits');
my $l2_hits = $node->stat('l2_hits');
my $misses = $node->stat('misses');
$node->safe_psql('postgres', get($_)) foreach @keys;
is($node->stat('l1_hits'), $hits + 2, 'lookups are hits in L1 all the same');
comes_back($_, "$_ comes back after a clear") foreach @keys;
is(in_redis("$keys[0]"), 'old', 'as the rule has it');
is($redis->cli('GET', "postgres:$keys[0]"), '{"id":1,"name":"old"}', 'to the letter');
is($redis->cli('EXISTS', "{postgres:$keys[1]}~query"), 1, 'and with what tells whose it is');
is($node->stat('l2_hits'), $l2_hits, 'no lookup has asked Redis');
is($node->stat('misses'), $misses, 'nor has one been a miss');

# A Redis that was restarted from a snapshot in which it was not.
$redis->save_rdb('before');
@keys = (cached('saga'));
$node->cache_wait;
my $clears = $node->stat('clears');
$redis->kill9;
$redis->restore_rdb('before');
$redis->start;
ok($node->wait_open, 'an older Redis is used');
is($node->stat('clears'), $clears, 'and need not be cleared');
comes_back($keys[0], 'a fill that it has lost comes back');

# An eviction.  Nothing is written meanwhile but this.
@keys = map { cached($_) } qw(hero saga);
$redis->cli('CONFIG', 'SET', 'maxmemory-policy', 'volatile-ttl');
$redis->cli('CONFIG', 'SET', 'maxmemory', 1);
$redis->cli('SET', 'something', 'else');
$redis->cli('CONFIG', 'SET', 'maxmemory', 0);
is(in_redis($keys[1]), '', 'Redis has evicted what expires');
comes_back($keys[1], 'and has it again when the relay has seen that');

# Nobody tells of what others delete; hits ask for nothing then.
$redis->cli('DEL', "postgres:$keys[1]");
$node->safe_psql('postgres', get($keys[1])) for 1 .. 10;
is(in_redis($keys[1]), '', 'what was deleted by hand stays away');
flush();
comes_back($keys[1], 'until something else is lost');

# One whose text is too large for Redis, though L1 has room for it, is tried once.
$node->set_conf('rtcache.max_value_size', '10kB');
$node->poll_query_until('postgres', 'SHOW rtcache.max_value_size', '10kB') or die;
my $large = q{SELECT length(cache_get('large', 'SELECT repeat(E''\\n'', 7000) AS name FROM saga WHERE id = 1000')::text)};
$node->safe_psql('postgres', 'INSERT INTO saga VALUES (1000)');
@keys = map { cached('saga') } 1 .. 4;
$hits = $node->stat('l1_hits');
my $too_large = $node->stat('too_large');
cmp_ok($node->safe_psql('postgres', $large), '>', 10240, 'a text is too large for Redis');
$node->safe_psql('postgres', $large);
is($node->stat('too_large'), $too_large + 1, 'so it is not stored there');
is($node->stat('l1_hits'), $hits + 1, 'it is in L1');
flush();
foreach (@keys)
{
	$node->safe_psql('postgres', $large);
	comes_back($_, "$_ comes back");
}
is($node->stat('too_large'), $too_large + 2, 'a worker has tried it once');

# Without workers there is nobody to do it, and with one of them again there is.
@keys = map { cached($_) } qw(hero saga);
$node->set_conf('rtcache.refresh_workers', 0);
$node->poll_query_until('postgres', 'SHOW rtcache.refresh_workers', '0') or die;
flush();
like($node->safe_psql('postgres', get($keys[1])), qr/old/, 'without workers a hit is a hit');
$node->set_conf('rtcache.refresh_workers', 1);
comes_back($keys[1], 'and with one it comes back');

# ---------------- and never over something newer ----------------

for my $point (qw(leased answer_computed fill_begins))
{
	is(race('hero', $point), 'new', 'what the rule has stored is not overwritten');
	# the worker asks once more, since it was outrun, and may store the new one
	isnt(race('saga', $point), 'old', 'what depends on tables is not stored either');
}
my $key = lost_meanwhile();
comes_back($key, 'what is lost before it is in L1 comes back');
ok($node->no_crash, 'nothing has crashed');

# ---------------- without one of the safeguards ----------------

$inject->mutate('no_lease');
ok($node->wait_open, 'a relay that does not take leases');
is(race('hero', 'fill_begins'), 'old', 'is found out');

$inject->mutate('late_loss');
ok($node->wait_open, 'what is noted of losses too late');
my $other = cached('saga');
$key = lost_meanwhile();
comes_back($other, 'another answer comes back');
is(in_redis($key), '', 'but not that one, which was asked for before');

$node->stop;
done_testing();
