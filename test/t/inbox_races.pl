# What others do while entries wait or are applied: rows that come in the middle of
# an attempt are found, triggers that keep rows do so once, troubles that pass are no
# fault of an entry, schemas are renamed, short entries with long values take bounded
# memory, and what waits is seen while the worker is blocked.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use RtcNode;
use RtcRedis;

my $redis = RtcRedis->new('main');
$redis->start;
my $node = RtcNode->new('main', redis => $redis, conf => "rtcache.inbox_delay = 0\nrtcache.inbox_max = 5\n");
$node->start;
$node->safe_psql('postgres', q{
	CREATE EXTENSION rtcache;
	CREATE ROLE boss;
	CREATE TABLE log (what text, xact xid8 DEFAULT pg_current_xact_id());
	GRANT ALL ON log TO boss;
	CREATE TABLE plain (id int PRIMARY KEY, hits bigint NOT NULL DEFAULT 0, note text);
	CREATE TABLE kept (LIKE plain INCLUDING ALL);
	ALTER TABLE plain OWNER TO boss;
	ALTER TABLE kept OWNER TO boss;
	SELECT cache_attach('plain', 'plain:{id}', behind => '{hits,note}');
	SELECT cache_attach('kept', 'kept:{id}', behind => '{hits}');
	CREATE FUNCTION pause() RETURNS trigger LANGUAGE plpgsql AS $$
	BEGIN
		PERFORM pg_advisory_xact_lock(7);
		RETURN NULL;
	END $$;
	CREATE TRIGGER pause AFTER UPDATE ON plain FOR EACH STATEMENT EXECUTE FUNCTION pause();
	-- this one puts the change elsewhere
	CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS $$
	BEGIN
		INSERT INTO public.log VALUES ('kept ' || NEW.hits);
		RETURN CASE WHEN NEW.hits = 666 THEN NULL ELSE NEW END;
	END $$;
	CREATE TRIGGER keep BEFORE UPDATE ON kept FOR EACH ROW EXECUTE FUNCTION keep();
});
ok($node->wait_open, 'Redis is used');

sub sql { return $node->safe_psql('postgres', $_[0]); }

# Appends entries in one step, so that they are one batch; the id of the last one.
sub append
{
	return $redis->query('EVAL', q{local id
		for i = 1, #ARGV, 3 do id = redis.call('XADD', KEYS[1], '*', 'key', ARGV[i], ARGV[i + 1], ARGV[i + 2]) end
		return id}, 1, 'postgres:~inbox', map { @$_ } @_);
}

sub wait_for
{
	my ($id) = @_;

	ok($node->poll_query_until('postgres', "SELECT id = '$id' FROM rtcache_inbox_position"), "applied $id")
	  or diag(sql('TABLE rtcache_inbox_position; TABLE rtcache_inbox'));
	return;
}

sub wait_blocked
{
	ok($node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'rtcache inbox' AND wait_event_type = 'Lock'}), 'the worker waits');
	return;
}

sub dead { return $redis->query('XLEN', 'postgres:~inbox:dead'); }

# ---------------- a row comes when an UPDATE has found none ----------------

my $other = $node->background_psql('postgres');
$other->query_safe('SELECT pg_advisory_lock(7)');
my $id = append([ 'plain:1', 'set', '{"hits":5}' ], [ 'plain:1', 'add', '{"hits":2}' ]);
wait_blocked();
$other->query_safe(q{INSERT INTO plain VALUES (1, 1, 'by another')});

# what waits is seen meanwhile
$id = append([ 'plain:2', 'set', '{"hits":1}' ]) foreach 1 .. 6;
ok($node->poll_query_until('postgres', q{SELECT length = 8 AND is_full FROM rtcache_inbox}), 'what waits is seen while the worker is blocked');
like(sql(q{SELECT ok || ' ' || detail FROM cache_health() WHERE name = 'inbox'}), qr/^false 8 entries wait/, 'and complained of');

$other->query_safe('SELECT pg_advisory_unlock(7)');
wait_for($id);
is(sql('SELECT hits, note FROM plain WHERE id = 1'), '7|by another', 'the entries count');
$other->quit;

# ---------------- a trigger that keeps the row fires once ----------------

