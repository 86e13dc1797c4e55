# What was asked most is asked again after a start: by workers, as who has asked it, from a
# file that is written at shutdown.  After a restart under load there are hits at once with
# it, and not without.  A file that is damaged, or of something else, is ignored.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use RtcInject;
use RtcNode;

use constant ROWS => 300;

our $node = RtcNode->new('main', init => { allows_streaming => 1 }, conf => <<'CONF');
rtcache.l1_save = on
rtcache.refresh_load = 16
autovacuum = off
CONF
$node->start;
$node->safe_psql('postgres', q{
	CREATE EXTENSION rtcache;
	CREATE ROLE alice; CREATE ROLE bob; CREATE ROLE carol;
	CREATE TABLE hero (id int PRIMARY KEY, name text);
	INSERT INTO hero SELECT i, 'name ' || i FROM generate_series(1, 1000) AS i;
	SELECT cache_attach('hero');
	GRANT SELECT ON hero TO alice, bob, carol;
	GRANT EXECUTE ON FUNCTION cache_get, cache_list TO alice, bob, carol;
});

my $file = $node->data_dir . '/rtcache.questions';

# Lookups of some rows, so many times each, as SQL.
sub looks
{
	my ($first, $last, $times, $more) = @_;
	$more //= '';

	return <<SQL;
SELECT count(cache_get('hero:' || i, 'SELECT name$more FROM hero WHERE id = \$1', ARRAY[i::text], '1 hour'))
FROM generate_series(1, $times), generate_series($first, $last) AS i
SQL
}

# The part of these lookups that hit.
sub hits
{
	my ($sql) = @_;
	my $before = $node->stat('l1_hits');
	my $n = $node->safe_psql('postgres', $sql);

	return ($node->stat('l1_hits') - $before) / $n;
}

sub open_gate
{
	return $node->poll_query_until('postgres', 'SELECT open FROM rtcache_l1');
}

# Waits until workers have asked all that was asked before.
sub wait_warm
{
	my ($n) = @_;

	return $node->poll_query_until('postgres', "SELECT entries >= $n FROM rtcache_l1");
}

sub copy_file
{
	my ($from, $to) = @_;
	my $bytes = slurp_file($from);

	open my $out, '>:raw', $to or die $!;
	print $out $bytes;
	close $out;
	return;
}

# A start at which the file is ignored, with a line in the log.
sub ignored
{
	my ($change, $why, $name) = @_;
	my $bytes = slurp_file("$file.good");
	my $from = -s $node->logfile;

	$node->stop if -e $node->data_dir . '/postmaster.pid';
	my $new = $change->($bytes);
	open my $out, '>:raw', $file or die $!;
	print $out $new;
	close $out;
	$node->start;
	ok(open_gate(), "$name: the server starts");
	$node->wait_for_log(qr/ignoring file "rtcache.questions": $why/, $from);
	is(hits(looks(1, ROWS, 1)), 0, 'and nothing is warm');
	return;
}

# Workers of two databases are to save, the second one while the first one does.  Returns
# what the log says when there is nobody who waits for the second one.
sub two_save
{
	my ($inject, $done) = @_;
	my $from = -s $node->logfile;

	open_gate() or die;
	$inject->arm('questions_written', 'wait', 'refresh');
	foreach my $who ([ 'postgres', sub { $inject->hit('questions_written') } ], [ 'other', $done ])
	{
		for (1 .. 10 * $PostgreSQL::Test::Utils::timeout_default)
		{
			$node->safe_psql($who->[0], looks(1, ROWS, 20));
			last if $who->[1]->();
		}
	}
	ok($inject->hit('questions_written'), 'a worker is saving');
	$inject->release('questions_written');
	$node->stop;
	return slurp_file($node->logfile, $from);
}

# ---------------- with and without ----------------

ok(open_gate(), 'L1 is used');
$node->safe_psql('postgres', looks(1, ROWS, 300));
$node->safe_psql('postgres', 'SET ROLE alice; ' . looks(500, 500, 2000, ', 1'));
$node->safe_psql('postgres', 'SET ROLE bob; ' . looks(501, 501, 2000, ', 2'));
$node->safe_psql('postgres', 'SET ROLE carol; ' . looks(502, 502, 2000, ', 3'));
$node->safe_psql('postgres', 'SET search_path = pg_catalog, public; ' . looks(503, 503, 2000, ', 4'));
# tags, a question that is long, and one that fails later
my $long = ', ' . join(', ', map { "name || $_ AS n$_" } 1 .. 100);
$node->safe_psql('postgres', looks(504, 504, 1000, $long));
$node->safe_psql('postgres', q{
	SELECT count(cache_list('heroes', 'SELECT name FROM hero WHERE id < 4', tags => '{heroes}'))
	FROM generate_series(1, 2000);
	CREATE TABLE gone (id int);
	SELECT cache_attach('gone');
});
$node->safe_psql('postgres', q{SELECT count(cache_list('gone', 'SELECT id FROM gone')) FROM generate_series(1, 2000)});
ok(!-e $file, 'nothing has been saved yet');
$node->stop;
ok(-s $file, 'what was asked most is saved at shutdown');
is((stat $file)[2] & 0077, 0, 'nobody else may read it');
copy_file($file, "$file.good");

