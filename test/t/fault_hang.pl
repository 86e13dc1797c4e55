# Redis hangs (SIGSTOP), with timeouts of a minute: query cancel,
# statement_timeout and pg_terminate_backend are answered at once, CREATE and
# DROP DATABASE do not wait for the relay, a fast shutdown is fast, reads are
# right, and all recovers when Redis goes on.  DROP DATABASE while the relay is
# busy.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

use RtcNode;
use RtcRedis;

# Who waits for Redis waits for a minute.  This is less, and enough for a machine
# under load to do what takes milliseconds.
use constant SOON => 30;

my $redis = RtcRedis->new('main');
$redis->start;
my $node = RtcNode->new(
	'main',
	redis => $redis,
	conf => "rtcache.command_timeout = '1min'\nrtcache.connect_timeout = '1min'");
$node->start;
my $schema = q{
	CREATE EXTENSION rtcache;
	CREATE TABLE hero (id int PRIMARY KEY, name text);
	CREATE TRIGGER hero_cache AFTER INSERT OR UPDATE OR DELETE ON hero
		FOR EACH ROW EXECUTE FUNCTION rtcache_write_through('hero:{id}');
	INSERT INTO hero VALUES (1, 'Ada');
};
$node->safe_psql('postgres', $schema);
ok($node->wait_streaming, 'the relay streams');
ok($node->cache_wait, 'Redis has caught up');

my $lookup = q{SELECT cache_get('top', 'SELECT name FROM hero WHERE id = 1')};

# DROP DATABASE while the relay is busy
$node->safe_psql('postgres', 'CREATE DATABASE busy');
$node->safe_psql('busy', $schema);
$node->safe_psql('busy',
	q{INSERT INTO hero SELECT i, repeat('x', 100) FROM generate_series(2, 100000) i});
my $start = time;
$node->safe_psql('postgres', 'DROP DATABASE busy');
cmp_ok(time - $start, '<', SOON, 'DROP DATABASE while the relay is busy');
ok($node->cache_wait, 'the relay goes on');

# Sessions that have used Redis before, and one that has not
my %session = map { $_ => $node->background_psql('postgres', on_error_stop => 0) }
  qw(timeout cancel terminate shutdown fresh);
my %pid;

foreach my $name (sort keys %session)
{
	$pid{$name} = $session{$name}->query('SELECT pg_backend_pid()');
	is($session{$name}->query($lookup), '{"name": "Ada"}', "session \"$name\"")
	  unless $name eq 'fresh';
}
$redis->sigstop;

$session{timeout}->query(q{SET statement_timeout = '200ms'});
foreach my $round (1, 2)
{
	$start = time;
	my ($out, $err) = $session{timeout}->query($lookup);
	cmp_ok(time - $start, '<', SOON, "statement_timeout within a second, round $round");
	like($session{timeout}->{stderr}, qr/canceling statement due to statement timeout/);
	$session{timeout}->{stderr} = '';
}
is($session{timeout}->query('SELECT 1'), 1, 'the session lives on');

# Starts a lookup and waits until it hangs.
sub start_lookup
{
	my ($name, $query) = @_;

	$session{$name}->query_until(qr//, ($query || $lookup) . ";\n");
	return $node->poll_query_until('postgres', qq{
		SELECT state = 'active' AND wait_event_type = 'Extension'
		FROM pg_stat_activity WHERE pid = $pid{$name}});
}

foreach my $name ('cancel', 'fresh')
{
	ok(start_lookup($name), "a lookup hangs in session \"$name\"");
	$start = time;
	$node->safe_psql('postgres', "SELECT pg_cancel_backend($pid{$name})");
	ok( $node->poll_query_until(
			'postgres',
			"SELECT state = 'idle' FROM pg_stat_activity WHERE pid = $pid{$name}"),
		'it can be cancelled');
	cmp_ok(time - $start, '<', SOON, 'within a second');
}

ok(start_lookup('terminate'), 'a lookup hangs');
$start = time;
is($node->safe_psql('postgres', "SELECT pg_terminate_backend($pid{terminate}, 30000)"),
	't', 'pg_terminate_backend');
cmp_ok(time - $start, '<', SOON, 'within a second');

# Writes, and databases while the relay waits for Redis
$start = time;
$node->safe_psql('postgres', q{UPDATE hero SET name = 'Grace'});
cmp_ok(time - $start, '<', SOON, 'a write does not wait');
ok( $node->poll_query_until(
		'postgres', 'SELECT lag_bytes > 0 FROM rtcache_relay'),
	'the relay is behind');
is( $node->safe_psql('postgres',
		q{SELECT cache_get('hero:1', 'SELECT name FROM hero WHERE id = 1')}),
	'{"name": "Grace"}',
	'a lookup of what Redis does not have yet does not wait and is right');
$start = time;
$node->safe_psql('postgres', 'CREATE DATABASE other');
$node->safe_psql('other', $schema);
$node->safe_psql('postgres', 'ALTER DATABASE other RENAME TO another');
$node->safe_psql('postgres', 'DROP DATABASE another');
cmp_ok(time - $start, '<', SOON, 'CREATE, RENAME and DROP DATABASE while Redis hangs');

# A short timeout: the read is answered by the query.
$start = time;
is($node->safe_psql('postgres', q{
		SET rtcache.command_timeout = '100ms';
		SET rtcache.connect_timeout = '100ms';
		SELECT cache_get('hero:2', 'SELECT name FROM hero WHERE id = 1')}),
	'{"name": "Grace"}', 'the query answers');
cmp_ok(time - $start, '<', SOON, 'after a timeout of Redis');

# Fast shutdown, with a lookup that hangs and a relay that waits
# (one that nothing has been written for: others do without Redis)
ok(start_lookup('shutdown', q{SELECT cache_get('one', 'SELECT 1 AS n')}), 'a lookup hangs');
$start = time;
$node->stop('fast');
cmp_ok(time - $start, '<', SOON, 'fast shutdown while Redis hangs');
$_->{run}->kill_kill foreach values %session;

# ... and a start
$node->start;
is($node->safe_psql('postgres',
		q{SELECT cache_get('hero:1', 'SELECT name FROM hero WHERE id = 1')}),
	'{"name": "Grace"}', 'a read after a start while Redis hangs');
$redis->sigcont;
ok($node->wait_streaming, 'the relay streams when Redis goes on');
ok($node->cache_wait, 'and catches up');
is($redis->cli('GET', 'postgres:hero:1'), '{"id":1,"name":"Grace"}', 'nothing is lost');

ok($node->no_crash, 'no process has crashed');
$node->stop;
done_testing();
