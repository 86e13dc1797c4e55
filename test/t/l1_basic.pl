# The cache in shared memory without a Redis, which is the default: hits and
# misses, what counts as the same question, time to live, large and missing
# answers, who may have an answer, what it shows of itself; that it is empty
# after a crash, off where it has no size, and off on a standby.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use RtcNode;
use RtcCoherence;

my $node = RtcNode->new('main', init => { allows_streaming => 1 }, conf => "rtcache.l1_size = 2MB");
$node->start;
create_heroes($node);
$node->safe_psql('postgres',
	q{INSERT INTO hero SELECT i, 'name ' || i FROM generate_series(1, 20) AS i});
ok(gate_open($node), 'the gate opens without Redis');

sub gate_open
{
	my ($server) = @_;

	return $server->poll_query_until('postgres', 'SELECT open FROM rtcache_l1');
}

# The answers of statements in one session, and how often the last one hit.
sub hits
{
	my ($sql, %option) = @_;
	my $before = $node->stat('l1_hits');
	my $answer = $node->safe_psql('postgres', $sql, %option);

	return ($answer, $node->stat('l1_hits') - $before);
}

sub is_hit
{
	my ($sql, $answer, $hits, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	return is_deeply([ hits($sql) ], [ $answer, $hits ], $name);
}

my $get = q{SELECT cache_get('hero:1', 'SELECT name FROM hero WHERE id = $1', '{1}')};
is_hit($get, '{"name": "name 1"}', 0, 'a miss');
is_hit($get, '{"name": "name 1"}', 1, 'a hit, in another session');
$node->safe_psql('postgres', q{UPDATE hero SET name = 'new' WHERE id = 1});
is_hit($get, '{"name": "new"}', 0, 'a write makes it a miss');
is_hit($get, '{"name": "new"}', 1, 'and then a hit');
is_hit("BEGIN; UPDATE hero SET name = 'undone' WHERE id = 1; $get; ROLLBACK; $get",
	qq({"name": "undone"}\n{"name": "new"}), 1, 'a transaction sees its own writes, and a rollback');
is_hit("BEGIN ISOLATION LEVEL REPEATABLE READ; $get; COMMIT", '{"name": "new"}', 0,
	'not for a snapshot of its own');

# the same question
is_hit($get =~ s/name FROM/name  FROM/r, '{"name": "new"}', 0, 'another text is another question');
is_hit($get, '{"name": "new"}', 1, 'and both have an answer');
is_hit($get =~ s/\{1\}/{2}/r, '{"name": "name 2"}', 0, 'so are other arguments');
my $list = q{SELECT cache_list('hero:1', 'SELECT name FROM hero WHERE id = $1', '{1}')};
$node->safe_psql('postgres', $get);
is_hit($list, '[{"name": "new"}]', 0, 'a list is another question than a row');
is_hit($list, '[{"name": "new"}]', 1, 'with hits of its own');
$node->safe_psql('postgres', q{
	CREATE SCHEMA other;
	CREATE TABLE other.hero (id int, name text);
	INSERT INTO other.hero VALUES (1, 'other');
	CREATE VIEW view AS SELECT 1 AS n;
});
$node->safe_psql('postgres', $get);
is_hit("SET search_path = other, public; $get", '{"name": "other"}', 0,
	'the same names may mean other tables');
my $view = q{SELECT cache_get('v', 'SELECT * FROM view')};
$node->safe_psql('postgres', $view);
$node->safe_psql('postgres', q{CREATE OR REPLACE VIEW view AS SELECT 1 AS n, 2 AS m});
is_hit($view, '{"m": 2, "n": 1}', 0, 'a view that is replaced');
$node->safe_psql('postgres', q{CREATE OR REPLACE VIEW view AS SELECT 3 AS n, 2 AS m});
is_hit($view, '{"m": 2, "n": 3}', 0, 'even with the same columns');
my $row = q{SELECT cache_get('o', 'SELECT o FROM other.hero AS o')};
$node->safe_psql('postgres', $row);
is_hit($row, '{"o": {"id": 1, "name": "other"}}', 1, 'a whole row');
$node->safe_psql('postgres', q{ALTER TABLE other.hero ADD b int DEFAULT 7});
is_hit($row, '{"o": {"b": 7, "id": 1, "name": "other"}}', 0, 'a new column shows in it');

# kinds of answers
is_hit(q{SELECT cache_get('none', 'SELECT 1 WHERE false') IS NULL}, 't', 0, 'no row');
is_hit(q{SELECT cache_get('none', 'SELECT 1 WHERE false') IS NULL}, 't', 1, 'is kept as well');
is_hit(q{SELECT cache_peek('none'), cache_exists('none')}, 'null|t', 0, 'and seen');

# what an answer depends on is part of the question
my $tagged = q{SELECT cache_get('tagged', 'SELECT name FROM hero WHERE id = 1', tags => '{%s}')};
$node->safe_psql('postgres', sprintf($tagged, 'x,y'));
is_hit(sprintf($tagged, 'x,y'), '{"name": "new"}', 1, 'a hit with the same tags');
is_hit(q{SELECT cache_peek('tagged')}, '{"name": "new"}', 0, 'seen without them');
is_hit(sprintf($tagged, 'x'), '{"name": "new"}', 0, 'no hit with other tags');
is_hit(q{SELECT cache_get('tagged', 'SELECT name FROM hero WHERE id = 1')},
	'{"name": "new"}', 0, 'nor without any');
my $big = q{SELECT md5(cache_list('big', $$SELECT i, repeat('x', 90) FROM generate_series(1, 800) AS i$$)::text)};
my ($md5) = hits($big);
is_hit($big, $md5, 1, 'a list of 80 kB');
$big =~ s/800/2000/;
$big =~ s/'big'/'bigger'/;
($md5) = hits($big);
is_hit($big, $md5, 0, 'one above its fair share of 2 MB is not kept');
cmp_ok($node->safe_psql('postgres', 'SELECT refused FROM rtcache_l1'), '>', 0, 'which is counted');

# time to live
is_hit(q{SELECT cache_get('t', 'SELECT 1 AS n', ttl => '300 ms'); SELECT cache_get('t', 'SELECT 1 AS n')},
	qq({"n": 1}\n{"n": 1}), 1, 'a time to live');
ok( $node->poll_query_until('postgres', q{SELECT NOT cache_exists('t')}), 'ends');
is_hit(q{SELECT cache_get('t', 'SELECT 1 AS n')}, '{"n": 1}', 0, 'as it does for a lookup');
is($node->safe_psql('postgres', q{SELECT cache_ttl('t') BETWEEN '59 min' AND '1 h', cache_ttl('no') IS NULL}),
	't|t', 'cache_ttl');
is($node->safe_psql('postgres', q{SELECT cache_get('t0', 'SELECT 1 AS n', ttl => '0') IS NOT NULL, cache_exists('t0'), cache_ttl('t0') IS NULL}),
	't|t|t', 'zero is for ever');

# what is deleted by hand
is_hit("SELECT cache_del('hero:1'); $list", qq(\n[{"name": "new"}]), 0, 'cache_del');
is_hit("$list; SELECT cache_clear(); $list", qq([{"name": "new"}]\n\n[{"name": "new"}]), 1, 'cache_clear');
is_hit("$list; SELECT cache_del_pattern('x*'); $list", qq([{"name": "new"}]\n\n[{"name": "new"}]), 1,
	'cache_del_pattern, to be on the safe side, is for all');

# whose answer it is (the ways of CVE-2024-45624 to another role's rows)
$node->safe_psql('postgres', q{
	CREATE ROLE alice; CREATE ROLE bob;
	GRANT EXECUTE ON FUNCTION cache_get TO alice, bob;
	CREATE TABLE secret (id int PRIMARY KEY, owner name, body text);
	INSERT INTO secret VALUES (1, 'alice', 'of alice'), (2, 'bob', 'of bob');
	GRANT SELECT ON secret TO alice;
	GRANT SELECT (id, owner) ON secret TO bob;
	CREATE FUNCTION definer() RETURNS jsonb LANGUAGE sql SECURITY DEFINER
		AS $$SELECT cache_get('secret:1', 'SELECT * FROM secret WHERE id = 1')$$;
	CREATE VIEW bodies AS SELECT body FROM secret;
	GRANT SELECT ON bodies TO bob;
});
my $secret = q{SELECT cache_get('secret:1', 'SELECT * FROM secret WHERE id = 1')};
my $body = '{"id": 1, "body": "of alice", "owner": "alice"}';
is_hit("$secret; SET ROLE alice; $secret", "$body\n$body", 1, 'a role with the privilege gets a hit');

sub refused
{
	my ($sql, $name) = @_;
	my ($status, $stdout, $stderr) = $node->psql('postgres', $sql);

	like($stderr, qr/permission denied for table secret/, $name);
	return unlike($stdout, qr/of alice/, "$name: and gets nothing");
}

refused("SET ROLE bob; $secret", 'one without');
refused("SET SESSION AUTHORIZATION bob; $secret", 'with SET SESSION AUTHORIZATION');
is_hit("SET ROLE bob; SELECT definer()", $body, 1, 'a function with the rights of its owner');
is_hit(q{SET ROLE bob; SELECT cache_get('b:1', 'SELECT id, owner FROM secret WHERE id = 1');
	SELECT cache_get('b:1', 'SELECT id, owner FROM secret WHERE id = 1')},
	qq({"id": 1, "owner": "alice"}\n{"id": 1, "owner": "alice"}), 1, 'privileges on columns');
is_hit(q{SELECT cache_get('b:2', 'SELECT * FROM bodies LIMIT 1'); SET ROLE bob; SELECT cache_get('b:2', 'SELECT * FROM bodies LIMIT 1')},
	qq({"body": "of alice"}\n{"body": "of alice"}), 1, 'a view checks as views do');

my $session = $node->background_psql('postgres', on_error_stop => 0);
$session->query_safe('SET ROLE alice');
is($session->query_safe($secret), $body, 'a session has hits');
$node->safe_psql('postgres', 'REVOKE SELECT ON secret FROM alice');
my $answer = $session->query($secret);
is($answer, '', 'until REVOKE');
$node->safe_psql('postgres', 'GRANT bob TO alice; GRANT SELECT ON secret TO bob');
is($session->query($secret), $body, 'a membership counts');
$node->safe_psql('postgres', 'REVOKE bob FROM alice');
is($session->query($secret), '', 'until it ends');
$node->safe_psql('postgres', q{
	GRANT SELECT ON secret TO alice;
	ALTER TABLE secret ENABLE ROW LEVEL SECURITY;
	CREATE POLICY own ON secret USING (owner = current_user);
});
is($session->query($secret), $body, 'a row of its own, with row-level security');
is($session->query($secret =~ s/= 1/= 2/r), '', 'not that of another');
$node->safe_psql('postgres', $secret =~ s/= 1/= 2/r);
is($session->query($secret =~ s/= 1/= 2/r), '', 'even if it is there');
$session->quit;

# what it tells
is($node->safe_psql('postgres', q{SELECT entries > 5, bytes BETWEEN 1 AND budget, budget FROM rtcache_l1}),
	't|t|2097152', 'rtcache_l1');
is($node->safe_psql('postgres', q{SELECT count(*) FROM cache_l1_keys(3)}), '3', 'cache_l1_keys');
$node->safe_psql('postgres', 'CREATE ROLE mon; GRANT pg_monitor TO mon');
is($node->safe_psql('postgres', q{SET ROLE mon; SELECT count(*) > 0 FROM cache_l1_keys()}), 't',
	'for those who monitor');
isnt($node->psql('postgres', q{SET ROLE alice; SELECT cache_l1_keys()}), 0, 'and nobody else');

# a process that crashes
is_hit($list, '[{"name": "new"}]', 1, 'before a crash');
ok($node->kill_relay, 'the server restarts its processes');
ok(gate_open($node), 'the gate opens');
is($node->safe_psql('postgres', 'SELECT entries, stored FROM rtcache_l1'), '0|0', 'L1 is empty');
is_hit($list, '[{"name": "new"}]', 0, 'so that the first lookup misses');
is_hit($list, '[{"name": "new"}]', 1, 'and the second hits');

# a standby
$node->backup('copy');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'copy', has_streaming => 1);
$standby->start;
$node->safe_psql('postgres', q{UPDATE hero SET name = 'newer' WHERE id = 1});
$node->wait_for_catchup($standby);
is($standby->safe_psql('postgres', "$list; $list; SELECT l1_hits, fills FROM rtcache_stats"),
	qq([{"name": "newer"}]\n[{"name": "newer"}]\n0|0), 'L1 is off on a standby');
$standby->promote;
ok(gate_open($standby), 'it opens after a promotion');
is($standby->safe_psql('postgres', "$list; $list; SELECT l1_hits FROM rtcache_stats"),
	qq([{"name": "newer"}]\n[{"name": "newer"}]\n1), 'and hits');
$standby->stop;

# off
$node->append_conf('postgresql.conf', 'rtcache.l1_size = 0');
$node->restart;
is($node->safe_psql('postgres', "$list; $list; SELECT l1_hits, bypass_not_ready FROM rtcache_stats"),
	qq([{"name": "newer"}]\n[{"name": "newer"}]\n0|2), 'l1_size = 0');
is($node->safe_psql('postgres', 'SELECT open, entries, bytes, budget FROM rtcache_l1'), 'f|0|0|0',
	'rtcache_l1 says so');

$node->stop;
done_testing();
