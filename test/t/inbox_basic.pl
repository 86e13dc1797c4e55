# What applications append to the inbox in Redis is applied to the database: values
# that are set, increments, joined by row, by the primary key, as the owner of the
# table; the row comes back to Redis.  What cannot be applied goes to the dead
# letters, with its error, does not stop the others, and can be tried again.  Code of
# one owner changes nothing for the tables of another; who appends touches no other
# keys.  Who writes with the script behind.lua sees it at once, and never sees it go
# away while the worker applies it.

use strict;
use warnings;

use FindBin;
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
	CREATE ROLE boss;
	CREATE DOMAIN positive AS int CHECK (VALUE > 0);
	CREATE TYPE pair AS (a int, b text);
	CREATE TABLE hero (id int PRIMARY KEY, name text NOT NULL DEFAULT 'x', hits bigint NOT NULL DEFAULT 0,
		small smallint, score numeric, real real, seen timestamptz, cart jsonb, tags text[], p positive, c pair,
		code char(3), secret int);
	ALTER TABLE hero OWNER TO boss;
	SELECT cache_attach('hero', 'hero:{id}', behind => '{name,hits,small,score,real,seen,cart,tags,p,c,code}');
	INSERT INTO hero (id) SELECT generate_series(1, 20);
});
ok($node->wait_open, 'Redis is used');

sub sql { return $node->safe_psql('postgres', $_[0]); }

# Appends an entry; its id.
sub append { return $redis->query('XADD', 'postgres:~inbox', '*', @_); }

sub put { my ($id, $json) = @_; return append('key', "hero:$id", 'set', $json); }

sub add { my ($id, $json) = @_; return append('key', "hero:$id", 'add', $json); }

# Waits until an entry, and all before it, have been applied or refused.
sub wait_for
{
	my ($id) = @_;

	ok($node->poll_query_until('postgres', "SELECT id = '$id' FROM rtcache_inbox_position WHERE prefix = 'postgres:'"), "applied $id")
	  or diag(sql('TABLE rtcache_inbox_position; TABLE rtcache_inbox'));
	return;
}

sub row { my ($columns, $id) = @_; return sql("SELECT $columns FROM hero WHERE id = $id"); }

# ---------------- what is applied ----------------

put(1, '{"name":"Ada","hits":5}');
add(1, '{"hits":3}');
add(1, '{"hits":-1,"small":7}');
put(2, '{"score":1.50,"seen":"2026-01-02 03:04:05+00","cart":{"a":[1,null]},"tags":["x","y"],"p":3,"c":{"a":1,"b":"z"},"code":"ab"}');
add(3, '{"score":0.1}');
add(3, '{"score":0.2}');
add(3, '{"real":0.5}');
put(4, '{"hits":1}');
put(4, '{"hits":2,"name":"new"}');
put(4, '{"hits":3}');
# a row that is not there
put(100, '{"name":"made","hits":1}');
add(100, '{"hits":1}');
wait_for(put(5, '{"small":null,"tags":null}'));
is(row('name, hits, small', 1), 'Ada|7|7', 'set, then added, in order');
is(row(q{score, seen AT TIME ZONE 'UTC', cart, tags, p, c, code}, 2),
	'1.50|2026-01-02 03:04:05|{"a": [1, null]}|{x,y}|3|(1,z)|ab ', 'values of all types');
is(row('score, real', 3), '0.3|0.5', 'numbers are added exactly, to NULL as to nothing');
is(row('hits, name', 4), '3|new', 'the last value of each column counts');
is(row('name, hits', 100), 'made|2', 'a row is made');
is(row('name, hits, small', 5), 'x|0|', 'NULL');
ok($node->cache_wait);
like($redis->query('GET', 'postgres:hero:1'), qr/"name":"Ada","hits":7/, 'the row comes back to Redis');
is(sql('SELECT applied, refused FROM rtcache_inbox_position'), '13|0', 'counted');
is(sql('SELECT count(*) FROM pg_stat_activity WHERE backend_type = \'rtcache inbox\''), 1, 'by one worker');
is(sql('SELECT datname, length, applied, dead, is_full, last_error FROM rtcache_inbox'), 'postgres|0|13|0|f|', 'the view');

# ---------------- as the owner, with triggers and constraints ----------------

