# Large transactions:
#
#	- ops that were written to WAL early, from inside savepoints too, count or
#	  not as the savepoint says, and keep their place in the transaction
#	- the memory of the backend and of the relay is bounded, however large the
#	  transaction, and whatever rtcache.xact_buffer is
#
# With "rtcache_large" in PG_TEST_EXTRA a million rows are loaded, not 200,000.
#
# Slow.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use RtcCoherence;
use RtcNode;
use RtcRedis;

my $redis = RtcRedis->new('main');
$redis->start;
# VmHWM counts shared memory that was touched: keep that small.
my $node = RtcNode->new('main', redis => $redis, conf => <<'CONF');
shared_buffers = 8MB
rtcache.stamp_buckets = 1024
fsync = off
max_wal_size = 4GB
CONF
$node->start;
create_heroes($node);
ok($node->wait_streaming, 'the relay streams');

# --------------------------------------------------------------------
# Order.  The smallest buffer holds some 700 of these rows, so that each
# statement on 1,000 of them writes out early.
# --------------------------------------------------------------------

my $n = 0;

# A statement that changes some rows, and one that changes all.
sub some
{
	my ($ids) = @_;

	$n++;
	return "UPDATE hero SET name = 'v$n' WHERE id $ids;\n";
}

sub all
{
	return some('> 0');
}

sub rows
{
	$node->safe_psql('postgres', q{
		DELETE FROM hero;
		INSERT INTO hero SELECT i, repeat('x', 60) FROM generate_series(1, 1000) i;
	});
	return;
}

sub run
{
	my ($name, @statements) = @_;

	$node->safe_psql('postgres',
		"SET rtcache.xact_buffer = '64kB';\nBEGIN;\n" . join('', @statements) . 'COMMIT;');
	return same_as_table($node, $redis, $name);
}

# The parent's op stays in the buffer while the savepoint's are written.
foreach my $end ("RELEASE s;\n", "ROLLBACK TO s;\n", "ROLLBACK TO s;\nRELEASE s;\n")
{
	my $name = $end =~ s/\n/ /gr;

	rows();
	run("parent, savepoint; $name", some('<= 10'), "SAVEPOINT s;\n", all(), all(), $end);
	rows();
	run("parent, savepoint; ${name}parent",
		some('<= 10'), "SAVEPOINT s;\n", all(), $end, some('BETWEEN 5 AND 15'));
	rows();
	run("savepoint; ${name}parent, early",
		"SAVEPOINT s;\n", all(), some('<= 10'), $end, all(), some('BETWEEN 5 AND 15'));
	rows();
	run("parent, savepoint, inner one early; $name",
		some('<= 10'), "SAVEPOINT s;\n", some('<= 8'), "SAVEPOINT t;\n", all(),
		"RELEASE t;\n", some('<= 3'), $end, some('<= 1'));
	rows();
	run("parent, savepoint, inner one early but rolled back; $name",
		some('<= 10'), "SAVEPOINT s;\n", some('<= 8'), "SAVEPOINT t;\n", all(),
		"ROLLBACK TO t;\n", some('<= 3'), all(), $end, some('<= 1'));
	rows();
	run("delete and insert; $name",
		"DELETE FROM hero WHERE id <= 10;\n", "SAVEPOINT s;\n",
		"INSERT INTO hero SELECT i, 'again' FROM generate_series(1, 5) i;\n", all(),
		"DELETE FROM hero WHERE id = 3;\n", $end);
}

# Anything else that can be made of these, the same in each run.
srand 42;
rows();
foreach my $round (1 .. 25)
{
	my (@statements, @open);

	foreach (1 .. 14)
	{
		my $dice = int rand 10;
		my $id = 1 + int rand 1000;

		if ($dice < 3) { push @statements, some("BETWEEN $id AND $id + 20"); }
		elsif ($dice < 5) { push @statements, all(); }
		elsif ($dice < 6)
		{
			push @statements, "DELETE FROM hero WHERE id BETWEEN $id AND $id + 5;\n",
			  "INSERT INTO hero SELECT i, 'back' FROM generate_series($id, $id + 3) i"
			  . " ON CONFLICT DO NOTHING;\n";
		}
		elsif ($dice < 8 || !@open)
		{
			push @open, "s$n" . scalar @statements;
			push @statements, "SAVEPOINT $open[-1];\n";
		}
		else
		{
			my $i = int rand @open;

			# further down the stack takes all above with it
			if ($dice == 8)
			{
				push @statements, "RELEASE $open[$i];\n";
				$#open = $i - 1;
			}
			else
			{
				push @statements, "ROLLBACK TO $open[$i];\n";
				$#open = $i;
			}
		}
	}
	last
	  unless run("random transaction $round", @statements)
	  || diag(join '', @statements);
}

