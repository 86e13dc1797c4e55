# Several answers to one key in L1: how many are kept and which one goes, what peek and
# cache_l1_keys make of them, that a key ends all of them, and that questions which
# replace each other's answers are counted and named.

use strict;
use warnings;

use PostgreSQL::Test::Utils;
use Test::More;

use RtcNode;

my $node = RtcNode->new('main', conf => "rtcache.l1_size = 2MB");
$node->start;
$node->safe_psql('postgres', q{
	CREATE EXTENSION rtcache;
	CREATE TABLE hero (id int PRIMARY KEY, name text);
	SELECT cache_attach('hero', mode => 'del');
	INSERT INTO hero SELECT i, 'name ' || i FROM generate_series(1, 20) AS i;
});
ok($node->poll_query_until('postgres', 'SELECT open FROM rtcache_l1'), 'the gate opens without Redis');

# Asks for heroes under one key; the hits of that.
sub hits
{
	my ($key, @ids) = @_;
	my $before = $node->stat('l1_hits');
	my @names = split /\n/, $node->safe_psql('postgres', join '', map {
		"SELECT cache_get('$key', 'SELECT name FROM hero WHERE id = \$1', '{$_}') ->> 'name';\n" } @ids);

	is_deeply(\@names, [ map { "name $_" } @ids ], "right answers under $key: @ids");
	return $node->stat('l1_hits') - $before;
}

is(hits('k', 1 .. 8), 0, 'eight questions under one key');
is(hits('k', 1 .. 8), 8, 'have eight answers');
is($node->stat('key_conflicts'), 0, 'and no conflict');
is($node->safe_psql('postgres', q{SELECT entries FROM rtcache_l1}), 8, 'in eight entries');
is($node->safe_psql('postgres', q{SELECT count(*), max(key), max(bytes) >= 8 * 192 FROM cache_l1_keys()}),
	'1|k|t', 'which cache_l1_keys shows as one key');
is($node->safe_psql('postgres', q{SELECT cache_peek('k') ->> 'name'}), 'name 8', 'the newest is what one sees');

# the ninth takes the place of one that nobody has asked for
is(hits('k2', 1 .. 8), 0, 'another key');
is(hits('k2', 1, 2, 4 .. 8), 7, 'with answers that are asked for, but for one');
is(hits('k2', 9), 0, 'a ninth question');
is($node->stat('key_conflicts'), 1, 'is a conflict');
is(hits('k2', 1, 2, 4 .. 9), 8, 'the others have stayed');
is(hits('k2', 3), 0, 'what nobody had asked for has gone');
is($node->stat('key_conflicts'), 2, 'a conflict again');
like($node->safe_psql('postgres', q{SELECT detail FROM cache_health() WHERE name = 'key_conflicts'}),
	qr/: "k2" \(2 times\); give/, 'cache_health names the key');
$node->safe_psql('postgres', q{CREATE DATABASE other});
$node->safe_psql('other', q{CREATE EXTENSION rtcache});
like($node->safe_psql('other', q{SELECT detail FROM cache_health() WHERE name = 'key_conflicts'}),
	qr/^No key/, 'in its own database');

# answers that have ended make room
$node->safe_psql('postgres', q{UPDATE hero SET name = name WHERE id <= 9});
my $before = $node->stat('key_conflicts');
is(hits('k2', 1 .. 8), 0, 'a write ends all answers');
is($node->stat('key_conflicts'), $before, 'new ones take their place');
is(hits('k2', 1 .. 8), 8, 'and stay');
$node->safe_psql('postgres', q{SELECT cache_del('k2')});
is($node->safe_psql('postgres', q{SELECT cache_peek('k2') IS NULL, cache_exists('k2')}), 't|f', 'cache_del ends all');
is(hits('k2', 1 .. 8), 0, 'and none is a hit');
is($node->safe_psql('postgres', q{SELECT sum(entries) = 16 FROM rtcache_l1}), 't', 'no entry is left behind');

# peek takes what is good
$node->safe_psql('postgres', q{SELECT cache_get('p', 'SELECT name FROM hero WHERE id = 1');
	SELECT cache_get('p', 'SELECT name FROM hero WHERE id = 2'); UPDATE hero SET name = name WHERE id = 2});
is($node->safe_psql('postgres', q{SELECT cache_peek('p') ->> 'name'}), 'name 1', 'an older answer that has not ended');

# the worst keys come first, and a new one takes the place of the least
$node->safe_psql('postgres', q{SELECT cache_stats_reset()});
is($node->stat('key_conflicts'), 0, 'a reset');
hits('worst', 1 .. 20);
hits('bad', 1 .. 10);
$node->safe_psql('postgres', q{
	SELECT count(cache_get('few:' || k, 'SELECT name FROM hero WHERE id = $1', ARRAY[i::text]))
	  FROM generate_series(1, 200) AS k, generate_series(1, 9) AS i});
like($node->safe_psql('postgres', q{SELECT detail FROM cache_health() WHERE name = 'key_conflicts'}),
	qr/^Answers.*: "worst" \(12 times\), "(bad|few:\d+)" \(2 times\).*; give each query/, 'the worst key');
is($node->safe_psql('postgres', q{SELECT ok FROM cache_health() WHERE name = 'key_conflicts'}), 't', 'which is not too bad');
$node->safe_psql('postgres', q{
	SELECT count(cache_get('worst', 'SELECT name FROM hero WHERE id = $1', ARRAY[(i % 20 + 1)::text]))
	  FROM generate_series(1, 1500) AS i});
is($node->safe_psql('postgres', q{SELECT ok FROM cache_health() WHERE name = 'key_conflicts'}), 'f', 'until it is');

$node->stop;
done_testing();
