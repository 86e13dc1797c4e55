# Redis switched off and on, by reload and by restart: what was written
# meanwhile leaves no stale key (the gap mark); the replication slot goes when
# Redis does.  rtcache.redis_url changed to another server and back: reads stay
# right, also in a backend that has not reloaded yet, and keys become coherent.
# TCP, SELECT, and passwords: requirepass, an ACL user, a wrong one, a file that
# others can read.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

use RtcCoherence;
use RtcNode;
use RtcRedis;

my $redis = RtcRedis->new('a');
my $other = RtcRedis->new('b', tcp => 1);
$_->start foreach ($redis, $other);

my $node = RtcNode->new('main', redis => $redis);
$node->start;
create_heroes($node);
$node->safe_psql('postgres', q{INSERT INTO hero VALUES (1, 'Ada')});
my $lookup = q{SELECT cache_get('hero:1', 'SELECT id, name FROM hero WHERE id = 1')};
my $n = 0;

sub write_name
{
	$n++;
	$node->safe_psql('postgres', "UPDATE hero SET name = 'v$n'");
}

sub check_read
{
	my ($what) = @_;

	is($node->safe_psql('postgres', "$lookup; $lookup"),
		qq({"id": 1, "name": "v$n"}\n{"id": 1, "name": "v$n"}),
		"$what: reads are right");
}

sub check_coherent
{
	my ($server, $what) = @_;

	ok($node->wait_streaming, "$what: the relay streams");
	ok($node->cache_wait, "$what: Redis has caught up");
	my $value = $server->cli('GET', 'postgres:hero:1');
	ok(!defined $value || $value eq qq({"id":1,"name":"v$n"}), "$what: no stale key")
	  or diag("\"$value\"");
	check_read($what);
	write_name();
	ok($node->cache_wait, "$what: applied");
	is($server->cli('GET', 'postgres:hero:1'), qq({"id":1,"name":"v$n"}), "$what: writes arrive");
	check_read($what);
}

sub slots
{
	return $node->safe_psql('postgres',
		q{SELECT count(*) FROM pg_replication_slots WHERE slot_name = 'rtcache'});
}

my $sysid = $node->safe_psql('postgres',
	'SELECT system_identifier FROM pg_control_system()');
sub position_key { return "rtcache:position:$sysid"; }

write_name();
check_coherent($redis, 'at first');
is(slots(), 1, 'there is a slot');

# off and on by reload
$node->set_conf('rtcache.redis_url', '');
ok($node->wait_state('off'), 'off');
ok( $node->poll_query_until('postgres',
		q{SELECT count(*) = 0 FROM pg_replication_slots}),
	'the slot is dropped');
check_read('off');
write_name();
check_read('off');
like($redis->cli('GET', 'postgres:hero:1'), qr/"v2"/, '(Redis is behind)');
$node->set_conf('rtcache.redis_url', $redis->url);
check_coherent($redis, 'on again');
is($node->stat('clears'), 2, 'by a clear');
ok( $node->poll_query_until('postgres',
		q{SELECT count(*) = 1 FROM pg_replication_slots WHERE active}),
	'there is a slot again');

# off and on, twice, no write in between: nothing is cleared
for my $round (1, 2)
{
	$node->set_conf('rtcache.redis_url', '');
	ok($node->wait_state('off'), "off without a write, $round");
	$node->set_conf('rtcache.redis_url', $redis->url);
	ok($node->wait_streaming, "and on, $round");
}
is($node->stat('clears'), 2, 'no clear without a reason');
is($redis->cli('GET', 'postgres:hero:1'), qq({"id":1,"name":"v$n"}), 'the key is still there');

# off by reload, write, on by restart
$node->set_conf('rtcache.redis_url', '');
ok($node->wait_state('off'), 'off');
write_name();
$node->adjust_conf('postgresql.conf', 'rtcache.redis_url', "'" . $redis->url . "'");
$node->restart;
check_coherent($redis, 'on by restart');

# off and on by restart, twice
for my $round (1, 2)
{
	$node->adjust_conf('postgresql.conf', 'rtcache.redis_url', "''");
	$node->restart;
	is(slots(), 0, "off by restart, round $round: no slot")
	  if $node->poll_query_until('postgres', q{SELECT state = 'off' FROM rtcache_relay});
	write_name();
	check_read("off by restart, round $round");
	$node->adjust_conf('postgresql.conf', 'rtcache.redis_url', "'" . $redis->url . "'");
	$node->restart;
	check_coherent($redis, "on by restart, round $round");
}

# A transaction that began while it was off and commits when it is on
$node->set_conf('rtcache.redis_url', '');
ok($node->wait_state('off'), 'off');
my $session = $node->background_psql('postgres');
$session->query(q{BEGIN; UPDATE hero SET name = 'v} . ($n + 1) . q{'});
$node->safe_psql('postgres', 'CREATE TABLE filler ()');
$node->set_conf('rtcache.redis_url', $redis->url);
ok($node->wait_streaming, 'on');
$session->query('COMMIT');
$n++;
check_coherent($redis, 'a transaction across the switch');
$session->quit;

# A wait for what is not applied ends when it is switched off, whatever its
# timeout; so does one that begins then, in a command from before.
$session = $node->background_psql('postgres');
$session->query_until(qr//, q{SELECT cache_wait('FFFFFFFF/0', '1 day'), cache_wait('FFFFFFFF/0', '1 day');
	\echo END
});
ok($node->poll_query_until('postgres',
		q{SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event IN ('RtcacheWait', 'Extension') AND query ~ '^SELECT cache_wait'}),
	'a session waits');
