# A command fails inside EXEC, so the position moves without it, and a replica
# of that moment is promoted.  Its position looks as good as that of the Redis
# in which the relay has made up for the failure meanwhile; but the epoch tells
# them apart.  Sessions that come to it, while the relay has not noticed, do not
# believe it, nor does the relay when it comes.

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

my $main = RtcRedis->new('main', tcp => 1, args => [ '--repl-diskless-sync-delay', '0' ]);
$main->start;
my $replica = RtcRedis->new('replica');
$replica->start;
my $fake = RtcFakeRedis->new('faulty', $main);
my $node = RtcNode->new('main', redis => $fake);
$node->start;
create_heroes($node);
# what is written before that is not stored, but cleared
ok($node->wait_streaming, 'the relay streams');
$node->safe_psql('postgres', q{INSERT INTO hero VALUES (1, 'old'), (2, 'old')});
ok($node->cache_wait, 'Redis has caught up');
my ($position) = @{ $main->query('KEYS', 'rtcache:position:*') };

# Was there an EXEC of which the relay does not know yet whether it was good?
sub has_unverified
{
	my ($redis) = @_;
	my ($lsn, $verified) = map { sprintf '%08s%08s', split m{/} }
		@{ $redis->query('HMGET', $position, 'lsn', 'verified_lsn') };

	return $lsn gt $verified;
}

my $lookup = q{SELECT cache_get('hero:1', 'SELECT id, name FROM hero WHERE id = 1') ->> 'name'};

# Takes a replica of a moment at which the position has the commit, and the
# value is missing.
$replica->cli('REPLICAOF', '127.0.0.1', $main->port);
ok($replica->wait_for('{"id":1,"name":"old"}', 'GET', 'postgres:hero:1'), 'a replica follows');
for (1 .. 100 * $PostgreSQL::Test::Utils::timeout_default)
{
	last unless has_unverified($replica);
	usleep(10_000);
}
ok(!has_unverified($replica), 'and knows that all replies were good');
$fake->commands;
# twice: a SET that is refused again and again becomes a DEL
$fake->rule(match => '^SET postgres:hero:1 ', action => 'exec_error', count => 2,
	text => 'NOPERM this user has no permissions to run the command');
# at first the relay is not told, which gives us its timeout to look
$fake->rule(match => '^EXEC', within => '^SET postgres:hero:2 ', action => 'hang', count => 1);
$node->safe_psql('postgres', "UPDATE hero SET name = 'new'");
my $caught = 0;
for (1 .. 100)
{
	for (1 .. 1000)
	{
		last if has_unverified($replica);
		usleep(1_000);
	}
	$replica->cli('REPLICAOF', 'NO', 'ONE');
	$caught = has_unverified($replica);
	last if $caught;
	# the relay was faster, and has set it back
	$replica->cli('REPLICAOF', '127.0.0.1', $main->port);
}
ok($caught, 'a replica was promoted when the position had moved');
like($replica->query('GET', 'postgres:hero:1'), qr/old/, 'without what goes with it');
like($replica->query('GET', 'postgres:hero:2'), qr/new/, '(of which the rest is there)');

# The relay makes up for it, where it is.
ok($fake->wait_hits(3), 'the relay tries again');
my @stored = map { /^HSET rtcache:position:.* lsn (\S+) .* verified_lsn (\S+) / ? [ $1, $2 ] : () } $fake->commands;
ok((grep { $_->[0] eq $_->[1] } @stored), 'having set back the position, for an epoch of its own');
$fake->clear;
ok($node->wait_streaming, 'the relay streams again');
ok($node->cache_wait, 'everything is applied');
like($main->query('GET', 'postgres:hero:1'), qr/new/, 'Redis has the new value');
my $hits = $node->stat('l2_hits');
is($node->safe_psql('postgres', $lookup), 'new', 'which a lookup gets');
is($node->stat('l2_hits'), $hits + 1, 'from Redis');

# New sessions come to the other one.
$fake->lead_to($replica);
is($node->safe_psql('postgres', $lookup), 'new', 'a session that comes to the replica');
like($replica->query('GET', 'postgres:hero:1'), qr/old/, '(which has the old value)');
is($node->stat('l2_hits'), $hits + 1, 'does not believe it');
isnt($main->query('HGET', $position, 'epoch'), $replica->query('HGET', $position, 'epoch'),
	'since it is of another epoch');

# And so does the relay.
$fake->cut_all;
ok( $node->poll_query_until('postgres',
		"SELECT l2_hits > $hits + 1 FROM rtcache_stats, ($lookup) AS lookup(name) WHERE name = 'new'"),
	'lookups use it when the relay has come to it');
like($replica->query('GET', 'postgres:hero:1'), qr/new/, 'and has made up for it there');

ok($node->no_crash, 'no process has crashed');
done_testing();