$node->append_conf('postgresql.conf', 'rtcache.l1_save = off');
$node->start;
ok(open_gate(), 'L1 is used again');
is(hits(looks(1, ROWS, 1)), 0, 'without rtcache.l1_save a restart begins with nothing');
$node->stop;
is(-s $file, -s "$file.good", 'and leaves the file alone');

$node->append_conf('postgresql.conf', 'rtcache.l1_save = on');
$node->start;
ok(open_gate(), 'L1 is used again');
ok(wait_warm(ROWS + 5), 'with it, workers ask');
cmp_ok(hits(looks(1, ROWS, 1)), '>=', 0.95, 'and lookups are hits');
is(hits('SET ROLE alice; ' . looks(500, 500, 1, ', 1')), 1, 'so are those of others');
is(hits(looks(504, 504, 1, $long)), 1, 'and long ones');
is($node->safe_psql('postgres', q{SELECT cache_list('heroes', 'SELECT name FROM hero WHERE id < 4', tags => '{heroes}')}),
	'[{"name": "name 1"}, {"name": "name 2"}, {"name": "name 3"}]', 'a tagged answer is right');
is($node->safe_psql('postgres', q{
	SELECT cache_invalidate('heroes');
	SELECT count(*) FROM (SELECT cache_list('heroes', 'SELECT name FROM hero WHERE id < 4', tags => '{heroes}')) AS a;
}), "\n1", 'and its tag ends it');
ok($node->poll_query_until('postgres', 'SELECT count(*) = 0 FROM rtcache_progress'), 'then it is over');

# A write while the server was to be restarted: it is the row of now that is found.
$node->safe_psql('postgres', q{UPDATE hero SET name = 'new' WHERE id = 1});
$node->restart;
ok(open_gate() && wait_warm(ROWS), 'it is warm after another restart');
is($node->safe_psql('postgres', q{SELECT cache_get('hero:1', 'SELECT name FROM hero WHERE id = $1', '{1}', '1 hour')}),
	'{"name": "new"}', 'a question is saved, not an answer');

# ---------------- under load ----------------

$node->stop('fast');
$node->start;
ok(open_gate(), 'a start under load');
my $share = 0;
for (1 .. 10 * $PostgreSQL::Test::Utils::timeout_default)
{
	# other rows than those that were asked for before keep the server busy
	$node->safe_psql('postgres', looks(600, 700, 1));
	$share = $node->safe_psql('postgres', 'SELECT entries FROM rtcache_l1');
	last if $share >= ROWS + 100;
}
cmp_ok(hits(looks(1, ROWS, 1)), '>=', 0.95, 'what was hot is, though nobody has asked for it');

# ---------------- who asks ----------------

# A role that is not what it was, one that may not any more, one that is gone, as is a
# database.
$node->safe_psql('postgres', 'CREATE DATABASE other');
$node->safe_psql('other', q{
	CREATE EXTENSION rtcache;
	CREATE TABLE hero (id int PRIMARY KEY, name text);
	INSERT INTO hero VALUES (1, 'other');
	SELECT cache_attach('hero');
});
$node->safe_psql('other', looks(1, 1, 2000));
$node->stop;
copy_file($file, "$file.good");
$node->start;
ok(open_gate() && wait_warm(ROWS + 6), 'it is warm, another database, too');
is(hits('SET ROLE alice; ' . looks(500, 500, 1, ', 1')), 1, 'with what a role has asked');
$node->safe_psql('postgres', 'DROP DATABASE other');
$node->safe_psql('postgres', q{
	ALTER ROLE alice RENAME TO somebody;
	REVOKE SELECT ON hero FROM bob;
	DROP OWNED BY carol; DROP ROLE carol;
	DROP TABLE gone;
});
$node->stop;
copy_file("$file.good", $file);
$node->start;
ok(open_gate() && wait_warm(ROWS), 'with questions of those who cannot ask, others are asked');
$node->poll_query_until('postgres', 'SELECT count(*) = 0 FROM rtcache_progress');
is(hits('SET ROLE somebody; ' . looks(500, 500, 1, ', 1')), 0, 'nobody asks for a role of another name');
is(hits(looks(501, 501, 1, ', 2')), 0, 'nor for one that lost its rights');
is(hits(looks(502, 502, 1, ', 3')), 0, 'nor for one that is gone');
is(hits('SET search_path = pg_catalog, public; ' . looks(503, 503, 1, ', 4')), 1, 'search_path is that of before');

# Whoever asks the same next takes the place of one that cannot.
$node->safe_psql('postgres', 'SET ROLE somebody; ' . looks(500, 500, 1000, ', 1'));
$node->restart;
ok(open_gate() && wait_warm(ROWS), 'it is warm after one more restart');
is(hits('SET ROLE somebody; ' . looks(500, 500, 1, ', 1')), 1, 'who asked last what another one had asked is asked for');

