# The part of the replay that runs in the sandbox, on servers that inside has
# started.  Options: see run.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use Getopt::Long;

use RtcReplay;
use RtcReplayDdl;

my %option = (seed => 1, ddl => 0.3, writes => 0.3, failures => 1000);
my ($files, $only, $redis) = ('', '', 0);

GetOptions(\%option, 'suite=s', 'seed=i', 'comparisons=i', 'seconds=i', 'least=i', 'share=f', 'ddl=f', 'writes=f', 'failures=i', 'verbose',
	'files=s' => \$files, 'only=s' => \$only, 'redis' => \$redis, 'mode=s', 'libdir=s')
  or die "see test/replay/run for the options\n";

# What is not about tables and queries, ends the session, or takes long.
my %left_out = map { $_ => 1 } qw(tablespace database psql psql_crosstab collate.linux.utf8 event_trigger
  password prepared_xacts async infinite_recurse subscription publication vacuum_parallel write_parallel
  largeobject maintain_every test_setup create_index);

sub schedule
{
	open my $f, '<', "$option{suite}/parallel_schedule" or die "there is no suite in $option{suite}\n";
	my @names = map { /^(?:test|ignore): (.*)/ ? split(' ', $1) : () } <$f>;

	return grep { !$left_out{$_} && -f "$option{suite}/sql/$_.sql" } @names;
}

my @names = $files ? split(/,/, $files) : schedule();
my %only = map { $_ => 1 } split /,/, $only;

foreach my $kind (sort keys %only)
{
	die "there is no DDL named $kind; there are: " . join(' ', RtcReplayDdl::kinds()) . "\n"
	  unless grep { $_ eq $kind } RtcReplayDdl::kinds();
}
$| = 1;
my $failures = 0;
my $replay = RtcReplay->new(
	%option,
	only => \%only,
	redis => $redis,
	tell => sub {
		my ($title, $text, $n) = @_;

		$failures++;
		print "==== wrong at comparison $n: $text\n====\n";
	});

$replay->prepare;
# what the files need that are run in any order
$replay->file($_, 1) foreach qw(test_setup create_index create_misc create_operator create_type create_aggregate);
$replay->{began} = time;
my ($passed, $failed) = (0, 0);

foreach my $name (@names)
{
	my $before = $replay->{count}{wrong};
	my $compared = $replay->{count}{compared};

	$replay->file($name);
	my $ok = $replay->{count}{wrong} == $before;

	# without a server, nothing is wrong
	if ($replay->{admin}->value('SELECT 1') ne '1' || $replay->{reader}->value('SELECT 1') ne '1')
	{
		print "not ok   $name: the server is gone, or has ended our sessions\n$passed passed, 1 failed\n";
		exit 1;
	}
	$ok ? $passed++ : $failed++;
	printf "%-8s %-24s %6d compared\n", $ok ? 'ok' : 'not ok', $name, $replay->{count}{compared} - $compared;
	last if $replay->enough || $failures >= $option{failures};
}
print $replay->report;
# less would prove nothing
my $c = $replay->{count};

if ($c->{compared} < ($option{least} || 100) || $c->{l1} + $c->{redis} < 0.2 * $c->{compared})
{
	print "not ok: too few answers could be compared, or came from the cache\n";
	$failed++;
}
print "To repeat: test/replay/run --seed $option{seed}" . ($files ? " --files $files" : '') . ", with the other options as they were\n" if $failed;
print "$passed passed, $failed failed\n";
exit($failed ? 1 : 0);
