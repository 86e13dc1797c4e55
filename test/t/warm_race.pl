# cache_warm never puts an old row over a newer one: it is stopped between two of its
# steps while others write, and what Redis has in the end is what the table has.  What
# is not applied yet does not come to Redis this way either.
#
# The last part takes safeguards away, one at a time, and sees that the same tests
# notice; and that storing what was read, without lease, is wrong.
#
# Slow.

use strict;
use warnings;

use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use RtcInject;
use RtcNode;
use RtcRedis;

plan skip_all => RtcInject::SKIP unless RtcInject::possible();
RtcInject::use_build();

my $redis = RtcRedis->new('main');
$redis->start;
my $node = RtcNode->new('main', redis => $redis, conf => <<'CONF');
autovacuum = off
rtcache.command_timeout = 60s
CONF
my $inject = RtcInject->new($node);
$node->start;
$node->safe_psql('postgres', q{
	CREATE EXTENSION rtcache;
	CREATE TABLE hero (id int PRIMARY KEY, name text);
	SELECT cache_attach('hero', key => 'hero:{id}');
});

sub ready
{
	ok($node->wait_open, 'Redis is used');
	return;
}

# Rows that Redis lacks.
sub prepare
{
	$node->safe_psql('postgres', q{
		TRUNCATE hero;
		INSERT INTO hero SELECT i, 'old' FROM generate_series(1, 6) AS i;
	});
	$node->cache_wait;
	$redis->cli('DEL', map { "postgres:hero:$_" } 1 .. 6);
	return;
}

# A warm-up that is stopped at a point.
sub stopped
{
	my ($point) = @_;
	my $session = { out => '', err => '' };

	$inject->arm($point, 'wait', 'backend');
	$session->{run} = IPC::Run::start(
		[ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-c', q{CALL cache_warm('hero')} ],
		'<', \undef, '>', \$session->{out}, '2>', \$session->{err});
	$inject->wait_hit($point) or die "nobody comes to $point";
	return $session;
}

sub finish
{
	my ($session) = @_;

	$session->{run}->finish;
	return $session->{err};
}

# What Redis holds, and what it should: the second is all that the first may hold.
sub seen
{
	return join ' ', map {
		my $value = $redis->cli('GET', "postgres:hero:$_") // '-';
		$value =~ /"name":"(\w+)"/ ? $1 : $value;
	} 1 .. 7;
}

# A row is updated, one deleted, one gets another key, one goes back to what it was.
my $writes = q{
	UPDATE hero SET name = 'new' WHERE id = 1;
	DELETE FROM hero WHERE id = 2;
	UPDATE hero SET id = 7 WHERE id = 3;
	UPDATE hero SET name = 'new' WHERE id = 4;
	UPDATE hero SET name = 'back' WHERE id = 4;
};

# Others write while a warm-up stands at a point.
sub race
{
	my ($point) = @_;

	prepare();
	my $session = stopped($point);
	$node->safe_psql('postgres', $writes);
	$node->cache_wait;
	$inject->release($point);
	my $said = finish($session);
	$node->cache_wait;
	diag($said) unless $said =~ /^NOTICE:  warmed/;
	return seen();
}

# A commit is visible, but the relay has not applied it: nobody knows that it is
# flushed, or where Redis stands.
sub unapplied
{
	prepare();
	my $session = stopped('warm_leased');
	$inject->arm('batch_built', 'wait', 'relay');
	$node->safe_psql('postgres', q{UPDATE hero SET name = 'new' WHERE id = 1});
	$inject->wait_hit('batch_built') or die 'the relay does nothing';
	$inject->arm('warm_filled', 'wait', 'backend');
	$inject->release('warm_leased');
	$inject->wait_hit('warm_filled') or die 'nothing is filled';
	my $meanwhile = seen();
	$inject->release('batch_built');
	$inject->release('warm_filled');
	finish($session);
	$node->cache_wait;
	return $meanwhile . ', ' . seen();
}

my @points = qw(warm_trusted warm_leased warm_snapshot warm_read warm_checked);
my $right = 'new - - back old old old';

# ---------------- all safeguards ----------------

ready();
is(race($_), $right, "writes at $_") foreach @points;
is(unapplied(), '- old old old old old -, new old old old old old -',
	'what is not applied is not stored, and comes later');

# A warm-up that is cut off leaves what it has stored; the next one goes on.
prepare();
my $session = stopped('warm_filled');
is(seen(), 'old old old old old old -', 'a batch is stored');
$redis->cli('DEL', 'postgres:hero:5');
is($node->safe_psql('postgres', q{SELECT pg_cancel_backend(pid), relation, phase, done < total, datname
	FROM rtcache_progress}), 't|hero|warm-up|t|postgres', 'it can be seen, and cancelled');
$inject->release('warm_filled');
like(finish($session), qr/canceling statement due to user request/, 'at once');
is($node->safe_psql('postgres', q{SELECT count(*) FROM rtcache_progress}), 0, 'it is gone');
my ($ret, $out, $err) = $node->psql('postgres', q{CALL cache_warm('hero')});
like($err, qr/6 rows, 1 values stored, 5 were there, 0 left out/, 'the next call goes on');

# Writers do not wait for one that stands still, nor does who makes an index for longer.
prepare();
$session = stopped('warm_leased');
$node->safe_psql('postgres', q{SET lock_timeout = '10s'; UPDATE hero SET name = 'new'; VACUUM hero});
pass('no writer waits');
$inject->release('warm_leased');
finish($session);
$node->cache_wait;
is(seen(), 'new new new new new new -', 'and what was written counts');

# A table whose rows have moved is begun again.
prepare();
$session = stopped('warm_filled');
$redis->cli('DEL', map { "postgres:hero:$_" } 1 .. 6);
my $rewrite = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-c', 'VACUUM FULL hero' ],
	'<', \undef, '>', \my $vout, '2>', \my $verr);
$node->poll_query_until('postgres', q{SELECT count(*) > 0 FROM pg_locks WHERE NOT granted}) or die;
$inject->release('warm_filled');
finish($session);
$rewrite->finish;

# Redis goes away and comes back.
prepare();
$redis->stop;
$session = { out => '', err => '' };
$session->{run} = IPC::Run::start(
	[ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-c', q{CALL cache_warm('hero')} ],
	'<', \undef, '>', \$session->{out}, '2>', \$session->{err});
ok($node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM rtcache_progress WHERE phase = 'waiting for Redis'}),
	'it waits for Redis');
$redis->start;
like(finish($session), qr/6 rows, 6 values stored/, 'and goes on when that is back');

# ---------------- without one of them ----------------

# Storing what was read, without asking whether the lease is still there.
$inject->mutate('no_warm_lease');
ready();
is(race('warm_checked'), 'old old old old old old old', 'without a lease old rows come back');

$inject->mutate('early_warm_snapshot', 'no_warm_recheck');
ready();
isnt(race('warm_trusted'), $right, 'and with a snapshot from before the leases');

$inject->mutate('no_warm_recheck');
ready();
like(unapplied(), qr/^new /, 'without a second look Redis has what is not applied');

ok($node->no_crash, 'no process has crashed');
$node->stop;
$redis->stop;
done_testing();