# ---------------- without workers for a while ----------------

$node->append_conf('postgresql.conf', 'rtcache.refresh_workers = 0');
$node->restart;
ok(open_gate(), 'a start without workers');
$node->set_conf('rtcache.refresh_workers', 1);
$node->set_conf('rtcache.refresh_after_write', 'on');
$node->poll_query_until('postgres', 'SHOW rtcache.refresh_workers', '1') or die;
# some work for which one is started
for (1 .. 10 * $PostgreSQL::Test::Utils::timeout_default)
{
	$node->safe_psql('postgres', looks(800, 800, 2));
	$node->safe_psql('postgres', q{UPDATE hero SET name = name || '.' WHERE id = 800});
	last if $node->safe_psql('postgres', 'SELECT entries FROM rtcache_l1') >= ROWS;
}
ok(wait_warm(ROWS), 'the first worker that has time asks what is left');
$node->set_conf('rtcache.refresh_after_write', 'off');

# ---------------- files that are no good ----------------

ignored(sub { substr $_[0], 0, 20 }, 'it is too short', 'a file that is cut in its header');
ignored(sub { substr $_[0], 0, -100 }, 'it is damaged', 'one that is cut at its end');
ignored(sub { $_[0] . 'x' }, 'it is damaged', 'one that goes on');
ignored(sub { my $s = shift; substr($s, 1000, 1) ^= "\1"; $s }, 'it is damaged', 'one with a flipped bit');
ignored(sub { 'x' . substr $_[0], 1 }, 'it is no file of questions', 'something else');
ignored(sub { my $s = shift; substr($s, 24, 1) ^= "\x7f"; $s }, 'it was written by another version', 'another format');
ignored(sub { my $s = shift; substr($s, 28, 1) ^= "\1"; $s }, 'it was written by another version', 'another server');
ignored(sub { my $s = shift; substr($s, 32, 1) ^= "\1"; $s }, 'it is of another database system', 'another system');
ignored(sub { '' }, 'it is too short', 'an empty file');

# ---------------- on a standby ----------------

$node->stop;
copy_file("$file.good", $file);
$node->start;
ok(open_gate() && wait_warm(ROWS), 'a primary that is warm');
$node->backup('base');
my $standby = bless(PostgreSQL::Test::Cluster->new('standby'), 'RtcNode');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->start;
is($standby->safe_psql('postgres', 'SELECT open FROM rtcache_l1'), 'f', 'a standby does without L1');
$standby->restart;
ok(-s $standby->data_dir . '/rtcache.questions', 'and keeps the file that came with its data');
$standby->promote;
{
	local $node = $standby;

	ok(open_gate() && wait_warm(ROWS), 'when it is promoted it asks');
	cmp_ok(hits(looks(1, ROWS, 1)), '>=', 0.95, 'and is warm');
}
$standby->stop;

# ---------------- now and then ----------------

ok($node->no_crash, 'no process has crashed');
SKIP:
{
	skip RtcInject::SKIP, 8 unless RtcInject::possible();
	my $inject = RtcInject->new($node);
	$inject->mutate();
	unlink $file or die $!;
	for (1 .. 10 * $PostgreSQL::Test::Utils::timeout_default)
	{
		$node->safe_psql('postgres', looks(1, ROWS, 20));
		last if -s $file;
	}
	ok(-s $file, 'a server that runs saves now and then');
	$node->stop('immediate');
	copy_file($file, "$file.good");
	$node->start;
	ok(open_gate() && wait_warm(ROWS / 2), 'so one that crashes is warm, too');
	cmp_ok(hits(looks(1, ROWS, 1)), '>=', 0.5, 'with what was saved last');

	# Workers of two databases are to save at the same time.
	$node->safe_psql('postgres', 'CREATE DATABASE other');
	$node->safe_psql('other', q{
		CREATE EXTENSION rtcache;
		CREATE TABLE hero (id int PRIMARY KEY, name text);
		INSERT INTO hero SELECT i, 'other' FROM generate_series(1, 300) AS i;
		SELECT cache_attach('hero');
	});
	$node->set_conf('rtcache.refresh_workers', 2);
	$node->poll_query_until('postgres', 'SHOW rtcache.refresh_workers', '2') or die;
	$node->stop;
	unlink $file or die $!;
	$node->start;
	my $times = 0;
	my $log = two_save($inject, sub {
		return $node->safe_psql('postgres', q{
			SELECT count(*) FROM pg_stat_activity
			WHERE backend_type = 'rtcache refresh' AND datname = 'other' AND state = 'idle'
		}) && ++$times > 5;
	});
	unlike($log, qr/could not .*rtcache\.questions/, 'the second one leaves it to the first one');
	ok($node->no_crash, 'no process has crashed');

	unlink $file or die $!;
	$inject->mutate('save_at_once');
	$log = two_save($inject, sub { -e $file });
	like($log, qr/could not .*rtcache\.questions/, 'if it did not, that would be seen');
}
done_testing();
