# Who writes behind with the script redis/lua/behind.lua sees the write in Redis at
# once, and never sees it go away: when rows come that do not contain it yet, fills,
# deletions, clears, many entries, a Redis that has lost what tells which rows contain
# what.  Readers in SQL see what the database says, meanwhile.
#
# Entries come round by hand here: what the worker does is written to Redis.

use strict;
use warnings;

use FindBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use RtcInject;
use RtcNode;
use RtcRedis;

plan skip_all => RtcInject::SKIP unless RtcInject::possible();
RtcInject::use_build();

my $redis = RtcRedis->new('main');
$redis->start;
my $node = RtcNode->new('main', redis => $redis, conf => <<'CONF');
rtcache.lease_ttl = 60s
rtcache.fill_wait = 0
CONF
my $inject = RtcInject->new($node);
$inject->arm('inbox_begins', 'wait');		# the worker stays away
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION rtcache');
ok($node->wait_open, 'Redis is used');
$node->safe_psql('postgres', q{
	CREATE TABLE counter (id int PRIMARY KEY, hits bigint, sum numeric, name text);
	SELECT cache_attach('counter', 'counter:{id}', ttl => '1 hour', behind => '{hits,sum,name}');
	INSERT INTO counter SELECT i, 0, 0, 'x' FROM generate_series(1, 20) i;
});
ok($node->cache_wait);

my $script = $redis->query('SCRIPT', 'LOAD', slurp_file("$FindBin::RealBin/../../src/redis/lua/behind.lua"));

# Calls the script for a counter; what it returns: id, value.
sub behind
{
	my ($id, @args) = @_;
	my $reply = $redis->query('EVALSHA', $script, 2, "postgres:counter:$id", 'postgres:~inbox', @args);

	return ref $reply ? @$reply : $reply;
}

# The value of a counter in Redis, without the tab.
sub get
{
	my $value = $redis->query('GET', "postgres:counter:$_[0]");

	$value =~ s/\t$// if defined $value;
	return $value;
}

sub row
{
	my ($id, $hits, $sum, $name) = @_;
	return qq({"id":$id,"hits":$hits,"sum":$sum,"name":"$name"});
}

# A write of somebody else, which Redis has when this returns.
sub write_sql
{
	$node->safe_psql('postgres', $_[0]);
	$node->cache_wait or die 'Redis does not catch up';
	return;
}

sub cached { return "SELECT cache_get('counter:$_[0]', 'SELECT * FROM counter WHERE id = $_[0]')->>'hits'"; }

# What the worker tells: all entries up to this id are in the rows that come.
sub come_round { $redis->query('SET', 'postgres:~behind', $_[0]); return; }

# ---------------- one key ----------------

is(get(1), row(1, 0, 0, 'x'), 'a row');
my ($entry, $value) = behind(1, 'add', '{"hits": 5}');
is($value, row(1, 5, 0, 'x') . "\t", 'the script returns the new value');
is(get(1), row(1, 5, 0, 'x'), 'which readers of Redis see at once');
is_deeply($redis->query('XRANGE', 'postgres:~inbox', '-', '+'),
	[ [ $entry, [ 'key', 'counter:1', 'add', '{"hits": 5}' ] ] ], 'the entry is in the inbox');

write_sql(q{UPDATE counter SET sum = 7 WHERE id = 1});
is(get(1), undef, 'nobody has told which entries are in the rows: none is stored');
($entry, $value) = behind(1, 'add', '{"hits": 1}');
is($value, undef, 'nor is there anything to add to');
is($node->safe_psql('postgres', cached(1)), 0, 'SQL sees what has been applied');
is(get(1), undef, 'and does not store it');

come_round('0-1');
write_sql(q{UPDATE counter SET sum = 8 WHERE id = 1});
is(get(1), row(1, 6, 8, 'x'), 'now the row is stored, and what is pending is added to it');
is($node->safe_psql('postgres', cached(1)), 0, 'SQL does not take that for a row');
is(get(1), row(1, 6, 8, 'x'), 'nor writes over it');
cmp_ok($redis->query('PTTL', 'postgres:counter:1'), '>', 3_000_000, 'it has the time to live of the row');
behind(1, 'set', '{"name": "y", "nobody": 1}');
is(get(1), row(1, 6, 8, 'y'), 'set');
cmp_ok($redis->query('PTTL', 'postgres:counter:1'), '>', 3_000_000, 'the time to live stays');
write_sql(q{UPDATE counter SET name = 'z', sum = 9 WHERE id = 1});
is(get(1), row(1, 6, 9, 'y'), 'a row of somebody else: what is newer than it is set again');

