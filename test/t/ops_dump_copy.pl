# Copies of a database and of a server: pg_dump and restore of rules, with all of
# their options, pg_dump -s, postgres --single and binary-upgrade mode with the
# library preloaded, pg_basebackup takes the key of messages along, a standby
# bypasses, and when it is promoted it takes over, and the old primary, which
# still runs, is fenced.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use RtcNode;
use RtcRedis;

my $redis = RtcRedis->new('main');
$redis->start;
my $node = RtcNode->new('main', redis => $redis, init => { allows_streaming => 1 });
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION rtcache');
ok($node->wait_open, 'Redis is used');
$node->safe_psql('postgres', q{
	CREATE TABLE hero (id int PRIMARY KEY, name text);
	CREATE TRIGGER hero_cache AFTER INSERT OR UPDATE OR DELETE ON hero
		FOR EACH ROW EXECUTE FUNCTION rtcache_write_through('hero:{id}', 'ttl=1 hour', 'del=heroes');
	CREATE TRIGGER hero_truncate AFTER TRUNCATE ON hero
		EXECUTE FUNCTION rtcache_truncate('hero:{id}');
	INSERT INTO hero VALUES (1, 'Ada');
	CREATE TABLE score (id int PRIMARY KEY, points int DEFAULT 0, "last, seen" timestamptz);
	INSERT INTO score VALUES (1);
	SELECT cache_attach('score', key => 'score:{id}', warm => true, behind => '{points, "last, seen"}');
	CREATE DATABASE restored;
});

# pg_dump
my $dump = $node->basedir . '/dump.sql';
my $lookup = q{SELECT cache_get('hero:1', 'SELECT id, name FROM hero WHERE id = 1') ->> 'name'};

command_ok([ 'pg_dump', '-f', $dump, '-d', $node->connstr('postgres') ], 'pg_dump');
my $text = slurp_file($dump);
my @objects = $text =~ /^(CREATE .*(?:rtcache|cache_).*)$/gm;
is_deeply(
	\@objects,
	[
		'CREATE EXTENSION IF NOT EXISTS rtcache WITH SCHEMA public;',
		"CREATE TRIGGER hero_cache AFTER INSERT OR DELETE OR UPDATE ON public.hero FOR EACH ROW EXECUTE FUNCTION public.rtcache_write_through('hero:{id}', 'ttl=1 hour', 'del=heroes');",
		"CREATE TRIGGER hero_truncate AFTER TRUNCATE ON public.hero FOR EACH STATEMENT EXECUTE FUNCTION public.rtcache_truncate('hero:{id}');",
		q{CREATE TRIGGER rtcache_row AFTER INSERT OR DELETE OR UPDATE ON public.score FOR EACH ROW EXECUTE FUNCTION public.rtcache_write_through('score:{id}', 'warm', 'behind=points,"last, seen"');},
		"CREATE TRIGGER rtcache_truncate AFTER TRUNCATE ON public.score FOR EACH STATEMENT EXECUTE FUNCTION public.rtcache_truncate('score:{id}');"
	],
	'the extension and the rules, and nothing that belongs to the extension');
