# Keys that move between rows, at random: shifts, swaps, permutations, rows that
# replace others, in one statement and in several, with savepoints, over tables
# with a deferrable unique key, and over partitions.  After each commit every
# row has its key with its value, and there is no other key; also if ops are
# written to WAL early, so that the relay has to find out what counts.
#
# Slow.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use RtcNode;
use RtcRedis;

# Rows, and bytes in each: together they are some buffers of the smallest size.
my $rows = 300;
my $width = 200;

my $redis = RtcRedis->new('main');
$redis->start;
my $node = RtcNode->new('main', redis => $redis, conf => <<'CONF');
fsync = off
autovacuum = off
max_prepared_transactions = 2
rtcache.batch_size = 100
rtcache.max_value_size = 1kB
CONF
$node->start;
$node->safe_psql('postgres', q{
	CREATE EXTENSION rtcache;
	CREATE FUNCTION move_on() RETURNS trigger LANGUAGE plpgsql AS $$
	BEGIN
		EXECUTE format('UPDATE %I SET pos = pos + 5000, note = left(note, -1) || ''.'' WHERE id = $1 AND note LIKE ''%%!''', TG_ARGV[0])
			USING new.id;
		RETURN NULL;
	END $$;
	CREATE TABLE plain (id int PRIMARY KEY, pos int UNIQUE DEFERRABLE, note text);
	CREATE TABLE parted (id int, pos int UNIQUE DEFERRABLE, note text) PARTITION BY RANGE (pos);
	CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (MINVALUE) TO (100);
	CREATE TABLE parted_2 PARTITION OF parted FOR VALUES FROM (100) TO (250);
	CREATE TABLE parted_3 PARTITION OF parted DEFAULT;
	SELECT cache_attach('plain', '{.table}:{pos}');
	SELECT cache_attach('parted', '{.table}:{pos}');
	CREATE TRIGGER a_move AFTER UPDATE ON plain FOR EACH ROW
		WHEN (new.note LIKE '%!') EXECUTE FUNCTION move_on('plain');
	CREATE TRIGGER z_move AFTER UPDATE ON parted FOR EACH ROW
		WHEN (new.note LIKE '%!') EXECUTE FUNCTION move_on('parted');
});
ok($node->wait_streaming, 'the relay streams');

my $n = 0;

# A text of the usual width, now and then of one that is not stored.
sub note_text
{
	my ($what) = @_;
	my $size = int(rand 20) ? $width : 2000;

	$n++;
	return "'$what$n ' || repeat('x', $size)";
}

# A condition that some rows meet, or all.
sub some
{
	my $id = 1 + int rand $rows;

	return ('true', 'true', "id = $id", "id BETWEEN $id AND $id + 20",
		'id % 2 = 0', "id < $id", "pos > $id")[ int rand 7 ];
}

# Did a row of the transaction take the key of one that it does not touch, and
# leave it again?  If it is not seen that this is all, the key is deleted.
my $passing;

