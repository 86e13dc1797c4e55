# The order of the steps of a lookup: somebody is stopped between two of them
# while others do all they can do, and every answer from then on is exact.
#
# The last part takes safeguards away, one at a time, and sees that the same
# tests notice.
#
# Slow.

use strict;
use warnings;

use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);

use RtcCoherence;
use RtcInject;
use RtcNode;
use RtcRedis;

plan skip_all => RtcInject::SKIP unless RtcInject::possible();
RtcInject::use_build();

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
my $last_saga = 0;
$node->start;
create_heroes($node);
# a table without keys of its own: what is cached of it hangs on tag sets
$node->safe_psql('postgres', q{
	CREATE TABLE saga (id int PRIMARY KEY, name text);
	SELECT cache_attach('saga');
});
ready();

sub ready
{
	ok($node->wait_streaming, 'the relay streams');
	ok( $node->poll_query_until('postgres',
			q{SELECT ok FROM cache_health() WHERE name = 'gate'}),
		'the gate is open');

	# Until the relay has looked for tag sets in Redis, writers name all that
	# they change, as if somebody had registered it.
	for (1 .. 100 * $PostgreSQL::Test::Utils::timeout_default)
	{
		my $ops = relay_ops();

		saga();
		return if relay_ops() == $ops;
		usleep(10_000);
	}
	fail('writers know what is registered');
	return;
}

sub relay_ops { return $node->safe_psql('postgres', 'SELECT ops FROM rtcache_relay'); }

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

	return "SELECT cache_get('hero:$id', 'SELECT * FROM hero WHERE id = $id $comment', tags => '{}')->>'name'";
}

sub look_hero { return $node->safe_psql('postgres', lookup_sql(@_)); }

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
	look_hero($id), look_hero($id) if $where eq 'L1';
	return $id;
}

# The same for a saga: nothing in Redis knows of it yet.
sub saga
{
	my $id = ++$last_saga;

	$node->safe_psql('postgres', "INSERT INTO saga VALUES ($id, 'old')");
	$node->cache_wait;
	return $id;
}

sub saga_sql
{
	my ($id) = @_;

	return "SELECT cache_get('saga:$id', 'SELECT name FROM saga WHERE id = $id')->>'name'";
}

sub look_saga { return $node->safe_psql('postgres', saga_sql(@_)); }

sub change_saga_sql { return "UPDATE saga SET name = 'new' WHERE id = $_[0];"; }

# What is seen of a saga in the end: what is in Redis, and two lookups, the
# first of which finds it there, if L1 has not got it.
sub saga_afterwards
{
	my ($id) = @_;

	$node->cache_wait;
	my $in_redis = $redis->cli('GET', "postgres:saga:$id") // '';

	$in_redis = $in_redis =~ /"name": ?"(.*?)"/ ? $1 : 'new';
	return join ' ', $in_redis, look_saga($id), look_saga($id);
}

# Stops a session at a point, with what is to be released later.
sub stopped
{
	my ($sql, $point) = @_;

	$inject->arm($point, 'wait', 'backend');
	my $session = begin($sql);
	$inject->wait_hit($point) or die "nobody comes to $point";
	return $session;
}

sub stopped_commit
{
	my ($sql, $point) = @_;
	my $session = begin("BEGIN; $sql " . $inject->arm_sql($point, 'wait', 'backend') . 'COMMIT;');

	$inject->wait_hit($point) or die "no writer comes to $point";
	return $session;
}

