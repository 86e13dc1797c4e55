# What writers name: the relation and the old and new values of indexed columns
# of each row they change, for the table and its ancestors; DDL and TRUNCATE
# name all of a relation; what is dropped takes its keys along; tags.  Savepoints,
# two-phase commit, COPY, MERGE, ON CONFLICT, cascades, row movement.
#
# The server does not preload rtcache: it has no shared memory that would tell it
# what nobody is interested in, so that all of it is in WAL, where we look.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use RtcNode;
use RtcRedis;

my $redis = RtcRedis->new('main');
$redis->start;
my $node = RtcNode->new('main', redis => $redis, preload => 0,
	conf => "wal_level = logical\nautovacuum = off\nlog_min_messages = warning");
$node->start;
$node->safe_psql('postgres', q{
	CREATE EXTENSION rtcache;
	SELECT pg_create_logical_replication_slot('look', 'test_decoding');
});

# Takes a number off the front of a text.
sub number
{
	my ($text) = @_;
	my ($n, $bit) = (0, 0);

	$$text =~ s/^([P-o]*[0-O])// or die "no number begins $$text";
	foreach my $digit (map { ord() - ord '0' } split //, $1)
	{
		$n |= ($digit & 31) << $bit;
		$bit += 5;
	}
	return $n;
}

# The ops of our messages since the last call, in words, sorted.
sub ops
{
	my ($sql) = @_;
	my @ops;

	$node->safe_psql('postgres', $sql) if defined $sql;
	foreach my $line (split /\n/, $node->safe_psql('postgres', q{
		SELECT encode(data, 'hex') FROM pg_logical_slot_get_binary_changes(
			'look', NULL, NULL, 'force-binary', '1')}))
	{
		my $data = pack 'H*', $line;

		next
		  unless $data =~
		  /^message: transactional: 1 prefix: rtcache, sz: \d+ content:(.*)$/s;
		my $message = $1;
		substr $message, 0, 22, '';    # the seal
		my @header = map { number(\$message) } 1 .. 8;

		substr $message, 0, $header[7], '';
		while ($message ne '')
		{
			my $kind = number(\$message);

			if ($kind == 5)
			{
				push @ops, 'tag ' . number(\$message);
				next;
			}
			my $keylen = number(\$message);
			my $stores = $kind == 1 || $kind == 6;
			my $vallen = $stores ? (number(\$message), number(\$message))[1] : 0;
			my $key = substr $message, 0, $keylen, '';

			substr $message, 0, $vallen, '';
			push @ops,
			    $stores ? "set $key"
			  : $kind == 2 ? "del $key"
			  : $kind == 3 ? "pattern $key"
			  : $kind == 4 ? 'clear'
			  : die "op of kind $kind";
		}
	}
	@ops = sort @ops;
	return @ops;
}

# Only the dependencies; and only the others.
sub deps { return grep { /^tag / } ops(@_); }
sub keys_of { return grep { !/^tag / } ops(@_); }

# Sets.
sub union
{
	my %in = map { map { $_ => 1 } @$_ } @_;
	my @all = sort keys %in;

	return @all;
}

sub minus
{
	my ($of, $without) = @_;
	my %out = map { $_ => 1 } @$without;
	my @left = grep { !$out{$_} } union($of);

	return @left;
}

sub both
{
	my ($x, $y) = @_;
	my %in = map { $_ => 1 } @$y;
	my @common = grep { $in{$_} } union($x);

	return @common;
}

ops();

#
# rows
#
my @made = ops(q{
	CREATE TABLE t (a int PRIMARY KEY, b text, c int, d json);
	CREATE INDEX ON t (b, a);
	CREATE INDEX ON t (b text_pattern_ops);
	CREATE INDEX ON t ((c + 1));
	CREATE TRIGGER cache AFTER INSERT OR UPDATE OR DELETE ON t
		FOR EACH ROW EXECUTE FUNCTION rtcache_invalidate();
});
is(scalar(grep { !/^tag/ } @made), 0, 'a rule that only tracks has no keys');
my @whole = union(\@made);
is(scalar(@whole), 2, 'DDL names the relation, and bulk changes of it');
is($node->safe_psql('postgres',
		q{SELECT tgenabled FROM pg_trigger WHERE tgname = 'cache'}),
	'A', 'a new rule fires always');

my @r1 = deps(q{INSERT INTO t VALUES (1, 'x', 5, '1')});
my @r2 = deps(q{INSERT INTO t VALUES (2, 'x', 5, '1')});
is(scalar(@r1), 3, 'a row: the relation, and two indexed columns');
is(scalar(both(\@r1, \@r2)), 2, 'another row with the same b');
my ($rel) = both(\@r1, \@whole);
my ($bulk) = minus(\@whole, [$rel]);
ok($rel && $bulk, 'the relation is the same as for DDL');
is_deeply([deps(q{UPDATE t SET c = 6 WHERE a = 1})], \@r1,
	'an update of another column names the same');
my @moved = deps(q{UPDATE t SET b = 'y' WHERE a = 1});
is(scalar(@moved), 4, 'an update of an indexed column names both values');
is_deeply([both(\@moved, \@r1)], [@r1], 'the old one among them');
my @r1y = deps(q{DELETE FROM t WHERE a = 1});
is(scalar(@r1y), 3);
is_deeply([minus(\@r1y, \@moved)], [], 'and the new one, as DELETE does');
is(scalar(deps(q{INSERT INTO t VALUES (3, NULL)})), 2, 'NULL is not named');
is_deeply([deps(q{COPY t FROM PROGRAM 'printf "1\tx\t5\t1\n"'})], \@r1, 'COPY');
is_deeply([deps(q{INSERT INTO t VALUES (1, 'z') ON CONFLICT (a) DO UPDATE SET c = 8})],
	\@r1, 'ON CONFLICT DO UPDATE');
is_deeply([deps(q{INSERT INTO t VALUES (1, 'z') ON CONFLICT DO NOTHING})], [],
	'ON CONFLICT DO NOTHING');
is_deeply([deps(q{MERGE INTO t USING (VALUES (1)) AS v (a) ON t.a = v.a
	WHEN MATCHED THEN UPDATE SET c = 9})], \@r1, 'MERGE');
is_deeply([deps(q{SET session_replication_role = replica; UPDATE t SET c = 1 WHERE a = 1})],
	\@r1, 'session_replication_role = replica');
is_deeply([deps(q{BEGIN; UPDATE t SET c = 2 WHERE a = 1; ROLLBACK})], [], 'a rollback');
is_deeply([deps(q{BEGIN; SAVEPOINT s; UPDATE t SET c = 2 WHERE a = 2; ROLLBACK TO s;
	UPDATE t SET c = 2 WHERE a = 1; COMMIT})], [union(\@r1, \@r2)],
	'a savepoint that rolls back costs hits only');
$node->safe_psql('postgres', q{BEGIN; UPDATE t SET c = 3 WHERE a = 1; PREPARE TRANSACTION 'p'});
is_deeply([deps()], [], 'nothing while it is prepared');
is_deeply([deps(q{COMMIT PREPARED 'p'})], \@r1, 'a prepared transaction');

# another rule on the same table has nothing to add
ops(q{CREATE TRIGGER more AFTER INSERT OR UPDATE OR DELETE ON t
	FOR EACH ROW EXECUTE FUNCTION rtcache_write_through('t:{a}')});
is_deeply([ops(q{UPDATE t SET c = 4 WHERE a = 1})], [ sort 'set t:1', @r1 ], 'two rules');
ops(q{ALTER TABLE t DISABLE TRIGGER cache});
is_deeply([ops(q{UPDATE t SET c = 5 WHERE a = 1})], [ sort 'set t:1', @r1 ],
	'the other takes over');
ops(q{ALTER TABLE t ENABLE TRIGGER more});
is($node->safe_psql('postgres', q{SELECT tgenabled FROM pg_trigger WHERE tgname = 'more'}),
	'O', 'who does not want it to fire always has his way');
is_deeply([ops(q{UPDATE t SET c = 6 WHERE a = 1})], [ sort 'set t:1', @r1 ]);
ops(q{ALTER TABLE t ENABLE ALWAYS TRIGGER cache; DROP TRIGGER more ON t});

# indexes come and go
my @indexed = deps(q{CREATE INDEX tc ON t (c)});
is_deeply(\@indexed, \@whole, 'CREATE INDEX');
is(scalar(deps(q{UPDATE t SET d = '2' WHERE a = 1})), 4, 'a new index counts');
is_deeply([deps(q{DROP INDEX tc})], \@whole, 'DROP INDEX');
is_deeply([deps(q{UPDATE t SET d = '3' WHERE a = 1})], \@r1, 'a dropped one does not');
is_deeply([deps(q{CREATE INDEX CONCURRENTLY tc ON t (c)})], \@whole);
is_deeply([deps(q{DROP INDEX CONCURRENTLY tc})], \@whole, 'both concurrently');

# many rows
my @many = deps(q{INSERT INTO t SELECT g, 'many' FROM generate_series(1000, 9000) AS g});
ok(@many < 1100, 'a transaction with many values stops naming them: ' . @many);
is_deeply([both(\@many, \@whole)], \@whole, 'and names bulk changes instead');
@many = deps(q{BEGIN; DELETE FROM t WHERE a >= 1000 AND a < 3000;
	SAVEPOINT s; DELETE FROM t WHERE a >= 3000; ROLLBACK TO s; COMMIT});
ok(@many < 1100);
is_deeply([both(\@many, \@whole)], \@whole, 'with savepoints as well');

# TRUNCATE
ops(q{CREATE TRIGGER gone AFTER TRUNCATE ON t FOR EACH STATEMENT
	EXECUTE FUNCTION rtcache_truncate('keys=none')});
is_deeply([ops(q{TRUNCATE t})], \@whole, 'TRUNCATE');
ops(q{CREATE TABLE ref (a int REFERENCES t);
	CREATE TRIGGER gone AFTER TRUNCATE ON ref FOR EACH STATEMENT
	EXECUTE FUNCTION rtcache_truncate('ref', 'tag=refs')});
my @cascaded = ops(q{TRUNCATE t CASCADE});
is_deeply([both(\@cascaded, \@whole)], \@whole, 'TRUNCATE CASCADE');
is(scalar(@cascaded), 6, 'with the other table, its key and its tag');

# cascades
ops(q{DROP TABLE ref;
	INSERT INTO t VALUES (1, 'x');
	CREATE TABLE ref (id int, a int REFERENCES t ON DELETE CASCADE ON UPDATE CASCADE);
	INSERT INTO ref VALUES (7, 1);
	CREATE TRIGGER cache AFTER INSERT OR UPDATE OR DELETE ON ref
		FOR EACH ROW EXECUTE FUNCTION rtcache_invalidate('ref:{id}:{a}')});
is_deeply([keys_of(q{UPDATE t SET a = 2 WHERE a = 1})], [ 'del ref:7:1', 'del ref:7:2' ],
	'ON UPDATE CASCADE');
is_deeply([keys_of(q{DELETE FROM t WHERE a = 2})], ['del ref:7:2'], 'ON DELETE CASCADE');
ops(q{DROP TABLE ref});

#
# tags
#
ops(q{
	CREATE TABLE tagged (id int, team text);
	CREATE TRIGGER cache AFTER INSERT OR UPDATE OR DELETE ON tagged
		FOR EACH ROW EXECUTE FUNCTION rtcache_write_through('g:{id}', 'tag=all', 'tag=team:{team}');
});
my @red = deps(q{INSERT INTO tagged VALUES (1, 'red')});
my @blue = deps(q{INSERT INTO tagged VALUES (2, 'blue')});
is(scalar(@red), 3, 'the relation and two tags');
is(scalar(both(\@red, \@blue)), 2);
is_deeply([deps(q{UPDATE tagged SET team = 'blue' WHERE id = 1})], [union(\@red, \@blue)],
	'old and new tag');
is(scalar(deps(q{UPDATE tagged SET team = NULL WHERE id = 1})), 3, 'NULL is no tag');
my @dropped = ops(q{DROP TABLE tagged});
is_deeply([grep { !/^tag/ } @dropped], ['clear'],
	'a rule that is dropped: as its tags are not known, all of the database');
is(scalar(both(\@dropped, \@red)), 1, 'and the relation');

#
# partitions
#
my @part = ops(q{
	CREATE TABLE p (id int, day int, n int) PARTITION BY LIST (day);
	CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1);
	CREATE TABLE p2 (n int, gone int, day int, id int) PARTITION BY LIST (id);
	ALTER TABLE p2 DROP gone;
	CREATE TABLE p21 PARTITION OF p2 FOR VALUES IN (21);
	ALTER TABLE p ATTACH PARTITION p2 FOR VALUES IN (2);
	CREATE INDEX ON p (id);
	CREATE INDEX ON p21 (n);
	SELECT cache_attach('p', 'p:{id}', tags => '{ps}');
});
is($node->safe_psql('postgres', q{SELECT string_agg(format('%s.%s', tgrelid::regclass, tgenabled), ' '
	ORDER BY tgrelid::regclass::text) FROM pg_trigger WHERE tgname = 'rtcache_truncate'}),
	'p.A p1.A p2.A p21.A', 'the truncate rule has been cloned');
