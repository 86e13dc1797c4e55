# Nobody writes to the cache through pg_logical_emit_message: messages that
# somebody made up, damaged copies of a real one, a real one sent again by
# another transaction, or by the same one, change nothing in Redis and are
# counted.  One of 1.0 clears its database.  The key of the messages: its mode, a
# wrong one, a lost one (a clear), a damaged one (the server does not start, and says
# why).

use strict;
use warnings;

use Digest::SHA qw(hmac_sha256);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use RtcNode;
use RtcRedis;

my $began = time;
my $redis = RtcRedis->new('main');
$redis->start;
my $node = RtcNode->new('main', redis => $redis, conf => 'autovacuum = off');
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION rtcache');
ok($node->wait_open, 'Redis is used');
$node->safe_psql('postgres', q{
	CREATE TABLE hero (id int PRIMARY KEY, name text);
	CREATE TRIGGER hero_cache AFTER INSERT OR UPDATE OR DELETE ON hero
		FOR EACH ROW EXECUTE FUNCTION rtcache_write_through('hero:{id}');
	INSERT INTO hero VALUES (1, 'Ada');
	CREATE ROLE mallory;
	CREATE DATABASE other;
});
ok($node->cache_wait);

# The bytes of our messages in WAL, from an LSN on; all in one segment.
sub messages_since
{
	my ($lsn) = @_;
	my ($file, $offset) = split /\|/, $node->safe_psql('postgres',
		"SELECT file_name, file_offset FROM pg_walfile_name_offset('$lsn'::pg_lsn)");
	my $wal = slurp_file($node->data_dir . "/pg_wal/$file");
	my $stream = '';
	my @found;

	# without page headers
	for (my $page = $offset - $offset % 8192; $page < length $wal; $page += 8192)
	{
		my $header = $page == 0 ? 40 : 24;
		my $from = $offset > $page + $header ? $offset : $page + $header;

		$stream .= substr $wal, $from, $page + 8192 - $from;
	}
	# xl_logical_message: database, transactional, prefix_size, message_size
	while ($stream =~ /(?=(....)([\0\1])...\x08\0{7}(........)rtcache\0)/gs)
	{
		my $size = unpack 'Q', $3;

		push @found, substr $stream, pos($stream) + 24 + 8, $size;
	}
	return @found;
}

sub insert_lsn { return $node->safe_psql('postgres', 'SELECT pg_current_wal_insert_lsn()'); }