# One statement that moves keys.
sub statement
{
	my ($table) = @_;
	my $a = 1 + int rand $rows;
	my $b = 1 + int rand $rows;
	my $note = note_text('s');
	my $where = some();
	my $dice = int rand 14;

	$passing = 1 if $dice == 10 || $dice == 11;
	return "UPDATE $table SET pos = pos + 1" if $dice == 0;
	return "UPDATE $table SET pos = pos - 1, note = $note" if $dice == 1;
	return "UPDATE $table SET pos = $rows - pos" if $dice == 2;
	return "UPDATE $table SET note = $note WHERE $where" if $dice == 3;
	return "UPDATE $table t SET pos = p.pos FROM (SELECT id, lead(pos, 1, first) OVER (ORDER BY random()) AS pos"
	  . " FROM (SELECT *, 0 AS first FROM $table WHERE $where) s) p WHERE t.id = p.id AND p.pos <> 0"
	  if $dice == 4;
	return "UPDATE $table t SET pos = p.pos FROM (SELECT id, row_number() OVER (ORDER BY md5(id || '$n')) AS n FROM $table) i"
	  . " JOIN (SELECT pos, row_number() OVER (ORDER BY md5(pos || '-$n')) AS n FROM $table) p USING (n) WHERE t.id = i.id"
	  if $dice == 5;
	# a swap in two statements, of which the first makes two rows of one key
	return "CREATE TEMP TABLE swap ON COMMIT DROP AS SELECT (SELECT pos FROM $table WHERE id = $a) AS a, (SELECT pos FROM $table WHERE id = $b) AS b;\n"
	  . "UPDATE $table SET pos = b FROM swap WHERE id = $a AND b > 0 AND a > 0;\n"
	  . "UPDATE $table SET note = $note WHERE id = $b;\n"
	  . "UPDATE $table SET pos = a FROM swap WHERE id = $b AND a > 0 AND b > 0;\n"
	  . 'DROP TABLE swap'
	  if $dice <= 7;
	# a row that replaces another one, which goes before or afterwards
	return "DELETE FROM $table WHERE id = $a;\nINSERT INTO $table SELECT $a, coalesce(max(pos), 0) + 1, $note FROM $table"
	  if $dice == 8;
	return "INSERT INTO $table SELECT id + 10000, pos, $note FROM $table WHERE $where AND id < 10000;\n"
	  . "DELETE FROM $table t WHERE id < 10000 AND EXISTS (SELECT FROM $table o WHERE o.id = t.id + 10000);\n"
	  . "UPDATE $table SET id = id - 10000 WHERE id > 10000"
	  if $dice == 9;
	return "INSERT INTO $table SELECT id + 10000, pos, $note FROM $table WHERE $where AND id < 10000;\n"
	  . "DELETE FROM $table t WHERE id > 10000"
	  if $dice == 10;
	# a trigger moves them on
	return "UPDATE $table SET pos = pos + 1, note = 'again!' WHERE $where" if $dice == 11;
	return "UPDATE $table SET pos = pos + 2 * $rows WHERE $where;\nUPDATE $table SET pos = pos - 2 * $rows, note = $note WHERE pos > 2 * $rows"
	  if $dice == 12;
	return "MERGE INTO plain USING generate_series($a, $a + 9) n ON id = n WHEN MATCHED AND n % 3 = 0 THEN DELETE"
	  . " WHEN MATCHED THEN UPDATE SET note = $note"
	  if $table eq 'plain';
	return "DELETE FROM $table WHERE $where AND id % 3 = 0";
}

# A random transaction.
sub transaction
{
	my ($table, $buffer) = @_;
	my @sql = ("SET rtcache.xact_buffer = '$buffer'", 'BEGIN', 'SET CONSTRAINTS ALL DEFERRED');
	my @open;

	$passing = 0;
	foreach my $i (1 .. 2 + int rand 6)
	{
		my $dice = int rand 6;

		if ($dice == 0)
		{
			push @open, "s$i";
			push @sql, "SAVEPOINT s$i";
		}
		elsif ($dice == 1 && @open)
		{
			push @sql, (int rand 2 ? 'RELEASE ' : 'ROLLBACK TO ') . pop @open;
		}
		push @sql, statement($table);
	}
	return join(";\n", @sql, 'COMMIT') . ";\n";
}

sub fill
{
	my ($table) = @_;

	$node->safe_psql('postgres', qq{
		BEGIN;
		TRUNCATE plain, parted;
		INSERT INTO $table SELECT i, i, repeat('x', $width) FROM generate_series(1, $rows) i;
		COMMIT;});
	return;
}

