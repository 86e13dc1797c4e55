# Of many who miss one key, one runs the query: 50 clients, a cold key, a query
# that takes 200 ms.  Whoever waits is woken when the one who computes fails,
# is cancelled or terminated, and does not wait longer than rtcache.fill_wait,
# nor for a value that cannot be stored.  A write in between counts.

use strict;
use warnings;

use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);

use RtcNode;
use RtcCoherence;

my $node = RtcNode->new('main');
$node->start;
create_heroes($node);

# Functions that say they are immutable, because with volatile ones nothing
# would be cached.
$node->safe_psql('postgres', q{
	CREATE FUNCTION slow(seconds float) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$
	BEGIN
		PERFORM pg_sleep(seconds);
		RETURN 1;
	END $$;
	CREATE FUNCTION pause(id int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$
	BEGIN
		PERFORM pg_advisory_lock_shared(77);
		PERFORM pg_advisory_unlock_shared(77);
		RETURN 1;
	END $$;
	CREATE FUNCTION fail_for(who text, id int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$
	BEGIN
		PERFORM pause(id);
		IF current_setting('application_name') = who THEN
			RAISE EXCEPTION 'failed';
		END IF;
		RETURN 1;
	END $$;
	INSERT INTO hero VALUES (1, 'old');
});
$node->append_conf('postgresql.conf', 'track_functions = all');
$node->reload;
ok($node->poll_query_until('postgres', 'SELECT open FROM rtcache_l1'), 'the gate opens');

sub waiting
{
	my ($n, $name) = @_;

	return ok( $node->poll_query_until('postgres', qq{
			SELECT count(*) = $n FROM pg_stat_activity
			WHERE query LIKE '%cache_get%' AND wait_event_type = 'Extension'}),
		$name);
}

# 50 clients
my $calls = 'SELECT calls FROM pg_stat_user_functions WHERE funcname = $$slow$$';
my $script = PostgreSQL::Test::Utils::tempdir . '/cold.sql';
append_to_file($script,
	q{SELECT cache_get('cold', 'SELECT slow(0.2 * id) AS n FROM hero WHERE id = 1');} . "\n");
$node->PostgreSQL::Test::Cluster::command_ok([ 'pgbench', '-n', '-c', '50', '-j', '2', '-t', '1', '-f', $script,
		'-h', $node->host, '-p', $node->port, 'postgres' ], '50 clients ask for a cold key');
ok($node->poll_query_until('postgres', "SELECT ($calls) > 0"), 'statistics arrive');
is($node->safe_psql('postgres', $calls), '1', 'one runs the query');
is($node->safe_psql('postgres', 'SELECT l1_hits, misses, fills, bypasses FROM rtcache_stats'), '49|1|1|0',
	'the others hit');
cmp_ok($node->stat('fill_waits'), '>', 30, 'after they have waited');

# One computes and others wait; what then?
my $locker = $node->background_psql('postgres');
my $key = 0;

sub start_get
{
	my ($name, $sql, $query, $before) = @_;
	my $s = $node->background_psql('postgres', on_error_stop => 0);

	$s->query_safe("SET application_name = '$name'; " . ($before || ''));
	$s->query_until(qr/start/, "\\echo start\nSELECT cache_get('f$key', \$\$$query\$\$);\n");
	return $s;
}

sub scene
{
	my ($query, $nwaiters) = @_;

	$key++;
	$locker->query_safe('SELECT pg_advisory_lock(77)');
	my $filler = start_get('filler', undef, $query);
	ok( $node->poll_query_until('postgres', q{
			SELECT count(*) = 1 FROM pg_stat_activity
			WHERE application_name = 'filler' AND wait_event = 'advisory'}),
		'one computes');
	my @waiters = map { start_get('waiter', undef, $query, q{SET rtcache.fill_wait = '1 min'}) } 1 .. $nwaiters;
	waiting($nwaiters, 'others wait');
	return ($filler, @waiters);
}

sub finish
{
	my ($expected, @sessions) = @_;
	my @got;

	foreach my $s (@sessions)
	{
		push @got, scalar $s->query('SELECT 1');
		eval { $s->quit };
	}
	s/\n?1$// foreach @got;
	return is_deeply(\@got, [ ($expected) x @sessions ], "they get $expected");
}

my $query = q{SELECT pause(id) AS n, name FROM hero WHERE id = 1};
my $start;

my ($filler, @waiters) = scene($query, 3);
$locker->query_safe('SELECT pg_advisory_unlock(77)');
finish('{"n": 1, "name": "old"}', $filler, @waiters);

# a write in between: who began before may get either, who begins later the new
($filler, @waiters) = scene($query, 2);
$node->safe_psql('postgres', qq{UPDATE hero SET name = 'new' WHERE id = 1; SELECT cache_del('f$key')});
my $late = start_get('waiter', undef, $query, q{SET rtcache.fill_wait = '1 min'});
$locker->query_safe('SELECT pg_advisory_unlock(77)');
finish('{"n": 1, "name": "new"}', $late);
finish('{"n": 1, "name": "new"}', @waiters);
$filler->query('SELECT 1');
$filler->quit;
is(reads($node, 1), 'new', 'nothing old was stored');

# an error, a cancel, a termination
foreach my $how ('an error', 'cancel', 'terminate')
{
	my $q = $how eq 'an error' ? q{SELECT fail_for('filler', id) AS n FROM hero WHERE id = 1} :
	  q{SELECT pause(id) AS n FROM hero WHERE id = 1};

	($filler, @waiters) = scene($q, 2);
	$node->safe_psql('postgres', qq{
		SELECT pg_${how}_backend(pid) FROM pg_stat_activity WHERE application_name = 'filler'})
	  if $how ne 'an error';
	if ($how ne 'an error')
	{
		# one of those who waited computes now
		ok( $node->poll_query_until('postgres', q{
				SELECT count(*) = 1 FROM pg_stat_activity
				WHERE application_name = 'waiter' AND wait_event = 'advisory'}),
			"$how: another one computes");
		waiting(1, 'and one waits on');
	}
	$start = time;
	$locker->query_safe('SELECT pg_advisory_unlock(77)');
	finish('{"n": 1}', @waiters);
	cmp_ok(time - $start, '<', 30, "$how wakes them");
	eval { $filler->quit };
}

# not longer than allowed; what cannot be stored
$key++;
$locker->query_safe('SELECT pg_advisory_lock(77)');
$filler = start_get('filler', undef, $query);
ok( $node->poll_query_until('postgres', q{
		SELECT count(*) = 1 FROM pg_stat_activity
		WHERE application_name = 'filler' AND wait_event = 'advisory'}),
	'one computes');
foreach my $wait ('0', '300ms')
{
	my $s = start_get('waiter', undef, $query, "SET rtcache.fill_wait = '$wait'");

	ok( $node->poll_query_until('postgres', q{
			SELECT count(*) = 2 FROM pg_stat_activity
			WHERE query LIKE '%cache_get%' AND wait_event = 'advisory'}),
		"fill_wait = $wait: then it runs the query itself");
	$node->safe_psql('postgres', q{
		SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE application_name = 'waiter'});
	$s->query('SELECT 1');
	$s->quit;
}
my $s = start_get('waiter', undef, $query, q{SET rtcache.fill_wait = '10 min'});
waiting(1, 'one waits');
$start = time;
$node->safe_psql('postgres', q{
	SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE application_name = 'waiter'});
$s->query('SELECT 1');
cmp_ok(time - $start, '<', 30, 'and can be cancelled');
$s->quit;
$locker->query_safe('SELECT pg_advisory_unlock(77)');
$filler->query('SELECT 1');
$filler->quit;

($filler, @waiters) = scene(q{SELECT pause(id) AS n, repeat('x', 2000000) AS x FROM hero WHERE id = 1}, 3);
$start = time;
$locker->query_safe('SELECT pg_advisory_unlock(77)');
$_->query('SELECT 1') foreach $filler, @waiters;
cmp_ok(time - $start, '<', 30, 'nobody waits for what cannot be stored');
$_->quit foreach $filler, @waiters;

# a lookup within a lookup, of the same key
$node->safe_psql('postgres', q{
	CREATE FUNCTION nested() RETURNS int LANGUAGE sql IMMUTABLE AS
		$$SELECT (cache_get('nested', 'SELECT 5 AS n') ->> 'n')::int$$});
is($node->safe_psql('postgres', q{
		SET rtcache.fill_wait = '10 min';
		SELECT cache_get('nested', 'SELECT nested() AS n')}),
	'{"n": 5}', 'a lookup in a lookup');

$locker->quit;
ok($node->no_crash, 'no process has crashed');
$node->stop;
done_testing();