my @p1 = deps(q{INSERT INTO p VALUES (1, 1)});
# p, p1, p.id, p1.id, the tag
is(scalar(@p1), 5, 'a row of a partition, and of the partitioned table');
my @p21 = deps(q{INSERT INTO p21 (id, day) VALUES (21, 2)});
# p, p2, p21, id of each, the tag
is(scalar(@p21), 7, 'two levels, by a column with another number');
is(scalar(both(\@p1, \@p21)), 2, 'they share the partitioned table and the tag');
my @p21n = deps(q{UPDATE p21 SET n = 1});
is(scalar(@p21n), 8, 'an index that only the partition has');
my @row_moves = ops(q{UPDATE p SET day = 2, id = 21 WHERE day = 1});
is_deeply([minus([union(\@p1, \@p21)], \@row_moves)], [], 'a row moves to another partition');
is_deeply([grep { !/^tag/ } @row_moves], [ 'del p:1', 'set p:21' ]);
my @truncated = ops(q{TRUNCATE p21});
is_deeply([grep { !/^tag/ } @truncated], ['pattern p:*'], 'TRUNCATE of a partition');
is(scalar(@truncated), 8, 'p21, p2, p as a whole, and the tag');
my @child = ops(q{CREATE TABLE p3 PARTITION OF p FOR VALUES IN (3)});
is_deeply(\@child, [], 'a new partition has no rows');
is($node->safe_psql('postgres', q{SELECT count(*) FROM pg_trigger WHERE tgrelid = 'p3'::regclass
	AND tgenabled = 'A' AND tgparentid <> 0}), '2', 'but rules');
