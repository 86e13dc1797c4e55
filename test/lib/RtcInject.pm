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
# Would a test notice if a safeguard were missing?  This build does without one
# when it is told to:
#
#	$inject->mutate('PENDING');		# readers ignore writers at work
#	$inject->mend('PENDING');
#
# The library is built in a directory of its own, once for all tests, and is
# found by copies of the server's programs; the library that other tests use
# stays as it is.

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

# The safeguards: [ file, pattern, replacement ], with the groups of the pattern
# as {1} to {3} in the replacement.  Each is without effect until it is asked
# for.
my @mutants = (
	[ 'src/base/inject.h', qr/#ifdef RTC_INJECTION\n/, <<'TO' ],
#ifdef RTC_INJECTION
#include <unistd.h>
#define RTC_WITHOUT(name) (access("rtcache.inject/" name ".on", F_OK) == 0)
TO

	# those of src/base/mutant.h, which are for another kind of test
	[ 'src/base/mutant.h', qr/#define rtc_safeguard\(name\)\s*true\n/, <<'TO' ],
#include <unistd.h>
#define rtc_safeguard(name) (access("rtcache.inject/" #name ".on", F_OK) != 0)
TO
	[ 'src/dep/stamps.c', qr/(\t\t)rtc_mutant_pause\(50\);\n/, <<'TO' ],
{1}if (!rtc_safeguard(ORDER))
			RTC_INJECT("pending_read");
TO

	# a point between a writer's two looks for interest
	[ 'src/wal/queue.c', qr{(#include "guc.h"\n)}, "{1}#include \"base/inject.h\"\n" ],
	[ 'src/wal/queue.c', qr/(\tend = rtc_message_write_omitted)/, <<'TO' ],
	RTC_INJECT("mark_begins");
{1}
TO

	# a commit lowers pending before it moves last_lsn and version
	[ 'src/dep/stamps.c', qr/(RTC_INJECT\("bucket_moved"\);\n)(\tlower_pending\(bucket\);)/, <<'TO' ],
{1}	if (!RTC_WITHOUT("early_settle"))
	{2}
TO
	[ 'src/dep/stamps.c', qr/(rtc_stamp_commit\(XLogRecPtr commit_lsn, bool logged\)\n.*?\n)(\tif \(touched.raised\)\n)/s, <<'TO' ],
{1}	if (touched.raised && RTC_WITHOUT("early_settle"))
	{
		for (int pos = 0; next_touched(&pos, &bucket);)
			lower_pending(bucket);
		RTC_INJECT("bucket_moved");
	}
{2}
TO

	# what a transaction that failed has raised stays
	[ 'src/dep/stamps.c', qr/(rtc_stamp_abort\(void\).*?)(lower_pending\(bucket\);)/s, <<'TO' ],
{1}if (!RTC_WITHOUT("no_abort"))
				{2}
TO

	# the query is run before the lease is asked for
	[ 'src/read/fetch.c', qr/(\n\tif \(ask_redis\()/, <<'TO' ],
	if (RTC_WITHOUT("early_query"))
	{
		initStringInfo(&early_text);
		l->text = &early_text;
		early = rtc_lookup_run(l);
		l->text = NULL;
	}
{1}
TO
	[ 'src/read/fetch.c', qr/(PG_TRY\(\);\n\t\{\n\t\t)answer = rtc_lookup_run\(l\);/, <<'TO' ],
{1}if (RTC_WITHOUT("early_query"))
		{
			l->text = &early_text;
			answer = early;
		}
		else
			answer = rtc_lookup_run(l);
TO
	[ 'src/read/fetch.c', qr/(\nstatic bool ask_redis)/, "\nstatic Jsonb *early;\nstatic StringInfoData early_text;\n{1}" ],

	# stamps are not looked at again after the interest was registered
	[ 'src/read/fetch.c', qr/return !rtc_safeguard\(HANDSHAKE\) \|\| (rtc_stamp_read_valid)/, <<'TO' ],
return RTC_WITHOUT("no_look_after_interest") || {1}
TO

	# a writer looks for interest before it raises its stamps
	[ 'src/write/oplist.c', qr/(\trtc_stamp_raise\(\);\n\tRTC_INJECT)/, <<'TO' ],
	if (RTC_WITHOUT("early_look"))
	{
		add_tags();
		RTC_INJECT("tags_added");
	}
{1}
TO

	# a drop leaves leases alone
	[ 'src/relay/tag_drop.c', qr/"(redis\.call\('UNLINK', unpack\(beside\)\)) "/, <<'TO' ],
"if redis.call('EXISTS', 'no_lease_drop') == 0 then {1} end "
TO

	# Redis is asked though the relay does not vouch for it
	[ 'src/read/lookup_trust.c', qr{(#include "read/lookup_trust.h"\n)}, "#include \"base/inject.h\"\n{1}" ],
	[ 'src/read/lookup_trust.c', qr/if \(!rtc_redis_is_open\(&trust->l2_generation\) \|\|/, <<'TO' ],
	if ((!rtc_redis_is_open(&trust->l2_generation) && !RTC_WITHOUT("no_generation")) ||
TO
	[ 'src/read/lookup_trust.c', qr/return (rtc_redis_is_open\(&generation\) &&\s*generation == trust->l2_generation)/, <<'TO' ],
return (RTC_WITHOUT("no_generation") || ({1}))
TO

	# a relay begins at the end of WAL, not where Redis was checked
	[ 'src/relay/stream.c', qr/(rtc_stream\.skip_lsn = rtc_stream\.pos\.)verified_lsn;/, <<'TO' ],
{1}verified_lsn;
	if (RTC_WITHOUT("no_replay"))
		rtc_stream.skip_lsn = end;
TO
);

# Makes the servers that are created from now on use the library with points.
sub use_build
{
	my $base = "$ENV{RTC_ROOT}/../tmp/build-inject";
	my $root = "$base/root";

	open my $lock, '>', "$base.lock" or croak "could not open $base.lock: $!";
	flock $lock, LOCK_EX;
	_build($base, $root) unless -e "$base/done";
	close $lock;

	# PostgreSQL finds its files relative to its programs
	my $bindir = _relocated($root, 'bindir');
	$ENV{PATH} = "$bindir:" . ($ENV{RTC_PATH} //= $ENV{PATH});
	return;
}

sub mutate
{
	my ($self, $mutant) = @_;

	grep { $_->[2] =~ /"\Q$mutant\E"/ } @mutants
	  or slurp_file('src/base/mutant.h') =~ /RTC_SAFEGUARD_$mutant,/
	  or croak "no mutant is called $mutant";
	open my $file, '>', $self->_file("$mutant.on") or croak "could not write: $!";
	close $file;
	return;
}

sub mend
{
	my ($self, $mutant) = @_;

	unlink $self->_file("$mutant.on") or carp "$mutant was not on";
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
	my ($base, $root) = @_;
	my $bindir = _relocated($root, 'bindir');
	my $sharedir = _relocated($root, 'sharedir');
	my $pkglibdir = _relocated($root, 'pkglibdir');
	my @make = (
		'make', '-s', '-j2', '-C', "$base/src",
		"PG_CONFIG=$bindir/pg_config",
		'COPT=' . ($ENV{COPT} // '')
		  . ' -O0 -DRTC_INJECTION -DRTC_RESTART_SECONDS=0 -DKEYS_PER_EXCHANGE=20',
		$ENV{SANITIZE} ? ('WERROR=') : ());

	_run('rm', '-rf', $base);
	mkdir $base or croak "could not make $base: $!";
	# hard links: the files of another tree are never written to
	_run('cp', '-al', $ENV{RTC_ROOT}, $root);
	unlink "$pkglibdir/rtcache.so", glob("$sharedir/extension/rtcache*");

	# not what tests that run meanwhile write
	opendir my $tree, '.' or croak "could not read the tree: $!";
	my @entries = grep { !/^(\.\.?|tmp_check)$/ } readdir $tree;
	closedir $tree;
	mkdir "$base/src" or croak "could not make $base/src: $!";
	_run('cp', '-a', @entries, "$base/src");
	_run('make', '-s', '-C', "$base/src", 'clean');
	foreach my $edit (@mutants)
	{
		my ($file, $pattern, $replacement) = @$edit;
		my $text = slurp_file("$base/src/$file");

		$text =~ $pattern or croak "$file is not what it was: $pattern";
		my ($before, $after, @group) = ($`, $', '', $1, $2, $3);
		$replacement =~ s/\{(\d)\}/$group[$1]/g;
		$text = "$before$replacement$after";
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
