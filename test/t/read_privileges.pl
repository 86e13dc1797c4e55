# Who may see what is cached (P8): a value in Redis answers only the query that
# it was filled for; cache_peek shows it only to those who could query it, by
# the privileges on tables, columns and views, not through row-level security;
# values of rules and of cache_set; what has lost its companion; tags.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use RtcNode;
use RtcRedis;

my $redis = RtcRedis->new('main');
$redis->start;
my $node = RtcNode->new('main', redis => $redis);
$node->start;
$node->safe_psql('postgres', q{
	CREATE EXTENSION rtcache;
	CREATE ROLE eve;
	GRANT EXECUTE ON FUNCTION cache_get, cache_list, cache_peek, cache_exists, cache_ttl TO eve;
	CREATE TABLE secret (id int PRIMARY KEY, name text, pay int);
	CREATE TABLE open (id int PRIMARY KEY, name text);
	GRANT SELECT ON open TO eve;
	INSERT INTO secret VALUES (1, 'one', 100);
	INSERT INTO open VALUES (1, 'one');
	CREATE VIEW shown AS SELECT name FROM secret;
	GRANT SELECT ON shown TO eve;
});
$node->wait_streaming;
ok($node->wait_fill, 'lookups use Redis');

# What a role gets: the answer, or the error.
sub as
{
	my ($role, $sql) = @_;
	my ($code, $out, $err) = $node->psql('postgres', "SET ROLE $role; $sql");

	return $code == 0 ? $out : $err =~ /ERROR:  (.*)/ ? $1 : "failed: $err";
}

sub fills
{
	my ($key, $query) = @_;

	return $node->safe_psql('postgres', "SELECT cache_get('$key', \$q\$$query\$q\$)");
}
my $denied = 'permission denied for table secret';

# another query under the same key
is(fills('k', 'SELECT * FROM secret'), '{"id": 1, "pay": 100, "name": "one"}', 'a fill');
is(as('eve', q{SELECT cache_get('k', 'SELECT * FROM open')}), '{"id": 1, "name": "one"}',
	'another query under this key has its own answer');
is(as('eve', q{SELECT cache_get('k', 'SELECT * FROM secret')}), $denied, 'or none');
is(fills('k', 'SELECT * FROM secret'), '{"id": 1, "pay": 100, "name": "one"}', 'the first gets its own again');
is($node->safe_psql('postgres', q{SELECT cache_list('k', 'SELECT * FROM secret')}), '[{"id": 1, "pay": 100, "name": "one"}]',
	'a list is another question');
is($node->safe_psql('postgres', q{SELECT cache_get('k', 'SELECT $1 AS v', '{1}'), cache_get('k', 'SELECT $1 AS v', '{2}')}),
	'{"v": "1"}|{"v": "2"}', 'other arguments as well');
my $hits = $node->stat('l2_hits');
is($node->safe_psql('postgres', q{SELECT cache_get('k', 'SELECT $1 AS v', '{2}')}), '{"v": "2"}', 'the same');
is($node->stat('l2_hits') - $hits, 1, 'is a hit');

