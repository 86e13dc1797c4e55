# Servers whose library has injection points (src/inject.c).
#
#	use RtcInject;
#	plan skip_all => RtcInject::SKIP unless RtcInject::possible();
#	RtcInject::use_build('inject');
#	my $node = RtcNode->new(...);		# this and all later ones have points
#	my $inject = RtcInject->new($node);	# before the node starts
#	$inject->arm('batch_built', 'wait', 'relay');
#	...
#	ok($inject->wait_hit('batch_built'));	# a process has got there
#	$inject->release('batch_built');		# and goes on
#
# The library is built in a directory of its own, once for all tests that ask
# for the same edits, and is found by copies of the server's programs; the
# library that other tests use stays as it is.

package RtcInject;

use strict;
use warnings;

use Carp;
use Fcntl qw(:flock);
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

use constant SKIP => 'injection points need test/sandbox';

sub possible { return defined $ENV{RTC_ROOT} && -d $ENV{RTC_ROOT}; }

# Makes the servers that are created from now on use a library with injection
# points.  "edits" are made in its source first: [ file, pattern, function that
# returns the replacement ], and each must match.
sub use_build
{
	my ($name, @edits) = @_;
	my $base = "$ENV{RTC_ROOT}/../tmp/build-$name";
	my $root = "$base/root";

	open my $lock, '>', "$base.lock" or croak "could not open $base.lock: $!";
	flock $lock, LOCK_EX;
	_build($base, $root, @edits) unless -e "$base/done";
	close $lock;

	# PostgreSQL finds its files relative to its programs
	my $bindir = _relocated($root, 'bindir');
	$ENV{PATH} = "$bindir:" . ($ENV{RTC_PATH} //= $ENV{PATH});
	return;
}

sub _relocated
{
	my ($root, $what) = @_;

	local $ENV{PATH} = $ENV{RTC_PATH} // $ENV{PATH};
	chomp(my $dir = `pg_config --$what`);
	$dir =~ s/^\Q$ENV{RTC_ROOT}\E// or croak "$dir is not in $ENV{RTC_ROOT}";
	return "$root$dir";
}

sub _build
{
	my ($base, $root, @edits) = @_;
	my $bindir = _relocated($root, 'bindir');
	my $sharedir = _relocated($root, 'sharedir');
	my $pkglibdir = _relocated($root, 'pkglibdir');
	my @make = (
		'make', '-s', '-j2', '-C', "$base/src",
		"PG_CONFIG=$bindir/pg_config",
		'COPT=-O0 -DRTC_INJECTION -DRTC_RESTART_SECONDS=0 -DKEYS_PER_EXCHANGE=20');

	_run('rm', '-rf', $base);
	mkdir $base or croak "could not make $base: $!";
	# hard links: the files of another tree are never written to
	_run('cp', '-al', $ENV{RTC_ROOT}, $root);
	unlink "$pkglibdir/rtcache.so", glob("$sharedir/extension/rtcache*");

	# with edits there is another build to start from
	if (@edits && -e "$base/../build-inject/done")
	{
		_run('cp', '-a', "$base/../build-inject/src", "$base/src");
	}
	else
	{
		_run('cp', '-a', '.', "$base/src");
		_run('make', '-s', '-C', "$base/src", 'clean');
	}
	foreach my $edit (@edits)
	{
		my ($file, $pattern, $replacement) = @$edit;
		my $text = slurp_file("$base/src/$file");

		$text =~ s/$pattern/$replacement->()/e
		  or croak "$file is not what it was: $pattern";
		open my $handle, '>', "$base/src/$file" or croak "could not write $file: $!";
		print $handle $text;
		close $handle;
	}
	_run(@make, 'install');
	open my $done, '>', "$base/done" or croak "could not write: $!";
	close $done;
	return;
}

sub _run
{
	my @command = @_;

	system(@command) == 0 or croak "failed: @command";
	return;
}

# The points of a node.
sub new
{
	my ($class, $node) = @_;
	my $dir = $node->data_dir . '/rtcache.inject';

	-d $dir or mkdir $dir or croak "could not make $dir: $!";
	return bless { dir => $dir }, $class;
}

sub _file { return "$_[0]->{dir}/$_[1]"; }

# Arms a point for whoever comes there first: action and role as in
# src/inject.c.
sub arm
{
	my ($self, $point, $action, $role, $ms) = @_;
	my $new = $self->_file("$point.new");

	$self->disarm($point);
	open my $file, '>', $new or croak "could not write $new: $!";
	print $file join(' ', $action, $role || 'any', $ms || 0), "\n";
	close $file;
	rename $new, $self->_file($point) or croak "could not rename $new: $!";
	return;
}

# The same as SQL, for points that are to be armed in the transaction at hand.
sub arm_sql
{
	my ($self, $point, $action, $role) = @_;

	$self->disarm($point);
	return "COPY (SELECT '$action $role 0') TO '" . $self->_file($point) . "';";
}

sub disarm
{
	my ($self, $point) = @_;

	unlink $self->_file($point), $self->_file("$point.hit");
	return;
}

sub hit
{
	my ($self, $point) = @_;

	return -e $self->_file("$point.hit");
}

# Waits until somebody has got there; a test result.
sub wait_hit
{
	my ($self, $point, $seconds) = @_;

	for (1 .. 100 * ($seconds || $PostgreSQL::Test::Utils::timeout_default))
	{
		return 1 if $self->hit($point);
		usleep(10_000);
	}
	return 0;
}

# Lets go on who waits there.
sub release
{
	my ($self, $point) = @_;

	unlink $self->_file("$point.hit") or carp "nobody waits at $point";
	return;
}

1;
