# Several writers and readers of the same few keys, without a Redis: what a
# reader gets is never older than what was committed, and seen by anybody,
# before it asked.  Some commits are prepared first, some keys are deleted by
# hand, the relay is stopped now and then.
#
# Each row holds a counter that only grows.  A reader notes the counter as the
# table has it, then asks cache_get(), then looks at the table again: the answer
# lies in between.  RTC_TORTURE_SECONDS says how long (10).

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);

use RtcNode;

my $seconds = $ENV{RTC_TORTURE_SECONDS} || 10;
my $node = RtcNode->new('main', conf => "rtcache.l1_size = 2MB\nmax_connections = 60");
$node->start;
$node->safe_psql('postgres', q{
	CREATE EXTENSION rtcache;
	CREATE TABLE counter (id int PRIMARY KEY, n bigint);
	CREATE TRIGGER c AFTER INSERT OR UPDATE OR DELETE ON counter
		FOR EACH ROW EXECUTE FUNCTION rtcache_invalidate('c:{id}', 'sum');
	INSERT INTO counter SELECT i, 0 FROM generate_series(0, 7) AS i;
	CREATE UNLOGGED TABLE wrong (id int, before bigint, answer bigint, later bigint);

	-- Each statement of a VOLATILE function has a snapshot of its own.
	CREATE FUNCTION check_one(k int) RETURNS bool LANGUAGE plpgsql AS $$
	DECLARE
		before bigint;
		answer bigint;
		later bigint;
	BEGIN
		SELECT n INTO before FROM counter WHERE id = k;
		answer := (cache_get('c:' || k, 'SELECT n FROM counter WHERE id = $1', ARRAY[k::text]) ->> 'n')::bigint;
		SELECT n INTO later FROM counter WHERE id = k;
		RETURN answer BETWEEN before AND later;
	END $$;
	CREATE FUNCTION check_sum() RETURNS bool LANGUAGE plpgsql AS $$
	DECLARE
		before bigint;
		answer bigint;
		later bigint;
	BEGIN
		SELECT sum(n) INTO before FROM counter;
		answer := (cache_list('sum', 'SELECT sum(n) AS n FROM counter') -> 0 ->> 'n')::bigint;
		SELECT sum(n) INTO later FROM counter;
		RETURN answer BETWEEN before AND later;
	END $$;
	CREATE PROCEDURE read_for(seconds float) LANGUAGE plpgsql AS $$
	DECLARE
		until timestamptz := clock_timestamp() + seconds * interval '1 s';
		k int;
		good bool;
		n bigint := 0;
		bad bigint := 0;
	BEGIN
		WHILE clock_timestamp() < until LOOP
			FOR i IN 1 .. 200 LOOP
				k := (random() * 7)::int;
				good := CASE WHEN random() < 0.1 THEN check_sum() ELSE check_one(k) END;
				n := n + 1;
				IF good IS NOT TRUE THEN
					bad := bad + 1;
				END IF;
			END LOOP;
			COMMIT;
		END LOOP;
		RAISE NOTICE 'reads: % wrong: %', n, bad;
	END $$;
	CREATE PROCEDURE write_for(seconds float) LANGUAGE plpgsql AS $$
	DECLARE
		until timestamptz := clock_timestamp() + seconds * interval '1 s';
	BEGIN
		WHILE clock_timestamp() < until LOOP
			UPDATE counter SET n = n + 1 WHERE id = (random() * 7)::int;
			IF random() < 0.1 THEN
				PERFORM cache_clear();
			END IF;
			IF random() < 0.1 THEN
				ROLLBACK;
			ELSE
				COMMIT;
			END IF;
			IF random() < 0.5 THEN
				PERFORM pg_sleep(random() * 0.002);
			END IF;
		END LOOP;
	END $$;
});
ok($node->poll_query_until('postgres', 'SELECT open FROM rtcache_l1'), 'the gate opens');

my @readers = map {
	my $s = $node->background_psql('postgres', on_error_stop => 0);

	$s->query_until(qr/start/, "\\echo start\nCALL read_for($seconds);\n");
	$s;
} 1 .. 4;
my @writers = map {
	my $s = $node->background_psql('postgres', on_error_stop => 0);

	$s->query_until(qr/start/, "\\echo start\nSET synchronous_commit = off; CALL write_for($seconds);\n");
	$s;
} 1 .. 3;

my $relay = $node->relay_pid;
my $end = time + $seconds;

for (my $i = 0; time < $end; $i++)
{
	my $k = $i % 8;

	kill $i % 7 == 3 ? 'STOP' : 'CONT', $relay;
	$node->safe_psql('postgres', qq{
		BEGIN;
		UPDATE counter SET n = n + 1 WHERE id = $k;
		PREPARE TRANSACTION 'p';
		@{[ $i % 3 == 0 ? 'ROLLBACK' : 'COMMIT' ]} PREPARED 'p'});
	usleep(20_000);
}
kill 'CONT', $relay;
$_->query('SELECT 1') foreach @writers;

my ($reads, $wrong) = (0, 0);

foreach my $s (@readers)
{
	$s->query('SELECT 1');
	$s->{stderr} =~ /reads: (\d+) wrong: (\d+)/ or next;
	$reads += $1;
	$wrong += $2;
}
$_->quit foreach @readers, @writers;

my $stats = $node->safe_psql('postgres',
	'SELECT l1_hits, misses, fill_waits, bypass_pending FROM rtcache_stats');
diag("$reads reads, $wrong wrong; hits, misses, waits, pending: $stats");
cmp_ok($reads, '>', 1000, 'there were reads');
is($wrong, 0, 'none was wrong');
cmp_ok($node->stat('l1_hits'), '>', $reads / 20, 'L1 was hit');
is( $node->safe_psql('postgres', q{
		SELECT count(*) FROM counter
		WHERE n <> (cache_get('c:' || id, 'SELECT n FROM counter WHERE id = $1', ARRAY[id::text]) ->> 'n')::bigint}),
	'0', 'in the end it holds what the table says');
ok($node->no_crash, 'no process has crashed');

$node->stop;
done_testing();
