# A consumer of logical decoding may ask for messages and gets ours.  All of it is
# valid text in the encoding of the database: rows, keys, globs and tags of all kinds,
# transactions in many messages, savepoints, marks, databases in several encodings,
# and one whose name is in another.  So each line is text, and each line of wal2json
# is JSON, in both of its formats; and a prefix filter leaves the messages out.

use strict;
use warnings;

use Encode;
use JSON::PP;
use PostgreSQL::Test::Utils;
use Test::More;

use RtcNode;
use RtcRedis;

my $redis = RtcRedis->new('main');
$redis->start;
my $node = RtcNode->new('main', redis => $redis,
	conf => "wal_level = logical\nrtcache.l1_size = 1MB\nmax_replication_slots = 40\nautovacuum = off");
$node->start;

chomp(my $lib = `pg_config --pkglibdir`);
my $have_wal2json = -e "$lib/wal2json.so";
diag('wal2json is not there for this server') if !$have_wal2json;

# servers that ask for it
if ($node->safe_psql('postgres', q{SELECT 1 FROM pg_settings WHERE name = 'output_plugin_libraries'}))
{
	$node->append_conf('postgresql.conf', "output_plugin_libraries = 'test_decoding, wal2json'");
	$node->restart;
}

my %options = (
	# what gives the text of one line: slot, plugin, options
	test_decoding => [ 'td', 'test_decoding', '' ],
	'wal2json, format 1' => [ 'w1', 'wal2json', ", 'format-version', '1'" ],
	'wal2json, format 2' => [ 'w2', 'wal2json', ", 'format-version', '2'" ]);
delete @options{grep { /wal2json/ } keys %options} if !$have_wal2json;

# Runs SQL in a session of the database's own encoding; returns bytes.
sub run
{
	my ($dbname, $sql) = @_;
	my ($out, $err) = ('', '');

	local $ENV{PGCLIENTENCODING};
	delete $ENV{PGCLIENTENCODING};
	IPC::Run::run(
		[ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-h', $node->host, '-p', $node->port,
			'-d', "dbname='$dbname'", '-f', '-' ],
		'<', \$sql, '>', \$out, '2>', \$err) or die "$dbname: $err";
	return $out;
}

# What is written in each database; %s is text beyond ASCII in its encoding.
my $writes = q{
	INSERT INTO hero VALUES (1, '%1$s', '\x00ff80', 'a:b %% {c} *?[d]\ %1$s', 2.5);
	SELECT length(cache_list('l', 'SELECT count(*) FROM hero')::text);
	UPDATE hero SET name = name || '"\' || chr(9) WHERE id = 1;
	SELECT cache_set('%1$s key', to_jsonb('%1$s'::text), '1 hour'), cache_del('%1$s'),
		cache_del_pattern('%1$s[*?]\*'), cache_invalidate('tag:%1$s');
	BEGIN;
	SAVEPOINT s;
	INSERT INTO hero SELECT i, repeat('%1$s', 50), NULL, 'x' || i, i FROM generate_series(101, 500) i;
	ROLLBACK TO s;
	INSERT INTO hero SELECT i, repeat('%1$s', 50), NULL, 'x' || i, i FROM generate_series(101, 500) i;
	RELEASE s;
	DELETE FROM hero WHERE id > 480;
	COMMIT;
	TRUNCATE other;
	SELECT cache_clear();
};

