# Which keys belong to whom: two databases; databases renamed, swapped, dropped
# and made again under the same name never show each other's values; a changed
# rtcache.key_prefix clears the old keys; two databases that come out with the
# same prefix; names too long for a prefix; a restart keeps what is in Redis;
# another server with the same prefix is refused; FLUSHALL behind our back.

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

my $schema = q{
	CREATE EXTENSION rtcache;
	CREATE TABLE hero (id int PRIMARY KEY, name text);
	CREATE TRIGGER hero_cache AFTER INSERT OR UPDATE OR DELETE ON hero
		FOR EACH ROW EXECUTE FUNCTION rtcache_write_through('hero:{id}', 'del=top');
};
my $lookup = q{SELECT cache_get('hero:1', 'SELECT id, name FROM hero WHERE id = 1') ->> 'name'};
my $filled = q{SELECT cache_get('top', 'SELECT id, name FROM hero WHERE id = 1') ->> 'name'};

sub make_db
{
	my ($dbname, $name, $on) = @_;

	$on ||= $node;
	$on->safe_psql('postgres', "CREATE DATABASE $dbname");
	$on->safe_psql($dbname, "$schema INSERT INTO hero VALUES (1, '$name')");
}

sub keys_like { return join ' ', sort split /\n/, $redis->cli('KEYS', $_[0]); }

# Lookups until Redis is used, and what they returned meanwhile.
sub check_lookups
{
	my ($dbname, $name, $what) = @_;
	my %seen;

	for (1 .. 20 * $PostgreSQL::Test::Utils::timeout_default)
	{
		my $hits = $node->stat('l2_hits', $dbname);

		$seen{$_} = 1 foreach split /\n/,
		  $node->safe_psql($dbname, "$lookup; $filled; $lookup; $filled;");
		last if $node->stat('l2_hits', $dbname) >= $hits + 2;
	}
	is(join(',', keys %seen), $name, "$what: lookups in \"$dbname\" are right");
}

# two databases
make_db('one', 'Ada');
make_db('two', 'Bea');
# what is written before Redis is used is not stored
foreach my $dbname ('one', 'two')
{
	ok($node->wait_open($dbname), "Redis is used for \"$dbname\"");
	$node->safe_psql($dbname, 'UPDATE hero SET name = name');
}
ok($node->cache_wait('one'));
is($redis->cli('GET', 'one:hero:1'), '{"id":1,"name":"Ada"}', 'the key of one database');
is($redis->cli('GET', 'two:hero:1'), '{"id":1,"name":"Bea"}', 'and of the other');
check_lookups('one', 'Ada', 'two databases');
check_lookups('two', 'Bea', 'two databases');

# a restart keeps what is in Redis, whether a lookup comes first or a write
foreach my $first ($filled, q{UPDATE hero SET name = name})
{
	my $offset = -s $node->logfile;

	$node->restart;
	ok($node->wait_streaming('one'), 'the relay streams after a restart');
	$node->safe_psql('one', $first);
	$node->safe_psql('two', $first);
	check_lookups('one', 'Ada', 'after a restart');
	check_lookups('two', 'Bea', 'after a restart');
	is(keys_like('*:hero:1'), 'one:hero:1 two:hero:1', 'the keys are still there');
	unlike(slurp_file($node->logfile, $offset), qr/registered key prefix|clear/,
		'and were not deleted for a while');
}

# swapped
$node->safe_psql('postgres', q{ALTER DATABASE one RENAME TO tmp});
$node->safe_psql('postgres', q{ALTER DATABASE two RENAME TO one});
$node->safe_psql('postgres', q{ALTER DATABASE tmp RENAME TO two});
check_lookups('one', 'Bea', 'swapped');
check_lookups('two', 'Ada', 'swapped');
$node->safe_psql('one', q{UPDATE hero SET name = 'Bea2'});
$node->safe_psql('two', q{UPDATE hero SET name = 'Ada2'});
ok($node->cache_wait('one'));
is($redis->cli('GET', 'one:hero:1'), '{"id":1,"name":"Bea2"}', 'writes go to the new name');
is($redis->cli('GET', 'two:hero:1'), '{"id":1,"name":"Ada2"}', 'of both');
check_lookups('one', 'Bea2', 'swapped and written');
check_lookups('two', 'Ada2', 'swapped and written');

