# Background workers ask questions again: refresh-ahead.  A hit on an answer of whose
# time to live enough is over hands its question in, once, and is served at once; the
# worker asks as the user who asked, under the same search_path, stores the answer in
# shared memory and in Redis, and drops what it may not or cannot ask.  Workers come
# when there is work, go when they are not needed, and keep nobody waiting.

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
my $node = RtcNode->new('main', redis => $redis, l1 => 1, conf => 'log_min_messages = debug1');
$node->start;
create_heroes($node);

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

sub logged
{
	my ($what, $from) = @_;
	my @found = slurp_file($node->logfile, $from) =~ /$what/g;
	return scalar @found;
}

# How often the query of a key was run.
sub asked { return logged(qr/asked by $_[0] under/, $_[1]); }

my $hit = q{SELECT cache_get('far', 'SELECT name, note(id) AS n FROM hero WHERE id = 1', NULL, '1 hour')};
my $from = -s $node->logfile;

# one has looked for tables to warm, when Redis was new, and goes
ok($node->poll_query_until('postgres', q{SELECT count(*) = 0 FROM pg_stat_activity
	WHERE backend_type = 'rtcache refresh'}), 'no worker is left');

# off: nothing happens
$node->safe_psql('postgres', $hit) for 1 .. 3;
is(worker_pids(), '', 'there is no worker');
is(asked('\w+', $from), 1, 'the query was run once');

# an hour, of which nearly nothing is over
my $s = $node->background_psql('postgres', extra_params => [ '-U', 'alice' ]);
$s->query_safe(q{SET rtcache.refresh_ahead = 0.5});
$s->query_safe($hit);
is(worker_pids(), '', 'an answer that has time left is not computed again');

# two seconds, of which more than a tenth is over
$s->query_safe(q{SET rtcache.refresh_ahead = 0.1; SET search_path = public, pg_temp});
my $near = q{SELECT cache_get('near', 'SELECT name, note(id) AS n FROM hero WHERE id = 1', NULL, '20 s')};
$from = -s $node->logfile;
$s->query_safe($near);
is(asked('alice', $from), 1, 'an answer that lasts 20 s');
usleep(2_200_000);
$s->query_safe($near) for 1 .. 20;
ok($node->poll_query_until('postgres', 'SELECT refreshes = 1 FROM rtcache_stats'), 'is computed again after 2 s');
is($node->safe_psql('postgres', q{SELECT refreshes FROM rtcache_tables WHERE relation = 'hero'::regclass}), '1',
	'which is counted for its table');
is(logged(qr/asked by alice under public, pg_temp/, $from), 2, 'once, by the same user under the same search_path');
$s->query_safe($near) for 1 .. 20;
is(logged(qr/asked by alice/, $from), 2, 'and then is not due for a while');
like(worker_pids(), qr/^\d+$/, 'one worker has come, and waits for more');
is($node->stat('refreshes_failed || \' \' || work_dropped'), '0 0', 'nothing was dropped');
$s->quit;
$node->stop;
done_testing();
