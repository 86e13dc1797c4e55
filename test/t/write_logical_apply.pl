# What logical replication applies to a subscriber drops the answers that it
# changes there, and leaves others: the initial copy, rows, TRUNCATE, large and
# prepared transactions, partitions that the publisher does not have.  With Redis
# alone, and with the cache in shared memory alone.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

use RtcNode;
use RtcRedis;

my $publisher = PostgreSQL::Test::Cluster->new('publisher');

$publisher->init(allows_streaming => 'logical', extra => [ '-E', 'UTF8', '--locale=C' ]);
$publisher->append_conf('postgresql.conf',
	"max_prepared_transactions = 10\nlogical_decoding_work_mem = 64kB\nautovacuum = off");
$publisher->start;

my $tables = q{
	CREATE TABLE hero (id int PRIMARY KEY, name text);
	CREATE TABLE deed (id int PRIMARY KEY, hero int REFERENCES hero ON DELETE CASCADE, what text);
	CREATE INDEX ON deed (hero);
};
my $connection = $publisher->connstr . ' dbname=postgres';
my ($node, $name);

# Runs it on the publisher, and waits until the subscriber has it.
sub publish
{
	my ($sql) = @_;

	$publisher->safe_psql('postgres', $sql);
	$publisher->wait_for_catchup($name);
	$node->cache_wait if $name eq 'redis';
	return;
}

# Where answers come from ("hit" or "miss"), and whether they are right.  A
# commit that is only just visible may make lookups go around the cache.
sub ask
{
	my (@queries) = @_;
	my @how;

	foreach my $query (@queries)
	{
		my $how = 'bypass right';

		for (my $i = 0; $i < 1000 && $how eq 'bypass right'; $i++)
		{
			usleep(10_000) if $i > 0;
			$how = $node->safe_psql('postgres', qq{SELECT how(\$\$$query\$\$)});
		}
		push @how, $how;
	}
	return \@how;
}

my @hero = map { "SELECT * FROM hero WHERE id = $_" } 1, 2;
my @deed = map { "SELECT * FROM deed WHERE hero = $_ ORDER BY id" } 1, 2;
my $hit = 'hit right';
my $miss = 'miss right';

# Both answers are in the cache; then this is published, and they are asked for.
sub changed
{
	my ($sql, $queries, $expected, $what) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	ask(@$queries);
	is_deeply(ask(@$queries), [ map { $hit } @$queries ], "$name, before: $what");
	publish($sql);
	is_deeply(ask(@$queries), $expected, "$name: $what");
	return;
}

$publisher->safe_psql('postgres', $tables . q{
	INSERT INTO hero VALUES (1, 'Ada'), (2, 'Bob');
	INSERT INTO deed VALUES (1, 1, 'x'), (2, 2, 'y');
	CREATE PUBLICATION everything FOR ALL TABLES});