# What is wrong with the keys.
sub wrong
{
	my ($table, $partial) = @_;
	my @wrong;

	return 'Redis does not catch up' unless $node->cache_wait;
	my %row = map { /^(-?\d+) (.*)$/ } split /\n/, $node->safe_psql('postgres',
		"SELECT pos, row_to_json(t) FROM $table t WHERE length(row_to_json(t)::text) <= 1024",
		extra_params => [ '-F', ' ' ]);
	my @keys = @{ $redis->query('KEYS', "postgres:$table:*") };
	my $values = @keys ? $redis->query('MGET', @keys) : [];

	foreach my $i (0 .. $#keys)
	{
		my ($pos) = $keys[$i] =~ /:(-?\d+)$/;
		my $row = delete $row{$pos};

		push @wrong, "$keys[$i] is $values->[$i], should be " . ($row // 'deleted')
		  unless defined $row && $row eq $values->[$i];
	}
	push @wrong, map { "$table:$_ is missing" } sort { $a <=> $b } keys %row
	  unless $partial;
	return @wrong;
}

my $seed = $ENV{RTCACHE_SEED} // 42;
srand $seed;
note("seed $seed");
my $rounds = $ENV{RTCACHE_ROUNDS} // 20;

foreach my $buffer ('64kB', '16MB')
{
	foreach my $table ('plain', 'parted')
	{
		my $committed = 0;
		my $failed = 0;

		fill($table);
		foreach my $round (1 .. $rounds)
		{
			my $sql = transaction($table, $buffer);
			my ($out, $err);
			my $result = $node->psql('postgres', $sql, stdout => \$out, stderr => \$err, on_error_stop => 1);

			die "$err\n$sql" unless $result == 0 || $err =~ /duplicate key value|null value|savepoint/;
			$result == 0 ? $committed++ : $failed++;
			my $partial = $passing && $buffer eq '64kB';
			my @wrong = wrong($table, $partial);
			if (@wrong)
			{
				fail("$table, $buffer, transaction $round");
				diag(scalar @wrong, ' keys are wrong');
				diag($_) foreach map { s/x{9,}/x.../gr } splice @wrong, 0, 5;
				diag($sql =~ s{\n}{ }gr);
				last;
			}
			fill($table) if $partial || $node->safe_psql('postgres', "SELECT count(*) FROM $table") < $rows / 2;
		}
		cmp_ok($committed, '>', $rounds / 2, "$table, $buffer: keys are as they should be")
		  or diag("$failed transactions failed");
		note("$committed transactions committed, $failed failed");
	}
}
# What chance does not find.
foreach my $buffer ('64kB', '16MB')
{
	my $set = "SET rtcache.xact_buffer = '$buffer'";

	# more versions than are noted one by one
	fill('plain');
	$node->safe_psql('postgres', qq{
		$set;
		BEGIN;
		INSERT INTO plain SELECT n, n, 'x' FROM generate_series(1001, 150000) n;
		DELETE FROM plain WHERE id > 1000;
		INSERT INTO plain SELECT n, n, 'y' FROM generate_series(1001, 1100) n;
		UPDATE plain SET pos = pos + 1;
		COMMIT;});
	is(join(', ', wrong('plain')), '', "$buffer: many versions");

	# in a transaction that is prepared
	fill('plain');
	$node->safe_psql('postgres', qq{
		$set;
		BEGIN;
		UPDATE plain SET pos = pos + 1;
		SAVEPOINT s;
		UPDATE plain SET pos = pos + 1, note = note || '.';
		RELEASE s;
		UPDATE plain SET pos = $rows - pos;
		PREPARE TRANSACTION 'moved';
		COMMIT PREPARED 'moved';});
	is(join(', ', wrong('plain')), '', "$buffer: a prepared transaction");

	# a place that a version of a rolled back savepoint had is used again; few rows,
	# so that there is no CLEAR instead of what depends on them
	fill('plain');
	my $session = $node->background_psql('postgres');
	$session->query_safe(qq{
		$set;
		BEGIN;
		UPDATE plain SET note = note || '.' WHERE id < 50;
		SAVEPOINT s;
		INSERT INTO plain SELECT n, n, repeat('r', 900) FROM generate_series(1000, 1100) n;
		UPDATE plain SET pos = pos + 1 WHERE id >= 1000;
		DELETE FROM plain WHERE id > 1090;
		ROLLBACK TO s;});
	$node->safe_psql('postgres', 'VACUUM plain');
	$session->query_safe(qq{
		INSERT INTO plain SELECT n, n, repeat('s', 900) FROM generate_series(1000, 1090) n;
		UPDATE plain SET pos = pos + 1 WHERE id BETWEEN 1050 AND 1090;
		SAVEPOINT s;
		DELETE FROM plain WHERE id >= 1070;
		ROLLBACK TO s;});
	$node->safe_psql('postgres', 'VACUUM plain');
	$session->query_safe(qq{
		UPDATE plain SET note = repeat('t', 900) WHERE id BETWEEN 1050 AND 1070;
		UPDATE plain SET pos = 5000 - pos WHERE id > 1000;
		COMMIT;});
	$session->quit;
	is(join(', ', wrong('plain')), '', "$buffer: places that are used again");
}
is($node->stat('messages_refused'), 0, 'no message was taken for a forged one');

ok($node->no_crash, 'no process has crashed');
$node->stop;
$redis->stop;
done_testing();