my @p3 = deps(q{INSERT INTO p VALUES (3, 3)});
my @detached = ops(q{ALTER TABLE p DETACH PARTITION p3});
is_deeply([grep { !/^tag/ } @detached], ['pattern p:*'], 'DETACH deletes the keys of the rule');
is_deeply([minus([both(\@p1, \@p21)], \@detached)], [], 'and names the partitioned table');
is(scalar(both(\@detached, \@p3)), 3, 'and the partition, and the tag');
is($node->safe_psql('postgres', q{SELECT count(*) FROM pg_trigger WHERE tgrelid = 'p3'::regclass}),
	'0', 'which has no rules any more');
is_deeply([ops(q{INSERT INTO p3 VALUES (4, 3)})], [], 'and is not tracked');
my @attached = ops(q{ALTER TABLE p ATTACH PARTITION p3 FOR VALUES IN (3)});
is_deeply([both(\@attached, \@p3)], [both(\@detached, \@p3)], 'ATTACH');
is($node->safe_psql('postgres', q{SELECT count(*) FROM pg_trigger WHERE tgrelid = 'p3'::regclass
	AND tgenabled = 'A'}), '2', 'rules again');
@dropped = ops(q{DROP TABLE p3});
is_deeply([both(\@dropped, \@p3)], [both(\@detached, \@p3)],
	'DROP of a partition names the partitioned table');