# peeking at what lookups stored
fills('s', 'SELECT name FROM secret');
fills('o', 'SELECT name FROM open');
fills('v', 'SELECT * FROM shown');
fills('count', 'SELECT count(*) FROM secret');
fills('join', 'SELECT o.name FROM open AS o WHERE EXISTS (SELECT FROM secret AS s WHERE s.id = o.id)');
fills('constant', 'SELECT 1 AS n');
is(as('eve', q{SELECT cache_peek('s')}), $denied, 'no privilege');
is(as('eve', q{SELECT cache_peek('o')}), '{"name": "one"}', 'a privilege');
is(as('eve', q{SELECT cache_peek('v')}), '{"name": "one"}', 'on a view');
is(as('eve', q{SELECT cache_peek('count')}), $denied, 'no column is needed, but one');
is(as('eve', q{SELECT cache_peek('join')}), $denied, 'in a subquery');
is(as('eve', q{SELECT cache_peek('constant')}), '{"n": 1}', 'of no table');
is(as('eve', q{SELECT cache_peek('nothing')}), '', 'nothing');
is(as('eve', q{SELECT cache_exists('s'), cache_ttl('s') > '1 min'}), 't|t', 'existence is no secret');
$node->safe_psql('postgres', 'GRANT SELECT (name) ON secret TO eve');
is(as('eve', q{SELECT cache_peek('s')}), '{"name": "one"}', 'a column');
is(as('eve', q{SELECT cache_peek('count')}), '{"count": 1}', 'any column');
is(as('eve', q{SELECT cache_peek('join')}), $denied, 'another column');
fills('row', 'SELECT s FROM secret AS s');
is(as('eve', q{SELECT cache_peek('row')}), $denied, 'a whole row');
$node->safe_psql('postgres', 'GRANT SELECT (id, pay) ON secret TO eve');
is(as('eve', q{SELECT cache_peek('row') IS NOT NULL}), 't', 'all its columns');
$node->safe_psql('postgres', 'REVOKE SELECT (id, name, pay) ON secret FROM eve; GRANT SELECT ON secret TO eve');
is(as('eve', q{SELECT cache_peek('row') IS NOT NULL}), 't', 'or the table');
$node->safe_psql('postgres', 'ALTER TABLE secret ENABLE ROW LEVEL SECURITY');
is(as('eve', q{SELECT cache_peek('s')}), $denied, 'not through row-level security');
is($node->safe_psql('postgres', q{SELECT cache_peek('s')}), '{"name": "one"}', 'which is not for the owner');
$node->safe_psql('postgres', 'ALTER TABLE secret DISABLE ROW LEVEL SECURITY; REVOKE SELECT ON secret FROM eve');
fills('gone', 'SELECT name AS gone FROM open');
$node->safe_psql('postgres', 'ALTER TABLE open RENAME TO gone; CREATE TABLE open AS TABLE gone; DROP TABLE gone; GRANT SELECT ON open TO eve');
is(as('eve', q{SELECT cache_peek('gone')}), '', 'the table is gone');

# what rules and cache_set have stored
$node->safe_psql('postgres', q{
	CREATE TRIGGER c AFTER INSERT OR UPDATE OR DELETE ON secret FOR EACH ROW
		EXECUTE FUNCTION rtcache_write_through('secret:{id}:x', 'columns=name');
	UPDATE secret SET pay = 101;
	SELECT cache_set('free', '1'), cache_set('secret:a:b:x', '2');
});
$node->cache_wait;
is(as('eve', q{SELECT cache_peek('secret:1:x')}), $denied, 'a value of a rule');
is(as('eve', q{SELECT cache_peek('free')}), '1', 'of cache_set');
is(as('eve', q{SELECT cache_peek('secret:a:b:x')}), '2', 'under a key that the rule does not make');
$node->safe_psql('postgres', 'GRANT SELECT (name) ON secret TO eve');
is(as('eve', q{SELECT cache_peek('secret:1:x')}), $denied, 'the column of the key counts as well');
$node->safe_psql('postgres', 'GRANT SELECT (id) ON secret TO eve');
is(as('eve', q{SELECT cache_peek('secret:1:x')}), '{"name": "one"}', 'with both');
$node->safe_psql('postgres', 'REVOKE SELECT (id, name) ON secret FROM eve');

# schemas and functions
$node->safe_psql('postgres', q{
	CREATE SCHEMA attic;
	CREATE TABLE attic.box (id int PRIMARY KEY);
	INSERT INTO attic.box VALUES (1);
	GRANT SELECT ON attic.box TO eve;
	CREATE VIEW crate AS SELECT * FROM attic.box;
	GRANT SELECT ON crate TO eve;
	CREATE FUNCTION mask(int) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$BEGIN RETURN 'x' || $1; END$$;
	REVOKE EXECUTE ON FUNCTION mask FROM public;
	CREATE VIEW masked AS SELECT mask(1), mask(2) AS two, name FROM open;
	GRANT SELECT ON masked TO eve;
});
my %peek = (box => 'SELECT * FROM attic.box', crate => 'SELECT * FROM crate',
	mask => 'SELECT mask(3)', masked => 'SELECT * FROM masked',
	of => 'SELECT 1 AS n FROM open WHERE mask(1) = mask(1)');
fills("peek:$_", $peek{$_}) foreach keys %peek;
is(as('eve', q{SELECT cache_peek('peek:box')}), 'permission denied for schema attic', 'a schema');
is(as('eve', q{SELECT cache_peek('peek:crate')}), '{"id": 1}', 'through a view');
foreach my $key ('mask', 'masked', 'of')
{
	is(as('eve', "SELECT cache_peek('peek:$key')"), 'permission denied for function mask', "a function: $key");
}
$node->safe_psql('postgres', 'GRANT USAGE ON SCHEMA attic TO eve; GRANT EXECUTE ON FUNCTION mask TO eve');
foreach my $key (keys %peek)
{
	is(as('eve', "SELECT cache_peek('peek:$key')"), fills("peek:$key", $peek{$key}), "privileges: $key");
}

