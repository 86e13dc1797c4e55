# docs/patterns.md is true: all of its examples are run, in their order, in one session on
# a server that is set up as README tells, and give what the page shows.
#
# The page has blocks of "sql" and of "redis", one command a line.  The block without a
# name behind one of them is its output: "..." in it stands for anything, blanks in a
# row count as one, and the number of rows is left out.  A block of which the page says
# "eventually" behind its name, as in "```sql eventually", shows what background work
# comes to: it is run again until it gives that.  A block without output must not fail.

use strict;
use warnings;

use PostgreSQL::Test::Utils;
use Test::More;
use Text::ParseWords qw(shellwords);
use Time::HiRes qw(usleep);

use RtcNode;
use RtcRedis;

my $page = 'docs/patterns.md';

# The blocks of the page: { section, line, language, eventually, text, output }
sub blocks
{
	my ($section, $open, @blocks) = ('');

	open my $in, '<', $page or die "could not open $page: $!";
	while (my $line = <$in>)
	{
		if ($open)
		{
			if ($line =~ /^```\s*$/)
			{
				if ($open->{language} eq '')
				{
					die "$page:$.: output without a command"
					  if !@blocks || defined $blocks[-1]{output} || $blocks[-1]{section} ne $section;
					$blocks[-1]{output} = $open->{text};
				}
				else
				{
					push @blocks, $open;
				}
				undef $open;
			}
			else
			{
				$open->{text} .= $line;
			}
		}
		elsif ($line =~ /^```(sql|redis|)( eventually)?\s*$/)
		{
			$open = { section => $section, line => $., language => $1, eventually => $2, text => '' };
		}
		elsif ($line =~ /^```/)
		{
			die "$page:$.: cannot be understood";
		}
		elsif ($line =~ /^##\s+(.*?)\s*$/)
		{
			$section = $1;
		}
	}
	close $in;
	die "$page ends within a block" if $open;
	return @blocks;
}

# As far as outputs are compared
sub normal
{
	my ($text) = @_;

	$text =~ s/^\(\d+ rows?\)$//mg;
	$text =~ s/[ \t]+/ /g;
	$text =~ s/^ | $//mg;
	$text =~ s/\n{2,}/\n/g;
	$text =~ s/^\n|\n$//g;
	return $text;
}

sub same
{
	my ($got, $shown) = @_;
	my $pattern = join '.*', map { quotemeta } split /\.\.\./, normal($shown), -1;

	# the lines of a table are as wide as what is left out of it
	$pattern =~ s/(?:\\-)+/-+/g;
	return normal($got) =~ /\A$pattern\z/;
}

my @blocks = blocks();
my $redis = RtcRedis->new('main');
$redis->start;
my $node = RtcNode->new('main', redis => $redis, l1 => 1);
$node->start;
$node->safe_psql('postgres', 'CREATE DATABASE world');
$node->safe_psql('postgres', 'CREATE EXTENSION rtcache');
ok($node->wait_streaming, 'the relay streams');

my $session = $node->background_psql('world', on_error_stop => 0);
$session->query_safe("\\pset format aligned\n\\pset tuples_only off\n\\pset null ''");

sub run_sql
{
	my ($block) = @_;
	my $output = $session->query($block->{text});
	my $error = $session->{stderr};

	$session->{stderr} = '';
	$error =~ s/^psql:.*?: (?=[A-Z]+: )//mg;
	# a slow machine is told how far the warm-up is
	$error =~ s/^NOTICE:  warming .*\nDETAIL: .*\n?//mg;
	return ($output, $error);
}

sub run_redis
{
	my ($block) = @_;
	my ($output, $error) = ('', '');

	# Redis follows a commit in a moment
	$node->cache_wait('world');
	foreach my $command (split /\n/, $block->{text})
	{
		my $reply = $redis->cli(shellwords($command)) // '(nil)';

		$output .= "$reply\n";
		$error .= "$reply\n" if $reply =~ /^[A-Z]{3,} /;
	}
	return ($output, $error);
}

my %compared;
my $ready;
foreach my $block (@blocks)
{
	my $what = "$page:$block->{line}: $block->{section}";
	my ($output, $error);

	for (1 .. 10 * $PostgreSQL::Test::Utils::timeout_default)
	{
		($output, $error) = $block->{language} eq 'sql' ? run_sql($block) : run_redis($block);
		last if $error =~ /ERROR/ || !$block->{eventually} || same($output, $block->{output});
		usleep(100_000);
	}
	# what psql says besides is shown, too, behind the rows
	$output .= "\n$error" if $error ne '';
	if (defined $block->{output} && !same($output, $block->{output}))
	{
		fail($what);
		diag("$block->{text}--- is shown with\n$block->{output}--- and gives\n$output");
	}
	elsif (!defined $block->{output} && $error ne '')
	{
		fail($what);
		diag("$block->{text}--- gives\n$error");
	}
	else
	{
		pass($what);
	}
	$compared{ $block->{section} }++ if defined $block->{output};
	last if $error =~ /ERROR/;
	# what the page tells presupposes a server on which nothing else goes on
	$ready //= $node->safe_psql('world', q{SELECT count(*) FROM pg_extension WHERE extname = 'rtcache'}) eq '1'
	  && $node->wait_open('world') && $node->wait_fill('world') && $node->wait_sweep;
}
$session->quit;

# the table and the sections: each pattern has an example that shows something
my @patterns = grep { $_ ne 'The examples' } do { my %seen; grep { !$seen{$_}++ } map { $_->{section} } @blocks };
my @table = slurp_file($page) =~ /^\| \[([^\]]*)\]\(#[a-z-]*\)/mg;
is_deeply([ sort map { lc } @patterns ], [ sort map { lc } @table ], 'the table has the patterns of the page');
ok($compared{$_}, "the example of \"$_\" is compared") foreach @patterns;

ok($node->no_crash, 'no process has crashed');
$node->stop;
done_testing();
