# The replication slot never holds more WAL than rtcache.max_wal_lag, also where
# no relay works.
#
#	- a switchover: the old primary, now a standby, moves its slot; its relay
#	  waits for a promotion, says so, and then goes on without a clear
#	- a standby made from a base backup has no slot, and gets none
#	- a standby whose redis_url is emptied drops its slot
#	- no worker can be started: cache_health() tells what the slot holds
#	- the relay is stuck behind a commit that is not visible: it says so

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

use RtcCoherence;
use RtcNode;
use RtcRedis;

my $redis = RtcRedis->new('main');
$redis->start;
my $one = RtcNode->new('one', redis => $redis, init => { allows_streaming => 1 },
	conf => <<'CONF');
rtcache.max_wal_lag = 32MB
max_wal_size = 64MB
min_wal_size = 32MB
wal_keep_size = 0
autovacuum = off
CONF
$one->start;
create_heroes($one);
$one->safe_psql('postgres', q{INSERT INTO hero SELECT i, 'v1' FROM generate_series(1, 10) i});
ok($one->wait_streaming, 'the relay streams');
$one->backup('base');
my $two = bless PostgreSQL::Test::Cluster->new('two'), 'RtcNode';
$two->init_from_backup($one, 'base', has_streaming => 1);
$two->start;
$one->wait_for_catchup($two, 'replay', $one->lsn('insert'));

# Writes so many MB of WAL, and not faster than a standby follows: nothing keeps
# WAL for it.
sub write_wal
{
	my ($node, $mb, $standby) = @_;

	for (my $left = $mb; $left > 0; $left -= 16)
	{
		$node->safe_psql('postgres', q{
			SELECT pg_logical_emit_message(false, 'test', repeat('x', 1024 * 1024))
				FROM generate_series(1, 16)});
		$node->wait_for_catchup($standby, 'replay', $node->lsn('insert')) if $standby;
	}
	$node->safe_psql('postgres', 'CHECKPOINT');
	return;
}

# SQL for the MB of WAL that the slot holds
sub held
{
	my ($lsn) = @_;

	return qq{SELECT round(pg_wal_lsn_diff($lsn, restart_lsn) / 1048576)
		FROM pg_replication_slots WHERE slot_name = 'rtcache'};
}

sub first_segment
{
	my ($node) = @_;
	my @names = sort grep { /^[0-9A-F]{24}$/ } slurp_dir($node->data_dir . '/pg_wal');

	return $names[0];
}

# Makes a stopped primary follow another one.
sub follow
{
	my ($node, $primary) = @_;

	# the name by which the primary knows it
	$node->append_conf('postgresql.conf', 'primary_conninfo = ' . "'" . $primary->connstr
		  . ' application_name=' . $node->name . "'");
	$node->set_standby_mode;
	$node->start;
	return;
}

# A standby from a base backup
is($two->safe_psql('postgres', 'SELECT count(*) FROM pg_replication_slots'), 0,
	'a standby from a base backup has no slot');
ok($two->wait_state('standby'), 'its relay waits for a promotion');
is($two->safe_psql('postgres', q{SELECT pid IS NOT NULL, lag_bytes IS NULL, slot_problem IS NULL
	FROM rtcache_relay}), 't|t|t', 'and runs');
is($two->safe_psql('postgres', 'SELECT * FROM cache_health() WHERE NOT ok'), '',
	'nothing is wrong with it');

# Switchover
$one->stop('fast');
$two->promote;
ok($two->wait_streaming, 'promoted, its relay streams');
is($two->safe_psql('postgres', q{SELECT active FROM pg_replication_slots WHERE slot_name = 'rtcache'}),
	't', 'and has a slot');
follow($one, $two);
ok($one->wait_state('standby'), 'the old primary is a standby');
is($one->safe_psql('postgres', 'SELECT count(*) FROM pg_replication_slots'), 1, 'with its slot');
my $first = first_segment($one);
write_wal($two, 160, $one);
$two->safe_psql('postgres', q{UPDATE hero SET name = 'v2' WHERE id = 1});
ok($two->cache_wait);
$two->wait_for_catchup($one, 'replay', $two->lsn('insert'));
ok( $one->poll_query_until('postgres',
		'SELECT (' . held('pg_last_wal_receive_lsn()') . ') BETWEEN 20 AND 33'),
	'its slot holds what max_wal_lag allows');
