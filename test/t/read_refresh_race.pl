# A worker that computes an answer again, and a write that comes in between: the worker is
# stopped between its snapshot and its fill, while the old value stands in Redis.  It stores
# nothing then, neither over what the write has stored nor where it has deleted.
#
# The last part takes the safeguard away, and sees that the same tests notice.

use strict;
use warnings;

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
my $node = RtcNode->new('main', redis => $redis, conf => 'rtcache.lease_ttl = 5min');
my $inject = RtcInject->new($node);
$node->start;
create_heroes($node);
$node->safe_psql('postgres', q{
	CREATE TABLE saga (id int PRIMARY KEY, name text);
	SELECT cache_attach('saga');
});

my $last_id = 0;

# The name that Redis has for a key; '' = none.
sub name_in_redis
{
	my ($key) = @_;
	my $value = $redis->cli('GET', "postgres:$key");

	return defined $value && $value =~ /"name":"(\w+)"/ ? $1 : '';
}

# A worker that asks for a row is stopped at a point; then the row is changed, and the relay
# tells Redis.  Returns what Redis has when the worker has gone on.
sub race
{
	my ($table, $point) = @_;
	my $id = ++$last_id;
	my $get = "SELECT cache_get('$table:$id', 'SELECT id, name FROM $table WHERE id = $id', NULL, '1 min')";

	$node->safe_psql('postgres', "INSERT INTO $table VALUES ($id, 'old')");
	$node->cache_wait;
	# a rule has stored it for longer
	$redis->cli('DEL', "postgres:$table:$id");
	for (1 .. 10 * $PostgreSQL::Test::Utils::timeout_default)
	{
		$node->safe_psql('postgres', $get);
		last if name_in_redis("$table:$id") eq 'old';
		usleep(100_000);
	}
	$inject->arm($point, 'wait', 'refresh');
	$inject->arm('asked_again', 'wait', 'refresh');
	usleep(700_000);
	like($node->safe_psql('postgres', "SET rtcache.refresh_ahead = 0.01; $get"), qr/old/,
		"$table: an answer that is due is served");
	ok($inject->wait_hit($point), "a worker is stopped at $point");
	is(name_in_redis("$table:$id"), 'old', 'the old value stands beside the lease');
	like($node->safe_psql('postgres', $get), qr/old/, 'and is a hit');
	$node->safe_psql('postgres', "UPDATE $table SET name = 'new' WHERE id = $id");
	$node->cache_wait;
	$inject->release($point);
	ok($inject->wait_hit('asked_again'), 'the worker is through');
	my $name = name_in_redis("$table:$id");
	$inject->release('asked_again');
	return $name;
}

ok($node->wait_open, 'Redis is used');
for my $point (qw(leased answer_computed fill_begins))
{
	is(race('hero', $point), 'new', 'what the rule has stored is not overwritten');
	# the worker asks once more, since it was outrun, and may store the new one
	isnt(race('saga', $point), 'old', 'what depends on tables is not stored either');
}
ok($node->no_crash, 'nothing has crashed');

$inject->mutate('no_lease');
ok($node->wait_open, 'a relay that does not take leases');
is(race('hero', 'fill_begins'), 'old', 'is found out');
$inject->mutate('no_lease_drop');
ok($node->wait_open, 'one that leaves leases when it drops tags');
is(race('saga', 'fill_begins'), 'old', 'is found out');

$node->stop;
done_testing();
