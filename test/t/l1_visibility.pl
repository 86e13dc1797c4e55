# The cache in shared memory is exact without a Redis, in the moments when that
# is hard: while a commit waits for a synchronous standby, before and after
# COMMIT PREPARED, across restarts and crashes with prepared transactions, and
# with the relay, which settles those, stopped.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use RtcNode;
use RtcCoherence;

my $node = RtcNode->new('main', init => { allows_streaming => 1 });
$node->start;
create_heroes($node);
$node->safe_psql('postgres',
	q{INSERT INTO hero SELECT i, 'old' FROM generate_series(1, 20) AS i});
ok(gate_is('t'), 'the gate opens');

sub gate_is
{
	my ($open) = @_;

	return $node->poll_query_until('postgres', "SELECT open = '$open' FROM rtcache_l1");
}

# Reads twice, so that the second may be a hit.
sub both
{
	my ($id, $session) = @_;

	return join ' ', reads($node, $id, $session), reads($node, $id, $session),
	  reads($node, $id);
}

my $session = $node->background_psql('postgres');
is(both(1, $session), 'old old old', 'a hero is cached');
cmp_ok($node->stat('l1_hits'), '>=', 2, 'in L1');

# a commit that waits for a standby is not visible, then it is
$node->append_conf('postgresql.conf', "synchronous_standby_names = 'nobody'");
$node->reload;
my $writer = $node->background_psql('postgres', on_error_stop => 0);
$writer->query_safe(q{SET application_name = 'writer'});
$writer->query_until(qr/start/, "\\echo start\nUPDATE hero SET name = 'new' WHERE id = 1;\n");
ok( $node->poll_query_until('postgres',
		q{SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event = 'SyncRep'}),
	'a commit waits for a standby');
my $hits = $node->stat('l1_hits');
is(both(1, $session), 'old old old', 'it is not visible yet');
is($node->stat('l1_hits'), $hits, 'and L1 is not asked');
is(both(2, $session), 'old old old', 'for others it is');
cmp_ok($node->stat('l1_hits'), '>', $hits, 'as ever');
$node->safe_psql('postgres',
	q{SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'});
ok( $node->poll_query_until('postgres', q{SELECT name = 'new' FROM hero WHERE id = 1}),
	'it becomes visible');
is(both(1, $session), 'new new new', 'for lookups as well');
$node->append_conf('postgresql.conf', "synchronous_standby_names = ''");
$node->reload;
$writer->quit;
$node->safe_psql('postgres', q{SELECT 1});

sub prepare
{
	my ($id) = @_;

	$node->safe_psql('postgres', qq{
		BEGIN;
		UPDATE hero SET name = 'new' WHERE id = $id;
		PREPARE TRANSACTION 'p$id';
	});
	return;
}

# prepared transactions, the relay being there or not
foreach my $stopped (0, 1)
{
	my ($c, $r) = $stopped ? (5, 6) : (3, 4);
	my $what = $stopped ? 'the relay stopped' : 'the relay running';
	my $relay = $node->relay_pid;

	is(both($_, $session), 'old old old', "cached, $what") foreach $c, $r;
	prepare($c);
	prepare($r);
	kill 'STOP', $relay if $stopped;
	is(both($c, $session), 'old old old', 'what is prepared is not seen');
	$node->safe_psql('postgres', "COMMIT PREPARED 'p$c'");
	is(both($c, $session), 'new new new', 'COMMIT PREPARED is');
	$node->safe_psql('postgres', "ROLLBACK PREPARED 'p$r'");
	is(both($r, $session), 'old old old', 'ROLLBACK PREPARED is not');
	kill 'CONT', $relay if $stopped;
	foreach my $id ($c, $r)
	{
		ok( $node->poll_query_until('postgres', qq{
				SELECT cache_get('hero:$id', 'SELECT * FROM hero WHERE id = $id') IS NOT NULL
					AND cache_exists('hero:$id')}),
			'then it is cached again');
	}
	is(both($c, $session), 'new new new', 'what was committed');
	is(both($r, $session), 'old old old', 'and what was not');
}

# across a restart
foreach my $how ('fast', 'immediate')
{
	my ($c, $r) = $how eq 'fast' ? (7, 8) : (9, 10);

	prepare($c);
	prepare($r);
	$session->quit;
	$node->stop($how);
	$node->start;
	$session = $node->background_psql('postgres');
	is($node->safe_psql('postgres', 'SELECT open FROM rtcache_l1'), 'f',
		"the gate is closed after a restart ($how)");
	is(both($c, $session), 'old old old', 'what is prepared is not seen');
	$node->safe_psql('postgres', "COMMIT PREPARED 'p$c'");
	is(both($c, $session), 'new new new', 'COMMIT PREPARED is');
	is($node->safe_psql('postgres', 'SELECT open, entries FROM rtcache_l1'), 'f|0',
		'the gate is closed as long as one is left');
	$node->safe_psql('postgres', "ROLLBACK PREPARED 'p$r'");
	ok(gate_is('t'), 'then it opens');
	is(both($c, $session), 'new new new', 'lookups are exact');
	is(both($r, $session), 'old old old', 'for what was rolled back, too');
	cmp_ok($node->stat('l1_hits'), '>', 0, 'and hit');
}

# more buckets than a prepared transaction can hold on to
is(both(11, $session), 'old old old', 'cached');
$node->safe_psql('postgres', q{
	INSERT INTO hero SELECT i, 'old' FROM generate_series(1001, 3000) AS i;
	BEGIN;
	UPDATE hero SET name = 'new' WHERE id > 10;
	PREPARE TRANSACTION 'many';
});
is(both(11, $session), 'old old old', 'a large prepared transaction');
$node->safe_psql('postgres', q{COMMIT PREPARED 'many'});
is(both(11, $session), 'new new new', 'is committed');

$session->quit;
ok($node->no_crash, 'no process has crashed');
$node->stop;
done_testing();