# swapped again: the first that comes is a write, and Redis is away
$redis->sigstop;
$node->safe_psql('one', q{UPDATE hero SET name = 'Bea3'});
$node->safe_psql('postgres', q{ALTER DATABASE one RENAME TO tmp});
$node->safe_psql('postgres', q{ALTER DATABASE two RENAME TO one});
$node->safe_psql('postgres', q{ALTER DATABASE tmp RENAME TO two});
$node->safe_psql('one', q{UPDATE hero SET name = 'Ada3'});
$redis->sigcont;
ok($node->wait_streaming('one'));
ok($node->cache_wait('one'));
is($redis->cli('GET', 'one:hero:1'), '{"id":1,"name":"Ada3"}', 'swapped with writes on the way');
check_lookups('one', 'Ada3', 'swapped with writes on the way');
check_lookups('two', 'Bea3', 'swapped with writes on the way');
my $value = $redis->cli('GET', 'two:hero:1');
ok(!defined $value || $value =~ /Bea3/, 'no old value under the other name');

# dropped, and made again
$node->safe_psql('postgres', 'DROP DATABASE one');
make_db('one', 'Cay');
check_lookups('one', 'Cay', 'dropped and made again');
ok($node->cache_wait('one'));
like(keys_like('one:*'), qr/^one:hero:1( one:top)?( one:~tag:\w+)*$/, 'with its own keys only');
$node->safe_psql('postgres', 'DROP DATABASE one');
$node->safe_psql('postgres', 'CREATE DATABASE one');
$node->safe_psql('one', "$schema ALTER TABLE hero DISABLE TRIGGER ALL; INSERT INTO hero VALUES (1, 'Dot')");
check_lookups('one', 'Dot', 'dropped and made again without a write');

# the prefix changes
$node->set_conf('rtcache.key_prefix', 'new/%d:');
ok($redis->wait_for(0, 'EXISTS', 'two:hero:1'), 'the old keys are deleted');
check_lookups('one', 'Dot', 'another prefix');
check_lookups('two', 'Bea3', 'another prefix');
$node->safe_psql('two', q{UPDATE hero SET name = 'Bea4'});
ok($node->cache_wait('two'));
is($redis->cli('GET', 'new/two:hero:1'), '{"id":1,"name":"Bea4"}', 'the new keys are written');
is(keys_like('one:*') . keys_like('two:*'), '', 'no old keys are left');
check_lookups('two', 'Bea4', 'another prefix, and a write');

# one prefix for all: the second database does without
my $offset = -s $node->logfile;
$node->set_conf('rtcache.key_prefix', 'same:');
ok($redis->wait_for(0, 'EXISTS', 'new/two:hero:1'), 'the old keys are deleted');
$node->safe_psql('two', q{UPDATE hero SET name = 'Bea6'});
$node->safe_psql('one', q{ALTER TABLE hero ENABLE ALWAYS TRIGGER hero_cache; UPDATE hero SET name = 'Dot2'});
ok($node->cache_wait('two'));
like($redis->cli('GET', 'same:hero:1'), qr/Bea6|Dot2/, 'one database has the prefix');
my ($with, $without) =
  $redis->cli('GET', 'same:hero:1') =~ /Bea6/ ? ('two', 'one') : ('one', 'two');
my %name = (one => 'Dot2', two => 'Bea6');
check_lookups($with, $name{$with}, 'one prefix for all');
is($node->safe_psql($without, "$lookup; $filled; $lookup; $filled"),
	join("\n", ($name{$without}) x 4), 'the other one does without Redis');
$node->safe_psql($without, q{UPDATE hero SET name = 'mine'});
ok($node->cache_wait('two'));
check_lookups($with, $name{$with}, 'one prefix for all, a write in the other');
like(slurp_file($node->logfile, $offset),
	qr/WARNING:  a database does without Redis: key prefix "same:" is used by database "$with" already/,
	'the log says so');

is(keys_like('new/*'), '',
	'no key is left under the prefixes from before');

