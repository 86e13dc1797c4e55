# The database goes elsewhere, and Redis stays.  In each case no lookup and no
# key in Redis shows what the database does not have.
#
#	- a copy of the server next to the original: refused, with a clear message
#	- recovery to a point before the position: cleared
#	- promotion of a standby that has everything: WAL is replayed
#	- promotion of one that misses commits: cleared; also if Redis has only the
#	  first batches of the commit that is lost
#	- pg_rewind of the old primary, which follows, and is promoted in its turn

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use RtcCoherence;
use RtcFakeRedis;
use RtcNode;
use RtcRedis;

my $redis = RtcRedis->new('main');
$redis->start;
my $fake = RtcFakeRedis->new('faulty', $redis);
my $node = RtcNode->new('main', redis => $fake,
	init => { allows_streaming => 1, has_archiving => 1,
		extra => [ '-E', 'UTF8', '--locale=C', '-k' ] });
$node->append_conf('postgresql.conf', "wal_keep_size = 128MB\nautovacuum = off");
$node->start;
create_heroes($node);
$node->safe_psql('postgres', q{INSERT INTO hero SELECT i, 'v1' FROM generate_series(1, 20) i});
ok($node->wait_streaming, 'the relay streams');
$node->backup('base');

sub from_backup
{
	my ($name, %option) = @_;
	my $new = bless PostgreSQL::Test::Cluster->new($name), 'RtcNode';

	$new->init_from_backup($node, 'base', %option);
	return $new;
}

# Every lookup, twice, agrees with the table.
sub reads_are_right
{
	my ($server, $what) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	is($server->safe_psql('postgres', q{
		SELECT count(*) FROM (SELECT i FROM generate_series(1, 25) i, generate_series(1, 2)) s
		WHERE cache_get('hero:' || i, 'SELECT * FROM hero WHERE id = $1', ARRAY[i::text])
			IS DISTINCT FROM (SELECT to_jsonb(h) FROM hero h WHERE h.id = i)}),
		0, "$what: lookups are right");
	return;
}

# A copy next to the original
my $clone = from_backup('clone');
$clone->start;
ok($clone->wait_state('fenced'), 'a copy of the server is refused');
like($clone->safe_psql('postgres', 'SELECT last_error FROM rtcache_relay'),
	qr/^a copy of this server on the same timeline 1 is in charge$/, 'and told why');
ok(logged($clone, qr/WARNING:  rtcache does not write to Redis: a copy of this server/), 'also in its log');
$clone->safe_psql('postgres', q{UPDATE hero SET name = 'clone'});
reads_are_right($clone, 'the copy');
is(hero_in_redis($redis, 1), 'v1', 'its writes do not reach Redis');
$node->safe_psql('postgres', q{UPDATE hero SET name = 'v2'});
same_as_table($node, $redis, 'those of the original do');
reads_are_right($node, 'the original');
$clone->stop('immediate');

# Recovery to a point before the position
$node->safe_psql('postgres', q{UPDATE hero SET name = 'point' WHERE id <= 10});
$node->safe_psql('postgres', q{SELECT pg_create_restore_point('here')});
$node->safe_psql('postgres', q{UPDATE hero SET name = 'undone' WHERE id <= 5;
	DELETE FROM hero WHERE id = 6; INSERT INTO hero VALUES (21, 'undone')});
same_as_table($node, $redis, 'Redis has what will be undone');
my $last = $node->safe_psql('postgres', 'SELECT pg_walfile_name(pg_switch_wal())');
ok($node->poll_query_until('postgres', qq{SELECT last_archived_wal >= '$last' FROM pg_stat_archiver}),
	'WAL is archived');
my $restored = from_backup('restored', has_restoring => 1, standby => 0);
$restored->append_conf('postgresql.conf', "recovery_target_name = 'here'\nrecovery_target_action = promote");
ok($node->cache_wait);
$node->stop('immediate');
$restored->start;
ok($restored->poll_query_until('postgres', 'SELECT NOT pg_is_in_recovery()'));
reads_are_right($restored, 'at once after recovery to a point in time');
ok($restored->wait_streaming, 'its relay takes over at once');
ok(logged($restored, qr/clearing the cache in Redis: Redis holds writes up to \S+, which this database has lost/),
	'and clears');
same_as_table($restored, $redis, 'nothing undone is left', partial => 1);
reads_are_right($restored, 'after recovery');
$restored->safe_psql('postgres', q{UPDATE hero SET name = 'restored'});
same_as_table($restored, $redis, 'what is written then is there');

# The original comes back on the old timeline
$node->start;
ok($node->wait_state('fenced'), 'the original is fenced when it comes back');
like($node->safe_psql('postgres', 'SELECT last_error FROM rtcache_relay'),
	qr/timeline 2, younger than ours/, 'and told why');
$node->safe_psql('postgres', q{UPDATE hero SET name = 'zombie'});
reads_are_right($node, 'the original');
is(hero_in_redis($redis, 1), 'restored', 'its writes do not reach Redis');
$node->stop;
$restored->append_conf('postgresql.conf', 'restore_command = false');
$restored->safe_psql('postgres', q{UPDATE hero SET name = 'again'});
same_as_table($restored, $redis, 'the restored one goes on');