$one->safe_psql('postgres', 'CHECKPOINT');
isnt(first_segment($one), $first, 'what is older is gone');
like($one->health('slot'), qr/^true The replication slot holds \d+ MB of WAL/, 'cache_health() says so');
is($one->safe_psql('postgres', 'SELECT * FROM cache_health() WHERE NOT ok'), '',
	'nothing is wrong with it');

# ... and back again
my ($position) = @{ $redis->query('KEYS', 'rtcache:position:*') };
my $fields;
for (1 .. 20 * $PostgreSQL::Test::Utils::timeout_default)
{
	$fields = $redis->query('HMGET', $position, 'lsn', 'verified_lsn');
	last if $fields->[0] eq $fields->[1];
	usleep(50_000);
}
is($fields->[0], $fields->[1], 'Redis has been told that it has everything');
my $promotion = -s $one->logfile;
$two->stop('fast');
$one->promote;
ok($one->wait_streaming, 'promoted again, its relay streams');
is($redis->cli('GET', 'postgres:hero:1'), '{"id":1,"name":"v2"}', 'Redis has what it had');
my $log = substr(slurp_file($one->logfile), $promotion);
unlike($log, qr/clearing the cache/, 'and was not cleared');
unlike($log, qr/WARNING:.*slot/, 'nobody else had the slot');
$one->safe_psql('postgres', q{UPDATE hero SET name = 'v3' WHERE id = 1});
ok($one->cache_wait, 'it applies');
is($redis->cli('GET', 'postgres:hero:1'), '{"id":1,"name":"v3"}', 'what is written');

# Switched off on a standby
follow($two, $one);
ok($two->wait_state('standby'), 'a standby with a slot');
is($two->safe_psql('postgres', 'SELECT count(*) FROM pg_replication_slots'), 1);
$two->set_conf('rtcache.redis_url', '');
ok($two->poll_query_until('postgres', 'SELECT count(*) = 0 FROM pg_replication_slots'),
	'without a redis_url the slot goes');
ok($two->wait_state('standby'));
$two->stop('fast');

# A commit that no synchronous standby confirms
$one->set_conf('synchronous_standby_names', 'nobody');
is($one->safe_psql('postgres', q{SELECT waits_for IS NULL, lag_ms FROM rtcache_relay}), 't|0',
	'the relay waits for nothing');
my $session = $one->background_psql('postgres', on_error_stop => 0);
my $pid = $session->query('SELECT pg_backend_pid()');
$session->query_until(qr//, "UPDATE hero SET name = 'stuck' WHERE id = 1;\n");
ok($one->poll_query_until('postgres', q{SELECT waits_for = 'a commit to become visible'
	AND lag_ms > 1500 AND lag_bytes > 0 FROM rtcache_relay}), 'the relay says what it waits for');
# it may have begun to wait some time after the commit
ok($one->poll_query_until('postgres', q{SELECT NOT ok FROM cache_health() WHERE name = 'relay'}),
	'for a second and more');
like($one->health('relay'), qr/^false The relay is streaming, and has waited for \d+ s for a commit to become visible/,
	'so does cache_health()');
$one->safe_psql('postgres', "SELECT pg_cancel_backend($pid)");
ok($one->poll_query_until('postgres', q{SELECT waits_for IS NULL AND lag_ms = 0 FROM rtcache_relay}),
	'it goes on');
is($one->health('relay'), 'true The relay is streaming.', 'and says so');
$session->quit;
$one->set_conf('synchronous_standby_names', '');

# There can be no relay.
$one->append_conf('postgresql.conf', 'max_worker_processes = 0');
$one->restart;
like($one->health('relay'), qr/^false The relay is not running; .*max_worker_processes/, 'the relay does not run');
write_wal($one, 50);
like($one->health('slot'), qr/^false The replication slot holds \d+ MB of WAL, more than "rtcache.max_wal_lag"/,
	'the slot holds too much');
$one->set_conf('rtcache.redis_url', '');
ok($one->poll_query_until('postgres', q{SHOW rtcache.redis_url}, ''));
like($one->health('slot'), qr/^false /, 'which is told without a redis_url, too');
$one->safe_psql('postgres', q{SELECT pg_drop_replication_slot('rtcache')});
is($one->health('slot'), '', 'and can be mended');

ok($one->no_crash, 'no process has crashed');
ok($two->no_crash, 'nor there');
$one->stop;
done_testing();