command_ok(
	[ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', $dump, '-d', $node->connstr('restored') ],
	'restore');
is($node->safe_psql('restored', $lookup), 'Ada', 'the data is there');
ok($node->wait_open('restored'), 'Redis is used for it');
$node->safe_psql('restored', q{UPDATE hero SET name = 'Bea'});
ok($node->cache_wait);
is($redis->cli('GET', 'restored:hero:1'), '{"id":1,"name":"Bea"}', 'the rules work');
is($redis->cli('GET', 'postgres:hero:1'), '{"id":1,"name":"Ada"}', 'the original is untouched');
ok($redis->wait_for('{"id":1,"points":0,"last, seen":null}', 'GET', 'restored:score:1'),
	'a worker warms the copy');
$node->safe_psql('restored', q{SELECT cache_add('score:1', '{"points": 3}')});
ok($node->poll_query_until('restored', 'SELECT points = 3 FROM score'), 'which is written behind');
is($node->safe_psql('postgres', 'SELECT points FROM score'), '0', 'the original is not');
command_ok([ 'pg_dump', '-s', '-d', $node->connstr('restored') ], 'pg_dump -s');
$node->safe_psql('postgres', 'DROP DATABASE restored');

# postgres --single
$node->stop;
my ($stdout, $stderr);
my $statements = "$lookup\nUPDATE hero SET name = 'single'\n$lookup\n";
ok( IPC::Run::run(
		[ 'postgres', '--single', '-D', $node->data_dir, 'postgres' ],
		'<', \$statements, '>', \$stdout, '2>', \$stderr),
	'postgres --single');
unlike($stderr, qr/ERROR|FATAL|PANIC|WARNING/, 'without an error') or diag($stderr);
is(join(' ', $stdout =~ /= "(.*?)"/g), 'Ada single', 'reads are right');
is($redis->cli('GET', 'postgres:hero:1'), '{"id":1,"name":"Ada"}', '(nobody tells Redis)');

# binary-upgrade mode: as if not preloaded
command_ok(
	[ 'pg_ctl', '-w', '-D', $node->data_dir, '-l', $node->logfile, '-o', '-b', 'start' ],
	'a start in binary-upgrade mode');
is($node->safe_psql('postgres', "LOAD 'rtcache'; $lookup"), 'single', 'LOAD and a lookup');
$node->safe_psql('postgres', q{UPDATE hero SET name = 'upgraded'});
is($node->safe_psql('postgres',
		q{SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'rtcache%'}),
	0, 'no relay');
command_ok([ 'pg_ctl', '-w', '-D', $node->data_dir, 'stop' ], 'and a stop');

$node->start;
ok($node->wait_streaming, 'the relay streams');
ok($node->cache_wait);
is($redis->cli('GET', 'postgres:hero:1'), '{"id":1,"name":"upgraded"}',
	'what was written meanwhile is applied');

# pg_basebackup
$node->backup('copy');
my $copied = $node->backup_dir . '/copy/rtcache.key';
ok(-f $copied, 'a base backup has the key of messages');
is(sprintf('%o', (stat $copied)[2] & 07777), '600', 'with its mode');
is(slurp_file($copied), slurp_file($node->data_dir . '/rtcache.key'), 'the same one');

my $standby = bless PostgreSQL::Test::Cluster->new('standby'), 'RtcNode';
$standby->init_from_backup($node, 'copy', has_streaming => 1);
$standby->start;
$node->safe_psql('postgres', q{UPDATE hero SET name = 'replicated'});
$node->wait_for_catchup($standby, 'replay', $node->lsn('insert'));
is($standby->safe_psql('postgres', "$lookup; $lookup"), "replicated\nreplicated",
	'lookups on a standby');
is($standby->safe_psql('postgres', 'SELECT state FROM rtcache_relay'), 'standby',
	'where the relay waits for a promotion');
ok($node->cache_wait);

# A session of the old primary that has a connection to Redis
my $zombie = $node->background_psql('postgres');
is($zombie->query($lookup), 'replicated', 'a session of the primary uses Redis');

# failover; the old primary does not know
$standby->promote;
ok($standby->wait_streaming, 'the relay of the new primary streams');
$standby->safe_psql('postgres', q{UPDATE hero SET name = 'new' WHERE id = 1});
ok($standby->cache_wait);
is($redis->cli('GET', 'postgres:hero:1'), '{"id":1,"name":"new"}', 'it writes to Redis');
is($standby->safe_psql('postgres', "$lookup; $lookup"), "new\nnew", 'its lookups are right');

# Split brain: what the old primary computes must not reach readers of Redis
my $absent = q{SELECT cache_get('split', 'SELECT name FROM hero WHERE id = 1') ->> 'name'};
is($zombie->query($absent), 'replicated', 'the old primary answers from its own data');
is($standby->safe_psql('postgres', "$absent; $absent"), "new\nnew",
	'and does not fill the cache of the new one');
is($zombie->query($lookup), 'replicated', 'nor does it read it');
$zombie->quit;

$node->safe_psql('postgres', q{UPDATE hero SET name = 'old' WHERE id = 1});
ok($node->wait_state('fenced'), 'the old primary is fenced when it writes');
like($node->safe_psql('postgres', 'SELECT last_error FROM rtcache_relay'),
	qr/timeline 2, younger than ours, has taken over/, 'and told why');
is($redis->cli('GET', 'postgres:hero:1'), '{"id":1,"name":"new"}', 'its write does not reach Redis');
is($node->safe_psql('postgres', "$lookup; $lookup"), "old\nold", 'its lookups are its own');
ok($standby->wait_streaming, 'the new primary goes on');
is($standby->safe_psql('postgres', "$lookup; $lookup"), "new\nnew", 'and is right');

ok($_->no_crash, 'no process has crashed') foreach ($node, $standby);
$_->stop foreach ($node, $standby);
done_testing();