is_deeply([grep { !/^tag/ } @dropped], ['pattern p:*'], 'and deletes the keys of its rows');
@dropped = ops(q{SELECT cache_detach('p')});
is_deeply([grep { !/^tag/ } @dropped], ['pattern p:*'], 'cache_detach');
is($node->safe_psql('postgres', q{SELECT count(*) FROM pg_trigger WHERE tgname ~ 'rtcache'}), '0',
	'has dropped the clones, too');

#
# inheritance
#
ops(q{
	CREATE TABLE mother (id int, n int);
	CREATE TABLE father (n int, k int);
	CREATE INDEX ON mother (n);
	CREATE INDEX ON father (k);
	CREATE TABLE child () INHERITS (mother, father);
	CREATE TABLE grandchild () INHERITS (child);
	SELECT cache_attach('grandchild');
});
# four relations, mother.n, father.k
is(scalar(deps(q{INSERT INTO grandchild VALUES (1, 2, 3)})), 6, 'two parents');
is(scalar(deps(q{CREATE INDEX ON father (n)})), 6, 'DDL of a parent names its descendants');
is(scalar(deps(q{UPDATE grandchild SET n = 2})), 7, 'an index of an ancestor counts at once');
ops(q{ALTER TABLE child NO INHERIT father});
is(scalar(deps(q{UPDATE grandchild SET n = 2})), 4, 'a parent less');
ops(q{ALTER TABLE child INHERIT father; TRUNCATE grandchild});
my @family = deps(q{INSERT INTO grandchild VALUES (1, 2, 3)});
is(scalar(@family), 7, 'and again');
is(scalar(both(\@family, [deps(q{DROP TABLE mother CASCADE})])), 4, 'DROP ... CASCADE');