# A rollback of all leaves nothing behind.
$node->safe_psql('postgres', "SET rtcache.xact_buffer = '64kB';\nBEGIN;\n"
	  . all() . "SAVEPOINT s;\n" . all() . "RELEASE s;\n" . 'ROLLBACK;');
same_as_table($node, $redis, 'rollback');

# prepared
$node->safe_psql('postgres', "SET rtcache.xact_buffer = '64kB';\nBEGIN;\n"
	  . some('<= 10') . "SAVEPOINT s;\n" . all() . all() . "RELEASE s;\n"
	  . "PREPARE TRANSACTION 'p';");
same_as_table($node, $redis, 'PREPARE changes nothing');
$node->safe_psql('postgres', "COMMIT PREPARED 'p'");
same_as_table($node, $redis, 'COMMIT PREPARED does');
is($node->stat('messages_refused'), 0, 'no message was taken for a forged one');

# --------------------------------------------------------------------
# Memory
# --------------------------------------------------------------------

my $million = ($ENV{PG_TEST_EXTRA} || '') =~ /\brtcache_large\b/;
my $rows = $million ? 1_000_000 : 200_000;

# The most memory that a process has ever used (MB).
sub peak_mb
{
	my ($pid) = @_;
	my ($kb) = slurp_file("/proc/$pid/status") =~ /^VmHWM:\s+(\d+) kB/m;

	return $kb / 1024;
}

# A sanitizer keeps memory that was freed, and some beside all that is in use.
sub bounded
{
	my ($mb, $limit, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

  SKIP:
	{
		skip "$name, with a sanitizer", 1 if $ENV{SANITIZE};
		cmp_ok($mb, '<', $limit, $name);
	}
	return;
}

$node->safe_psql('postgres', qq{
	TRUNCATE hero;
	COPY (SELECT i, 'hero number ' || i FROM generate_series(1, $rows) i) TO '}
	  . $node->basedir . q{/heroes'});

my $load = 'COPY hero FROM \'' . $node->basedir . '/heroes\'';

# What PostgreSQL takes for the queue of the trigger's events is not ours.
$node->safe_psql('postgres', q{
	CREATE TABLE plain (LIKE hero);
	CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
	CREATE TRIGGER nothing AFTER INSERT ON plain FOR EACH ROW EXECUTE FUNCTION nothing();
});
my $session = $node->background_psql('postgres');
$session->set_query_timer_restart;
$session->query_safe($load =~ s/hero/plain/r);
my $plain = peak_mb($session->query_safe('SELECT pg_backend_pid()'));
$session->quit;

my $relay = $node->relay_pid;

foreach my $buffer ('16MB', '64kB')
{
	$node->safe_psql('postgres', 'SELECT cache_clear(); TRUNCATE hero');
	ok($node->cache_wait, 'the old keys are gone');
	my $before = peak_mb($relay);
	$session = $node->background_psql('postgres');
	$session->set_query_timer_restart;
	my $pid = $session->query_safe('SELECT pg_backend_pid()');
	# Once in a savepoint, where there is another way to write early.
	$session->query_safe("SET rtcache.xact_buffer = '$buffer'; BEGIN; "
		  . ($buffer eq '64kB' ? 'SAVEPOINT s; ' : '')
		  . "$load; COMMIT");
	my $extra = peak_mb($pid) - $plain;
	bounded($extra, 48, "extra memory of the backend, with a buffer of $buffer");
	ok($node->cache_wait, "$rows rows are applied");
	my $relay_extra = peak_mb($relay) - $before;
	bounded($relay_extra, 32, 'extra memory of the relay');
	note(sprintf 'extra memory: backend %.1f MB, relay %.1f MB (it peaks at %.1f MB)',
		$extra, $relay_extra, peak_mb($relay));
	is($redis->cli('EVAL', q{return #redis.call('KEYS', 'postgres:hero:*')}, 0),
		$rows, 'all keys are there');
	is($redis->cli('GET', "postgres:hero:$rows"),
		qq({"id":$rows,"name":"hero number $rows"}), 'the last as it should be');
	$session->quit;
}
is($node->relay_pid, $relay, 'the relay is the same as before');
is($node->stat('messages_refused'), 0, 'no message was taken for a forged one');

ok($node->no_crash, 'no process has crashed');
$node->stop;
$redis->stop;
done_testing();