sub check_database
{
	my ($dbname, $label, $encoding, $text) = @_;

	run($dbname, q{
		CREATE EXTENSION rtcache;
		CREATE TABLE hero (id int PRIMARY KEY, name text, code bytea, tag text, n numeric);
		CREATE TABLE other (id int PRIMARY KEY);
		SELECT cache_attach('hero', key => 'hero:{tag}', tags => ARRAY['tag:{name}']);
		SELECT cache_attach('other', key => 'other:{id}')});
	run($dbname, "SELECT cache_wait(timeout => '100 s')") =~ /t/ or die;
	run($dbname, "SELECT pg_create_logical_replication_slot('$_->[0]', '$_->[1]')")
	  foreach values %options;
	run($dbname, "SET rtcache.xact_buffer = '64kB';" . sprintf $writes, $text);
	run($dbname, "SELECT cache_wait(timeout => '100 s')") =~ /t/ or die;

	foreach my $name (sort keys %options)
	{
		my ($slot, undef, $option) = @{ $options{$name} };

		# as bytes: psql leaves out what is no text
		my $hex = run($dbname, "SELECT encode(convert_to(data, getdatabaseencoding()), 'hex')
			FROM pg_logical_slot_peek_changes('$slot', NULL, NULL$option)");
		my @lines = map { pack 'H*', $_ } split /\n/, $hex;
		my @ours = grep { /prefix: rtcache|"prefix":"rtcache"/ } @lines;
		my $bad = 0;
		my $unreadable = 0;

		foreach my $line (@lines)
		{
			my $copy = $line;
			my $chars = eval { $encoding eq 'SQL_ASCII' ? $copy : decode($encoding, $copy, Encode::FB_CROAK) };

			$bad++ if !defined $chars || $line =~ /[\0-\x08\x0b-\x1f\x7f]/;
			next if $name !~ /json/;
			next if defined $chars && eval { JSON::PP->new->decode($chars); 1 };
			$unreadable++;
			diag(substr $line, 0, 300) if $unreadable < 3;
		}
		cmp_ok(scalar @ours, '>', 3, "$label, $name: there are messages (" . @ours . ' of ' . @lines . ' lines)');
		is($bad, 0, "$label, $name: each line is text");
		is($unreadable, 0, "$label, $name: each line is JSON") if $name =~ /json/;
		next if $name !~ /json/;
		unlike(run($dbname, "SELECT data FROM pg_logical_slot_peek_changes('$slot', NULL, NULL$option, 'filter-msg-prefixes', 'rtcache')"),
			qr/"prefix":"rtcache"/, "$label, $name: a filter leaves them out");
	}
	run($dbname, "SELECT pg_drop_replication_slot('$_->[0]')") foreach values %options;
	return;
}

my $euro = "\xe2\x82\xac\xe6\xb1\x89\xf0\x9f\x98\x80";
check_database('postgres', 'UTF8', 'UTF-8', $euro);
ok($node->cache_wait);
is($redis->cli('KEYS', 'postgres:hero:*'), '', 'and the relay has read them, the clear at the end too');
$node->safe_psql('postgres', "UPDATE hero SET n = 3 WHERE id = 1");
ok($node->cache_wait);
is(decode_json($redis->cli('GET', $redis->cli('KEYS', 'postgres:hero:*')))->{name},
	decode('UTF-8', "$euro\"\\\t"), 'a row is in Redis as it is in the table');

foreach (
	[ 'latin', 'LATIN1', 'iso-8859-1', "gr\xfc\xdf \xff" ],
	[ 'eucjp', 'EUC_JP', 'euc-jp', "\xb4\xc1\xbb\xfa" ],
	[ 'ascii', 'SQL_ASCII', 'SQL_ASCII', "\xff\xc3 \x80" ])
{
	my ($dbname, $pg_encoding, $encoding, $text) = @$_;

	$node->safe_psql('postgres', "CREATE DATABASE $dbname TEMPLATE template0 ENCODING '$pg_encoding'");
	check_database($dbname, $pg_encoding, $encoding, $text);
}

# a name of one encoding, a database of another
SKIP:
{
	eval { run('latin', "CREATE DATABASE \"caf\xe9\" TEMPLATE template0 ENCODING 'UTF8'"); 1 }
	  or skip 'no such names in this server', 1;
	check_database("caf\xe9", 'a strange name', 'UTF-8', $euro);
	my $value = $redis->cli('GET', "caf\xe9:after");
	run("caf\xe9", q{SELECT cache_set('after', '1'); SELECT cache_wait()});
	is($redis->cli('GET', "caf\xe9:after"), '1', 'the relay has read the name right');
}

is($node->stat('messages_refused'), 0, 'no message was refused');
ok($node->no_crash, 'no process has crashed');
$node->stop;
done_testing();
