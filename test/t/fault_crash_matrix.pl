# Whoever is killed, ended or failed at any step from a trigger to an
# acknowledged batch, or from a lookup to a stored value: afterwards every key
# in Redis is as the database says, every lookup is exact, and nothing is left
# that keeps a key out of the cache: no lease beyond its time, no bucket that
# stays pending, no slot that is not usable.
#
# The points are those of src/base/inject.c.  "test/crash" makes docs/crash_matrix.md
# of what is found here; it tries all that can be done at a point, and this test
# alone one of them at each.
#
# Slow.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);

use RtcCoherence;
use RtcInject;
use RtcNode;
use RtcRedis;

plan skip_all => RtcInject::SKIP unless RtcInject::possible();

# Nobody can make a process of a normal build stop.
unlike(slurp_file(pkglibdir() . '/rtcache.so'), qr/rtcache\.inject/,
	'a normal build has no injection points');

RtcInject::use_build();
like(slurp_file(pkglibdir() . '/rtcache.so'), qr/rtcache\.inject/, 'this one has');

use constant LEASE_TTL => 400;

my $redis = RtcRedis->new('main');
$redis->start;
my $node = RtcNode->new('main', redis => $redis, l1 => 1, conf => <<"CONF");
autovacuum = off
rtcache.l1_size = 8MB
rtcache.stamp_buckets = 16384
rtcache.lease_ttl = ${\LEASE_TTL}ms
rtcache.fill_wait = 100ms
rtcache.wal_keep = 0
CONF
my $inject = RtcInject->new($node);
$node->start;
create_heroes($node);
# rules that cover the table, so that answers can depend on its rows
$node->safe_psql('postgres', q{
	DROP TRIGGER hero_cache ON hero;
	SELECT cache_attach('hero', 'hero:{id}', ttl => '1 hour');
	INSERT INTO hero SELECT i, 'start' FROM generate_series(1, 40) i;
	INSERT INTO hero SELECT i, repeat('x', 300) FROM generate_series(1001, 1400) i;
});
ok($node->wait_streaming, 'the relay streams');

my $prefix = 'postgres:';
my $turn = 0;
my $relay = $node->relay_pid;

sub pkglibdir
{
	chomp(my $dir = `pg_config --pkglibdir`);
	return $dir;
}

# ---------------- what brings a process to a point ----------------

# SQL that may fail: a backend may be killed at it.
sub run
{
	# a server that ends may hang up before psql has been told what to do
	return eval { $node->psql('postgres', $_[0]) };
}

sub clause { my ($point, $action) = @_; return $inject->arm_sql($point, $action, 'backend'); }

my $write = q{
	UPDATE hero SET name = 'turn ' || %d WHERE id BETWEEN 1 AND 5;
	UPDATE hero SET id = 61 - id WHERE id IN (6, 55);
	SAVEPOINT s;
	UPDATE hero SET name = 'rolled back' WHERE id BETWEEN 4 AND 8;
	ROLLBACK TO s;
	DELETE FROM hero WHERE id = 9;
	INSERT INTO hero VALUES (9, 'again ' || %1$d);
};

