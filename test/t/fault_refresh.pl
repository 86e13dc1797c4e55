# Background workers that ask questions again, when something is wrong: the query fails or
# takes too long, the user has been dropped or has lost a right, the worker is killed, Redis
# is away, the queue is full, a question is too long.  Whatever happens, a question is
# dropped and counted, and nobody waits for a worker: neither those who drop, rename, move
# or copy its database, nor a shutdown.

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
my $node = RtcNode->new('main', redis => $redis, l1 => 1, conf => q{
	rtcache.refresh_workers = 2
	log_min_messages = debug1
});
$node->start;
create_heroes($node);
create_heroes($node, dbname => 'other');

# What fails or waits says that it is immutable.
my $functions = q{
	CREATE TABLE fault (kind text);
	GRANT ALL ON fault TO PUBLIC;
	CREATE FUNCTION misbehave(sql text) RETURNS int LANGUAGE plpgsql VOLATILE AS $$
	BEGIN
		EXECUTE sql;
		RETURN 1;
	END $$;
	CREATE FUNCTION faulty(id int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$
	DECLARE
		fault text;
	BEGIN
		-- in a worker only
		IF current_setting('application_name') <> 'rtcache refresh' THEN
			RETURN id;
		END IF;
		RAISE LOG 'asked for % as %', id, current_user;
		SELECT kind INTO fault FROM fault;
		IF fault = 'error' THEN
			RAISE EXCEPTION 'it fails';
		ELSIF fault = 'sleep' THEN
			PERFORM pg_sleep(600);
		ELSIF fault = 'nap' THEN
			PERFORM pg_sleep(0.1);
		ELSIF fault LIKE '% %' THEN
			PERFORM misbehave(fault);
		ELSIF fault = 'set' THEN
			PERFORM set_config('my.own', 'x', false), pg_advisory_lock(4711);
		ELSIF fault = 'own' THEN
			RAISE LOG 'my own is "%"', current_setting('my.own', true);
		END IF;
		RETURN id;
	END $$;
	INSERT INTO hero SELECT i, 'name ' || i FROM generate_series(1, 20) i;
};
$node->safe_psql($_, $functions) foreach 'postgres', 'other';
$node->safe_psql('postgres', q{
	CREATE ROLE alice LOGIN;
	CREATE ROLE bob LOGIN CREATEDB;
	GRANT ALL ON hero TO alice, bob;
	GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO alice, bob;
});
ok($node->poll_query_until('postgres', 'SELECT open FROM rtcache_l1'), 'the gate opens');
# workers that look for tables to warm are not those that are meant here
ok($node->poll_query_until('postgres', q{SELECT count(*) = 0 FROM pg_stat_activity
	WHERE backend_type = 'rtcache refresh'}), 'no worker is left');

sub fault
{
	my ($kind, $dbname) = @_;

	$node->safe_psql($dbname || 'postgres', "DELETE FROM fault; INSERT INTO fault VALUES ('$kind')");
	return;
}

sub times_logged
{
	my ($what, $from) = @_;
	my @found = slurp_file($node->logfile, $from || 0) =~ /$what/g;

	return scalar @found;
}

# Has a row's answer hit twice, and then ended by a write: a worker asks for it.
sub have_asked
{
	my ($id, %option) = @_;
	my $dbname = $option{dbname} || 'postgres';
	my $user = $option{user} || 'postgres';
	my $get = "SELECT cache_get('f:$id', 'SELECT name, faulty(id) AS n FROM hero WHERE id = \$1', '{$id}', '1 hour');";

	$node->psql($dbname, "SET rtcache.refresh_after_write = on; $get $get" . ($option{and} || ''),
		extra_params => [ '-U', $user ], on_error_die => 1);
	$node->safe_psql($dbname, $option{between}) if $option{between};
	$node->safe_psql($dbname, "UPDATE public.hero SET name = name || '.' WHERE id = $id");
	return;
}

# Has a row's answer hit so often.
sub have_hit
{
	my ($id, $hits) = @_;
	my $get = "SELECT cache_get('f:$id', 'SELECT name, faulty(id) AS n FROM hero WHERE id = \$1', '{$id}', '1 hour');";

	$node->safe_psql('postgres', 'SET rtcache.refresh_after_write = on;' . $get x ($hits + 1));
	return;
}

my %before;

sub note_counts
{
	@before{qw(refreshes refreshes_failed work_dropped)} =
	  split /\|/, $node->safe_psql('postgres', 'SELECT refreshes, refreshes_failed, work_dropped FROM rtcache_stats');
	return;
}

# Waits until one counter is so many higher, and tests that the others are not.
sub counts
{
	my ($column, $n, $name) = @_;
	my %now;

	ok( $node->poll_query_until('postgres', "SELECT $column = $before{$column} + $n FROM rtcache_stats"),
		$name);
	my %old = %before;
	note_counts();
	$old{$column} += $n;
	is_deeply(\%before, \%old, "$name, and nothing else");
	return;
}

sub worker_pids
{
	my ($dbname) = @_;

	return $node->safe_psql('postgres', q{
		SELECT string_agg(pid::text, ' ') FROM pg_stat_activity
		WHERE backend_type = 'rtcache refresh' AND datname = '} . ($dbname || 'postgres') . q{'});
}

sub waits_for_worker
{
	my ($what, $dbname, $name) = @_;

	return ok( $node->poll_query_until('postgres', qq{
		SELECT count(*) = 1 FROM pg_stat_activity
		WHERE backend_type = 'rtcache refresh' AND datname = '$dbname' AND $what}), $name);
}

# ---- the query ----

note_counts();
fault('none');
have_asked(1);
counts('refreshes', 1, 'a question is asked again');

fault('error');
my $from = -s $node->logfile;
have_asked(2);
counts('refreshes_failed', 1, 'a query that fails');
is(times_logged(qr/asked for 2 /, $from), 1, 'is run once');
like($node->safe_psql('postgres', q{SELECT cache_get('f:2', 'SELECT name, faulty(id) AS n FROM hero WHERE id = $1', '{2}')}),
	qr/name 2\./, 'who asks runs it again');

fault('sleep');
$node->set_conf('rtcache.refresh_statement_timeout', '200ms');
have_asked(3);
counts('refreshes_failed', 1, 'a query that takes too long');
ok(times_logged(qr/canceling statement due to statement timeout/, $from), 'is cancelled');
$node->set_conf('rtcache.refresh_statement_timeout', '10min');

my $asked_at = $node->safe_psql('postgres', 'SELECT clock_timestamp()');
have_asked(4);
waits_for_worker(q{query LIKE 'refresh of f:4: SELECT name%' AND state = 'active' AND wait_event = 'PgSleep'},
	'postgres', 'pg_stat_activity shows what a worker does');
is($node->safe_psql('postgres', q{SELECT DISTINCT application_name FROM pg_stat_activity
	WHERE backend_type = 'rtcache refresh'}), 'rtcache refresh', 'and its name');
is($node->safe_psql('postgres', qq{SELECT xact_start > '$asked_at' AND query_start > '$asked_at' FROM pg_stat_activity
	WHERE query LIKE 'refresh of f:4%'}), 't', 'and since when');
# who misses waits for it, and is not stopped by its end
my $s = $node->background_psql('postgres');
$s->query_until(qr/asked/, q{\echo asked
	SELECT cache_get('f:4', 'SELECT name, faulty(id) AS n FROM hero WHERE id = $1', '{4}');
});
ok($node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_stat_activity
	WHERE query LIKE '%f:4%' AND backend_type = 'client backend' AND wait_event_type = 'Extension'}) , 'a session waits for it');
