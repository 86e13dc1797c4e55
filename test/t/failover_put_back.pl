# A data directory is put back from a snapshot of its storage, in place: the
# timeline stays the same, and so does the data directory.  Redis is away until
# WAL has got beyond where Redis stands.  LSNs fit then, and a record even begins
# where WAL is to be read again; but it is not the record that Redis has seen.

use strict;
use warnings;

use File::Find;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::RecursiveCopy;
use PostgreSQL::Test::Utils;
use Test::More;

use RtcCoherence;
use RtcNode;
use RtcRedis;

my $redis = RtcRedis->new('main');
$redis->start;
my $node = RtcNode->new('main', redis => $redis, conf => "autovacuum = off\nbgwriter_lru_maxpages = 0");
$node->start;
create_heroes($node);
$node->safe_psql('postgres', q{INSERT INTO hero SELECT i, 'v1' FROM generate_series(1, 20) i});
ok($node->wait_streaming, 'the relay streams');
ok($node->cache_wait);

sub as_number { return hex(join '', map { sprintf '%08s', $_ } split m{/}, $_[0]); }
sub wal_end { return as_number($node->safe_psql('postgres', 'SELECT pg_current_wal_insert_lsn()')); }

# Puts the files back into those that are there, so that they stay the same ones.
sub put_back
{
	my ($from, $to) = @_;

	find({ no_chdir => 1, wanted => sub {
			my $there = $_ =~ s/^\Q$to\E/$from/r;
			unlink $_ if -f $_ && !-e $there;
		} }, $to);
	find({ no_chdir => 1, wanted => sub {
			return unless -f $_;
			my $there = $_ =~ s/^\Q$from\E/$to/r;
			my $bytes = slurp_file($_);
			open(my $out, '+>', $there) or die "could not open $there: $!";
			binmode $out;
			print $out $bytes;
			close $out;
			chmod 0600, $there;
		} }, $from);
	return;
}

$node->stop;
my $snapshot = $node->basedir . '/snapshot';
PostgreSQL::Test::RecursiveCopy::copypath($node->data_dir, $snapshot);
$node->start;
ok($node->wait_streaming);
$node->safe_psql('postgres', q{UPDATE hero SET name = 'lost' WHERE id = 7});
ok($node->cache_wait);
is($redis->cli('GET', 'postgres:hero:7'), '{"id":7,"name":"lost"}', 'Redis has a write');
my ($position) = @{ $redis->query('KEYS', 'rtcache:position:*') };
$node->stop('immediate');
my $restart = as_number($redis->query('HGET', $position, 'restart_lsn'));
my $url = $redis->url;
$redis->save_rdb('put_back.rdb');
$redis->kill9;

put_back($snapshot, $node->data_dir);
$node->start;
is($node->safe_psql('postgres', 'SELECT name FROM hero WHERE id = 7'), 'v1', 'which the database has lost');

# Fills WAL up to there, and beyond.
my $record = wal_end();
$node->safe_psql('postgres', q{SELECT pg_logical_emit_message(false, 'x', repeat('y', 8))});
$record = wal_end() - $record;
for (1 .. 1000)
{
	my $left = $restart - wal_end();
	my $size = $left > 700 ? 8 + ($left - 400 < 3000 ? $left - 400 : 3000) - $record : 8 + $left - $record;

	last if $left < $record;
	$node->safe_psql('postgres', "SELECT pg_logical_emit_message(false, 'x', repeat('y', $size))");
}
note("WAL ends at " . wal_end() . ", to be read again from $restart");
$node->safe_psql('postgres', "UPDATE hero SET name = 'kept $_' WHERE id = 8") for 1 .. 30;
cmp_ok(wal_end(), '>', $restart + 1000, 'WAL has got beyond where Redis stands');

my $offset = -s $node->logfile;
$redis->restore_rdb('put_back.rdb');
$redis->start;
ok($node->wait_streaming, 'the relay streams');
like(slurp_file($node->logfile, $offset), qr/clearing the cache in Redis: WAL at \S+ is not what it was/,
	'after it has found out');
is($node->safe_psql('postgres', q{SELECT cache_get('hero:7', 'SELECT * FROM hero WHERE id = 7') ->> 'name'}),
	'v1', 'lookups agree with the database');
same_as_table($node, $redis, 'so does Redis', partial => 1);

ok($node->no_crash, 'no process has crashed');
done_testing();