sql(q{INSERT INTO kept VALUES (1, 0)});
wait_for(append([ 'kept:1', 'set', '{"hits":666}' ]));
wait_for(append([ 'kept:1', 'add', '{"hits":1}' ]));
wait_for(append([ 'kept:2', 'set', '{"hits":3}' ]));
is(sql(q{SELECT string_agg(what, ',' ORDER BY xact) FROM log}), 'kept 666,kept 1', 'triggers fire once');
is(sql(q{SELECT string_agg(hits::text, ',' ORDER BY id) FROM kept}), '1,3', 'a row is kept, or made');
is(dead(), 0, 'no dead letters');

# ---------------- what entries do with each other is nobody's fault ----------------

sql(q{
	DROP TRIGGER pause ON plain;
	TRUNCATE log;
	CREATE FUNCTION alone() RETURNS trigger LANGUAGE plpgsql AS $$
	BEGIN
		INSERT INTO public.log VALUES (NEW.id);
		IF (SELECT count(*) FROM public.log WHERE xact = pg_current_xact_id()) > 1 THEN
			RAISE deadlock_detected;
		END IF;
		RETURN NEW;
	END $$;
	CREATE TRIGGER alone BEFORE UPDATE ON plain FOR EACH ROW EXECUTE FUNCTION alone();
	INSERT INTO plain SELECT i, 0 FROM generate_series(11, 14) i});
wait_for(append(map { [ "plain:$_", 'add', '{"hits":1}' ] } 11 .. 14));
is(sql('SELECT sum(hits) FROM plain WHERE id > 10'), 4, 'entries that disturb each other are applied one by one');
is(dead(), 0, 'and none is blamed');
sql('DROP TRIGGER alone ON plain');

# ---------------- another name of the schema, while the worker knows the table ----------------

sql(q{
	CREATE SCHEMA old;
	CREATE TABLE old.moved (id int PRIMARY KEY, hits bigint);
	SELECT cache_attach('old.moved', 'moved:{id}', behind => '{hits}')});
wait_for(append([ 'moved:1', 'set', '{"hits":1}' ]));
sql('ALTER SCHEMA old RENAME TO new');
wait_for(append([ 'moved:1', 'add', '{"hits":1}' ]));
is(sql('SELECT hits FROM new.moved'), 2, 'a schema that is renamed');
is(dead(), 0, 'no dead letters');

# ---------------- short entries with long values ----------------

# each makes a text of 130 kB, 3000 of them together 400 MB
my $long = $redis->query('EVAL', q{local id
	for i = 1, 3000 do id = redis.call('XADD', KEYS[1], '*', 'key', 'plain:' .. 100 + i % 7, 'set', '{"note":1e131071,"hits":' .. i .. '}') end
	return id}, 1, 'postgres:~inbox');
wait_for($long);
is(sql('SELECT count(*), max(hits), min(length(note)) FROM plain WHERE id >= 100'), '7|3000|131072', 'long values');
# the most that the worker ever took, in kB
my $pid = sql('SELECT pid FROM rtcache_inbox');
my ($peak) = slurp_file("/proc/$pid/status") =~ /^VmHWM:\s+(\d+)/m;
my ($shared) = slurp_file("/proc/$pid/status") =~ /^RssShmem:\s+(\d+)/m;
cmp_ok($peak - $shared, '<', 250_000, 'in bounded memory');

# and so long messages
$redis->query('EVAL', q{
	for i = 1, 200 do redis.call('XADD', KEYS[1], '*', 'key', 'plain:1', 'set', '{"hits":1e131071}') end}, 1, 'postgres:~inbox');
wait_for(append([ 'plain:1', 'set', '{"hits":1}' ]));
is(dead(), 200, 'long messages');
$redis->query('DEL', 'postgres:~inbox:dead');

# ---------------- not in a transaction that is read-only ----------------

my ($result, $out, $err) = $node->psql('postgres', q{BEGIN READ ONLY; SELECT cache_put('plain:1', '{"hits":9}')});
like($err, qr/cannot execute writing to the inbox in a read-only transaction/, 'cache_put in a read-only transaction');
is($node->stat('errors'), 0, 'no errors');
ok($node->no_crash);

$node->stop;
$redis->stop;
done_testing();