#
# what has no rules, and what is dropped in other ways
#
ops(q{CREATE TABLE plain (id int);
	CREATE MATERIALIZED VIEW mv AS SELECT * FROM plain});
is(scalar(ops(q{REFRESH MATERIALIZED VIEW mv})), 2, 'REFRESH MATERIALIZED VIEW');
is(scalar(ops(q{REFRESH MATERIALIZED VIEW mv})), 2);
is(scalar(ops(q{ALTER TABLE plain ADD more int})), 2, 'ALTER TABLE without rules');
is(scalar(ops(q{CREATE TEMPORARY TABLE temp (id int); CREATE INDEX ON temp (id);
	ALTER TABLE temp ADD n int; DROP TABLE temp})), 0, 'temporary tables are nobody else\'s');
is(scalar(deps(q{DROP MATERIALIZED VIEW mv})), 2);
ops(q{CREATE SCHEMA s; CREATE TABLE s.one (id int, e text);
	SELECT cache_attach('s.one', 'one:{id}', del => '{ones}')});
is_deeply([keys_of(q{ALTER TABLE s.one RENAME TO two})], [ 'del ones', 'pattern one:*' ]);
is_deeply([keys_of(q{DROP SCHEMA s CASCADE})], [ 'del ones', 'pattern one:*' ],
	'DROP SCHEMA');