sub stopped_lookup
{
	my ($id, $point, $new) = @_;

	return stopped(lookup_sql($id, $new), $point);
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
	my @seen = (look_hero($id), look_hero($id, 1), look_hero($id));

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
		my $writer = stopped_commit(change_sql($id), 'commit_begins');
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
		my @seen = look_hero($id);
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

	# A commit is visible before it has said so.  L1 and Redis have the old
	# row then, for two questions.
	'visible, then stamped' => sub {
		my $id = hero('L1');
		my $writer = stopped_commit(change_sql($id), 'commit_begins');
		my @seen = (look_hero($id), look_hero($id, 1));
		go_on($writer, 'commit_begins');
		return (@seen, afterwards($id));
	},

	# And it is pending until all of its stamps have moved.
	'last_lsn and version, then pending' => sub {
		my $id = hero('L1');
		my $writer = stopped_commit(change_sql($id), 'bucket_moved');
		my @seen = (look_hero($id), look_hero($id, 1));
		go_on($writer, 'bucket_moved');
		return (@seen, afterwards($id));
	},

	# A writer has looked whether anybody is interested, and nobody was; now
	# somebody is.  He looks at the stamps again, and finds the writer.
	'interest, then stamps' => sub {
		my $id = saga();
		my $reader = stopped(saga_sql($id), 'got');
		my $writer = stopped_commit(change_saga_sql($id), 'tags_added');
		go_on($reader, 'got');
		go_on($writer, 'tags_added');
		return saga_afterwards($id);
	},

	# The writer's side of it: who comes after the writer has looked finds the
	# stamps raised.
	'stamps, then interest' => sub {
		my $id = saga();
		my $writer = stopped_commit(change_saga_sql($id), 'tags_added');
		my $reader = begin(saga_sql($id));
		end($reader);
		go_on($writer, 'tags_added');
		return saga_afterwards($id);
	},

	# The bit is there before the lease is asked for: a writer who comes in
	# between tells Redis.
	'interest, then lease' => sub {
		my $id = saga();
		my $reader = stopped(saga_sql($id), 'fill_begins');
		$node->safe_psql('postgres', change_saga_sql($id));
		$node->cache_wait;
		go_on($reader, 'fill_begins');
		return saga_afterwards($id);
	},

	# A drop takes the lease of a fill on its way.
	'drop, then fill' => sub {
		my $id = saga();
		my $reader = stopped(saga_sql($id), 'fill_begins');
		$node->safe_psql('postgres', change_saga_sql($id));
		$node->cache_wait;
		go_on($reader, 'fill_begins');
		return saga_afterwards($id);
	},

	# Redis is asked when it has what the stamps tell of.
	'applied, then Redis' => sub {
		my $id = hero('redis');
		$inject->arm('commit_read', 'wait', 'relay');
		$node->safe_psql('postgres', change_sql($id));
		$inject->wait_hit('commit_read') or die 'the relay does not come';
		my @seen = (look_hero($id), look_hero($id, 1));
		$inject->release('commit_read');
		return (@seen, afterwards($id));
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
		my @others = (look_hero($id), look_hero($id, 1));
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
	is(look_hero($id) . look_hero($id, 1), 'newnew', "a lookup is stopped at $point, others see a new row");
	$node->cache_wait;
	is(look_hero($id) . look_hero($id, 1), 'newnew', 'when Redis has it as well');
	like(go_on($reader, $point), qr/^(old|new)$/, 'the one from before sees one of the two');
	is(afterwards($id), $good, 'and nobody sees the old one afterwards');
}

# The same with one that depends on a tag set: at each step either the stamps
# or the drop of the set keep what it has read out of Redis.
foreach my $point (
	qw(stamps_taken trusted got interest_registered leased snapshot_taken
	answer_computed fill_begins filled l1_store_begins))
{
	my $id = saga();
	my $reader = stopped(saga_sql($id), $point);

	$node->safe_psql('postgres', change_saga_sql($id));
	is(look_saga($id), 'new', "a lookup with a tag set is stopped at $point, others see a new row");
	$node->cache_wait;
	like(go_on($reader, $point), qr/^(old|new)$/, 'it sees one of the two');
	is(saga_afterwards($id), 'new new new', 'and nobody sees the old one afterwards');
}

# Who finds a writer at work asks for no lease.
{
	my $id = saga();
	my $reader = stopped(saga_sql($id), 'interest_registered');
	my $writer = stopped_commit(change_saga_sql($id), 'stamps_raised');

	$inject->arm('leased', 'sleep', 'backend');
	is(go_on($reader, 'interest_registered'), 'old', 'a writer comes before the stamps are read again');
	ok(!$inject->hit('leased'), 'then no lease is asked for');
	$inject->disarm('leased');
	go_on($writer, 'stamps_raised');
	is(saga_afterwards($id), 'new new new', 'and Redis has the new row or none');
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
foreach my $point (qw(clear_begins clear_claimed scan_leases_deleted clear_deleted clear_stored))
{
	my $id = hero('nowhere');

	$inject->arm($point, 'wait', 'relay');
	$redis->cli('DEL', $_) foreach @{ $redis->query('KEYS', 'rtcache:position:*') };
	$node->safe_psql('postgres', "UPDATE hero SET name = 'newer' WHERE id = $id");
	ok($inject->wait_hit($point), "a clear is stopped at $point");
	is(look_hero($id, 1), 'newer', 'a lookup is exact');
	$node->safe_psql('postgres', change_sql($id));
	is(look_hero($id, 1), 'new', 'after another write as well');
	$inject->release($point);
	ok($node->wait_streaming);
	is(afterwards($id), $good, 'and when it is over');
}

# A writer at any step.  It is visible from commit_begins on.
foreach my $case (
	[ flush_begins => 'old' ],
	[ stamps_raised => 'old' ],
	[ tags_added => 'old' ],
	[ messages_written => 'old' ],
	[ commit_begins => 'new' ],
	[ bucket_moved => 'new' ],
	[ commit_stamped => 'new' ],
	[ commit_ends => 'new' ])
{
	my ($point, $expected) = @$case;
	my $id = hero('L1');
	my $writer = stopped_commit(change_sql($id), $point);

	is(look_hero($id), $expected, "a writer is stopped at $point: a lookup sees the $expected row");
	is(look_hero($id, 1), $expected, 'another one as well');
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
	is(look_hero($id), 'new', 'a lookup sees the new row');
	is(look_hero($id, 1), 'new', 'another one as well');
	$inject->release($point);
	is(afterwards($id), $good, 'when it goes on, all see the new row');
}

# A tag set is dropped while lookups come.
foreach my $point (qw(commit_read batch_built batch_executed batch_checked tags_dropped applied))
{
	my $id = saga();

	look_saga($id);
	is($redis->query('EXISTS', "postgres:saga:$id"), 1, 'Redis has an answer with a tag set');
	$inject->arm($point, 'wait', 'relay');
	$node->safe_psql('postgres', change_saga_sql($id));
	ok($inject->wait_hit($point), "the relay is stopped at $point");
	is(look_saga($id), 'new', 'a lookup sees the new row');
	$inject->release($point);
	is(saga_afterwards($id), 'new new new', 'when it goes on, all see the new row');
}

# commit_wait: whatever comes in between, who waits is woken, and at once.
foreach my $point (qw(wait_begins wait_queued wait_over))
{
	my $id = hero('nowhere');

	$inject->arm('commit_read', 'wait', 'relay');
	$inject->arm($point, 'wait', 'backend');
	my $writer = begin(q{SET rtcache.commit_wait = applied; SET rtcache.commit_wait_timeout = '1min'; } . change_sql($id));
	$inject->wait_hit('commit_read') or die 'the relay does not come';
	$inject->wait_hit($point) or die 'the writer does not come' if $point ne 'wait_over';
	is(look_hero($id), 'new', "a commit is stopped at $point, and visible");
	$inject->release('commit_read');
	$inject->wait_hit($point) or die 'the writer does not come';
	ok($node->cache_wait, 'the relay applies it');
	my $start = time;
	is(go_on($writer, $point), '', 'and it ends without a warning');
	cmp_ok(time - $start, '<', 30, 'at once');
	like($redis->cli('GET', "postgres:hero:$id"), qr/new/, 'Redis has it');
}

# ---------------- and if the order were another one ----------------

my @mutants = (
	[ 'pending, then version', 'version_first' ],
	[ 'visible, then stamped', 'no_pending' ],
	[ 'last_lsn and version, then pending', 'early_settle' ],
	[ 'stamps, then snapshot', 'late_stamps' ],
	[ 'applied, then Redis', 'no_applied' ],
	[ 'GET, then generation', 'no_generation' ],
	[ 'stamps, then interest', 'early_look' ],
	[ 'interest, then lease', 'no_interest' ],
	[ 'drop, then fill', 'no_lease_drop' ],

	# These have two safeguards each.  The second one, just before a fill, is
	# there for another reason: what is visible may not be flushed yet.
	[ 'lease, then snapshot', 'early_query', 'no_recheck' ],
	[ 'interest, then stamps', 'no_look_after_interest', 'no_recheck' ]);

foreach my $case (@mutants)
{
	my ($name, @missing) = @$case;

	foreach my $alone (@missing > 1 ? @missing : ())
	{
		$inject->mutate($alone);
		ready();
		unlike(test_order($name), qr/old|ERROR|error/, "$name: $alone alone is made up for");
	}
	$inject->mutate(@missing);
	ready();
	like(test_order($name), qr/old/, "$name: with @missing somebody sees the old row");
}
$inject->mutate();
ready();
unlike(test_order($_->[0]), qr/old|ERROR|error/, "$_->[0]: nobody without") foreach @mutants;

$node->stop;
$redis->stop;
done_testing();