sql(q{
	CREATE TABLE log (who text, what text);
	GRANT INSERT ON log TO boss;
	CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$
	BEGIN
		INSERT INTO public.log VALUES (current_user, TG_OP || ' ' || NEW.hits);
		RETURN NEW;
	END $$;
	CREATE TRIGGER note AFTER INSERT OR UPDATE ON hero FOR EACH ROW EXECUTE FUNCTION note();
	ALTER TABLE hero ADD CONSTRAINT few CHECK (hits < 1000);
	CREATE FUNCTION still() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN CASE WHEN NEW.hits = 666 THEN NULL ELSE NEW END; END $$;
	CREATE TRIGGER still BEFORE UPDATE ON hero FOR EACH ROW EXECUTE FUNCTION still();
});
my $two = q{redis.call('XADD', KEYS[1], '*', 'key', 'hero:6', 'add', '{"hits":1}') };
wait_for($redis->query('EVAL', "$two return $two", 1, 'postgres:~inbox'));
is(sql('SELECT * FROM log'), 'boss|UPDATE 2', 'one UPDATE, as the owner, whose triggers fire');
wait_for(add(7, '{"hits":666}'));
is(row('hits', 7), 0, 'a trigger may keep a row as it is');
is(sql('SELECT refused FROM rtcache_inbox_position'), 0, 'which is no error');

# ---------------- what cannot be applied ----------------

my $first = put(8, '{"hits":1}');
my @bad = (
	[ '22P02', put(8, '{"hits":') ],
	[ '22P02', put(8, '{"hits":"many"}') ],
	[ '22P02', put(8, '{"hits":1.5}') ],
	[ '22003', put(8, '{"small":40000}') ],
	[ '42703', put(8, '{"nothing":1}') ],
	[ '42501', put(8, '{"secret":1}') ],
	[ '42501', put(8, '{"id":1}') ],
	[ '23514', put(8, '{"hits":5000}') ],
	[ '23514', add(8, '{"hits":5000}') ],
	[ '23514', put(8, '{"p":0}') ],
	[ '23502', put(8, '{"name":null}') ],
	[ '22001', put(8, '{"code":"abcd"}') ],
	[ '42883', add(8, '{"name":"x"}') ],
	[ '22004', add(8, '{"hits":null}') ],
	[ '22023', put(8, '[1]') ],
	[ '22023', put(8, '{}') ],
	[ '22023', put('08', '{"hits":1}') ],
	[ '22003', put('99999999999', '{"hits":1}') ],
	[ '42501', append('key', 'log:1', 'set', '{"who":"me"}') ],
	[ '42501', append('key', 'hero', 'set', '{"hits":1}') ],
	[ '42501', append('key', '', 'set', '{"hits":1}') ],
	[ '22023', append('key', 'hero:8', 'delete', '{"hits":1}') ],
	[ '22023', append('key', 'hero:8', 'set', '{"hits":1}', 'more', '1') ],
	[ '22023', append('hello', 'world') ],
	[ '22021', append('key', "hero:\xff", 'set', '{"hits":1}') ],
	[ '22021', put(8, "{\"name\":\"\xff\"}") ],
	[ '22021', append('key', "hero:8\0", 'set', '{"hits":1}') ],
	[ 'P0002', add(101, '{"hits":1}') ],
	[ '54000', put(8, '{"name":"' . 'x' x (1024 * 1024) . '"}') ],
	[ '54000', append('key', 'hero:8', 'set', '{"hits":1}', ('more', '1') x 20) ]);
