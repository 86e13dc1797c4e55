# Another server takes Redis over while the old one lives on, and its relay is
# asleep.  Nothing that the old one knows gets into Redis from then on, and its
# sessions are told nothing of what is there.
#
#	- while the new one clears, and when it has, sessions of the old one whose
#	  connections are good store nothing, wherever they have been stopped
#	- they read nothing that the new one has written
#	- the old relay wakes up with a commit to be applied: it writes nothing

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
my $old = RtcNode->new('old', redis => $redis, init => { allows_streaming => 1 },
	conf => "autovacuum = off\nrtcache.lease_ttl = 60s");
my $in_old = RtcInject->new($old);
$old->start;
create_heroes($old);
$old->safe_psql('postgres', q{INSERT INTO hero SELECT i, 'both' FROM generate_series(1, 10) i});
ok($old->wait_streaming, 'the relay streams');
$old->backup('copy');
my $new = bless PostgreSQL::Test::Cluster->new('new'), 'RtcNode';
$new->init_from_backup($old, 'copy');
my $in_new = RtcInject->new($new);

# What the new one will not have
$old->safe_psql('postgres', q{UPDATE hero SET name = 'old' WHERE id <= 2});
same_as_table($old, $redis, 'Redis has it');

# Three sessions with good connections; the third is stopped behind its GET.
my @session = map { $old->background_psql('postgres') } 1 .. 2;
foreach my $session (@session)
{
	$redis->cli('DEL', 'postgres:hero:1');
	is(reads($old, 1, $session), 'old', 'a session of the old server reads');
	is(hero_in_redis($redis, 1), 'old', 'and stores');
}
$redis->cli('DEL', 'postgres:hero:1', 'postgres:hero:2');
$in_old->arm('got', 'wait', 'backend');
my $out = '';
my $stopped = IPC::Run::start([ 'psql', '-XAtq', '-d', $old->connstr('postgres'),
		'-c', q{SELECT cache_get('hero:2', 'SELECT * FROM hero WHERE id = 2')->>'name'} ],
	'<', \undef, '>', \$out);
ok($in_old->wait_hit('got'), 'another one is stopped when it has missed');

# The new one takes over.
my $relay = $old->relay_pid;
kill 'STOP', $relay;
my ($position) = @{ $redis->query('KEYS', 'rtcache:position:*') };
my $owner = $redis->query('HGET', $position, 'owner');
$redis->query('HSET', $position, 'seen', 1);
$in_new->arm('clear_deleted', 'wait', 'relay');
$new->start;
ok($in_new->wait_hit('clear_deleted'), 'the new server has cleared Redis, and the position is not moved yet');
is(reads($old, 1, $session[0]), 'old', 'a session of the old one reads its own');
is(hero_in_redis($redis, 1), 'nothing', 'and does not store it');
$in_old->release('got');
$stopped->finish;
is($out, "old\n", 'so does the one that was stopped');
is(hero_in_redis($redis, 2), 'nothing', 'and does not store it either');
$in_new->release('clear_deleted');
ok($new->wait_streaming, 'the new server has taken over');
isnt($redis->query('HGET', $position, 'owner'), $owner, 'the position is its own');
is(reads($new, $_), 'both', "a lookup there gives what is there ($_)") foreach 1, 2;

# What it writes is not for the others.
$new->safe_psql('postgres', q{UPDATE hero SET name = 'new' WHERE id >= 3});
same_as_table($new, $redis, 'its writes arrive', partial => 1);
is(hero_in_redis($redis, 3), 'new', 'Redis has them');
is(reads($old, 3, $session[1]), 'both', 'a session that was connected all the time does not read them');
is(reads($old, 4, $session[1]), 'both', 'nor the next time');
is(reads($old, 3), 'both', 'nor does a new one');

# The old relay wakes up.
$owner = $redis->query('HGET', $position, 'owner');
$old->safe_psql('postgres', q{UPDATE hero SET name = 'too late' WHERE id = 5});
kill 'CONT', $relay;
for (1 .. 20 * $PostgreSQL::Test::Utils::timeout_default)
{
	last if hero_in_redis($redis, 5) eq 'too late' ||
	  $old->safe_psql('postgres', 'SELECT state FROM rtcache_relay') eq 'fenced';
	usleep(50_000);
}
is(hero_in_redis($redis, 5), 'new', 'the old relay wakes up and writes nothing');
is($redis->query('HGET', $position, 'owner'), $owner, 'the position stays with the new one');
is($old->safe_psql('postgres', 'SELECT state FROM rtcache_relay'), 'fenced', 'the old one is fenced');
same_as_table($new, $redis, 'all is as the new one has it', partial => 1);

eval { $_->quit } foreach @session;
ok($_->no_crash, 'no process has crashed') foreach ($old, $new);
$_->stop foreach ($old, $new);
$redis->stop;
done_testing();