come_round($entry);
write_sql(q{UPDATE counter SET hits = hits + 6 WHERE id = 1});
is(get(1), row(1, 6, 9, 'y'), 'some have come round');
is($redis->query('LLEN', '{postgres:counter:1}~behind'), 1, 'one has not');
come_round('9999999999999-0');
write_sql(q{UPDATE counter SET name = 'y' WHERE id = 1});
is($redis->query('GET', 'postgres:counter:1'), row(1, 6, 9, 'y'), 'all have: a row');
is($redis->query('EXISTS', '{postgres:counter:1}~behind'), 0, 'nothing is pending');
is($node->safe_psql('postgres', cached(1)), 6, 'SQL');
is($node->stat('l2_hits'), 1, 'takes the row');
come_round('0-1');

# ---------------- what others do to the key ----------------

behind(2, 'add', '{"hits": 1}');
$redis->query('DEL', 'postgres:counter:2');
is($node->safe_psql('postgres', cached(2)), 0, 'the value is lost; SQL');
is(get(2), undef, 'stores none that is older');
write_sql(q{DELETE FROM counter WHERE id = 2});
write_sql(q{INSERT INTO counter VALUES (2, 10, 0, 'x')});
is(get(2), row(2, 11, 0, 'x'), 'a row that was deleted and inserted again');

# a warm-up
behind(13, 'add', '{"hits": 1}');
$redis->query('DEL', 'postgres:counter:13', 'postgres:counter:14');
$node->safe_psql('postgres', q{CALL cache_warm('counter')});
is(get(14), row(14, 0, 0, 'x'), 'a warm-up stores what Redis has lost');
is(get(13), undef, 'but not what may be older than what was there');
behind(13, 'add', '{"hits": 1}');
write_sql(q{UPDATE counter SET sum = 1 WHERE id = 13});
$node->safe_psql('postgres', q{CALL cache_warm('counter')});
is(get(13), row(13, 2, 1, 'x'), 'nor does it touch what is there');

# an answer that was there before
write_sql(q{SELECT cache_del('counter:3')});
is($node->safe_psql('postgres', cached(3)), 0);
is($redis->query('EXISTS', '{postgres:counter:3}~query'), 1, 'SQL has stored a row');
behind(3, 'add', '{"hits": 1}');
is(get(3), row(3, 1, 0, 'x'), 'the script adds to it');
is($node->safe_psql('postgres', cached(3)), 0, 'SQL does not see that');

write_sql(q{SELECT cache_set('counter:4', '{"hits": 7}', '1 hour')});
is((behind(4, 'add', '{"hits": 1}'))[1], undef, 'a value of a user is no row');
is(get(4), undef, 'it is deleted');
write_sql(q{SELECT cache_get('counter:5', 'SELECT 1 AS hits')});
write_sql(q{SELECT cache_del('counter:5')});
is($node->safe_psql('postgres', q{SELECT cache_get('counter:5', 'SELECT id, hits + 100 AS hits FROM counter WHERE id = 5')}), '{"id": 5, "hits": 100}');
is((behind(5, 'add', '{"hits": 1}'))[1], undef, 'nor is another answer');

behind(6, 'add', '{"hits": 1}');
write_sql(q{SELECT cache_del_pattern('counter:*')});
write_sql(q{UPDATE counter SET sum = 1 WHERE id = 6});
is(get(6), row(6, 1, 1, 'x'), 'a deletion by pattern forgets no entry');
write_sql(q{SELECT cache_clear()});
is($redis->query('EXISTS', 'postgres:~behind'), 0, 'a clear forgets what has come round');
write_sql(q{UPDATE counter SET sum = 2 WHERE id = 6});
is(get(6), undef, 'so this row may have the entry, or not');
come_round('0-1');
write_sql(q{UPDATE counter SET sum = 3 WHERE id = 6});
is(get(6), row(6, 1, 3, 'x'), 'until it is told again');

is((behind(100, 'set', '{"hits": 3}', row(100, 'null', 0, 'new')))[1], row(100, 3, 0, 'new') . "\t",
	'a row that does not exist yet');
is((behind(100, 'add', '{"hits": 3}', row(100, 'null', 0, 'new')))[1], row(100, 6, 0, 'new') . "\t");

# ---------------- a lookup is on its way ----------------