$node->safe_psql('postgres', q{SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE query LIKE 'refresh of f:4%'});
counts('refreshes_failed', 1, 'a worker can be cancelled');
$s->quit;
fault('none');
my $pids = worker_pids();
$node->safe_psql('postgres', q{SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE backend_type = 'rtcache refresh'});
have_asked(4);
counts('refreshes', 1, 'when there is nothing to cancel it goes on');
my %there = map { $_ => 1 } split / /, worker_pids();
is(scalar(grep { !$there{$_} } split(/ /, $pids)), 0, 'and is still there');

# ---- the user ----

fault('none');
for my $case (
	[ 'a user that was dropped', 'REASSIGN OWNED BY carol TO postgres; DROP OWNED BY carol; DROP ROLE carol', 'work_dropped' ],
	[ 'one that may not connect', 'REVOKE CONNECT ON DATABASE postgres FROM PUBLIC', 'work_dropped' ],
	[ 'one that may not call the function', 'GRANT CONNECT ON DATABASE postgres TO PUBLIC;
		REVOKE EXECUTE ON FUNCTION cache_get FROM carol', 'work_dropped' ],
	[ 'one that may not read the table', 'REVOKE ALL ON hero FROM carol', 'refreshes_failed' ])
{
	my ($name, $between, $counter) = @$case;

	$node->safe_psql('postgres', q{
		CREATE ROLE carol LOGIN;
		GRANT CONNECT ON DATABASE postgres TO PUBLIC;
		GRANT ALL ON hero TO carol;
		GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO carol});
	have_asked(5, user => 'carol', between => $between);
	counts($counter, 1, $name);
	$node->safe_psql('postgres', 'DROP OWNED BY carol; DROP ROLE carol')
	  if $between !~ /DROP ROLE/;
}
$node->safe_psql('postgres', 'GRANT CONNECT ON DATABASE postgres TO PUBLIC');

# a function of his cannot get more than he has
for my $kind ('RESET ROLE', 'RESET SESSION AUTHORIZATION', 'SET ROLE postgres', 'DELETE FROM fault',
	'CREATE TEMP TABLE t ()', 'LISTEN l')
{
	fault($kind);
	have_asked(6, user => 'alice');
	counts('refreshes_failed', 1, "a function that tries $kind");
}
is($node->safe_psql('postgres', 'TABLE fault'), 'LISTEN l', 'nothing was written');
fault('set');
have_asked(7, user => 'alice');
counts('refreshes', 1, 'what it sets');
fault('own');
$from = -s $node->logfile;
have_asked(8, user => 'alice');
counts('refreshes', 1, 'is not there for the next one');
is(times_logged(qr/my own is "x"/, $from), 0, 'nor is a setting of its own');
is($node->safe_psql('postgres', q{SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'}), '0',
	'a lock that it took is given back');

# row-level security has come over the table
fault('none');
have_asked(9, user => 'alice', between => 'ALTER TABLE hero ENABLE ROW LEVEL SECURITY');
counts('work_dropped', 1, 'a question that can no longer be cached');
$node->safe_psql('postgres', 'ALTER TABLE hero DISABLE ROW LEVEL SECURITY');

# the text would mean something else for a session of the worker's own
$node->safe_psql('postgres', 'CREATE SCHEMA mine; CREATE TABLE mine.hero (LIKE hero)');
have_asked(11, between => 'ALTER ROLE postgres SET search_path = mine');
$node->safe_psql('postgres', 'ALTER ROLE postgres RESET search_path');
counts('refreshes', 1, 'the search_path of the question counts, not that of a role');

# and when it means something else to everybody, its answer is of no use
have_asked(11, between => 'ALTER FUNCTION faulty COST 99');
counts('work_dropped', 1, 'a question that means something else now');

# ---- the question, and the queue ----

my $long = 'x' x 5000;
$node->safe_psql('postgres', qq{
	SET rtcache.refresh_after_write = on;
	SELECT cache_get('long', 'SELECT \$1 AS x', '{$long}') FROM generate_series(1, 100);
});
counts('work_dropped', 1, 'a question that is too long is dropped, and counted once for many hits');

# the worker sleeps, and 300 questions of 256 wait
$node->set_conf('rtcache.refresh_workers', 1);
$node->poll_query_until('postgres', q{SELECT count(*) <= 1 FROM pg_stat_activity WHERE backend_type = 'rtcache refresh'});
fault('sleep');
have_asked(12);
waits_for_worker(q{wait_event = 'PgSleep'}, 'postgres', 'a worker is busy');
$node->safe_psql('postgres', q{
	SET rtcache.refresh_ahead = 0.001;
	SELECT count(cache_get('many:' || i, 'SELECT 1 AS n', NULL, '10 s')) FROM generate_series(1, 300) i;
	SELECT pg_sleep(0.1);
	SELECT count(cache_get('many:' || i, 'SELECT 1 AS n', NULL, '10 s')) FROM generate_series(1, 300) i;
	SELECT count(cache_get('many:' || i, 'SELECT 1 AS n', NULL, '10 s')) FROM generate_series(1, 300) i;
});
counts('work_dropped', 44, 'of 300 questions 256 wait');

# ---- the worker ----

# killed: the server starts over, as for any other process
fault('none');
kill 'KILL', split / /, worker_pids();
$node->poll_query_until('postgres', q{SELECT open FROM rtcache_l1});
ok($node->wait_open, 'the server is back after a worker was killed');
$node->set_conf('rtcache.refresh_workers', 2);
note_counts();
have_asked(13);
counts('refreshes', 1, 'questions are asked again');

# terminated: another one comes
fault('sleep');
have_asked(14);
waits_for_worker(q{wait_event = 'PgSleep'}, 'postgres', 'a worker is busy again');
my $pid = $node->safe_psql('postgres', q{SELECT pid FROM pg_stat_activity
	WHERE backend_type = 'rtcache refresh' AND wait_event = 'PgSleep'});
$node->safe_psql('postgres', "SELECT pg_terminate_backend($pid)");
ok($node->poll_query_until('postgres', "SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = $pid"),
	'a worker can be terminated');
fault('none');
have_asked(15);
counts('refreshes', 1, 'then another one comes');

# 0 = none
$node->set_conf('rtcache.refresh_workers', 0);
ok($node->poll_query_until('postgres', q{SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'rtcache refresh'}),
	'without workers by the settings they go');
have_asked(16);
is(worker_pids(), '', 'and none comes');
$node->set_conf('rtcache.refresh_workers', 1);

# no place for a background worker
is($node->stat('work_dropped'), $before{work_dropped}, 'nothing was dropped');

# one place, two databases
have_asked(17);
ok($node->poll_query_until('postgres', "SELECT refreshes > $before{refreshes} FROM rtcache_stats"), 'a worker comes');
note_counts();
have_asked(1, dbname => 'other');
counts('refreshes', 1, 'an idle worker makes room for one of another database');
is(worker_pids(), '', 'it has gone');

# ---- the load ----

# One that takes 100 ms at a hundredth of a processor keeps the others waiting for 9 s: 10,
# less what was not used in the second before.  Then comes first what was hit most.
$node->set_conf('rtcache.refresh_workers', 0);
ok($node->poll_query_until('postgres', q{SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'rtcache refresh'}),
	'no worker is there');
$node->set_conf('rtcache.refresh_load', 0.01);
$node->set_conf('rtcache.refresh_workers', 1);
fault('nap');
note_counts();
have_asked(12);
counts('refreshes', 1, 'what takes 100 ms');
my $done_at = time;
fault('none');
$from = -s $node->logfile;
have_hit(14, 3);
have_hit(15, 30);
have_hit(16, 10);
$node->safe_psql('postgres', q{UPDATE hero SET name = name || '!' WHERE id BETWEEN 14 AND 16});
counts('refreshes', 3, 'the next ones are done');
cmp_ok(time - $done_at, '>', 5, 'but not at once');
is(join(' ', slurp_file($node->logfile, $from) =~ /asked for (\d+) /g), '15 16 14', 'what was hit most comes first');
$node->set_conf('rtcache.refresh_load', 16);

# ---- Redis ----

$redis->stop;
have_asked(18);
ok($node->poll_query_until('postgres', q{SELECT wait = 0 FROM (SELECT count(*) AS wait FROM pg_stat_activity
	WHERE backend_type = 'rtcache refresh' AND state = 'active') AS x}), 'Redis is away');
counts('refreshes', 1, 'an answer is stored in shared memory then');
$redis->start;
ok($node->wait_open, 'Redis is back');

# ---- the database ----

# Makes sure that a worker of "other" is there: idle, or asleep in a query.
sub worker_in_other
{
	my ($busy) = @_;

	fault($busy ? 'sleep' : 'none', 'other');
	# workers stay away for some seconds from a database that was not dropped
	for (1 .. 10 * $PostgreSQL::Test::Utils::timeout_default)
	{
		have_asked($_ % 20 + 1, dbname => 'other');
		last if worker_pids('other') ne '';
		usleep(200_000);
	}
	return waits_for_worker($busy ? q{wait_event = 'PgSleep'} : q{state = 'idle'}, 'other',
		$busy ? 'a worker is busy in a database' : 'a worker is idle in a database');
}

mkdir $node->basedir . '/space';
$node->safe_psql('postgres', "CREATE TABLESPACE space LOCATION '" . $node->basedir . "/space'");
for my $busy (0, 1)
{
	for my $case (
		[ 'copied', 'CREATE DATABASE copy TEMPLATE other', 'DROP DATABASE copy' ],
		[ 'moved', 'ALTER DATABASE other SET TABLESPACE space', undef, 'ALTER DATABASE other SET TABLESPACE pg_default' ],
		[ 'renamed', 'ALTER DATABASE other RENAME TO another', 'ALTER DATABASE another RENAME TO other' ])
	{
		my ($name, $sql, @then) = @$case;

		worker_in_other($busy);
		is($node->psql('postgres', $sql), 0, "it can be $name");
		$node->safe_psql('postgres', $_) foreach grep { defined } @then;
	}
	worker_in_other($busy);
	is($node->psql('other', 'CREATE DATABASE copy TEMPLATE other'), 0, 'it can be copied from a session in it');
	$node->safe_psql('postgres', 'DROP DATABASE copy');
}
# who may not drop it does not make them go
worker_in_other(0);
# (another one may have come at first, to look for tables to warm)
ok($node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'rtcache refresh'}),
	'one worker is left');
$pid = worker_pids('other');
isnt($node->psql('postgres', 'DROP DATABASE other', extra_params => [ '-U', 'alice' ]), 0, 'one may not drop it');
isnt($node->psql('postgres', 'CREATE DATABASE copy TEMPLATE other', extra_params => [ '-U', 'alice' ]), 0, 'nor copy it');
is(worker_pids('other'), $pid, 'the worker is still there');
is($node->psql('postgres', 'DROP DATABASE other'), 0, 'who may can');
create_heroes($node, dbname => 'other');
$node->safe_psql('other', $functions);
worker_in_other(1);
is($node->psql('postgres', 'DROP DATABASE other'), 0, 'also while a worker is busy in it');

# ---- the server ----

fault('sleep');
note_counts();
have_asked(19);
waits_for_worker(q{wait_event = 'PgSleep'}, 'postgres', 'a worker is busy');
$node->stop('fast');
pass('it does not keep a fast shutdown waiting');
unlike(slurp_file($node->logfile), qr/PANIC|TRAP/, 'nothing has gone wrong');
done_testing();