$node->set_conf('rtcache.redis_url', '');
is($session->query_until(qr/END/, ''), "t|t\nEND\n", 'until Redis is switched off');
is($session->query(q{SELECT cache_wait('FFFFFFFF/0', '1 day')}), 't', 'a later wait ends at once');
$session->quit;
$node->set_conf('rtcache.redis_url', $redis->url);
check_coherent($redis, 'on again after a wait');

# Another server, by reload, over TCP; a backend in the middle of a statement
# still has the old address, and a connection to the old server.
$session = $node->background_psql('postgres');
is($session->query($lookup), qq({"id": 1, "name": "v$n"}), 'a session is connected to the old server');
my $holder = $node->background_psql('postgres');
$holder->query('SELECT pg_advisory_lock(42)');
$session->query_until(qr//, qq{
	SELECT cache_get('hero:1', 'SELECT id, name FROM hero WHERE id = 1') ->> 'name',
		   pg_advisory_lock(42),
		   cache_get('hero:1', 'SELECT id, name FROM hero WHERE id = 1') ->> 'name',
		   cache_get('hero:1', 'SELECT id, name FROM hero WHERE id = 1') ->> 'name';
	\\echo END\n});
ok($node->poll_query_until('postgres',
		q{SELECT count(*) = 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted}),
	'it waits in the middle of a statement');
my $old = $n;
$node->set_conf('rtcache.redis_url', $other->tcp_url);
ok($other->wait_for(1, 'EXISTS', position_key()), 'the relay has moved');
check_coherent($other, 'another server');
like($node->safe_psql('postgres', 'SELECT address FROM rtcache_relay'),
	qr/127\.0\.0\.1/, 'rtcache_relay tells its address');
like($redis->cli('GET', 'postgres:hero:1'), qr/"v$old"/, '(the old server has the old value)');
$holder->query('SELECT pg_advisory_unlock(42)');
is($session->query_until(qr/END/, ''), "v$old||v$n|v$n\nEND\n",
	'a backend that has not reloaded does not read the old server');
$holder->quit;
is($session->query($lookup), qq({"id": 1, "name": "v$n"}), 'and when it has reloaded');
$session->quit;

# back again: what the first server has missed is applied or cleared
$node->set_conf('rtcache.redis_url', $redis->url);
ok( $node->poll_query_until('postgres',
		q{SELECT state = 'streaming' AND address IS NULL FROM rtcache_relay}),
	'the relay has moved back');
check_coherent($redis, 'back again');

# a database number
$node->set_conf('rtcache.redis_url', $other->tcp_url . '/5');
ok( $node->poll_query_until('postgres',
		q{SELECT state = 'streaming' AND address IS NOT NULL FROM rtcache_relay}),
	'the relay has moved');
ok($node->cache_wait);
write_name();
ok($node->cache_wait);
check_read('database 5');
like($other->cli('INFO', 'keyspace'), qr/^db5:keys=[3-9]/m, 'SELECT');
like($other->cli('GET', 'postgres:hero:1'), qr/"v$old|"v/, '(database 0 has a key of its own)');
unlike($other->cli('GET', 'postgres:hero:1'), qr/"v$n"/, 'which is left alone');

# Passwords
my $guarded = RtcRedis->new('guarded', password => 'secret',
	args => [ '--user', 'cache', 'on', '>hidden', '~*', '+@all' ]);
$guarded->start;
my $file = $node->data_dir . '/redis_password';

sub write_password
{
	my ($text, $mode) = @_;

	unlink $file;
	open my $out, '>', $file or die $!;
	print $out $text;
	close $out;
	chmod $mode, $file;
}

sub wait_error
{
	my ($pattern, $what) = @_;

	ok($node->poll_query_until('postgres',
			"SELECT state = 'connecting' AND last_error ~ '$pattern' FROM rtcache_relay"),
		"$what: a clear error");
	check_read($what);
}

$node->append_conf('postgresql.conf', "rtcache.redis_password_file = 'redis_password'");
$node->set_conf('rtcache.redis_url', $guarded->url);
wait_error('could not open password file', 'no file');
write_password("secret\n", 0644);
$node->reload;
wait_error('group or world access', 'mode 0644');
write_password("wrong\n", 0600);
$node->reload;
wait_error('WRONGPASS', 'a wrong password');
write_password("\n", 0600);
$node->reload;
wait_error('empty', 'an empty file');
unlike(slurp_file($node->logfile), qr/secret|wrong\b(?! password)/, 'no password in the log');
write_password("secret\n", 0600);
$node->reload;
ok($node->wait_streaming, 'the right password');
check_coherent($guarded, 'requirepass');

(my $user_url = $guarded->url) =~ s{//}{//cache\@};
write_password('hidden', 0600);
$node->set_conf('rtcache.redis_url', $user_url);
my $client_list = '';
for (1 .. 20 * $PostgreSQL::Test::Utils::timeout_default)
{
	$client_list = $guarded->cli('CLIENT', 'LIST');
	last if $client_list =~ /name=rtcache-relay .*user=cache/;
	usleep(50_000);
}
like($client_list, qr/name=rtcache-relay .*user=cache/, 'the relay is another user now');
check_coherent($guarded, 'an ACL user');

ok($node->no_crash, 'no process has crashed');
$node->stop;
done_testing();