foreach my $mode (qw(redis l1))
{
	my $redis;

	if ($mode eq 'redis')
	{
		$redis = RtcRedis->new('main');
		$redis->start;
	}
	$name = $mode;
	$node = RtcNode->new($mode, redis => $redis, conf => 'autovacuum = off');
	$node->start;
	# a table with partitions, columns in another order
	$node->safe_psql('postgres', q{
		CREATE EXTENSION rtcache;
		CREATE TABLE hero (name text, id int PRIMARY KEY) PARTITION BY LIST (id);
		CREATE TABLE hero1 PARTITION OF hero FOR VALUES IN (1);
		CREATE TABLE hero2 PARTITION OF hero DEFAULT;
		CREATE TABLE deed (what text, hero int, id int PRIMARY KEY);
		CREATE INDEX ON deed (hero);
		SELECT cache_attach('hero', key => 'hero:{id}'), cache_attach('deed');
		CREATE FUNCTION how(query text) RETURNS text LANGUAGE plpgsql AS $$
		DECLARE
			old record := cache_stats();
			cached jsonb := cache_list(md5(query), query);
			new record := cache_stats();
			direct jsonb;
		BEGIN
			EXECUTE format('SELECT coalesce(jsonb_agg(to_jsonb(q)), ''[]'') FROM (%s) AS q', query) INTO direct;
			RETURN CASE WHEN new.l1_hits + new.l2_hits > old.l1_hits + old.l2_hits THEN 'hit'
					WHEN new.bypasses > old.bypasses THEN 'bypass' ELSE 'miss' END
				|| CASE WHEN cached = direct THEN ' right' ELSE ' wrong' END;
		END $$});
	ok($node->wait_streaming, "$mode: the relay streams") if $redis;
	ok($node->poll_query_until('postgres', 'SELECT open FROM rtcache_l1'), "$mode: the gate opens")
	  unless $redis;

	# the initial copy
	is_deeply(ask(@hero, @deed), [ ($miss) x 4 ], "$mode: empty");
	is_deeply(ask(@hero, @deed), [ ($hit) x 4 ], "$mode: still empty");
	$node->safe_psql('postgres', "CREATE SUBSCRIPTION $mode CONNECTION '$connection' PUBLICATION everything WITH (two_phase = true, streaming = true)");
	$node->wait_for_subscription_sync($publisher, $mode);
	$node->cache_wait if $redis;
	is_deeply(ask(@hero, @deed), [ ($miss) x 4 ], "$mode: the initial copy");

	# rows
	changed(q{UPDATE hero SET name = 'Ada Lovelace' WHERE id = 1}, \@hero, [ $miss, $hit ], 'UPDATE');
	changed(q{INSERT INTO deed VALUES (3, 1, 'z')}, \@deed, [ $miss, $hit ], 'INSERT');
	changed(q{UPDATE deed SET hero = 1 WHERE id = 2}, \@deed, [ $miss, $miss ], 'from one to the other');
	changed(q{DELETE FROM deed WHERE id = 3}, \@deed, [ $miss, $hit ], 'DELETE');
	changed(q{BEGIN; SAVEPOINT s; UPDATE hero SET name = 'x' WHERE id = 2; ROLLBACK TO s;
		UPDATE hero SET name = 'y' WHERE id = 1; COMMIT}, \@hero, [ $miss, $hit ], 'a savepoint that rolls back');
	changed(q{BEGIN; UPDATE hero SET name = 'z' WHERE id = 1; ROLLBACK}, \@hero, [ $hit, $hit ], 'a rollback');
	changed(q{INSERT INTO deed SELECT i, 2, 'many' FROM generate_series(100, 3000) i},
		\@deed, [ $miss, $miss ], 'a large transaction, which is streamed, and counts for all of the table');

	# of the publisher's foreign key the subscriber gets what it did
	changed(q{DELETE FROM hero WHERE id = 2}, [ @hero, @deed ], [ $hit, $miss, $miss, $miss ], 'a cascade');
	publish(q{INSERT INTO hero VALUES (2, 'Bob'); INSERT INTO deed VALUES (5, 2, 'v')});

	# prepared transactions
	changed(q{BEGIN; UPDATE hero SET name = 'two' WHERE id = 2; PREPARE TRANSACTION 'p'; COMMIT PREPARED 'p'},
		\@hero, [ $hit, $miss ], 'COMMIT PREPARED');
	changed(q{BEGIN; UPDATE hero SET name = 'three' WHERE id = 2; PREPARE TRANSACTION 'p'; ROLLBACK PREPARED 'p'},
		[ $hero[0] ], [$hit], 'ROLLBACK PREPARED');

	changed(q{TRUNCATE deed}, [ @hero, @deed ], [ $hit, $hit, $miss, $miss ], 'TRUNCATE');
	changed(q{TRUNCATE hero CASCADE}, [ @hero, @deed ], [ ($miss) x 4 ], 'TRUNCATE CASCADE');
	ok($node->no_crash, "$mode: no process has crashed");

	$node->safe_psql('postgres', "DROP SUBSCRIPTION $mode");
	$node->stop;
	$redis->stop if $redis;
	$publisher->safe_psql('postgres', q{
		INSERT INTO hero VALUES (1, 'Ada'), (2, 'Bob');
		INSERT INTO deed VALUES (1, 1, 'x'), (2, 2, 'y')});
}
$publisher->stop;
done_testing();
