# Is what comes from the cache what the query would have given?  Random schemas,
# queries and writes; after each write every answer is compared.  A part of the
# answers must come from the cache, also behind writes that changed others, or
# this would prove nothing; and where writes are hidden from the cache, it must
# be noticed.
#
# RTC_DIFFERENTIAL holds options, for which see test/differential/run.
#
# Slow.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../differential";

use Getopt::Long qw(GetOptionsFromString);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use RtcDiffRun;
use RtcNode;
use RtcRedis;

my %cases = (l1 => 28, redis => 20, both => 20);
my %option = (seed => 1, failures => 3, shrink => 1);
my $by_hand = defined $ENV{RTC_DIFFERENTIAL};

GetOptionsFromString($ENV{RTC_DIFFERENTIAL} || '',
	\%option, 'seed=i', 'cases=i', 'mode=s', 'mutant=s', 'failures=i', 'about=s', 'shrink!', 'show', 'errors')
  or BAIL_OUT('see test/differential/run for the options');

my @modes = $option{mode} ? ($option{mode}) : qw(l1 redis both);

foreach my $mode (@modes)
{
	BAIL_OUT("there is no mode $mode") unless $cases{$mode};
	my $redis;

	if ($mode ne 'l1')
	{
		$redis = RtcRedis->new($mode);
		$redis->start;
	}
	my $node = RtcNode->new(
		$mode,
		redis => $redis,
		l1 => $mode ne 'redis',
		conf => "synchronous_commit = off\njit = off\nautovacuum = off\nwal_level = replica");

	$node->start;
	$node->safe_psql('postgres', 'CREATE EXTENSION rtcache');
	ok($node->wait_streaming, "$mode: the relay streams") if $redis;
	ok($node->poll_query_until('postgres', 'SELECT open FROM rtcache_l1'), "$mode: the gate opens")
	  unless $mode eq 'redis';

	my $run = RtcDiffRun->new(
		$node,
		cases => $cases{$mode},
		%option,
		redis => defined $redis);

	$run->prepare;
	if ($option{show})
	{
		print { Test::More->builder->failure_output } $run->script($run->generate($option{seed}));
	}
	my $failed = $run->all;
	my $count = $run->{count};

	diag("$mode: " . $run->report);
	if ($option{errors})
	{
		my $messages = $run->{messages};

		diag("$messages->{$_} $_ in $run->{sample}{$_}") foreach sort { $messages->{$b} <=> $messages->{$a} } keys %$messages;
	}
	is($failed, 0, "$mode: every answer is what its query gives")
	  or diag('seeds: ' . join ' ', map { $_->{seed} } @{ $run->{failed} });
	# less would prove nothing; a few cases may be of any kind
	if (!$failed && $count->{cases} >= 20)
	{
		cmp_ok($count->{compared}, '>', 50 * $count->{cases}, "$mode: there was much to compare");
		cmp_ok($run->hits, '>', 0.3 * $count->{compared}, "$mode: many answers came from the cache");
		cmp_ok($count->{l1}, '>', 0.3 * $count->{compared}, "$mode: from L1") if $mode ne 'redis';
		cmp_ok($count->{redis}, '>', 0.3 * $count->{compared}, "$mode: from Redis") if $mode eq 'redis';
		cmp_ok($count->{"hit_$_"}, '>', 0.3 * $count->{"kind_$_"}, "$mode: so did those that depend on a $_")
		  foreach qw(row table);
		cmp_ok($count->{changed}, '>', 0.02 * $count->{compared}, "$mode: writes changed answers");
		cmp_ok($count->{survived}, '>', 0.05 * $count->{compared}, "$mode: other writes left answers alone");
		cmp_ok($count->{failed_writes}, '<', 0.5 * $count->{writes}, "$mode: most writes succeeded");
	}
	if (!$by_hand && $mode eq 'l1')
	{
		my $blind = RtcDiffRun->new($node, seed => 1, cases => 40, failures => 1, quiet => 1, mutant => 'trigger');

		is($blind->all, 1, 'a write hidden from the cache is found');
	}
	ok($node->no_crash, "$mode: no process has crashed");
	$node->stop;
	$redis->stop if $redis;
}
done_testing();
