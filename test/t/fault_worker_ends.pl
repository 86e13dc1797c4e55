# Background workers that end, or that do not begin: of two that are one too many one goes;
# one that is on its way to a database which is dropped does not get there; and what one
# says about its trouble can be read in a database of any encoding.

use strict;
use warnings;
use utf8;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use RtcCoherence;
use RtcInject;
use RtcNode;
use RtcRedis;

plan skip_all => RtcInject::SKIP unless RtcInject::possible();
RtcInject::use_build();

my $redis = RtcRedis->new('main');
$redis->start;
my $node = RtcNode->new('main', redis => $redis, conf => q{
	rtcache.refresh_workers = 2
	rtcache.inbox_delay = 0
	log_min_messages = debug1
});
my $inject = RtcInject->new($node);
$node->start;
create_heroes($node);
$node->safe_psql('postgres', q{INSERT INTO hero SELECT i, 'name ' || i FROM generate_series(1, 9) i});
ok($node->wait_open, 'Redis is used');

sub poll
{
	my ($sql, $name) = @_;

	return ok($node->poll_query_until('postgres', $sql), $name);
}

# Has an answer used, and then ended by a write.
sub have_asked
{
	my ($id) = @_;
	my $get = "SELECT cache_get('f:$id', 'SELECT name FROM hero WHERE id = $id', NULL, '1 hour');";

	$node->safe_psql('postgres', "SET rtcache.refresh_after_write = on; $get $get");
	$node->safe_psql('postgres', "UPDATE hero SET name = name || '.' WHERE id = $id");
	return;
}

# ---- one too many ----

my $workers = q{FROM pg_stat_activity WHERE backend_type = 'rtcache refresh'};
poll("SELECT count(*) = 0 $workers", 'nobody works');
$inject->arm('work_taken', 'wait', 'refresh');
have_asked(1);
ok($inject->wait_hit('work_taken'), 'a worker is stopped at work');
have_asked(2);
poll('SELECT refreshes = 1 FROM rtcache_stats', 'another one comes');
$inject->release('work_taken');
poll('SELECT refreshes = 2 FROM rtcache_stats', 'both have worked');
$inject->arm('worker_ends', 'wait', 'refresh');
$node->set_conf('rtcache.refresh_workers', 1);
ok($inject->wait_hit('worker_ends'), 'one of them is too many, and about to end');
have_asked(3);
poll('SELECT refreshes = 3 FROM rtcache_stats', 'the other one has not left with it');
$inject->release('worker_ends');
poll("SELECT count(*) = 1 $workers", 'one is left');

# ---- on its way ----

$node->safe_psql('postgres', 'CREATE DATABASE shop');
$node->safe_psql('shop', q{
	CREATE EXTENSION rtcache;
	CREATE TABLE t (id int PRIMARY KEY, n int);
	SELECT cache_attach('t', 't:{id}', behind => '{n}')});
$inject->arm('inbox_comes', 'wait', 'inbox');
$redis->query('XADD', 'shop:~inbox', '*', 'key', 't:1', 'set', '{"n":1}');
ok($inject->wait_hit('inbox_comes'), 'a worker is on its way');
my $log = -s $node->logfile;
$node->safe_psql('postgres', 'DROP DATABASE shop');
$inject->release('inbox_comes');
my $exited = qr/"rtcache inbox" \(PID \d+\) exited with exit code (\d)/;
$node->wait_for_log($exited, $log);
my ($code) = slurp_file($node->logfile, $log) =~ $exited;
is($code, 0, 'and does not go to a database that is gone');

# ---- in any encoding ----

$node->safe_psql('postgres', q{
	CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0;
	CREATE TABLE u (id int PRIMARY KEY, n int);
	CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS
		$$BEGIN RAISE EXCEPTION '%', repeat('ü', 1000) USING ERRCODE = 'disk_full'; END$$;
	CREATE TRIGGER full_disk BEFORE INSERT ON u FOR EACH ROW EXECUTE FUNCTION full_disk();
	SELECT cache_attach('u', 'u:{id}', behind => '{n}')});
$node->safe_psql('latin', 'CREATE EXTENSION rtcache');
$redis->query('XADD', 'postgres:~inbox', '*', 'key', 'u:1', 'set', '{"n":1}');
poll('SELECT last_error IS NOT NULL FROM rtcache_inbox WHERE datname = current_database()', 'a worker has trouble');
for my $dbname (qw(postgres latin))
{
	is($node->safe_psql($dbname, q{SELECT last_error ~ '^could not apply entries: [ -~]+$' FROM rtcache_inbox WHERE datname = 'postgres'}),
		't', "which is told in ASCII in $dbname");
}
like(slurp_file($node->logfile, $log), qr/rtcache inbox: could not apply entries: (\xc3\xbc){1000}/,
	'and in full in the log');

ok($node->no_crash, 'nothing has crashed');
$node->stop;
done_testing();