write_sql(q{SELECT cache_del('counter:7')});
$inject->arm('fill_begins', 'wait', 'backend');
my $reader = $node->background_psql('postgres');
$reader->query_until(qr/begins/, '\echo begins' . "\n" . cached(7) . ";\n");
ok($inject->wait_hit('fill_begins'), 'a lookup is about to store a row');
behind(7, 'add', '{"hits": 1}', row(7, 0, 0, 'x'));
$inject->release('fill_begins');
like($reader->query('SELECT 1'), qr/1/);
is(get(7), row(7, 1, 0, 'x'), 'it does not write over what was written meanwhile');

# the same, and the entry has come round, of which the lookup knows nothing
write_sql(q{SELECT cache_del('counter:8')});
$inject->arm('fill_begins', 'wait', 'backend');
$reader->query_until(qr/begins/, '\echo begins' . "\n" . cached(8) . ";\n");
ok($inject->wait_hit('fill_begins'), 'another one');
come_round((behind(8, 'add', '{"hits": 1}'))[0]);
$inject->release('fill_begins');
like($reader->query('SELECT 1'), qr/1/);
is(get(8), undef, 'does not write over what is about to come either');
$reader->quit;
come_round('0-1');

# ---------------- very many entries ----------------

write_sql(q{UPDATE counter SET sum = 0 WHERE id = 9});
behind(9, 'add', '{"hits": 1}') for 1 .. 1001;
like($redis->query('LINDEX', '{postgres:counter:9}~behind', 0), qr/^\d+-\d+ \*$/, 'of many entries the last id is kept');
is($redis->query('LLEN', '{postgres:counter:9}~behind'), 1, 'and nothing else');
write_sql(q{UPDATE counter SET hits = 500, sum = 5 WHERE id = 9});
is(get(9), row(9, 1001, 0, 'x'), 'rows are left out');
($entry) = behind(9, 'add', '{"hits": 1}');
is(get(9), row(9, 1002, 0, 'x'), 'what is written is added');
come_round($entry);
write_sql(q{UPDATE counter SET hits = 1002 WHERE id = 9});
is(get(9), row(9, 1002, 5, 'x'), 'until the last one has come round');
come_round('0-1');

# ---------------- values and arguments ----------------

write_sql(q~UPDATE counter SET hits = 9007199254740993, sum = 0.10, name = '"}\,{]' WHERE id = 10~);
behind(10, 'add', '{"hits": 9007199254740993, "sum": -0.25}');
is(get(10), row(10, '18014398509481986', '-0.15', '\"}\\\\,{]'), 'large numbers, decimals, and text stay exact');
behind(10, 'add', '{"hits": -18014398509481986, "sum": 0.15}');
like(get(10), qr/"hits":0,"sum":0.00,/);
behind(10, 'set', '{"hits": null, "na\u006de": "[]"}');
behind(10, 'add', '{"hits": 1e2, "sum": 1}');
is(get(10), '{"id":10,"hits":100,"sum":1.00,"name":"[]"}', 'null, exponents, and names in other spellings');
foreach my $bad ([ 'add', '{"hits": "1"}' ], [ 'add', '{"hits": null}' ], [ 'set', '[1]' ], [ 'set', '{"hits": NaN}' ],
	[ 'set', '{' ], [ 'set', '"x"' ], ['set'], [ 'get', '{}' ], [ 'set', '{}', '1' ])
{
	like(behind(10, @$bad), qr/^ERR/, "@$bad is refused");
}
is($redis->query('XREVRANGE', 'postgres:~inbox', '+', '-', 'COUNT', 1)->[0][1][3], '{"hits": 1e2, "sum": 1}', 'and not appended');

# what is no list in place of one
$redis->query('SET', '{postgres:counter:11}~behind', 'x');
write_sql(q{UPDATE counter SET sum = 1 WHERE id = 11});
is(get(11), row(11, 0, 1, 'x'), 'something else in place of the list');
$redis->query('SET', '{postgres:counter:11}~behind', 'x');
behind(11, 'add', '{"hits": 1}');
is(get(11), row(11, 1, 1, 'x'), 'is none');

# other scripts were forgotten
$redis->query('SCRIPT', 'FLUSH');
write_sql(q{UPDATE counter SET sum = 2 WHERE id IN (11, 12)});
is(get(11), row(11, 1, 2, 'x'), 'the relay brings the script along');
is(get(12), row(12, 0, 2, 'x'), 'for all rows of a batch');

is($node->stat('errors'), 0, 'no errors');
ok($node->no_crash);
$inject->release('inbox_begins');
$node->stop;
$redis->stop;
done_testing();
