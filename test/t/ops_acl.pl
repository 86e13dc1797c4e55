# The Redis user that README.md recommends may do all that rtcache needs: after
# everything that it does, Redis has refused nothing.  That of an application may
# append to the inbox, and read, and nothing else.

use strict;
use warnings;

use FindBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use RtcCoherence;
use RtcNode;
use RtcRedis;

# The recipe, for the database "postgres"
my ($recipe) = slurp_file('README.md') =~ /^ +(ACL SETUSER (?:.*\n)+?)\n/m
  or BAIL_OUT('README.md has no recipe');
$recipe =~ s/mydb/postgres/g;
my @recipe = split ' ', $recipe;

my $redis = RtcRedis->new('main');
$redis->start;
is($redis->cli(@recipe), 'OK', 'Redis accepts the recipe');
(my $url = $redis->url) =~ s{//}{//rtcache\@};
$url .= '?db=3';
my $node = RtcNode->new('main', redis => $redis, conf => <<"CONF");
rtcache.redis_url = '$url'
rtcache.publish = 'changes'
rtcache.inbox_keep = 0
CONF
my $password = $node->basedir . '/password';
append_to_file($password, 'secret');
chmod 0600, $password;
$node->append_conf('postgresql.conf', "rtcache.redis_password_file = '$password'");
$node->start;
create_heroes($node);
ok($node->wait_streaming, 'the relay streams');
like($redis->cli('CLIENT', 'LIST'), qr/name=rtcache-relay .*user=rtcache/, 'as that user');

# A command of an administrator, in the database that the URL names
sub admin
{
	return $redis->cli('EVAL',
		"redis.call('SELECT', '3') return redis.call(unpack(ARGV))", 0, @_);
}

sub refused_nothing
{
	my ($what) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $log = $redis->cli('ACL', 'LOG');

	$log = join(' ', map { ref $_ ? "@$_" : $_ // '' } ref $log ? @$log : $log // '');
	is($log, '', "$what: nothing is refused");
	return;
}

# Rules, lookups of both kinds, tags, all other operations
$node->safe_psql('postgres', q{
	CREATE TABLE note (id int PRIMARY KEY, team int);
	CREATE INDEX ON note (team);
	SELECT cache_attach('note');
	INSERT INTO note SELECT i, i % 3 FROM generate_series(1, 2000) i;
	INSERT INTO hero VALUES (1, 'one'), (2, 'two')});
ok($node->cache_wait);
foreach my $round (1 .. 3)
{
	$node->safe_psql('postgres', q{
		SELECT cache_get('hero:1', 'SELECT * FROM hero WHERE id = 1');
		SELECT cache_get('note:' || i, 'SELECT * FROM note WHERE id = $1', ARRAY[i::text])
			FROM generate_series(1, 1500) i;
		SELECT cache_list('team:1', 'SELECT * FROM note WHERE team = 1');
		SELECT cache_list('tagged:' || i, 'SELECT * FROM note WHERE id = 1', tags => '{t}')
			FROM generate_series(1, 1500) i;
		SELECT cache_get('{hash}:1', 'SELECT * FROM note WHERE id = 1', ttl => '0');
		SELECT cache_peek('hero:1'), cache_exists('hero:1'), cache_ttl('hero:1')});
	$node->safe_psql('postgres', q{
		UPDATE note SET team = team + 1 WHERE id < 500;
		SELECT cache_set('by hand', '1', '1 hour'), cache_set('for good', '1', '0');
		SELECT cache_del('by hand');
		SELECT cache_invalidate('t');
		SELECT cache_del_pattern('tagged:*')});
	ok($node->cache_wait);
}
cmp_ok($node->stat('l2_hits'), '>', 0, 'there were hits');
cmp_ok($node->stat('fills'), '>', 1000, 'and fills');
is($node->stat('errors'), 0, 'and no errors');
refused_nothing('work');

# What is not a value; a lease that is given back; large tag sets
$node->psql('postgres', q{SELECT cache_get('error', 'SELECT 1 / (id - 1) FROM note WHERE id = 1')});
admin('DEL', 'postgres:note:1');
admin('LPUSH', 'postgres:note:1', 'a');
$node->safe_psql('postgres', q{SELECT cache_get('note:1', 'SELECT * FROM note WHERE id = 1')});
$node->safe_psql('postgres', q{
	SET rtcache.lease_ttl = '100ms';
	SELECT cache_list('short:1', 'SELECT 1', ttl => '10 ms', tags => '{short}');
	SELECT pg_sleep(1.5);
	SELECT cache_list('short:2', 'SELECT 1', ttl => '10 ms', tags => '{short}')});
$node->safe_psql('postgres', q{TRUNCATE note; SELECT cache_clear()});
ok($node->cache_wait);
refused_nothing('odd things');

# Redis loses everything; the prefix changes
$redis->cli('FLUSHALL');
$redis->cli('CLIENT', 'KILL', 'USER', 'rtcache');
ok($node->poll_query_until('postgres', q{SELECT state = 'streaming' AND connected_at > last_error_at
	FROM rtcache_relay}), 'after a loss the relay streams again');
$node->safe_psql('postgres', q{UPDATE hero SET name = 'again'; SELECT cache_get('hero:1', 'SELECT * FROM hero WHERE id = 1')});
ok($node->cache_wait);
refused_nothing('repair');
# Tables that are warmed, and rows with writes behind: the entry has come round.
$node->safe_psql('postgres', q{
	SELECT cache_detach('note');
	SELECT cache_attach('note', 'note:{id}', behind => '{team}');
	INSERT INTO note VALUES (1, 1);
	SELECT cache_del('note:1'), cache_wait();
	CALL cache_warm('note')});
my $script = slurp_file("$FindBin::RealBin/../../src/redis/lua/behind.lua");
my $entry = $redis->query('EVAL', "redis.call('SELECT', '3') $script", 2,
	'postgres:note:1', 'postgres:~inbox', 'set', '{"team": 7}');
ok($node->poll_query_until('postgres', 'SELECT team = 7 FROM note WHERE id = 1'), 'what was written behind is applied');
ok($node->cache_wait);
is(admin('GET', 'postgres:note:1'), '{"id":1,"team":7}', 'a row after a write behind');
# one that is refused, and put back; Redis is emptied
$node->safe_psql('postgres', q{SELECT cache_add('note:1', '{"team": 1}'), cache_put('note:1', '{"team": "x"}')});
ok($node->poll_query_until('postgres', q{SELECT refused = 1 FROM rtcache_inbox_position}), 'one is refused');
is($node->safe_psql('postgres', 'SELECT team FROM note'), 8, 'and one is not');
is($node->safe_psql('postgres', 'SELECT cache_inbox_retry()'), 1, 'put back');
ok($node->poll_query_until('postgres', q{SELECT refused = 2 FROM rtcache_inbox_position}), 'and refused again');
$redis->cli('FLUSHALL');
ok($node->poll_query_until('postgres', q{SELECT state = 'streaming' FROM rtcache_relay}));
admin('EVAL', q{redis.pcall('XADD', KEYS[1], '1-1', 'a', 'b')}, 1, 'postgres:~inbox');
ok($redis->wait_for('higher', 'EVAL', q{redis.call('SELECT', '3')
	return redis.call('XINFO', 'STREAM', KEYS[1])[8] ~= '1-1' and 'higher'}, 1, 'postgres:~inbox'), 'new entries get ids above what was applied');
admin('XADD', 'postgres:~inbox', '*', 'key', 'note:1', 'add', '{"team": 1}');
ok($node->poll_query_until('postgres', 'SELECT team = 9 FROM note WHERE id = 1'), 'another inbox');
is($node->safe_psql('postgres', 'SELECT last_error FROM rtcache_inbox'), '', 'nothing is wrong with it');
refused_nothing('warm-up and write-behind');

is($redis->cli('ACL', 'SETUSER', 'rtcache', '~new:*', '~{new:*'), 'OK', 'the patterns of another prefix');
$node->set_conf('rtcache.key_prefix', 'new:');
ok($node->poll_query_until('postgres', q{
	SELECT detail LIKE '%"new:"%' FROM cache_health() WHERE name = 'prefix'}), 'the prefix changes');
$node->safe_psql('postgres', q{UPDATE hero SET name = 'new'});
ok($node->cache_wait);
is(admin('GET', 'new:hero:1'), '{"id":1,"name":"new"}', 'keys are under the new one');
is(admin('GET', 'postgres:hero:1'), undef, 'none under the old one');
refused_nothing('another prefix');

# An application that appends to the inbox, and reads
SKIP:
{
	my ($app) = slurp_file('README.md') =~ /^ +(ACL SETUSER app (?:.*\n)+?)\n/m
	  or BAIL_OUT('README.md has no recipe for an application');
	skip 'Redis has no selectors', 1 if admin('INFO', 'server') =~ /^redis_version:6/m;
	(my $app_recipe = $app) =~ s/mydb/new/g;
	my @app_recipe = $app_recipe =~ /(\([^)]*\)|\S+)/g;
	is($redis->cli(@app_recipe), 'OK', 'Redis accepts the recipe for an application');
	my %allowed = (
		'GET new:hero:1' => 1,
		'MGET new:hero:1 new:hero:2' => 1,
		'XADD new:~inbox * key note:1 add {}' => 1,
		'XADD new:~inbox:dead * a b' => 0,
		'XADD new:hero:1 * a b' => 0,
		'SET new:hero:1 x' => 0,
		'DEL new:~inbox' => 0,
		'XTRIM new:~inbox MAXLEN 0' => 0,
		'XDEL new:~inbox 1-1' => 0,
		'XRANGE new:~inbox - +' => 0,
		'SET new:~behind 1-1' => 0,
		'SET rtcache:x 1' => 0,
		'EVAL return 0' => 0,
		'GET other:x' => 0);
	foreach my $command (sort keys %allowed)
	{
		my $reply = $redis->cli('ACL', 'DRYRUN', 'app', split / /, $command);

		is($reply eq 'OK' ? 1 : 0, $allowed{$command}, "$command: $reply");
	}
}

# Which of the commands were used at all?
my $stats = $redis->cli('INFO', 'commandstats');
foreach my $command (map { /^\+(.*)/ ? $1 : () } @recipe)
{
	like($stats, qr/^cmdstat_\Q$command\E:/m, "$command is used");
}

# It works without some of them.
is($redis->cli('ACL', 'SETUSER', 'rtcache', '-client', '-ping', '-info', '-role'), 'OK', 'less');
my $before = $node->safe_psql('postgres', 'SELECT connected_at FROM rtcache_relay');
$redis->cli('CLIENT', 'KILL', 'USER', 'rtcache');
ok($node->poll_query_until('postgres', qq{SELECT state = 'streaming' AND connected_at > '$before'
	FROM rtcache_relay}), 'the relay streams');
$node->safe_psql('postgres', q{UPDATE hero SET name = 'less'});
ok($node->cache_wait);
$before = $node->stat('l2_hits');
is($node->safe_psql('postgres', q{SELECT cache_get('hero:1', 'SELECT * FROM hero WHERE id = 1')->>'name'}),
	'less', 'a lookup');
is($node->stat('l2_hits'), $before + 1, 'is a hit');
is($node->safe_psql('postgres', q{SELECT detail FROM cache_health() WHERE name = 'maxmemory_policy'}),
	'The maxmemory-policy of Redis is not known.', 'the policy is not known');

ok($node->no_crash, 'no process has crashed');
$node->stop;
done_testing();
