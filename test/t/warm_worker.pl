# Rules with the option "warm": a worker stores the rows that are there, when the rule
# is made and again when Redis has lost its keys; as the owner of the table, in turns
# with other work.  pg_dump and pg_restore keep the option.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use RtcNode;
use RtcRedis;

my $redis = RtcRedis->new('main');
$redis->start;
my $node = RtcNode->new('main', redis => $redis, conf => "autovacuum = off");
$node->start;
$node->safe_psql('postgres', q{
	CREATE EXTENSION rtcache;
	CREATE ROLE owner;
	GRANT EXECUTE ON FUNCTION rtcache_write_through, rtcache_truncate, cache_attach TO owner;
	GRANT CREATE ON SCHEMA public TO owner;
	SET ROLE owner;
	CREATE TABLE hero (id int PRIMARY KEY, name text);
	INSERT INTO hero SELECT i, 'h' || i FROM generate_series(1, 5000) AS i;
	CREATE TABLE part (id int PRIMARY KEY) PARTITION BY RANGE (id);
	CREATE TABLE part_1 PARTITION OF part FOR VALUES FROM (1) TO (100);
	CREATE TABLE part_2 PARTITION OF part FOR VALUES FROM (100) TO (201);
	INSERT INTO part SELECT generate_series(1, 200);
});
ok($node->wait_open, 'Redis is used');

# Waits until there are so many keys.
sub wait_keys
{
	my ($pattern, $n, $what) = @_;

	for (1 .. 10 * $PostgreSQL::Test::Utils::timeout_default)
	{
		my @keys = split /\n/, $redis->cli('KEYS', $pattern) // '';

		return pass($what) if @keys == $n;
		select undef, undef, undef, 0.1;
	}
	return fail($what);
}

# The rule is made in a transaction that takes its time, or that is rolled back.
$node->safe_psql('postgres', q{
	SET ROLE owner;
	BEGIN;
	SELECT cache_attach('hero', key => 'hero:{id}', warm => true);
	SELECT pg_sleep(1);
	ROLLBACK;
	BEGIN;
	SELECT cache_attach('hero', key => 'hero:{id}', warm => true);
	SELECT pg_sleep(1);
	COMMIT;
	CREATE TRIGGER stored AFTER INSERT OR UPDATE OR DELETE ON part
		FOR EACH ROW EXECUTE FUNCTION rtcache_write_through('part:{id}', 'warm', 'ttl=1 h');
});
wait_keys('postgres:hero:*', 5000, 'a new rule: the rows are stored');
wait_keys('postgres:part:*', 200, 'those of partitions, too');
is($redis->cli('GET', 'postgres:hero:77'), '{"id":77,"name":"h77"}', 'as the rule would');
is($node->safe_psql('postgres', q{SELECT string_agg(relation::text || ' ' || warm, ', ' ORDER BY relation::text, warm) FROM rtcache_rules}),
	'hero false, hero true, part true', 'rtcache_rules shows it');

# Again after a clear, be it wanted or not.
$node->safe_psql('postgres', 'SELECT cache_clear()');
$node->cache_wait;
wait_keys('postgres:hero:*', 5000, 'a clear: they come back');
wait_keys('postgres:part:*', 200, 'those of partitions, too');
$redis->cli('FLUSHALL');
wait_keys('postgres:hero:*', 5000, 'Redis was flushed: they come back');
$redis->stop;
$redis->start;
wait_keys('postgres:hero:*', 5000, 'and when it was restarted without data');
$node->safe_psql('postgres', q{UPDATE hero SET name = 'new'});
$node->cache_wait;
is($redis->cli('GET', 'postgres:hero:77'), '{"id":77,"name":"new"}', 'writes count');

# What the worker runs, it runs as the owner, who cannot become somebody else.
$node->safe_psql('postgres', q{
	CREATE TABLE spy (who text);
	GRANT INSERT, SELECT ON spy TO PUBLIC;
	SET ROLE owner;
	CREATE TYPE thing AS ENUM ('a');
	CREATE FUNCTION thing_json(thing) RETURNS json LANGUAGE plpgsql AS $$
	BEGIN
		RAISE LOG 'thing_json by % with path %', current_user, current_setting('search_path');
		BEGIN
			RESET ROLE;
			RAISE LOG 'thing_json has become %', current_user;
		EXCEPTION WHEN OTHERS THEN
			RAISE LOG 'thing_json: %', sqlerrm;
		END;
		RETURN '1';
	END $$;
	CREATE CAST (thing AS json) WITH FUNCTION thing_json(thing);
	CREATE TABLE things (id int PRIMARY KEY, t thing);
	INSERT INTO things VALUES (1, 'a');
	SELECT cache_attach('things', key => 'things:{id}', warm => true);
});
wait_keys('postgres:things:*', 1, 'a table with a cast');
my $log = slurp_file($node->logfile);
like($log, qr/thing_json by owner with path pg_catalog, pg_temp/, 'the owner runs it');
like($log, qr/thing_json: cannot set parameter "role" within security-definer function/,
	'and stays who he is');

# A table that fails is given up, and does not stop others.
$node->safe_psql('postgres', q{
	SET ROLE owner;
	CREATE OR REPLACE FUNCTION thing_json(thing) RETURNS json LANGUAGE plpgsql AS $$
		BEGIN RAISE 'no'; END $$;
	RESET ROLE;
	SELECT cache_clear();
});
$node->cache_wait;
wait_keys('postgres:hero:*', 5000, 'the others come back');
wait_keys('postgres:things:*', 0, 'one that fails does not');

# pg_dump and pg_restore
my $dump = $node->basedir . '/dump';
command_ok([ 'pg_dump', '-d', $node->connstr('postgres'), '-t', 'hero', '-f', $dump ], 'pg_dump');
like(slurp_file($dump), qr/rtcache_write_through\('hero:\{id\}', 'warm'\)/, 'it keeps the option');
$node->safe_psql('postgres', 'DROP TABLE hero');
$node->cache_wait;
wait_keys('postgres:hero:*', 0, 'a table that is dropped is gone');
command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('postgres'), '-f', $dump ], 'restore');
wait_keys('postgres:hero:*', 5000, 'a table that is restored is warm');

# cache_detach, and what is refused
$node->safe_psql('postgres', q{SELECT cache_detach('hero')});
$node->cache_wait;
wait_keys('postgres:hero:*', 0, 'without its rule it is not');
my ($ret, $out, $err) = $node->psql('postgres', q{SELECT cache_attach('hero', key => 'hero:{id}', mode => 'del', warm => true)});
like($err, qr/argument "warm" is given, but no row is stored/, 'it takes a rule that stores rows');

ok($node->no_crash, 'no process has crashed');
$node->stop;
$redis->stop;
done_testing();
