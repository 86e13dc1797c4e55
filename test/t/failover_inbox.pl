# What is written behind counts once, whichever side goes back in time:
#
#	- a backup of the database is restored
#	- a standby is promoted that lacks transactions
#	- Redis is restored from a snapshot, with entries in it that were applied since
#	- Redis loses everything, and its clock is behind the ids that were used
#	- a backup is restored from before entries that are not kept any more: the log says so
# Slow.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use RtcNode;
use RtcRedis;

my $redis = RtcRedis->new('main');
$redis->start;
my $node = RtcNode->new('main', redis => $redis, init => { allows_streaming => 1, has_archiving => 1 },
	conf => "rtcache.inbox_keep = 1h\nautovacuum = off");
$node->start;
$node->safe_psql('postgres', q{
	CREATE EXTENSION rtcache;
	CREATE TABLE counter (id int PRIMARY KEY, hits bigint NOT NULL DEFAULT 0);
	SELECT cache_attach('counter', 'counter:{id}', behind => '{hits}');
	INSERT INTO counter VALUES (1), (2)});
ok($node->wait_open, 'Redis is used');

my $last;
my $total = 0;

# Appends so many increments to both counters.
sub append
{
	my ($n) = @_;

	for (1 .. $n)
	{
		$redis->query('XADD', 'postgres:~inbox', '*', 'key', 'counter:1', 'add', '{"hits":1}');
		$last = $redis->query('XADD', 'postgres:~inbox', '*', 'key', 'counter:2', 'add', '{"hits":1}');
	}
	$total += $n;
	return;
}

sub hits { return $_[0]->safe_psql('postgres', q{SELECT string_agg(hits::text, ' ' ORDER BY id) FROM counter}); }

sub is_exact
{
	my ($server, $what) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	ok($server->poll_query_until('postgres', "SELECT id = '$last' FROM rtcache_inbox_position"), "$what: applied");
	is(hits($server), "$total $total", "$what: each counts once");
	return;
}

# What the log of a server says, once it does.
sub log_says
{
	my ($server, $pattern, $what) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	for (1 .. 10 * $PostgreSQL::Test::Utils::timeout_default)
	{
		return pass($what) if slurp_file($server->logfile) =~ $pattern;
		select undef, undef, undef, 0.1;
	}
	return fail($what);
}

# A server that begins with a backup of another one, on a timeline of its own.
sub restore
{
	my ($name, $from, $backup) = @_;
	my $new = bless PostgreSQL::Test::Cluster->new($name), 'RtcNode';

	$new->init_from_backup($from, $backup, has_restoring => 1, standby => 0);
	$new->append_conf('postgresql.conf', "recovery_target = 'immediate'\nrecovery_target_action = 'promote'");
	$new->start;
	return $new;
}

# ---------------- a backup ----------------

append(3);
is_exact($node, 'at first');
$node->backup('base');
append(10);
is_exact($node, 'after the backup');
$node->stop('immediate');
my $restored = restore('restored', $node, 'base');
is_exact($restored, 'a restored backup');
log_says($restored, qr/LOG:  the database has gone back in time, before entries of inbox "postgres:~inbox"/, 'and the log tells');

# ---------------- a standby ----------------

$restored->backup('two');
my $standby = bless PostgreSQL::Test::Cluster->new('standby'), 'RtcNode';
$standby->init_from_backup($restored, 'two', has_streaming => 1);
$standby->append_conf('postgresql.conf', "archive_mode = off\nrecovery_target = ''");
$standby->start;
append(5);
is_exact($restored, 'with a standby');
$restored->wait_for_catchup($standby);
is(hits($standby), "$total $total", 'which has it, too');
$standby->stop;
append(5);
is_exact($restored, 'without it');
$restored->stop('immediate');
$standby->start;
$standby->promote;
is_exact($standby, 'a promoted standby');

# ---------------- Redis ----------------

my $blocker = $standby->background_psql('postgres');
$blocker->query_safe('BEGIN; UPDATE counter SET hits = hits WHERE id = 1');
append(2);
ok($standby->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_stat_activity
	WHERE backend_type = 'rtcache inbox' AND wait_event_type = 'Lock'}), 'entries that are not applied yet');
$redis->save_rdb('waiting.rdb');
$blocker->query_safe('COMMIT');
$blocker->quit;
is_exact($standby, 'before Redis goes back');
append(4);
is_exact($standby, 'and some more');
$redis->kill9;
$redis->restore_rdb('waiting.rdb');
$redis->start;
log_says($standby, qr/WARNING:  inbox "postgres:~inbox" in Redis has gone back in time/, 'Redis is back, with the entries, and the log tells');
append(2);
is_exact($standby, 'Redis has gone back');

# ids from the future, as of a clock that was ahead
$last = (1000 * (time() + 1_000_000)) . '-5';
$redis->query('XADD', 'postgres:~inbox', $last, 'key', 'counter:1', 'add', '{"hits":1}');
ok($standby->poll_query_until('postgres', "SELECT id = '$last' FROM rtcache_inbox_position"), 'an id from the future');
$standby->safe_psql('postgres', 'UPDATE counter SET hits = hits - 1 WHERE id = 1');
$redis->query('FLUSHALL');
$redis->query('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
log_says($standby, qr/WARNING:  inbox "postgres:~inbox" in Redis is gone/, 'Redis has lost everything');
append(2);
is_exact($standby, 'new entries have higher ids');

# ---------------- a backup, and nothing is kept ----------------

$standby->backup('three');
$standby->set_conf('rtcache.inbox_keep', '0');
ok($redis->wait_for('0', 'XLEN', 'postgres:~inbox'), 'entries that were applied are taken out');
my $before = $total;
append(3);
is_exact($standby, 'nothing is kept');
ok($redis->wait_for('0', 'XLEN', 'postgres:~inbox'));
$standby->stop('immediate');
my $late = restore('late', $standby, 'three');
$total = $before;
append(1);
is_exact($late, 'what is missing is not made up');
log_says($late, qr/WARNING:  the database has gone back in time.*\n.*DETAIL:.* are not in the inbox any more/, 'the log tells what is missing');
ok($late->no_crash);

$late->stop;
$redis->stop;
done_testing();