# Promotion; from now on the restored one is the primary.
my $primary = $restored;
my $count = 0;

sub new_standby
{
	my $name = 'standby' . ++$count;
	my $new = bless PostgreSQL::Test::Cluster->new($name), 'RtcNode';

	$primary->backup($name);
	$new->init_from_backup($primary, $name, has_streaming => 1);
	$new->append_conf('postgresql.conf', "recovery_target_name = ''");
	$new->start;
	return $new;
}

my $standby = new_standby();
# Redis is to stand behind the beginning of the WAL that the standby has.
$primary->safe_psql('postgres', 'UPDATE hero SET name = name WHERE id = 1');
ok($primary->cache_wait, 'Redis stands where the standby can go on');
kill 'STOP', my $relay = $primary->relay_pid;
$primary->safe_psql('postgres', q{UPDATE hero SET name = 'replayed' WHERE id <= 10; DELETE FROM hero WHERE id = 11});
$primary->wait_for_catchup($standby, 'replay', $primary->lsn('insert'));
$primary->stop('immediate');
kill 'CONT', $relay;
is(hero_in_redis($redis, 1), 'again', 'Redis misses what the old primary did last');
# though it cannot even announce itself
$fake->rule(match => '^HSET rtcache:position:\d+ successor ', action => 'error',
	text => 'OOM command not allowed when used memory > \'maxmemory\'.');
$standby->promote;
reads_are_right($standby, 'at once after promotion');
ok($standby->wait_streaming, 'the relay of the promoted standby takes over');
ok($fake->hits > 0, 'while Redis is short of memory');
$fake->clear;
ok(logged($standby, qr/connected to Redis, which stands at \S+ on timeline 2/), 'replays');
unlike(slurp_file($standby->logfile), qr/clear(ing|ed) the cache/, 'and clears nothing');
same_as_table($standby, $redis, 'all is applied');
reads_are_right($standby, 'after promotion');
my $old = $primary;
$primary = $standby;

# The old primary is rewound and follows.
$old->start;
$old->stop;
command_ok(
	[ 'pg_rewind', '-D', $old->data_dir, '--source-server', $primary->connstr('postgres') ],
	'pg_rewind of the old primary');
$old->append_conf('postgresql.conf', 'port = ' . $old->port);
$old->append_conf('postgresql.conf', "unix_socket_directories = '" . $old->host . "'");
$old->enable_streaming($primary);
$old->append_conf('postgresql.conf', "primary_conninfo = '" . $primary->connstr . " application_name=" . $old->name . "'");
$old->start;
$primary->safe_psql('postgres', q{UPDATE hero SET name = 'followed' WHERE id <= 10});
ok($primary->cache_wait);
$primary->wait_for_catchup($old, 'replay', $primary->lsn('insert'));
reads_are_right($old, 'the rewound one');

# It is cut off, misses commits, and is promoted.
foreach my $lost ('a commit', 'a commit of which Redis has a part')
{
	$old->stop;
	if ($lost eq 'a commit')
	{
		$primary->safe_psql('postgres', q{UPDATE hero SET name = 'lost' WHERE id <= 5;
			INSERT INTO hero VALUES (22, 'lost')});
		ok($primary->cache_wait);
	}
	else
	{
		$primary->set_conf('rtcache.batch_size', 10);
		$fake->rule(match => '^EXEC', action => 'hang', skip => 2);
		$primary->safe_psql('postgres', q{
			BEGIN;
			UPDATE hero SET name = 'lost' WHERE id <= 5;
			INSERT INTO hero SELECT i, 'lost' FROM generate_series(1000, 1200) i;
			COMMIT});
		ok($fake->wait_hits(1), 'a transaction is applied in part');
	}
	is(hero_in_redis($redis, 1), 'lost', "Redis has $lost");
	$primary->stop('immediate');
	$fake->clear;
	my $signal = $old->data_dir . '/standby.signal';
	append_to_file($signal, '') unless -f $signal;
	my $offset = -s $old->logfile;
	$old->append_conf('postgresql.conf', "primary_conninfo = ''");
	$old->start;
	$old->promote;
	reads_are_right($old, "$lost is lost: at once");
	ok($old->wait_streaming, 'the relay takes over');
	ok( logged($old,
			qr/clearing the cache in Redis: Redis holds writes up to \S+, which this database has lost/, $offset),
		"$lost is lost: cleared");
	same_as_table($old, $redis, 'nothing of it is left', partial => 1);
	reads_are_right($old, "$lost is lost");
	$old->safe_psql('postgres', q{UPDATE hero SET name = 'next'});
	same_as_table($old, $redis, 'what is written then is there');

	# once more, with the roles swapped
	last unless $lost eq 'a commit';
	$primary = $old;
	$old = new_standby();
	$primary->wait_for_catchup($old, 'replay', $primary->lsn('insert'));
}

ok($_->no_crash, $_->name . ': no process has crashed') foreach ($node, $restored, $standby, $old);
$old->stop;
done_testing();