is_deeply([keys_of(q{BEGIN; CREATE TABLE brief (id int);
	CREATE TRIGGER cache AFTER INSERT OR UPDATE OR DELETE ON brief
		FOR EACH ROW EXECUTE FUNCTION rtcache_write_through('brief');
	INSERT INTO brief VALUES (1); DROP TABLE brief; COMMIT})], ['del brief'],
	'a rule that its own transaction drops');
ops(q{CREATE TYPE mood AS ENUM ('glad'); CREATE TABLE moody (id int, m mood);
	SELECT cache_attach('moody', 'moody:{id}')});
is_deeply([keys_of(q{DROP TYPE mood CASCADE})], ['pattern moody:*'],
	'a column that goes with its type');
is_deeply([keys_of(q{DROP EXTENSION rtcache CASCADE})], ['clear'], 'DROP EXTENSION');
ops(q{CREATE SCHEMA house; CREATE EXTENSION rtcache SCHEMA house});
is_deeply([keys_of(q{DROP SCHEMA house CASCADE})], ['clear'], 'with its schema');

# a rule that takes the place of another
$node->safe_psql('postgres', q{
	CREATE EXTENSION rtcache;
	CREATE FUNCTION idle() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
	CREATE TABLE again (id int, day int) PARTITION BY LIST (day);
	CREATE TABLE again1 PARTITION OF again FOR VALUES IN (1);
});
my $again = 'CREATE OR REPLACE TRIGGER c AFTER INSERT OR UPDATE OR DELETE ON again FOR EACH ROW EXECUTE FUNCTION';
is_deeply([keys_of(qq{$again rtcache_write_through('old:{id}')})], ['pattern old:*'], 'CREATE OR REPLACE TRIGGER');
is_deeply([keys_of(qq{$again rtcache_write_through('new:{id}', 'del=news')})],
	[ 'del news', 'pattern new:*', 'pattern old:*' ], 'the keys of both go');
is_deeply([keys_of(qq{$again idle()})], [ 'del news', 'pattern new:*' ], 'in the place of a rule');
is_deeply([keys_of(qq{$again rtcache_write_through('new:{id}')})], ['pattern new:*'], 'a rule in the place of another trigger');
$node->safe_psql('postgres', 'DROP TABLE again; DROP EXTENSION rtcache');
ops();

# pg_dump
$node->safe_psql('postgres', q{
	CREATE EXTENSION rtcache;
	CREATE TABLE dumped (id int, day int, hits int, seen date, PRIMARY KEY (id, day)) PARTITION BY LIST (day);
	CREATE TABLE a_dumped PARTITION OF dumped FOR VALUES IN (1);
	CREATE TABLE z_dumped PARTITION OF dumped FOR VALUES IN (2);
	SELECT cache_attach('dumped', 'dumped:{id}:{day}', 'set', '90 minutes', '{all}', array['d:{day}'], '{id}', behind => '{hits, seen}');
	CREATE DATABASE copy;
});
my $rules = q{SELECT * FROM rtcache_rules;
	SELECT tgrelid::regclass, tgname, tgenabled FROM pg_trigger ORDER BY 1::text, 2};
my $dump = $node->basedir . '/dump.sql';
command_ok([ 'pg_dump', '-h', $node->host, '-p', $node->port, '-f', $dump, 'postgres' ], 'pg_dump');
command_ok([ 'psql', '-X', '-v', 'ON_ERROR_STOP=1', '-q', '-h', $node->host, '-p', $node->port,
		'-f', $dump, 'copy' ], 'is restored');
is($node->safe_psql('copy', $rules), $node->safe_psql('postgres', $rules), 'and the rules are the same');

done_testing();
