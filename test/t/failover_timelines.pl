# WAL counts as there only if it is in the files of our own history.  A server on
# timeline 3 that has left timeline 1 finds the segment it has to read from
# removed, and one of the same number of timeline 2, which is not in its history:
# it clears the cache in Redis, and does not stumble over that segment.

use strict;
use warnings;

use File::Copy ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use RtcCoherence;
use RtcNode;
use RtcRedis;

my $redis = RtcRedis->new('main');
$redis->start;
my $node = RtcNode->new('main', redis => $redis, conf => "wal_keep_size = 256MB\nautovacuum = off");
$node->start;
create_heroes($node);
$node->safe_psql('postgres', q{INSERT INTO hero VALUES (1, 'v1'), (2, 'v1')});
ok($node->wait_streaming, 'the relay streams');
same_as_table($node, $redis, 'Redis has the rows');

# What Redis knows of lies some segments behind.
my $position = $redis->cli('KEYS', 'rtcache:position:*');
my $segment = $node->safe_psql('postgres',
	q{SELECT pg_walfile_name('} . $redis->cli('HGET', $position, 'restart_lsn') . q{')});
like($segment, qr/^00000001/, 'WAL is of timeline 1');
$redis->save_rdb('old.rdb');
$redis->stop;
$node->safe_psql('postgres', qq{UPDATE hero SET name = 'v2' WHERE id = $_; SELECT pg_switch_wal()}) foreach 1, 2;
$node->stop;

# Somebody else was promoted to timeline 2.
my $wal = $node->data_dir . '/pg_wal';
my $other = "$wal/" . $segment =~ s/^00000001/00000002/r;
append_to_file("$wal/00000002.history", "1\t0/1000000\tanother standby was promoted\n");
append_to_file($node->data_dir . '/recovery.signal', '');
$node->append_conf('postgresql.conf', "restore_command = 'false'\nrecovery_target_timeline = 'current'");
$node->start;
ok($node->poll_query_until('postgres', 'SELECT NOT pg_is_in_recovery()'), 'this server is promoted');
like($node->safe_psql('postgres', 'SELECT pg_walfile_name(pg_current_wal_lsn())'), qr/^00000003/, 'to timeline 3');
ok(-f "$wal/$segment", 'the segment is still there');
rename "$wal/$segment", $other or die $!;

$redis->restore_rdb('old.rdb');
$redis->start;
ok($node->wait_streaming, 'the relay streams again');
ok(logged($node, qr/clearing the cache in Redis: WAL from \S+ on has been removed/), 'it has cleared');
unlike(slurp_file($node->logfile), qr/requested WAL segment/, 'and has read no WAL that is not there');
is($node->safe_psql('postgres', q{SELECT cache_get('hero:1', 'SELECT * FROM hero WHERE id = 1')->>'name'}),
	'v2', 'lookups are right');
same_as_table($node, $redis, 'nothing outdated is left', partial => 1);

ok($node->no_crash, 'no process has crashed');
$node->stop;
done_testing();