# All that Redis holds, except the position.
sub dump_redis
{
	my @keys = sort grep { !/^rtcache:/ } split /\n/, $redis->cli('KEYS', '*');

	return join "\n", map { "$_=" . ($redis->cli('GET', $_) // '(nil)') } @keys;
}

sub emit
{
	my ($bytes, $transactional) = @_;

	return sprintf "SELECT pg_logical_emit_message(%s, 'rtcache', '\\x%s'::bytea);",
	  $transactional ? 'true' : 'false', unpack 'H*', $bytes;
}

# Runs SQL, and checks that the messages in it were refused.
sub check_refused
{
	my ($what, $n, $sql, $dbname) = @_;
	my $before = dump_redis();
	my $refused = $node->stat('messages_refused');

	$node->safe_psql($dbname || 'postgres', $sql);
	ok($node->cache_wait, "$what: the relay has read it");
	is($node->stat('messages_refused') - $refused, $n, "$what: refused");
	is(dump_redis(), $before, "$what: Redis is as it was");
}

# a real one
my $lsn = insert_lsn();
$node->safe_psql('postgres', q{UPDATE hero SET name = 'Grace'});
ok($node->cache_wait);
my @real = messages_since($lsn);
is(scalar @real, 1, 'a real message is found in WAL');
like($real[0], qr/"name":"Grace"/, 'with the value');
is(dump_redis(), 'postgres:hero:1={"id":1,"name":"Grace"}', 'it has been applied');
$node->safe_psql('postgres', q{UPDATE hero SET name = 'Barbara'});
ok($node->cache_wait);
is($node->stat('messages_refused'), 0, 'nothing was refused so far');

# made up
check_refused('made up by a role without rights', 6, q{
	SET ROLE mallory;
	SELECT pg_logical_emit_message(true, 'rtcache', '');
	SELECT pg_logical_emit_message(true, 'rtcache', 'FLUSHALL');
	SELECT pg_logical_emit_message(false, 'rtcache', 'FLUSHALL');
	SELECT pg_logical_emit_message(true, 'rtcache', repeat('x', 200));
	SELECT pg_logical_emit_message(false, 'rtcache', repeat('x', 200));
	SELECT pg_logical_emit_message(true, 'rtcache', repeat('x', 200000));
});
check_refused('another prefix is none of ours', 0, q{
	SELECT pg_logical_emit_message(true, 'rtcache2', 'x');
	SELECT pg_logical_emit_message(true, 'rtcach', 'x');
	SELECT pg_logical_emit_message(true, '', 'x')});

# sent again by another transaction
check_refused('replayed', 1, 'SET ROLE mallory;' . emit($real[0], 1));
check_refused('replayed, not transactional', 1, 'SET ROLE mallory;' . emit($real[0], 0));
check_refused('replayed in another database', 1, emit($real[0], 1), 'other');
check_refused('replayed in a savepoint', 1,
	'BEGIN; CREATE TEMP TABLE t (); SAVEPOINT s; ' . emit($real[0], 1) . 'COMMIT');

# damaged, and with a header that fits the transaction that sends it
my $sql = '';
my $n = 0;
foreach my $length (0 .. 60, length($real[0]) - 1)
{
	$sql .= emit(substr($real[0], 0, $length), 1);
	$n++;
}
check_refused('truncated', $n, $sql);

$sql = '';
$n = 0;
foreach my $at (0 .. length($real[0]) - 1)
{
	my $damaged = $real[0];

	substr($damaged, $at, 1) ^= chr(1 << $at % 8);
	$sql .= emit($damaged, 1);
	$n++;
}
check_refused('with a bit flipped', $n, "BEGIN;$sql COMMIT");
check_refused('with something behind it', 1, emit("$real[0]x", 1));

# header: seal 22, version, kind, flags, database, full xid, ...
sub number
{
	my ($n) = @_;
	my $text = '';

	for (; $n >= 32; $n >>= 5) { $text .= chr(ord('P') + ($n & 31)); }
	return $text . chr(ord('0') + $n);
}

# Emits what is made of the xid of the transaction that emits it.
sub emit_made
{
	my ($make) = @_;
	my $session = $node->background_psql('postgres');

	$session->query_safe('BEGIN');
	my $xid = $session->query_safe('SELECT pg_current_xact_id()');
	$session->query_safe(emit($make->($xid), 1) . 'COMMIT');
	$session->quit;
	return;
}

my $any_number = '[P-o]*[0-O]';
(my $gap = $real[0]) =~ s/^(.{23})./$1\x32/s or die;
my $before_current = dump_redis();
my $refused = $node->stat('messages_refused');
emit_made(sub {
	my ($xid) = @_;
	my $xid_text = number($xid);

	(my $message = $real[0]) =~ s/^(.{22}(?:$any_number){4})$any_number/$1$xid_text/s or die;
	return $message;
});
ok($node->cache_wait);
is($node->stat('messages_refused') - $refused, 1, 'with the xid of the sender: refused');
is(dump_redis(), $before_current, 'Redis is as it was');
check_refused('a made-up gap mark', 1, emit($gap, 0));
is($node->stat('clears'), 1, 'does not clear');

# sent again by the same transaction: it is written early, read from WAL, and
# sent again behind a later value of the same key
$lsn = insert_lsn();
$refused = $node->stat('messages_refused');
my $session = $node->background_psql('postgres');
$session->query_safe(q{
	SET rtcache.xact_buffer = '64kB';
	BEGIN;
	SELECT cache_set('k', '"old"');
	SELECT cache_set('big', to_jsonb(repeat('x', 100000)));
	SELECT cache_set('k', '"new"');
	SELECT pg_switch_wal()});
my @early = messages_since($lsn);
ok(@early >= 1, 'a transaction has written early');
my ($mine) = grep { /"old"/ } @early;
ok(defined $mine, 'its first message is found');
$session->query_safe(emit($mine, 1) . emit($mine, 1) . 'COMMIT');
$session->quit;
ok($node->cache_wait);
is($redis->cli('GET', 'postgres:k'), '"new"', 'sending it again changes nothing');
is($node->stat('messages_refused') - $refused, 2, 'and is refused');
is($redis->cli('STRLEN', 'postgres:big'), 100002, 'the rest of the transaction counts');

# Messages as 1.0 wrote them, in binary: of transactions from before an update.
sub seal_v1
{
	my ($xid, $kind, $ops, $nops) = @_;
	my $body = pack 'CCSLQQLLa*a*', 1, $kind, length 'postgres',
	  $node->safe_psql('postgres', q{SELECT oid FROM pg_database WHERE datname = 'postgres'}),
	  $xid, 0, $nops, 0, 'postgres', $ops;
	my $seal = substr hmac_sha256($body, slurp_file($node->data_dir . '/rtcache.key')), 0, 16;

	return $seal . $body;
}

sub store_v1 { my ($kind, $key, $value) = @_; return pack 'CLqLa*a*', $kind, length $key, 0, length $value, $key, $value; }
sub op_v1 { my ($kind, $key) = @_; return pack 'CLa*', $kind, length $key, $key; }

$node->safe_psql('postgres', q{SELECT cache_set('old:1', '1'), cache_set('older', '3')});
ok($node->cache_wait);
$redis->cli('SET', 'other:key', 'of another database');
$refused = $node->stat('messages_refused');
emit_made(sub { return seal_v1($_[0], 1, store_v1(1, 'hero:1', '{"id":1}') . op_v1(2, 'older'), 2); });
ok($node->cache_wait);
is($node->stat('messages_refused') - $refused, 0, 'a message of 1.0 is obeyed');
is($redis->cli('KEYS', 'postgres:*'), '', 'its database is cleared, and nothing is stored');
is($redis->cli('EXISTS', 'other:key'), 1, 'no other database is');
$redis->cli('DEL', 'other:key');

# Many of them that Redis has missed cost one clear: it takes at least two SCANs.
$redis->save_rdb('before.rdb');
$redis->stop;
emit_made(sub { return seal_v1($_[0], 1, op_v1(2, 'older'), 1); }) for 1 .. 30;
$redis->restore_rdb('before.rdb');
$redis->start;
ok($node->cache_wait);
my ($scans) = $redis->cli('INFO', 'commandstats') =~ /^cmdstat_scan:calls=(\d+)/m;
cmp_ok($scans, '<', 30, 'messages of 1.0 that follow each other cost one clear');

$node->safe_psql('postgres', q{SELECT cache_set('big', '1')});
emit_made(sub { my $message = seal_v1($_[0], 1, op_v1(4, ''), 1); substr($message, 0, 1) ^= "\x01"; return $message; });
emit_made(sub { return seal_v1($_[0] + 1, 1, op_v1(4, ''), 1); });
emit_made(sub { return substr seal_v1($_[0], 1, op_v1(4, ''), 1), 0, -1; });
ok($node->cache_wait);
is($node->stat('messages_refused') - $refused, 3, 'with another seal, or of another transaction, it is refused');
is($redis->cli('EXISTS', 'postgres:big'), 1, 'and changes nothing');

# and the relay is still of use
$node->safe_psql('postgres', q{UPDATE hero SET name = 'Hedy'});
ok($node->cache_wait);
is($redis->cli('GET', 'postgres:hero:1'), '{"id":1,"name":"Hedy"}', 'real messages are obeyed');
my @warnings = slurp_file($node->logfile) =~
  /WARNING:  ignoring a WAL message with prefix "rtcache"/g;
cmp_ok(scalar @warnings, '<=', 1 + (time - $began) / 60, 'the log tells once a minute');
cmp_ok(scalar @warnings, '>=', 1, 'and it does tell');

# The key file
my $file = $node->data_dir . '/rtcache.key';

sub write_key
{
	my ($bytes) = @_;

	open my $out, '>', $file or die $!;
	binmode $out;
	print $out $bytes;
	close $out;
}

is(sprintf('%o', (stat $file)[2] & 07777), '600', 'the mode of the key file');
is(-s $file, 32, 'its size');
my $key = slurp_file($file);
is($node->safe_psql('postgres', q{SELECT pg_read_binary_file('rtcache.key') IS NOT NULL}),
	't', '(a superuser can read it)');

# messages that are sealed with the old key and were not applied
$redis->sigstop;
$node->safe_psql('postgres', q{UPDATE hero SET name = 'unseen'});
$node->stop;
write_key('k' x 32);
$redis->sigcont;
$node->start;
ok($node->wait_streaming, 'the relay streams with another key');
is($redis->cli('GET', 'postgres:hero:1'), undef, 'the cache was cleared');

foreach my $lost (0, 1)
{
	$node->safe_psql('postgres', q{UPDATE hero SET name = 'before'});
	ok($node->cache_wait);
	$node->stop('immediate') if $lost;
	$node->stop if !$lost;
	if ($lost) { unlink $file or die $!; }
	else { write_key('K' x 32); }
	my $offset = -s $node->logfile;
	$node->start;
	ok($node->wait_streaming, $lost ? 'a lost key' : 'a changed key');
	like(slurp_file($node->logfile, $offset),
		qr/clearing the cache in Redis: the key of WAL messages is a new one/,
		'clears');
	is($redis->cli('GET', 'postgres:hero:1'), undef, 'the cache');
	is(sprintf('%o', (stat $file)[2] & 07777), '600', 'the mode is right');
	$node->safe_psql('postgres', q{UPDATE hero SET name = 'after'});
	ok($node->cache_wait);
	is($redis->cli('GET', 'postgres:hero:1'), '{"id":1,"name":"after"}', 'writes arrive');
}

$node->stop;
foreach my $bytes ('', 'short', 'k' x 33)
{
	my $offset = -s $node->logfile;

	write_key($bytes);
	is($node->start(fail_ok => 1), 0, 'no start with a key of ' . length($bytes) . ' bytes');
	like(slurp_file($node->logfile, $offset),
		qr/FATAL:  file "rtcache.key" is not a key.*DETAIL:  It must hold 32 bytes.*HINT:  Remove the file/s,
		'the log says why');
}
write_key($key);
$node->start;
ok($node->wait_streaming, 'with the old key it starts');

ok($node->no_crash, 'no process has crashed');
$node->stop;
done_testing();
