# Servers whose library has injection points (src/base/inject.c).
#
#	use RtcInject;
#	plan skip_all => RtcInject::SKIP unless RtcInject::possible();
#	RtcInject::use_build();
#	my $node = RtcNode->new(...);		# this and all later ones have points
#	my $inject = RtcInject->new($node);	# before the node starts
#	$inject->arm('batch_built', 'wait', 'relay');
#	...
#	ok($inject->wait_hit('batch_built'));	# a process has got there
#	$inject->release('batch_built');		# and goes on
#
# Would a test notice if a safeguard were missing?  The mutants of test/mutants tell:
#
#	$inject->mutate('no_pending');		# restarts the server without a safeguard
#	$inject->mutate('early_query', 'no_recheck');
#	$inject->mutate();					# and with all of them
#
# The library is built in a directory of its own, once for all tests and for each
# mutant, and is found by copies of the server's programs; the library that other
# tests use stays as it is.

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

# Makes the servers that are started from now on use the library with points, and
# without the safeguards that these mutants lack.
sub use_build
{
	my (@mutants) = @_;
	my $whole = "$ENV{RTC_ROOT}/../tmp/build-inject";
	my $base = join '-', $whole, @mutants;

	use_build() if @mutants;
	open my $lock, '>', "$base.lock" or croak "could not open $base.lock: $!";
	flock $lock, LOCK_EX;
	unless (-e "$base/done")
	{
		_run('rm', '-rf', $base);
		mkdir $base or croak "could not make $base: $!";
		if (@mutants)
		{
			_copy_build($whole, $base, @mutants);
		}
		else
		{
			_copy_tree($base);
		}
		_install($base);
	}
	close $lock;

	# PostgreSQL finds its files relative to its programs
	my $bindir = _relocated("$base/root", 'bindir');
	$ENV{PATH} = "$bindir:" . ($ENV{RTC_PATH} //= $ENV{PATH});
	return;
}

# Restarts the server as a mutant.
sub mutate
{
	my ($self, @mutants) = @_;

	$self->{node}->stop;
	use_build(@mutants);
	$self->{node}->start;
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

# Hard links: the files of another tree are never written to.
sub _copy_tree
{
	my ($base) = @_;

	_run('cp', '-al', $ENV{RTC_ROOT}, "$base/root");
	# not what tests that run meanwhile write
	opendir my $tree, '.' or croak "could not read the tree: $!";
	my @entries = grep { !/^(\.\.?|tmp_check)$/ } readdir $tree;
	closedir $tree;
	mkdir "$base/src" or croak "could not make $base/src: $!";
	_run('cp', '-a', @entries, "$base/src");
	_run('make', '-s', '-C', "$base/src", 'clean');
	return;
}

# With its objects, most of which a mutant shares.
sub _copy_build
{
	my ($whole, $base, @mutants) = @_;

	_run('cp', '-al', "$whole/root", "$base/root");
	_run('cp', '-a', "$whole/src", "$base/src");
	_run("$base/src/test/mutants/apply", "$base/src", @mutants);
	return;
}

sub _install
{
	my ($base) = @_;
	my $root = "$base/root";
	my $bindir = _relocated($root, 'bindir');
	my $sharedir = _relocated($root, 'sharedir');
	my $pkglibdir = _relocated($root, 'pkglibdir');

	unlink "$pkglibdir/rtcache.so", glob("$sharedir/extension/rtcache*");
	_run(
		'make', '-s', '-j2', '-C', "$base/src",
		"PG_CONFIG=$bindir/pg_config",
		'COPT=' . ($ENV{COPT} // '')
		  . ' -O0 -DRTC_INJECTION -DRTC_RESTART_SECONDS=0 -DKEYS_PER_EXCHANGE=20 -DRTC_SAVE_MS=1000',
		$ENV{SANITIZE} ? ('WERROR=') : (),
		'install');
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
	return bless { dir => $dir, node => $node }, $class;
}

sub _file { return "$_[0]->{dir}/$_[1]"; }

# Arms a point for whoever comes there first: action and role as in
# src/base/inject.c.
sub arm
{
	my ($self, $point, $action, $role, $ms) = @_;

	$self->disarm($point);
	$self->_arm($point, $action, $role, $ms);
	return;
}

# Lets go on who waits there, and is ready for whoever comes next.
sub again
{
	my ($self, $point, $action, $role, $ms) = @_;

	$self->_arm($point, $action, $role, $ms);
	$self->release($point);
	return;
}

sub _arm
{
	my ($self, $point, $action, $role, $ms) = @_;
	my $new = $self->_file("$point.new");

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
