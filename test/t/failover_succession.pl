# A standby is promoted while the old primary goes on, with a busy writer: its
# relay writes to Redis all the time.  The new one is farther away, so that the
# other is always faster between its look at the position and its taking it.  It
# must take over at once all the same, and the old one must stop.

use strict;
use warnings;

use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use RtcCoherence;
use RtcFakeRedis;
use RtcNode;
use RtcRedis;

my $redis = RtcRedis->new('main');
$redis->start;
my $far = RtcFakeRedis->new('far', $redis);
my $old = RtcNode->new('old', redis => $redis,
	init => { allows_streaming => 1, extra => [ '-E', 'UTF8', '--locale=C' ] });
$old->append_conf('postgresql.conf', "wal_keep_size = 128MB\nautovacuum = off");
$old->start;
create_heroes($old);
$old->safe_psql('postgres', q{
	INSERT INTO hero SELECT i, 'v1' FROM generate_series(1, 20) i;
	CREATE PROCEDURE work() LANGUAGE plpgsql AS $$
	BEGIN
		FOR i IN 1 .. 1000000 LOOP
			UPDATE hero SET name = 'old ' || i WHERE id = 1;
			COMMIT;
		END LOOP;
	END $$;
});
ok($old->wait_streaming, 'the relay streams');
$old->backup('base');
my $new = bless PostgreSQL::Test::Cluster->new('new'), 'RtcNode';
$new->init_from_backup($old, 'base', has_streaming => 1);
$new->append_conf('postgresql.conf', "rtcache.redis_url = '" . $far->url . "'");
$new->start;
$old->wait_for_catchup('new');

my $writer = IPC::Run::start([ 'psql', '-Xq', '-d', $old->connstr('postgres'), '-c', 'CALL work()' ],
	'<', \undef, '>', '/dev/null', '2>', '/dev/null');
my $batches = $old->safe_psql('postgres', 'SELECT batches FROM rtcache_relay');
ok($old->poll_query_until('postgres', "SELECT batches > $batches + 20 FROM rtcache_relay"),
	'the old primary is busy');
$new->set_conf('primary_conninfo', '');
$far->rule(match => '^EXEC', action => 'delay', ms => 50);
$new->promote;
ok($new->wait_streaming, 'the new one takes over');
ok($old->wait_state('fenced'), 'the old one stops');
like($old->safe_psql('postgres', 'SELECT last_error FROM rtcache_relay'),
	qr/^a server on timeline 2, younger than ours, (is taking|has taken) over$/, 'and knows why');
is($old->safe_psql('postgres', q{SELECT count(*) FROM pg_stat_activity WHERE query = 'CALL work()'}),
	1, 'though its writer was busy all the while');
unlike(slurp_file($new->logfile), qr/somebody else changed the position/, 'at the first attempt');
$writer->kill_kill;
$new->safe_psql('postgres', q{UPDATE hero SET name = 'new' WHERE id = 1});
ok($new->cache_wait);
same_as_table($new, $redis, 'Redis has what the new one has', partial => 1);

ok($_->no_crash, 'no process has crashed') foreach ($old, $new);
done_testing();