# rules of partitions are those of the partitioned table
$node->safe_psql('postgres', q{
	CREATE TABLE whole (id int, n int) PARTITION BY LIST (n);
	CREATE TABLE part PARTITION OF whole FOR VALUES IN (1);
	SELECT cache_attach('whole', 'whole:{id}');
	INSERT INTO whole VALUES (1, 1);
	GRANT SELECT ON whole TO eve;
});
$node->cache_wait;
is(as('eve', q{SELECT cache_peek('whole:1')}), '{"n": 1, "id": 1}', 'a row of a partition');
# nobody knows whose it is once the rule has gone unnoticed
$node->safe_psql('postgres', q{
	ALTER EVENT TRIGGER rtcache_forget_dropped DISABLE;
	DROP TRIGGER rtcache_row ON whole;
	ALTER EVENT TRIGGER rtcache_forget_dropped ENABLE ALWAYS;
});
is(as('eve', q{SELECT cache_peek('whole:1')}), '', 'a row of a rule that has gone');
is($node->safe_psql('postgres', q{SELECT cache_peek('whole:1')}), '{"n": 1, "id": 1}', 'but to a superuser');
$node->safe_psql('postgres', 'DROP TABLE whole');

# a set rule takes the companion away
fills('secret:1:x', 'SELECT name FROM open');
is($redis->query('EXISTS', '{postgres:secret:1:x}~query'), 1, 'a fill under the key of a rule');
is(as('eve', q{SELECT cache_peek('secret:1:x')}), '{"name": "one"}', 'is shown');
$node->safe_psql('postgres', 'UPDATE secret SET pay = 102');
$node->cache_wait;
is($redis->query('EXISTS', '{postgres:secret:1:x}~query'), 0, 'the rule writes over it');
is(as('eve', q{SELECT cache_peek('secret:1:x')}), $denied, 'and it is shown no more');

# lost companions
fills('lost', 'SELECT name FROM secret');
$redis->query('DEL', '{postgres:lost}~query');
is(as('eve', q{SELECT cache_peek('lost')}), '', 'without its companion a value is shown to nobody');
is($node->safe_psql('postgres', q{SELECT cache_peek('lost')}), '{"name": "one"}', 'but to a superuser');
$hits = $node->stat('l2_hits');
fills('lost', 'SELECT name FROM secret');
is($node->stat('l2_hits') - $hits, 0, 'nor is it a hit');
$redis->query('SET', '{postgres:lost}~query', 'nonsense');
is(as('eve', q{SELECT cache_peek('lost')}), '', 'nor with a malformed one');

# what depends on tags
$node->safe_psql('postgres', q{SELECT cache_get('tagged', 'SELECT name FROM open', NULL, NULL, '{a,b}')});
is(as('eve', q{SELECT cache_peek('tagged')}), '{"name": "one"}', 'a tagged value');
my ($set) = grep { defined $redis->query('ZSCORE', $_, 'postgres:tagged') } sort @{ $redis->query('KEYS', 'postgres:~tag:*') };
my $score = $redis->query('ZSCORE', $set, 'postgres:tagged');
$redis->query('ZREM', $set, 'postgres:tagged');
is(as('eve', q{SELECT cache_peek('tagged')}), '', 'that is not in a tag set');
$redis->query('ZADD', $set, $score, 'postgres:tagged');
is(as('eve', q{SELECT cache_peek('tagged')}), '{"name": "one"}', 'and is again');
my $relay = $node->relay_pid;
kill 'STOP', $relay;
$node->safe_psql('postgres', q{SELECT cache_invalidate('b')});
is(as('eve', q{SELECT cache_peek('tagged')}), '', 'not while Redis lags');
kill 'CONT', $relay;
$node->cache_wait;
is(as('eve', q{SELECT cache_peek('tagged')}), '', 'nor when it is dropped');

# the same in L1
$node->append_conf('postgresql.conf', 'rtcache.l1_size = 1MB');
$node->restart;
$node->wait_streaming;
ok($node->poll_query_until('postgres', 'SELECT open FROM rtcache_l1'), 'with L1');
$redis->query('FLUSHALL');
fills('l1', 'SELECT name FROM secret');
is($node->safe_psql('postgres', q{SELECT cache_peek('l1')}), '{"name": "one"}', 'what is in L1');
is(as('eve', q{SELECT cache_peek('l1')}), $denied, 'takes a privilege as well');

ok($node->no_crash, 'no process has crashed');
$node->stop;
$redis->stop;
done_testing();
