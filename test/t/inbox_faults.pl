# Each entry of an inbox is applied once, whatever is killed and when: the worker at
# each of its steps, the whole server, Redis (which writes its file always).  What
# cannot be applied is a dead letter once.  While Redis or the relay is away the worker
# waits, and says so.
# Slow.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use RtcInject;
use RtcNode;
use RtcRedis;

plan skip_all => RtcInject::SKIP unless RtcInject::possible();
RtcInject::use_build();

my $redis = RtcRedis->new('main', args => [ '--appendonly', 'yes', '--appendfsync', 'always' ]);
$redis->start;
my $node = RtcNode->new('main', redis => $redis, conf => "rtcache.inbox_delay = 0\nfsync = on\n");
my $inject = RtcInject->new($node);
$node->start;
$node->safe_psql('postgres', q{
	CREATE EXTENSION rtcache;
	CREATE TABLE counter (id int PRIMARY KEY, hits bigint NOT NULL DEFAULT 0 CHECK (hits >= 0), last int);
	SELECT cache_attach('counter', 'counter:{id}', behind => '{hits,last}');
	INSERT INTO counter SELECT generate_series(1, 10);
});
ok($node->wait_open, 'Redis is used');

my $appended = 0;
my $bad = 0;
my $last;

# Appends increments to all counters, in one step, and an entry that is refused.
sub append_all
{
	my $script = q{local id
		for i = 1, 10 do
			redis.call('XADD', KEYS[1], '*', 'key', 'counter:' .. i, 'add', '{"hits":1}')
			id = redis.call('XADD', KEYS[1], '*', 'key', 'counter:' .. i, 'set', '{"last":' .. ARGV[1] .. '}')
		end
		redis.call('XADD', KEYS[1], '*', 'key', 'counter:1', 'add', '{"hits":-100000}')
		return redis.call('XADD', KEYS[1], '*', 'key', 'counter:2', 'set', '{"last":' .. ARGV[1] .. '}')};

	$appended++;
	$bad++;
	$last = $redis->query('EVAL', $script, 1, 'postgres:~inbox', $appended);
	return;
}

sub is_exact
{
	my ($what) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	ok($node->poll_query_until('postgres', "SELECT id = '$last' FROM rtcache_inbox_position"), "$what: applied");
	is($node->safe_psql('postgres', 'SELECT min(hits), max(hits), min(last), max(last) FROM counter'),
		"$appended|$appended|$appended|$appended", "$what: once");
	is($redis->query('XLEN', 'postgres:~inbox:dead'), $bad, "$what: each dead letter once");
	return;
}

append_all();
is_exact('at first');

foreach my $point (qw(inbox_begins inbox_applied inbox_commits inbox_committed inbox_noted))
{
	foreach my $action (qw(kill term))
	{
		$inject->arm($point, $action);
		if ($point eq 'inbox_begins')
		{
			$node->safe_psql('postgres', q{SELECT pg_terminate_backend(pid) FROM rtcache_inbox});
		}
		append_all();
		ok($inject->wait_hit($point), "$action at $point");
		append_all();
		$node->poll_query_until('postgres', 'SELECT true');
		is_exact("$action at $point");
	}
}

# the whole server
foreach my $point (qw(inbox_applied inbox_commits inbox_committed))
{
	$inject->arm($point, 'wait');
	append_all();
	ok($inject->wait_hit($point));
	$node->stop('immediate');
	$inject->disarm($point);
	append_all();
	$node->start;
	is_exact("server at $point");
}

# an entry is refused, that is undone, and the next time it can be applied
$inject->arm('inbox_commits', 'wait');
$last = $redis->query('XADD', 'postgres:~inbox', '*', 'key', 'counter:3', 'add', '{"hits":-1000}');
ok($inject->wait_hit('inbox_commits'));
is($redis->query('XLEN', 'postgres:~inbox:dead'), $bad + 1, 'one more dead letter');
$node->safe_psql('postgres', 'ALTER TABLE counter DROP CONSTRAINT counter_hits_check');
$node->stop('immediate');
$inject->disarm('inbox_commits');
$node->start;
ok($node->poll_query_until('postgres', "SELECT id = '$last' FROM rtcache_inbox_position"), 'it is applied after all');
is($node->safe_psql('postgres', 'SELECT hits FROM counter WHERE id = 3'), $appended - 1000, 'once');
is($redis->query('XLEN', 'postgres:~inbox:dead'), $bad, 'and is no dead letter');
$node->safe_psql('postgres', 'UPDATE counter SET hits = hits + 1000 WHERE id = 3; ALTER TABLE counter ADD CHECK (hits >= 0)');

# Redis
foreach my $point (qw(inbox_applied inbox_commits inbox_committed))
{
	$inject->arm($point, 'wait');
	append_all();
	ok($inject->wait_hit($point));
	$redis->kill9;
	$inject->release($point);
	$redis->start;
	append_all();
	is_exact("Redis at $point");
}

# while Redis is away
my $log = -s $node->logfile;
$redis->kill9;
ok($node->poll_query_until('postgres', q{SELECT last_error IS NOT NULL FROM rtcache_inbox}), 'the view says why it does not get on');
$redis->start;
append_all();
is_exact('Redis was away');
ok($node->poll_query_until('postgres', q{SELECT last_error IS NULL AND length = 0 FROM rtcache_inbox}), 'and that it does');
my @told = slurp_file($node->logfile, $log) =~ /WARNING:  rtcache inbox/g;
cmp_ok(scalar @told, '<=', 2, 'the log was not flooded');

# a lock on a row, a deadlock, a cancel: tried again
my $blocker = $node->background_psql('postgres');
$blocker->query_safe('BEGIN; UPDATE counter SET last = last WHERE id = 5');
append_all();
ok($node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'rtcache inbox' AND wait_event_type = 'Lock'}), 'it waits for a lock');
$node->safe_psql('postgres', q{SELECT pg_cancel_backend(pid) FROM rtcache_inbox});
ok($node->poll_query_until('postgres', q{SELECT last_error ~ 'canceling' FROM rtcache_inbox}), 'a cancel is no fault of an entry');
$blocker->query_safe('COMMIT');
is_exact('a lock and a cancel');
$blocker->quit;

# a cancel where there is nothing to cancel
ok($node->poll_query_until('postgres', q{SELECT state = 'idle' FROM pg_stat_activity WHERE backend_type = 'rtcache inbox'}), 'it waits for entries');
my $pid = $node->safe_psql('postgres', q{SELECT pid FROM rtcache_inbox WHERE pg_cancel_backend(pid)});
append_all();
is_exact('an idle cancel');
is($node->safe_psql('postgres', 'SELECT pid FROM rtcache_inbox'), $pid, 'the worker goes on');

# a deferred constraint is checked in time
$node->safe_psql('postgres', q{
	CREATE TABLE number (n int PRIMARY KEY);
	INSERT INTO number SELECT generate_series(0, 1000);
	ALTER TABLE counter ADD FOREIGN KEY (last) REFERENCES number DEFERRABLE INITIALLY DEFERRED});
$last = $redis->query('XADD', 'postgres:~inbox', '*', 'key', 'counter:1', 'set', '{"last":5000}');
$bad++;
is_exact('a deferred constraint');
is($redis->query('XREVRANGE', 'postgres:~inbox:dead', '+', '-', 'COUNT', 1)->[0][1][-3], '23503', 'which is told');

$node->stop;
done_testing();