# Name: [ keys may be missing afterwards, how to do it ].  The point is armed
# by the scenario: within its transaction, for a backend is not to be killed
# while it starts.
my $dropped;		# keys that a drop must have deleted
my %scenario = (
	write => [ 0, sub { run('BEGIN;' . clause(@_) . sprintf($write, $turn) . 'COMMIT;'); } ],
	rollback => [ 0, sub { run('BEGIN;' . sprintf($write, $turn) . clause(@_) . 'ROLLBACK;'); } ],
	large => [ 0, sub {
		run("SET rtcache.xact_buffer = '64kB'; BEGIN;" . clause(@_) . qq{
			UPDATE hero SET name = repeat('$turn', 150) WHERE id > 1000; COMMIT;});
	} ],
	wait => [ 0, sub {
		$inject->arm('commit_read', 'sleep', 'relay', 100);
		run('SET rtcache.commit_wait = applied; BEGIN;' . clause(@_) . sprintf($write, $turn) . 'COMMIT;');
		$inject->disarm('commit_read');
	} ],
	prepare => [ 0, sub {
		run('BEGIN;' . clause(@_) . sprintf($write, $turn) . "PREPARE TRANSACTION 'p$turn';");
	} ],
	relay => [ 0, sub {
		$inject->arm(@_, 'relay');
		run('BEGIN;' . sprintf($write, $turn) . 'COMMIT;');
	} ],
	drop => [ 1, sub {
		run(q{SELECT cache_get('many:' || i, 'SELECT id FROM hero WHERE id = ' || i, NULL, NULL, '{many}')
			FROM generate_series(1001, 1060) i});
		$inject->arm(@_, 'relay');
		run(q{SELECT cache_invalidate('many')});
		$dropped = 'many';
	} ],
	prepared => [ 0, sub {
		run('BEGIN;' . sprintf($write, $turn) . "PREPARE TRANSACTION 'p$turn';");
		$inject->arm(@_, 'relay');
		run("COMMIT PREPARED 'p$turn'");
	} ],
	restart => [ 0, sub {
		$inject->arm(@_, 'relay');
		kill 'TERM', $relay;
	} ],
	server => [ 0, sub {
		$inject->arm(@_, 'relay');
		kill 'KILL', $relay;
	} ],
	lookup => [ 1, sub {
		$inject->arm(@_, 'backend');
		run("SELECT cache_get('by:' || i, 'SELECT name FROM hero WHERE id = ' || i || ' /* $turn */')"
			  . ' FROM generate_series(1, 5) i');
	} ],
	clear => [ 1, sub {
		all_keys();
		$inject->arm(@_, 'relay');
		$redis->cli('DEL', $_) foreach @{ $redis->query('KEYS', 'rtcache:position:*') };
		run('BEGIN;' . sprintf($write, $turn) . 'COMMIT;');
	} ],
	pattern => [ 1, sub {
		all_keys();
		$inject->arm(@_, 'relay');
		run('BEGIN;' . sprintf($write, $turn) . q{SELECT cache_del_pattern('hero:1*'); COMMIT;});
	} ],
	prefix => [ 1, sub {
		all_keys();
		$prefix = $prefix eq 'postgres:' ? 'other:postgres:' : 'postgres:';
		$inject->arm(@_, 'relay');
		$node->set_conf('rtcache.key_prefix', $prefix =~ s/postgres/%d/r);
		run(sprintf($write =~ s/SAVEPOINT.*?ROLLBACK TO s;//sr, $turn));
	} ],
	'slot moves' => [ 0, sub {
		$inject->arm(@_, 'relay');
		run("SELECT pg_switch_wal();" . sprintf($write =~ s/SAVEPOINT.*?ROLLBACK TO s;//sr, $turn));
	} ],
	'slot drops' => [ 1, sub {
		$inject->arm(@_, 'relay');
		$node->set_conf('rtcache.redis_url', '');
		$inject->wait_hit($_[0]);
		$node->append_conf('postgresql.conf', "rtcache.redis_url = '" . $redis->url . "'");
		$node->reload;
	} ],
	'slot is made' => [ 1, sub {
		$node->set_conf('rtcache.redis_url', '');
		$node->wait_state('off');
		$inject->arm(@_, 'relay');
		$node->set_conf('rtcache.redis_url', $redis->url);
	} ]);

# Puts all keys back.
sub all_keys
{
	run('UPDATE hero SET name = name');
	$node->cache_wait;
	return;
}

# ---------------- the matrix ----------------

# Scenario, whose process, what is done to it, points.  An error is tried where
# one may be raised.
my @matrix = (
	[ 'write', 'backend', 'kill term error', 'op_added flush_begins stamps_raised tags_added messages_written' ],
	[ 'write', 'backend', 'kill term', 'commit_begins bucket_moved commit_stamped commit_ends' ],
	[ 'wait', 'backend', 'kill term', 'wait_begins wait_queued wait_over' ],
	[ 'rollback', 'backend', 'kill term', 'abort_begins' ],
	[ 'large', 'backend', 'kill term error', 'ops_written' ],
	[ 'prepare', 'backend', 'kill term error', 'prepare_claimed' ],
	[ 'prepare', 'backend', 'kill term', 'prepare_begins prepare_ends' ],
	[ 'relay', 'relay', 'kill term error',
		'message_noted commit_read op_batched batch_built sent batch_executed batch_checked tags_dropped applied published' ],
	[ 'relay', 'relay', 'postmaster', 'batch_built batch_executed applied' ],
	[ 'drop', 'relay', 'kill term error postmaster', 'tags_left' ],
	[ 'prepared', 'relay', 'kill term', 'bucket_moved settled' ],
	[ 'restart', 'relay', 'kill term error', 'relay_starts resume_begins caught_up swept interest_known' ],
	[ 'server', 'relay', 'kill term error', 'gate_opens' ],
	[ 'slot moves', 'relay', 'kill term error', 'slot_moves' ],
	[ 'lookup', 'backend', 'kill term error',
		'pending_read stamps_taken flight_claimed trusted sent got interest_registered leased snapshot_taken answer_computed fill_begins filled l1_store_begins' ],
	[ 'lookup', 'backend', 'kill term', 'l1_store_locked' ],
	[ 'clear', 'relay', 'kill term error',
		'clear_begins clear_claimed scan_leases_deleted scan_step clear_deleted clear_stored clear_drained' ],
	[ 'clear', 'relay', 'postmaster', 'clear_deleted' ],
	[ 'pattern', 'relay', 'kill term error', 'scan_leases_deleted scan_step' ],
	[ 'prefix', 'relay', 'kill term error', 'prefix_cleared prefix_stored' ],
	[ 'slot drops', 'relay', 'kill', 'slot_drops' ],
	[ 'slot is made', 'relay', 'kill term error', 'slot_created' ]);

# Waits until the server is up, another relay than before streams (if it has
# to be another), and all caches are open; false on timeout.
sub recovered
{
	my ($other) = @_;
	my $end = time + $PostgreSQL::Test::Utils::timeout_default;

	while (time < $end)
	{
		my ($status, $out) = run(q{
			SELECT pid, state = 'streaming' AND
				(SELECT ok FROM cache_health() WHERE name = 'gate') FROM rtcache_relay;
			SELECT string_agg(gid, ' ') FROM pg_prepared_xacts});
		my ($pid, $ready, $gids) = ($out // '') =~ /^(\d*)\|(\w*)\n?(.*)$/s;

		$status //= -1;
		if ($status == 0 && $gids)
		{
			# the one that commits and the one that does not
			run(($turn % 2 ? 'COMMIT' : 'ROLLBACK') . " PREPARED '$_'") foreach split / /, $gids;
			next;
		}
		if ($status == 0 && ($ready // '') eq 't' && (!$other || $pid ne $relay))
		{
			$relay = $pid;
			return 1;
		}
		usleep(20_000);
	}
	return 0;
}

# The rule has stored the answers to some lookups, others hang on tag sets.
my $lookups = 60;
my $mismatches = qq{
	SELECT count(*) FROM generate_series(1, $lookups) i
		WHERE CASE WHEN i <= 40
				THEN cache_get('hero:' || i, 'SELECT * FROM hero WHERE id = \$1', ARRAY[i::text])->>'name'
				ELSE cache_get('by:' || i - 40, 'SELECT name FROM hero WHERE id = \$1', ARRAY[(i - 40)::text])->>'name'
			END IS DISTINCT FROM
			(SELECT h.name FROM hero h WHERE h.id = CASE WHEN i <= 40 THEN i ELSE i - 40 END)};

# Answers in Redis that hang on tag sets: how many, and what is wrong.
sub wrong_answers
{
	my @names = split /\n/, $node->safe_psql('postgres',
		q{SELECT coalesce(name, '-') FROM generate_series(1, 20) i LEFT JOIN hero h ON h.id = i ORDER BY i});
	my $values = $redis->query('MGET', map { "${prefix}by:$_" } 1 .. 20);
	my ($n, @wrong) = (0);

	foreach my $i (0 .. 19)
	{
		my $name = ($values->[$i] // next) =~ /"name": ?"(.*?)"/ ? $1 : '-';

		$n++;
		push @wrong, "by:$i is $name, should be $names[$i]" if $name ne $names[$i];
	}
	push @wrong, "keys of the tag \"$dropped\" are left"
	  if $dropped && @{ $redis->query('KEYS', "$prefix$dropped:*") };
	$dropped = undef;
	return ($n, @wrong);
}

# What is wrong; adds to the counts.  Waits so many seconds for all lookups to be hits.
my $patience = $PostgreSQL::Test::Utils::timeout_default;
my ($compared, $tagged, $looked_up) = (0, 0, 0);

sub wrong
{
	my ($partial) = @_;
	my ($n, @wrong) = differences($node, $redis, partial => $partial, prefix => $prefix);

	my ($answers, @wrong_answers) = wrong_answers();

	$compared += $n + $answers;
	$tagged += $answers;
	push @wrong, @wrong_answers;
	push @wrong, 'keys with another prefix are left'
	  if grep { !/^(\Q$prefix\E|\{\Q$prefix\E|rtcache:)/ } @{ $redis->query('KEYS', '*') };

	# In the end all are hits: nothing keeps a key out of the cache.
	my ($unlike, $slot, $hits);
	for (1 .. 10 * $patience)
	{
		my $out = $node->safe_psql('postgres', qq{
			$mismatches;
			SELECT l1_hits + l2_hits AS before FROM rtcache_stats \\gset
			$mismatches;
			SELECT l1_hits + l2_hits - :before FROM rtcache_stats;
			SELECT count(*) FROM pg_replication_slots WHERE slot_name = 'rtcache'
				AND active AND wal_status IN ('reserved', 'extended') AND restart_lsn IS NOT NULL});
		my ($first, $second);

		($first, $second, $hits, $slot) = split /\n/, $out;
		$looked_up += 2 * $lookups;
		$unlike += $first + $second;
		last if $hits == $lookups && $slot;
		usleep(100_000);
	}
	push @wrong, "$unlike lookups were wrong" if $unlike;
	push @wrong, "only $hits of $lookups lookups are hits" if $hits != $lookups;
	push @wrong, 'the slot is not usable' unless $slot;

	foreach my $lease (@{ $redis->query('KEYS', '*~lease') })
	{
		my $left = $redis->cli('PTTL', $lease);

		push @wrong, "$lease is left for $left ms" if $left == -1 || $left > LEASE_TTL;
	}
	return @wrong;
}

my $cleared_cases = 0;
my $restarted = 1;

# One case: what is wrong afterwards.
sub try_case
{
	my ($what, $role, $action, $point) = @_;
	my ($partial, $do) = @{ $scenario{$what} };
	my $start = time;
	my @wrong;

	pass_mark($node) if $restarted;
	$restarted = $action =~ /kill|postmaster/;
	my $offset = -s $node->logfile;

	$turn++;
	note("--- $action $role at $point ($what)");
	$do->($point, $action);
	push @wrong, 'nobody came there' unless $inject->wait_hit($point);
	$inject->disarm($point);
	if ($action eq 'postmaster')
	{
		$node->kill9;			# which it is already
		push @wrong, 'the server does not start' unless start_again($node);
	}

	# a relay that is told to end may go on for a while
	if (!recovered($action =~ /^(kill|postmaster)$/ || $role eq 'relay'))
	{
		push @wrong, 'the server does not recover';
	}
	else
	{
		my $cleared = cleared_for_tags($node, $offset);

		push @wrong, wrong($partial || $cleared);
		if ($cleared && !$partial)
		{
			all_keys();
			$cleared_cases++;
		}
	}
	note(sprintf '%.1f s', time - $start);
	return @wrong;
}

my @result;
my $only = $ENV{RTC_CRASH_ONLY} // '';
my $all = $ENV{RTC_CRASH_MATRIX};
my $turns = 0;

foreach my $row (@matrix)
{
	my ($what, $role, $actions, $points) = @$row;

	foreach my $point (split ' ', $points)
	{
		my %cell;

		next if $only && "$what $point" !~ /$only/;
		my @actions = split ' ', $actions;

		@actions = $actions[ $turns++ % @actions ] unless $all;
		foreach my $action (@actions)
		{
			my @wrong = try_case($what, $role, $action, $point);

			$cell{$action} = @wrong ? 'WRONG' : 'ok';
			ok(!@wrong, "$what: $action $role at $point");
			diag($_) foreach splice @wrong, 0, 5;
		}
		push @result, [ $what, $role, $point, \%cell ];
	}
}

ok($tagged > 0, 'answers that hang on tag sets were compared') unless $only;
cmp_ok($cleared_cases, '<=', @result / 4, "few cases ended in a clear: $cleared_cases") unless $only;
usleep(1000 * LEASE_TTL);
is(scalar @{ $redis->query('KEYS', '*~lease') }, 0, 'no lease is left');
unlike(slurp_file($node->logfile), qr/PANIC|TRAP/, 'no process failed otherwise');

# For test/crash.
if ($ENV{RTC_CRASH_MATRIX})
{
	open my $out, '>', $ENV{RTC_CRASH_MATRIX} or die "could not write: $!";
	foreach my $row (@result)
	{
		my ($what, $role, $point, $cell) = @$row;

		print $out join("\t", $what, $role, $point,
			map { $cell->{$_} // '' } qw(kill term error postmaster)), "\n";
	}
	print $out "compared\t$compared\ntagged\t$tagged\nlookups\t$looked_up\n";
	close $out;
}

# Would it be noticed?  What is not read from WAL again, in a commit that was
# sent in part or not at all; and what stays pending.
$patience = 3;
foreach my $mutant (
	[ 'no_replay', [ 'relay', 'relay', 'kill', 'commit_read' ], qr/is missing|should be/ ],
	[ 'no_abort', [ 'write', 'backend', 'error', 'stamps_raised' ], qr/are hits/ ])
{
	my ($name, $case, $finding) = @$mutant;

	last if $only;
	$inject->mutate($name);
	$restarted = 1;
	ok(recovered(), "\"$name\" begins");
	all_keys();
	like(join("\n", try_case(@$case)), $finding, "\"$name\" is found out");
}

$node->stop;
$redis->stop;
done_testing();
