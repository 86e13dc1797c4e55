# A row has one spelling in Redis, whether a rule has stored it or a lookup: that
# of row_to_json.  What is under the key of a rule and is not its row is never
# taken for it.

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

# what is in Redis under a key
sub in_redis
{
	my ($key) = @_;

	return $redis->cli('GET', "postgres:$key");
}

sub sql
{
	my ($sql) = @_;

	return $node->safe_psql('postgres', $sql);
}

my $settings = q{SET timezone = 'Asia/Kolkata'; SET datestyle = 'SQL, DMY'; SET extra_float_digits = -3; SET bytea_output = escape;};

sql(q{
	CREATE EXTENSION rtcache;
	CREATE TYPE mood AS ENUM ('sad', 'ok');
	CREATE TYPE point3 AS (x float8, y numeric, z text[]);
	CREATE DOMAIN code AS numeric(6, 2) CHECK (value > 0);
	CREATE TABLE thing (zz int PRIMARY KEY, aa text, f8 float8, f4 float4, n numeric, d date, ts timestamp, tz timestamptz,
		iv interval, b bytea, j json, jb jsonb, arr int[], txt text[], m mood, c point3, code code, yes boolean, u uuid,
		ch char(5), nan float8, inf numeric, "Odd ""Name" name, nothing int);
	SELECT cache_attach('thing', 'thing:{zz}');
});
ok($node->wait_streaming, 'the relay streams');
sql(q{
	INSERT INTO thing VALUES (1, E'a"\\\\\t\u00e9 /', 1e20, 0.1, 1.10, '2026-02-03', '2026-02-03 04:05:06.7', '2026-02-03 04:05:06+03',
		'1 day 2 hours', '\x00ff', '{"b" : 1, "a":[1 , 2.50]}', '{"b" : 1, "a":[1 , 2.50]}', '{{1,2},{3,NULL}}', '{a,"b c",NULL}', 'ok',
		ROW(1e-7, 1e20, '{q}'), 12.5, true, '00000000-0000-0000-0000-00000000000a', 'ab', 'NaN', 'Infinity', 'name', NULL);
});
ok($node->cache_wait);
my $row = in_redis('thing:1');
is($row, sql(q{SET timezone = 'UTC'; SELECT row_to_json(t) FROM thing AS t}), 'a rule writes what row_to_json gives');

# the same row by a query, under another key and under that of the rule
is(sql($settings . q{SELECT cache_get('q:1', 'SELECT * FROM thing WHERE zz = $1', '{1}') =
		(SELECT to_jsonb(t) FROM thing AS t)}),
	'f', 'settings of the session do not matter');
is(sql(q{SET timezone = 'UTC'; SELECT cache_get('q:1', 'SELECT * FROM thing WHERE zz = $1', '{1}') =
		(SELECT to_jsonb(t) FROM thing AS t)}),
	't', 'cache_get returns what to_jsonb gives');
is(in_redis('q:1'), $row, 'the query writes the same text');
$redis->cli('DEL', 'postgres:thing:1');
sql(q{SELECT cache_get('thing:1', 'SELECT * FROM thing WHERE zz = $1', '{1}')});
is(in_redis('thing:1'), $row, 'also under the key of the rule');
sql(q{SELECT cache_list('list', 'SELECT * FROM thing')});
is(in_redis('list'), "[$row]", 'and in a list');
is(sql(q{SELECT cache_list('list', 'SELECT * FROM thing') = (SELECT jsonb_agg(t) FROM thing AS t)}),
	't', 'which comes back from Redis');

# columns in the order of the query, and shapes that it makes itself
my %text = (
	q{SELECT 2 AS b, 1e20::float8 AS a} => '{"b":2,"a":1e+20}',
	q{SELECT j FROM thing} => '{"b" : 1, "a":[1 , 2.50]}',
	q{SELECT jb FROM thing} => '{"a": [1, 2.50], "b": 1}',
	q{SELECT json_build_object('b', 1, 'a', 2)} => '{"b" : 1, "a" : 2}',
	q{SELECT j FROM thing WHERE false} => 'null',
	q{SELECT NULL::json AS j} => 'null',
	q{SELECT '7'::jsonb AS j} => '7',
	q{SELECT row_to_json(r) FROM (SELECT 1 AS n, 2 AS n) AS r} => '{"n":1,"n":2}',
	q{SELECT FROM thing} => '{}');
my $n = 0;
for my $query (sort keys %text)
{
	my $key = 'shape:' . $n++;

	$node->safe_psql('postgres', qq{SELECT cache_get('$key', \$q\$$query\$q\$)});
	is(in_redis($key), $text{$query}, $query);
	$key = "list:$key";
	my $rows = $query =~ /false/ ? '' : $text{$query};
	$node->safe_psql('postgres', qq{SELECT cache_list('$key', \$q\$$query\$q\$)});
	is(in_redis($key), "[$rows]", "$query as a list");
}

# what is cached under the key of a rule and is not its row
my $other = q{SELECT 1 AS zz, 'wrong' AS aa};
sql(qq{SELECT cache_get('thing:1', \$q\$$other\$q\$)});
is(in_redis('thing:1'), qq({"zz":1,"aa":"wrong"}\n), 'an answer under the key of a rule is marked');
is($redis->cli('DEL', '{postgres:thing:1}~query'), 1, 'Redis may evict what tells the query of a value');
is(sql(q{SELECT cache_get('thing:1', 'SELECT * FROM thing WHERE zz = $1', '{1}') ->> 'aa' <> 'wrong'}),
	't', 'the rule\'s row is not taken from it');
is(sql(q{
		CREATE ROLE reader;
		GRANT SELECT ON thing TO reader;
		GRANT EXECUTE ON FUNCTION cache_peek TO reader;
		SELECT cache_get('thing:2', 'SELECT ''secret'' AS aa')}),
	'{"aa": "secret"}');
is($redis->cli('DEL', '{postgres:thing:2}~query'), 1);
sql(q{SELECT pg_reload_conf()});
$node->restart;
ok($node->wait_streaming, 'L1 is empty');
is(sql(q{SET ROLE reader; SELECT cache_peek('thing:2') IS NULL}), 't', 'nor is it shown to those who may read the table');

# a rule that is made later owns what it can have made
sql(q{CREATE TABLE late (id int PRIMARY KEY, name text); INSERT INTO late VALUES (1, 'Ada')});
sql(q{SELECT cache_get('late:1', 'SELECT 1 AS id, ''wrong'' AS name')});
is(in_redis('late:1'), '{"id":1,"name":"wrong"}', 'no rule makes the key');
sql(q{SELECT cache_attach('late', 'late:{id}')});
ok($node->cache_wait);
is(in_redis('late:1'), undef, 'its keys are deleted');
is(sql(q{SELECT cache_get('late:1', 'SELECT * FROM late WHERE id = $1', '{1}') ->> 'name'}), 'Ada');

done_testing;
