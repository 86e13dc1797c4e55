# The order of the steps of a lookup: somebody is stopped between two of them
# while others do all they can do, and every answer from then on is exact.
#
# The last part swaps steps in copies of the library, one at a time, and sees
# that the same tests notice.

use strict;
use warnings;

use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use RtcCoherence;
use RtcInject;
use RtcNode;
use RtcRedis;

plan skip_all => RtcInject::SKIP unless RtcInject::possible();
RtcInject::use_build('inject');

my $redis = RtcRedis->new('main');
$redis->start;
my $node = RtcNode->new('main', redis => $redis, l1 => 1, conf => <<'CONF');
autovacuum = off
rtcache.l1_size = 8MB
# those who are stopped hold a lease, and others do not wait for it
rtcache.lease_ttl = 60s
rtcache.fill_wait = 0
rtcache.command_timeout = 5s
CONF
my $inject = RtcInject->new($node);
$node->start;
create_heroes($node);
ready();

sub ready
{
	ok($node->wait_streaming, 'the relay streams');
	ok( $node->poll_query_until('postgres',
			q{SELECT ok FROM cache_health() WHERE name = 'gate'}),
		'the gate is open');
	return;
}

# ---------------- who does what ----------------

# A session that is going to be stopped.
sub begin
{
	my ($sql) = @_;
	my $session = { out => '', err => '' };

	$session->{run} = IPC::Run::start(
		[ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-c', $sql ],
		'<', \undef, '>', \$session->{out}, '2>', \$session->{err});
	return $session;
}

sub end
{
	my ($session) = @_;

	$session->{run}->finish;
	chomp $session->{out};
	return $session->{out} . $session->{err};
}

# Text of a lookup: the same question each time, or one that nobody has asked
# yet, which L1 cannot answer.
my $asked = 0;

sub lookup_sql
{
	my ($id, $new) = @_;
	my $comment = $new ? '/* ' . ++$asked . ' */' : '';

	return "SELECT cache_get('hero:$id', 'SELECT * FROM hero WHERE id = $id $comment')->>'name'";
}

sub look { return $node->safe_psql('postgres', lookup_sql(@_)); }

sub change_sql { return "UPDATE hero SET name = 'new' WHERE id = $_[0];"; }

# A commit that the relay has applied as well.
sub change
{
	my ($id) = @_;

	$node->safe_psql('postgres', change_sql($id));
	$node->cache_wait;
	return;
}

# A hero that nobody has looked up, or that L1 knows, or Redis alone.
my $last_id = 0;

sub hero
{
	my ($where) = @_;
	my $id = ++$last_id;

	$node->safe_psql('postgres', "INSERT INTO hero VALUES ($id, 'old')");
	$node->cache_wait;
	$redis->cli('DEL', "postgres:hero:$id") if $where eq 'nowhere';
	look($id), look($id) if $where eq 'L1';
	return $id;
}

# Stops a lookup at a point; with what is to be released later.
sub stopped_lookup
{
	my ($id, $point, $new) = @_;

	$inject->arm($point, 'wait', 'backend');
	my $session = begin(lookup_sql($id, $new));
	$inject->wait_hit($point) or die "nobody comes to $point";
	return $session;
}

sub go_on
{
	my ($session, $point) = @_;

	$inject->release($point);
	return end($session);
}

# What everybody sees in the end: the question as it was asked, a new one, and
# what is in Redis.
sub afterwards
{
	my ($id) = @_;

	$node->cache_wait;
	my $in_redis = $redis->cli('GET', "postgres:hero:$id") // 'none';
	my @seen = (look($id), look($id, 1), look($id));

	$in_redis = $1 if $in_redis =~ /"name": ?"(.*)"/;
	$in_redis = 'new' if $in_redis eq 'none';	# nothing is not wrong
	return join ' ', @seen, $in_redis;
}

my $good = 'new new new new';

# ---------------- the tests ----------------

# Each returns what is not allowed to be 'old'.
my %order = (
	# A writer is visible and has not said so yet; the reader comes between
	# pending and version when it does.
	'pending, then version' => sub {
		my $id = hero('L1');
		my $writer = begin('BEGIN;' . change_sql($id)
			  . $inject->arm_sql('commit_begins', 'wait', 'backend') . 'COMMIT;');
		$inject->wait_hit('commit_begins') or die 'the writer does not come';
		my $reader = stopped_lookup($id, 'pending_read');
		go_on($writer, 'commit_begins');
		return (go_on($reader, 'pending_read'), afterwards($id));
	},

	# The versions under which an answer is stored are from before its
	# snapshot.
	'stamps, then snapshot' => sub {
		my $id = hero('nowhere');
		my $reader = stopped_lookup($id, 'snapshot_taken');
		change($id);
		my @seen = look($id);
		go_on($reader, 'snapshot_taken');
		return (@seen, afterwards($id));
	},

	# The snapshot is from after the lease: the lease was there when the write
	# was applied, or the snapshot has the write.
	'lease, then snapshot' => sub {
		my $id = hero('nowhere');
		my $reader = stopped_lookup($id, 'got', 1);
		change($id);
		$redis->cli('DEL', "postgres:hero:$id");
		go_on($reader, 'got');
		return afterwards($id);
	},

	# What Redis says counts if the relay still vouches for it.  The test
	# plays a Redis that has lost a write.
	'GET, then generation' => sub {
		my $id = hero('redis');
		change($id);
		my $reader = stopped_lookup($id, 'trusted', 1);
		$inject->arm('relay_starts', 'wait', 'relay');
		kill 'TERM', $node->relay_pid;
		$inject->wait_hit('relay_starts') or die 'no relay starts';
		$redis->cli('SET', "postgres:hero:$id", qq({"id":$id,"name":"old"}));
		my $seen = go_on($reader, 'trusted');
		my @others = (look($id), look($id, 1));
		$redis->cli('SET', "postgres:hero:$id", qq({"id":$id,"name":"new"}));
		$inject->release('relay_starts');
		$node->wait_streaming;
		return ($seen, @others, afterwards($id));
	});

# Those who begin before a commit may see either; nobody may see it later.
sub test_order
{
	my ($name) = @_;
	my @seen = $order{$name}->();

	return join ' ', @seen;
}

foreach my $name (sort keys %order)
{
	unlike(test_order($name), qr/old|ERROR|error/, $name);
}

# A reader at any step, while a write is committed and applied.
foreach my $point (
	qw(pending_read stamps_taken flight_claimed trusted got leased snapshot_taken
	answer_computed filled l1_store_begins))
{
	my $id = hero('nowhere');
	my $reader = stopped_lookup($id, $point);

	$node->safe_psql('postgres', change_sql($id));
	is(look($id) . look($id, 1), 'newnew', "a lookup is stopped at $point, others see a new row");
	$node->cache_wait;
	is(look($id) . look($id, 1), 'newnew', 'when Redis has it as well');
	like(go_on($reader, $point), qr/^(old|new)$/, 'the one from before sees one of the two');
	is(afterwards($id), $good, 'and nobody sees the old one afterwards');
}

# The same with a relay that clears instead of applying.
foreach my $point (qw(got leased snapshot_taken answer_computed))
{
	my $id = hero('nowhere');
	my $reader = stopped_lookup($id, $point, 1);
	my $clears = $node->stat('clears');

	$redis->cli('DEL', $_) foreach @{ $redis->query('KEYS', 'rtcache:position:*') };
	$node->safe_psql('postgres', change_sql($id));
	ok( $node->poll_query_until('postgres', "SELECT clears > $clears FROM rtcache_stats"),
		"a lookup is stopped at $point, Redis is cleared");
	like(go_on($reader, $point), qr/^(old|new)$/, 'it sees one of the two');
	ok($node->wait_streaming);
	is(afterwards($id), $good, 'and nobody sees the old one afterwards');
}

# A lookup between the beginning of a clear and its end: no fill survives it.
foreach my $point (qw(clear_begins scan_leases_deleted clear_deleted clear_stored))
{
	my $id = hero('nowhere');

	$inject->arm($point, 'wait', 'relay');
	$redis->cli('DEL', $_) foreach @{ $redis->query('KEYS', 'rtcache:position:*') };
	$node->safe_psql('postgres', "UPDATE hero SET name = 'newer' WHERE id = $id");
	ok($inject->wait_hit($point), "a clear is stopped at $point");
	is(look($id, 1), 'newer', 'a lookup is exact');
	$node->safe_psql('postgres', change_sql($id));
	is(look($id, 1), 'new', 'after another write as well');
	$inject->release($point);
	ok($node->wait_streaming);
	is(afterwards($id), $good, 'and when it is over');
}

# A writer at any step.  It is visible from commit_begins on.
foreach my $case (
	[ flush_begins => 'old' ],
	[ stamps_raised => 'old' ],
	[ messages_written => 'old' ],
	[ commit_begins => 'new' ],
	[ bucket_moved => 'new' ],
	[ commit_stamped => 'new' ],
	[ commit_ends => 'new' ])
{
	my ($point, $expected) = @$case;
	my $id = hero('L1');
	my $writer = begin('BEGIN;' . change_sql($id)
		  . $inject->arm_sql($point, 'wait', 'backend') . 'COMMIT;');

	ok($inject->wait_hit($point), "a writer is stopped at $point");
	is(look($id), $expected, "a lookup sees the $expected row");
	is(look($id, 1), $expected, 'another one as well');
	go_on($writer, $point);
	is(afterwards($id), $good, 'when it is over, all see the new row');
}

# The relay at any step: between a commit and Redis, lookups are exact.
foreach my $point (qw(commit_read op_batched batch_built sent batch_executed applied published))
{
	my $id = hero('L1');

	$inject->arm($point, 'wait', 'relay');
	$node->safe_psql('postgres', change_sql($id));
	ok($inject->wait_hit($point), "the relay is stopped at $point");
	is(look($id), 'new', 'a lookup sees the new row');
	is(look($id, 1), 'new', 'another one as well');
	$inject->release($point);
	is(afterwards($id), $good, 'when it goes on, all see the new row');
}

# ---------------- and if the order were another one ----------------

my %mutant = (
	'pending, then version' => [
		'swapped_reads',
		[ 'src/stamps.c',
			qr/(\t\tif \(pg_atomic_read_u32\(&b->pending\) != 0\)\n\t\t\tquiet = false;\n)(.*?)(\t\tread->version\[i\] = [^\n]*\n)/s,
			sub { "$3$2$1" } ] ],
	'stamps, then snapshot' => [
		'late_versions',
		[ 'src/fetch.c', qr/(\n\tstore\(l, answer, l->ttl_ms\);)/,
			sub { "\n\t(void) rtc_stamp_read_take(&l->stamps);$1" } ] ],
	'lease, then snapshot' => [
		'early_query',
		[ 'src/fetch.c', qr/(\n\tif \(ask_redis\()/, sub { "\n\tearly = rtc_lookup_run(l);\n$1" } ],
		[ 'src/fetch.c', qr/(PG_TRY\(\);\n\t\{\n\t\tanswer = )rtc_lookup_run\(l\)/, sub { "$1early" } ],
		[ 'src/fetch.c', qr/(\nstatic bool ask_redis)/, sub { "\nstatic Jsonb *early;\n$1" } ] ],
	'GET, then generation' => [
		'no_generation',
		[ 'src/trust.c', qr/generation == trust->l2_generation/, sub { 'true' } ],
		[ 'src/trust.c', qr/return rtc_l2_open\(&generation\) &&/, sub { 'return (rtc_l2_open(&generation) || true) &&' } ] ]);

foreach my $name (sort keys %mutant)
{
	my ($build, @edits) = @{ $mutant{$name} };

	$node->stop;
	RtcInject::use_build($build, @edits);
	$node->start;
	ready();
	like(test_order($name), qr/old/, "without \"$name\" ($build) somebody sees the old row");
}

$node->stop;
$redis->stop;
done_testing();
