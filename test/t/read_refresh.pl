# Background workers ask questions again.  Refresh-ahead: a hit on an answer of whose
# time to live enough is over hands its question in, once, and is served at once.
# Refresh after a write: an answer that was hit is computed again when a write ends it.
# The worker asks as the user who asked, under the same search_path, and stores the
# answer in shared memory and in Redis.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);

use RtcNode;
use RtcRedis;
use RtcCoherence;

my $redis = RtcRedis->new('main');
$redis->start;
my $node = RtcNode->new('main', redis => $redis, l1 => 1);
$node->start;
create_heroes($node);

# what says that it is immutable is run with each query of a row
$node->safe_psql('postgres', q{
	CREATE FUNCTION note(id int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$
	BEGIN
		RAISE LOG 'asked by % under %', current_user, current_setting('search_path');
		RETURN id;
	END $$;
	CREATE ROLE alice LOGIN;
	GRANT SELECT ON hero TO alice;
	GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO alice;
	INSERT INTO hero VALUES (1, 'old'), (2, 'two'), (3, 'three');
});
ok($node->poll_query_until('postgres', 'SELECT open FROM rtcache_l1'), 'the gate opens');

sub worker_pids
{
	return $node->safe_psql('postgres', q{
		SELECT string_agg(pid::text, ' ') FROM pg_stat_activity WHERE backend_type = 'rtcache refresh'});
}

my $from = 0;

# How often a query was run since the last begin(), by whom and under what.
sub begin { $from = -s $node->logfile; return; }

sub asked
{
	my ($what) = @_;
	my @found = slurp_file($node->logfile, $from) =~ /asked by $what/g;

	return scalar @found;
}

# Waits until workers have computed so many answers.
sub refreshed
{
	my ($n, $name) = @_;

	return ok($node->poll_query_until('postgres', "SELECT refreshes = $n FROM rtcache_stats"), $name)
	  || diag($node->safe_psql('postgres', 'SELECT refreshes, refreshes_failed, work_dropped FROM rtcache_stats'));
}

# Is the value in Redis one that was stored a second after it was asked for at first?
my $asked_at;

sub begins_anew
{
	my ($key, $name) = @_;
	my $ttl = $node->safe_psql('postgres', "SELECT extract(epoch FROM cache_ttl('$key'))");

	return cmp_ok($ttl, '>', 61 - (time() - $asked_at), $name);
}

my $select = 'SELECT name, note(id) AS n FROM hero WHERE id = $1';
my $hit = "SELECT cache_get('far', '$select', '{1}', '1 hour')";

# one has looked for tables to warm, when Redis was new, and goes
ok($node->poll_query_until('postgres', q{SELECT count(*) = 0 FROM pg_stat_activity
	WHERE backend_type = 'rtcache refresh'}), 'no worker is left');

# off: nothing happens
begin();
$node->safe_psql('postgres', $hit) for 1 .. 3;
is(worker_pids(), '', 'there is no worker');
is(asked('postgres'), 1, 'the query was run once');

# ---- ahead ----

# an hour, of which nearly nothing is over
my $alice = $node->background_psql('postgres', extra_params => [ '-U', 'alice' ]);
$alice->query_safe(q{SET rtcache.refresh_ahead = 0.5});
$alice->query_safe($hit);
is(worker_pids(), '', 'an answer that has time left is not computed again');

# a minute, of which more than a fiftieth will be over
my $near = "SELECT cache_get('near', '$select', '{1}', '1 min')";
$alice->query_safe(q{SET rtcache.refresh_ahead = 0.02; SET search_path = public, pg_temp});
begin();
$asked_at = time;
$alice->query_safe($near);
is(asked('alice'), 1, 'an answer that lasts a minute');
usleep(1_300_000);
like($alice->query_safe($near), qr/old/, 'is served when it is due') for 1 .. 20;
refreshed(1, 'and is computed again');
is(asked('alice under public, pg_temp'), 2, 'once, by the same user under the same search_path');
begins_anew('near', 'its time begins anew, in Redis');
is($node->safe_psql('postgres', q{SELECT refreshes FROM rtcache_tables WHERE relation = 'hero'::regclass}), '1',
	'which is counted for its table');
like(worker_pids(), qr/^\d+$/, 'one worker has come, and waits for more');

# a value that another server, say, has computed again already is taken
my $worker = worker_pids();
usleep(1_300_000);
$alice->query_safe($near);
refreshed(2, 'the next time the same worker does it');
is(worker_pids(), $worker, 'which was still there');
is($node->stat("misses || ' ' || refreshes_failed || ' ' || work_dropped"), '2 0 0',
	'nobody has missed since, and nothing was dropped');
$alice->query_safe('SET rtcache.refresh_ahead = 0');

# ---- after a write ----

my $list = q{SELECT cache_get('list', 'SELECT count(*) AS n, max(name) AS last, max(note(id)) AS m FROM hero', NULL, '1 hour')};
begin();
$alice->query_safe($list);
$node->safe_psql('postgres', q{UPDATE hero SET name = 'zero' WHERE id = 2});
$alice->query_safe($list);
$alice->query_safe('SET rtcache.refresh_after_write = on');
is($node->stat('refreshes'), 2, 'nothing is done while it is off');
$alice->query_safe($list);
my $misses = $node->stat('misses');
$node->safe_psql('postgres', q{UPDATE hero SET name = 'zorro' WHERE id = 2});
refreshed(3, 'an answer that was hit is computed again when a write ends it');
like($alice->query_safe($list), qr/zorro/, 'it has the write');
is($node->stat('misses'), $misses, 'and was found by who asked next');

# which was a hit: so it is watched again.  The one before it was none for want of time.
$node->safe_psql('postgres', q{UPDATE hero SET name = 'z' WHERE id = 2});
refreshed(4, 'so is the next one, which was hit, too');
$node->safe_psql('postgres', q{UPDATE hero SET name = 'zz' WHERE id = 2});
$node->safe_psql('postgres', q{BEGIN; UPDATE hero SET name = 'y' WHERE id = 2; ROLLBACK});
# (another one, so that there is something to wait for)
my $tagged = q{SELECT cache_get('tagged', 'SELECT 1 AS n', NULL, '1 hour', '{t}')};
$alice->query_safe($tagged) for 1 .. 2;
$node->safe_psql('postgres', q{SELECT cache_invalidate('t')});
refreshed(5, 'but not one that nobody has hit; tags of the caller count');
is(asked('alice'), 4 * 3, 'its query, of three rows, was run four times up to then');
like($alice->query_safe($list), qr/zz/, 'who asks then computes it');

# a rollback ends nothing
$alice->query_safe($list);
$node->safe_psql('postgres', q{BEGIN; UPDATE hero SET name = 'y' WHERE id = 2; ROLLBACK});
$node->safe_psql('postgres', q{UPDATE hero SET name = 'last' WHERE id = 2});
refreshed(6, 'a write that is rolled back does not count');

# two-phase commit: the relay settles it
$alice->query_safe($list);
$node->safe_psql('postgres', q{BEGIN; UPDATE hero SET name = 'zwei' WHERE id = 2; PREPARE TRANSACTION 'p'});
$node->safe_psql('postgres', q{COMMIT PREPARED 'p'});
refreshed(7, 'a prepared transaction counts when it is committed');
like($alice->query_safe($list), qr/zwei/, 'the answer has it');

$alice->quit;

# ---- without shared memory ----

$node->append_conf('postgresql.conf', 'rtcache.l1_size = 0');
$node->restart;
$node->wait_open;
$node->wait_fill;
my $s = $node->background_psql('postgres');
$s->query_safe('SET rtcache.refresh_ahead = 0.02; SET rtcache.refresh_after_write = on');
begin();
$asked_at = time;
$s->query_safe($near);
usleep(1_300_000);
$s->query_safe($near) for 1 .. 20;
refreshed(1, 'a hit in Redis is as good');
is(asked('postgres'), 2, 'once');
begins_anew('near', 'the new value is stored over the old one');
$s->query_safe($list) for 1 .. 2;
$node->safe_psql('postgres', q{UPDATE hero SET name = 'zulu' WHERE id = 2});
refreshed(2, 'a write that ends what is in Redis');
$misses = $node->stat('misses');
like($s->query_safe($list), qr/zulu/, 'which then has the new answer');
is($node->stat('misses'), $misses, 'for who asks next');
$s->quit;

ok($node->no_crash, 'nothing has crashed');
$node->stop;
done_testing();