# a name that is too long for the prefix
my $long = 'x%' . ('%' x 60);
my $template = ('p' x 100) . ':%d:';
$node->set_conf('rtcache.key_prefix', $template);
$node->safe_psql('postgres', qq{CREATE DATABASE "$long"});
$node->safe_psql($long, "$schema INSERT INTO hero VALUES (1, 'Eve')");
is($node->safe_psql($long, "$lookup; $lookup"), "Eve\nEve", 'a name too long: lookups are right');
$node->safe_psql('two', q{UPDATE hero SET name = 'Bea5'});
ok($node->cache_wait('two'), 'the relay goes on');
(my $prefix = $template) =~ s/%d/two/;
is($redis->cli('GET', "${prefix}hero:1"), '{"id":1,"name":"Bea5"}', 'with the other databases');
$node->safe_psql('postgres', qq{DROP DATABASE "$long"});

# back
$node->set_conf('rtcache.key_prefix', '%d:');
ok($redis->wait_for(0, 'EXISTS', "${prefix}hero:1"), 'the old keys are deleted');
$node->safe_psql('one', q{UPDATE hero SET name = 'Dot3'});
$node->safe_psql('two', q{UPDATE hero SET name = 'Bea7'});
ok($node->cache_wait('two'));
is($redis->cli('GET', 'one:hero:1'), '{"id":1,"name":"Dot3"}', 'both have a prefix again');
is($redis->cli('GET', 'two:hero:1'), '{"id":1,"name":"Bea7"}', 'each its own');
check_lookups('one', 'Dot3', 'back');
check_lookups('two', 'Bea7', 'back');

# FLUSHALL behind our back
$redis->cli('FLUSHALL');
is($node->safe_psql('one', "$lookup; $lookup; $filled; $filled"),
	join("\n", ('Dot3') x 4), 'FLUSHALL: lookups are right');
$node->safe_psql('one', q{UPDATE hero SET name = 'Dot4'});
check_lookups('one', 'Dot4', 'FLUSHALL and a write');
$node->safe_psql('one', q{UPDATE hero SET name = 'Dot5'});
ok($node->wait_streaming('one'));
ok($node->cache_wait('one'));
is($redis->cli('GET', 'one:hero:1'), '{"id":1,"name":"Dot5"}', 'writes arrive');
check_lookups('one', 'Dot5', 'FLUSHALL and two writes');

# another server with the same prefix
my $second = RtcNode->new('second', redis => $redis);
$second->start;
make_db('one', 'thief', $second);
ok($second->wait_state('fenced', 'one'), 'another server with the same prefix is refused');
my $sysid = $node->safe_psql('postgres', 'SELECT system_identifier FROM pg_control_system()');
is($second->safe_psql('one', 'SELECT last_error FROM rtcache_relay'),
	qq(key prefix "one:" belongs to database system $sysid), 'and told why');
is($second->safe_psql('one', "$lookup; $lookup"), "thief\nthief", 'its lookups are right');
is($redis->cli('GET', 'one:hero:1'), '{"id":1,"name":"Dot5"}', 'our key is left alone');
check_lookups('one', 'Dot5', 'beside another server');

# ... until the first one has been silent for long; then it is its turn to be refused
$node->stop;
$redis->cli('HSET', "rtcache:position:$sysid", 'seen', 0);
$second->restart;
ok($second->wait_streaming('one'), 'the second one may when the first is silent');
$second->safe_psql('one', q{UPDATE hero SET name = 'heir'});
ok($second->cache_wait('one'));
is($redis->cli('GET', 'one:hero:1'), '{"id":1,"name":"heir"}', 'it has the keys now');
$node->start;
$node->safe_psql('one', q{UPDATE hero SET name = 'ghost'});
ok($node->wait_state('fenced', 'one'), 'the first one is refused when it returns');
is($node->safe_psql('one', "$lookup; $lookup"), "ghost\nghost", 'its lookups are right');
is($redis->cli('GET', 'one:hero:1'), '{"id":1,"name":"heir"}', 'it does not touch the keys');
is($second->safe_psql('one', "$lookup; $lookup"), "heir\nheir", 'lookups of the other one are right');

# ... and what the second one has left is not for the first one to read
my $heir = $second->safe_psql('postgres', 'SELECT system_identifier FROM pg_control_system()');
$second->stop;
$redis->cli('HSET', "rtcache:position:$heir", 'seen', 0);
$node->restart;
check_lookups('one', 'ghost', 'back when the second one is silent');

ok($_->no_crash, 'no process has crashed') foreach ($node, $second);
$_->stop foreach ($node, $second);
done_testing();
