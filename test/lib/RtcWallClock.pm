# A clock on the wall that a test can set, for the servers that it starts.
#
#	my $clock = RtcWallClock->new;
#	$clock->start($node);		# instead of $node->start
#	$clock->set_back(3600);
#
# The monotonic clock of these servers goes on as if nothing had happened, and so
# does the clock of everybody else.

package RtcWallClock;

use strict;
use warnings;

use FindBin;
use PostgreSQL::Test::Utils;

sub new
{
	my ($class) = @_;
	my $dir = PostgreSQL::Test::Utils::tempdir_short();
	my $self = bless { file => "$dir/seconds", library => "$dir/wall_clock.so", seconds => 0 }, $class;

	system_or_bail('gcc', '-shared', '-fPIC', '-o', $self->{library},
		"$FindBin::RealBin/../lib/wall_clock.c", '-ldl');
	$self->_write;
	return $self;
}

sub start
{
	my ($self, $node) = @_;
	local $ENV{RTC_WALL_CLOCK} = $self->{file};
	local $ENV{LD_PRELOAD} = join ' ', grep { $_ } $ENV{LD_PRELOAD}, $self->{library};

	$node->start;
	return;
}

# Sets the clock back by so many seconds, or forward if they are negative.
sub set_back
{
	my ($self, $seconds) = @_;

	$self->{seconds} -= $seconds;
	$self->_write;
	return;
}

# In place: the servers have mapped the file.
sub _write
{
	my ($self) = @_;

	open my $out, -e $self->{file} ? '+<' : '>', $self->{file} or die "$self->{file}: $!";
	binmode $out;
	syswrite $out, pack 'q', $self->{seconds};
	close $out;
	return;
}

1;