wait_for(put(9, '{"hits":9}'));
is(row('hits, name', 8) . ',' . row('hits', 9), '1|x,9', 'those around them are applied');
my $dead = $redis->query('XRANGE', 'postgres:~inbox:dead', '-', '+');
is(scalar @$dead, scalar @bad, 'all of them are dead letters');
for my $i (0 .. $#bad)
{
	my ($id, $fields) = @{ $dead->[$i] };
	my %last = @$fields[-6 .. -1];

	is("$id $last{sqlstate}", "$bad[$i][1] $bad[$i][0]", "$id: $last{error}");
}
my @fields = @{ $dead->[0][1] };
is("@fields[0..3]", 'key hero:8 set {"hits":', 'with what they said');
is(sql('SELECT refused FROM rtcache_inbox_position'), scalar @bad, 'counted');
is(sql('SELECT dead FROM rtcache_inbox'), scalar @bad, 'in the view');
like(sql(q{SELECT ok || ' ' || detail FROM cache_health() WHERE name = 'inbox'}),
	qr/^false Entries of the inbox could not be applied \(30\): see the stream "postgres:~inbox:dead" /, 'and in cache_health()');

# put back: those that are still wrong come again
sql('ALTER TABLE hero DROP CONSTRAINT few');
is(sql('SELECT cache_inbox_retry()'), scalar @bad, 'put back');
wait_for(put(10, '{"hits":10}'));
is(row('hits', 8), 10000, 'what can be applied now is');
is($redis->query('XLEN', 'postgres:~inbox:dead'), @bad - 2, 'the rest is dead again');
is_deeply($redis->query('XRANGE', 'postgres:~inbox', $bad[0][1], $bad[0][1]), [], 'what was put back is gone where it was');
$redis->query('DEL', 'postgres:~inbox:dead');
is(sql('SELECT cache_inbox_retry()'), 0, 'nothing to put back');

# ---------------- rules come and go ----------------

sql(q{SELECT cache_detach('hero'); CREATE TABLE other (id int PRIMARY KEY, n int); SELECT cache_attach('other', 'other:{id}', behind => '{n}')});
my $id = put(1, '{"hits":1}');
wait_for($id);
is($redis->query('XREVRANGE', 'postgres:~inbox:dead', '+', '-', 'COUNT', 1)->[0][0], $id, 'a rule that has gone');
sql(q{SELECT cache_attach('hero', 'h:{id}', behind => '{hits}')});
wait_for(append('key', 'h:1', 'add', '{"hits":1}'));
is(row('hits', 1), 8, 'another rule');
sql(q{DROP TRIGGER note ON hero; DROP TRIGGER still ON hero;
	SELECT cache_detach('hero'); ALTER TABLE hero RENAME hits TO clicks; SELECT cache_attach('hero', 'h:{id}', behind => '{clicks}')});
wait_for(append('key', 'h:1', 'add', '{"clicks":1}'));
is(row('clicks', 1), 9, 'another name of a column')
  or diag(explain($redis->query('XREVRANGE', 'postgres:~inbox:dead', '+', '-', 'COUNT', 1)));

# ---------------- clears leave the inbox alone ----------------

is(sql('SELECT cache_inbox_retry()'), 1, 'one that comes back at once is put back once');
sql(q{SELECT cache_clear(); SELECT cache_del_pattern('*')});
ok($node->cache_wait);
is($redis->query('EXISTS', 'postgres:~inbox'), 1, 'a clear leaves the inbox');

# ---------------- who may append may do nothing else ----------------

sql(q{SELECT cache_set('page:1', '1')});
ok($node->cache_wait);
wait_for(append('key', 'page:1', 'set', '{"n":1}'));
ok($node->cache_wait);
is($redis->query('GET', 'postgres:page:1'), 1, 'a key that no rule lets be written is left alone');

# what the trigger of one owner sets does not count for another
sql(q{
	CREATE ROLE other_boss;
	CREATE TABLE mine (id int PRIMARY KEY, n int);
	CREATE TABLE yours (id int PRIMARY KEY, n int, seen text);
	CREATE FUNCTION nasty() RETURNS trigger LANGUAGE plpgsql AS $$
	BEGIN
		SET search_path = evil;
		SET CONSTRAINTS ALL DEFERRED;
		SET "rtcache.xact_buffer" = '1MB';
		RETURN NEW;
	END $$;
	CREATE FUNCTION look() RETURNS trigger LANGUAGE plpgsql AS $$
	BEGIN
		NEW.seen = current_user || ' [' || current_setting('search_path') || ']';
		RETURN NEW;
	END $$;
	CREATE TRIGGER nasty BEFORE UPDATE ON mine FOR EACH ROW EXECUTE FUNCTION nasty();
	CREATE TRIGGER look BEFORE UPDATE ON yours FOR EACH ROW EXECUTE FUNCTION look();
	ALTER TABLE mine OWNER TO boss;
	ALTER TABLE yours OWNER TO other_boss;
	INSERT INTO mine VALUES (1, 0);
	INSERT INTO yours VALUES (1, 0);
	SELECT cache_attach('mine', 'mine:{id}', behind => '{n}');
	SELECT cache_attach('yours', 'yours:{id}', behind => '{n}');
	CREATE TRIGGER again AFTER INSERT OR UPDATE OR DELETE ON yours FOR EACH ROW
		EXECUTE FUNCTION rtcache_write_through('again:{id}', 'behind=n')});

# Appends entries in one step, so that they are one batch; the id of the last one.
sub append_many
{
	my $id = $redis->query('EVAL', q{local id
		for i = 1, #ARGV, 3 do id = redis.call('XADD', KEYS[1], '*', 'key', ARGV[i], ARGV[i + 1], ARGV[i + 2]) end
		return id}, 1, 'postgres:~inbox', map { @$_ } @_);

	wait_for($id);
	return;
}

append_many([ 'mine:1', 'add', '{"n":1}' ], [ 'yours:1', 'add', '{"n":1}' ]);
is(sql('SELECT n, seen FROM yours'), '1|other_boss []', 'as the owner, with settings of nobody else');
append_many([ 'yours:1', 'set', '{"n":1}' ], [ 'again:1', 'set', '{"n":2}' ], [ 'yours:1', 'set', '{"n":3}' ]);
is(sql('SELECT n FROM yours'), 3, 'two rules that write one row: in the order of the entries');

# a trigger that leaves work for the end of the transaction: it would run as somebody else
sql(q{
	CREATE FUNCTION whoami() RETURNS trigger LANGUAGE plpgsql AS $$
	BEGIN
		INSERT INTO public.log VALUES (current_user, 'deferred');
		RETURN NEW;
	END $$;
	DELETE FROM log;
	GRANT INSERT ON log TO other_boss;
	CREATE CONSTRAINT TRIGGER whoami AFTER UPDATE ON yours DEFERRABLE INITIALLY DEFERRED
		FOR EACH ROW EXECUTE FUNCTION whoami()});
append_many([ 'yours:1', 'add', '{"n":1}' ]);
is(sql('SELECT * FROM log'), 'other_boss|deferred', 'a deferred trigger runs at once, as the owner');
append_many([ 'mine:1', 'add', '{"n":1}' ], [ 'yours:1', 'add', '{"n":1}' ]);
is(sql('SELECT n FROM yours'), 5, 'also if another trigger wants it to be deferred');
is(sql('SELECT n FROM mine'), 2);

# ---------------- with the script ----------------

sql(q{
	CREATE TABLE counter (id int PRIMARY KEY, hits bigint NOT NULL, name text);
	SELECT cache_attach('counter', 'counter:{id}', behind => '{hits}');
	INSERT INTO counter SELECT i, 0, 'x' FROM generate_series(1, 5) i});
ok($node->cache_wait);
my $script = $redis->query('SCRIPT', 'LOAD', slurp_file("$FindBin::RealBin/../../src/redis/lua/behind.lua"));
my @hits = (0) x 6;
my $backwards = 0;
foreach my $round (1 .. 300)
{
	my $n = 1 + $round % 5;
	my ($reply) = $redis->query('EVALSHA', $script, 2, "postgres:counter:$n", 'postgres:~inbox', 'add', '{"hits":1}');

	$hits[$n]++;
	$id = $reply->[0];
	# somebody else writes the rest of the row
	sql("UPDATE counter SET name = '$round' WHERE id = $n") if $round % 20 == 0;
	foreach my $i (1 .. 5)
	{
		my $value = $redis->query('GET', "postgres:counter:$i");

		# it may be missing for a moment, while it comes round
		$backwards++ if defined $value && $value !~ /"hits":$hits[$i],/;
	}
}
is($backwards, 0, 'each read sees all that was written');
wait_for($id);
is(sql('SELECT sum(hits) FROM counter'), 300, 'and all of it is applied');
ok($node->cache_wait);
is($redis->query('GET', 'postgres:counter:1'), sql('SELECT row_to_json(counter) FROM counter WHERE id = 1'), 'Redis has the row');
is($redis->query('EXISTS', map { "{postgres:counter:$_}~behind" } 1 .. 5), 0, 'nothing is pending');
is($redis->query('GET', 'postgres:~behind'), $id, 'since all has come round');

# one that is refused: what readers have seen goes away
($id) = @{ $redis->query('EVALSHA', $script, 2, 'postgres:counter:1', 'postgres:~inbox', 'set', '{"hits":null}') };
wait_for($id);
ok($node->cache_wait);
is($redis->query('GET', 'postgres:counter:1'), undef, 'a value with an entry that was refused is deleted');

# after a clear it is told again which entries have come round
sql('SELECT cache_clear()');
ok($node->cache_wait);
ok($redis->wait_for($id, 'GET', 'postgres:~behind'), 'what has come round is told again after a clear');

# ---------------- another prefix ----------------

my $sum = sql('SELECT sum(hits) FROM counter');
$node->set_conf('rtcache.key_prefix', 'new:%d:');
$redis->query('XADD', 'new:postgres:~inbox', '*', 'key', 'counter:2', 'add', '{"hits":1}');
ok($node->poll_query_until('postgres', "SELECT sum(hits) = $sum + 1 FROM counter"), 'the inbox of another prefix');
$node->set_conf('rtcache.key_prefix', '%d:');
wait_for(append('key', 'counter:2', 'add', '{"hits":1}'));
is(sql('SELECT sum(hits) FROM counter'), $sum + 2, 'and of the first one again');

# ---------------- a database that is dropped ----------------

sql('CREATE DATABASE shop');
$node->safe_psql('shop', q{
	CREATE EXTENSION rtcache;
	CREATE TABLE t (id int PRIMARY KEY, n int);
	SELECT cache_attach('t', 't:{id}', behind => '{n}')});
$redis->query('XADD', 'shop:~inbox', '*', 'key', 't:1', 'set', '{"n":1}');
ok($node->poll_query_until('shop', 'SELECT count(*) = 1 FROM t'), 'another database');
ok($node->poll_query_until('postgres', q{SELECT pid IS NOT NULL FROM rtcache_inbox WHERE datname = 'shop'}), 'has a worker of its own');
sql('DROP DATABASE shop');
pass('which does not keep it from being dropped');
is($node->stat('errors'), 0, 'no errors');
ok($node->no_crash);

$node->stop;
$redis->stop;
done_testing();
