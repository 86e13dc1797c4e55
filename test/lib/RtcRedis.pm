# A private Redis (or Valkey) server for a test.
#
#	my $redis = RtcRedis->new('main');
#	my $redis = RtcRedis->new('main', tcp => 1, args => ['--maxmemory', '2mb']);
#	$redis->start;
#	is($redis->cli('GET', 'k'), 'v');
#
# It listens on a unix socket and, if asked, on a free TCP port of 127.0.0.1.
# It saves nothing unless a test calls SAVE, and loads dump.rdb at start if
# there is one: save_rdb and restore_rdb make "restarted from an older snapshot".
# (cli speaks the protocol itself: no redis-cli, no shell, binary safe.)
# Servers that still run when the test ends are killed.  The program is the one that
# the environment variable REDIS_SERVER names, else redis-server or, if there is
# none, valkey-server.

package RtcRedis;

use strict;
use warnings;

use Carp;
use Cwd ();
use File::Basename ();
use File::Copy ();
use IO::Handle;
use IO::Socket::UNIX;
use POSIX ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

my @all;

my ($server) = grep { _in_path($_) }
  $ENV{REDIS_SERVER} ? $ENV{REDIS_SERVER} : qw(redis-server valkey-server);

sub _in_path
{
	my ($name) = @_;

	return -x $name if $name =~ m{/};
	return scalar grep { -x "$_/$name" } split /:/, $ENV{PATH};
}

# Options:
#	tcp		listen on a free TCP port, too
#	args	array of further command line options of the server
#	user, password	what cli and url use; the server is told by args, or by
#			"password" alone, which sets requirepass
sub new
{
	my ($class, $name, %option) = @_;

	BAIL_OUT('no ' . ($ENV{REDIS_SERVER} || 'redis-server and no valkey-server') . ' in PATH')
	  unless $server;

	my $testname = File::Basename::basename($0, '.pl');
	my $dir = "$PostgreSQL::Test::Utils::tmp_check/t_${testname}_${name}_redis";
	mkdir $dir or croak "could not create directory $dir: $!";

	# Path of a socket: short, so not below tmp_check.
	my $self = bless {
		name => $name,
		logfile => "$PostgreSQL::Test::Utils::log_path/${testname}_redis_$name.log",
		dir => Cwd::abs_path($dir),
		socket => PostgreSQL::Test::Utils::tempdir_short() . '/redis.sock',
		args => $option{args} || [],
		user => $option{user},
		password => $option{password},
		owner => $$
	}, $class;

	$self->{port} = $option{tcp} ? PostgreSQL::Test::Cluster::get_free_port() : 0;
	push @all, $self;
	return $self;
}

sub dir { return $_[0]->{dir}; }
sub socket { return $_[0]->{socket}; }
sub port { return $_[0]->{port}; }
sub pid { return $_[0]->{pid}; }
sub logfile { return $_[0]->{logfile}; }

# A value for rtcache.redis_url.
sub url
{
	my ($self) = @_;
	my $user = defined $self->{user} ? "$self->{user}@" : '';

	return "unix://$user$self->{socket}";
}

sub tcp_url
{
	my ($self) = @_;
	my $user = defined $self->{user} ? "$self->{user}@" : '';

	croak 'this Redis has no TCP port' unless $self->{port};
	return "redis://${user}127.0.0.1:$self->{port}";
}

# Starts the server and waits until it answers.  Options of this start only
# may be given.
sub start
{
	my ($self, @args) = @_;
	my @command = (
		$server, '--port', $self->{port},
		'--bind', '127.0.0.1',
		'--unixsocket', $self->{socket},
		'--dir', $self->{dir},
		'--pidfile', "$self->{dir}/redis.pid",
		'--logfile', $self->logfile,
		'--save', '', '--appendonly', 'no',
		'--daemonize', 'no');

	push @command, '--requirepass', $self->{password}
	  if defined $self->{password} && !defined $self->{user};
	push @command, @{ $self->{args} }, @args;

	croak "Redis \"$self->{name}\" runs already" if $self->{pid};
	note("### Starting Redis \"$self->{name}\": @command");
	unlink $self->{socket};

	my $pid = fork;
	croak "could not fork: $!" unless defined $pid;
	if ($pid == 0)
	{
		open STDIN, '<', '/dev/null';
		open STDOUT, '>>', $self->logfile;
		open STDERR, '>&', \*STDOUT;
		exec @command or POSIX::_exit(127);
	}
	$self->{pid} = $pid;

	# LOADING is an answer as well, but not yet ours.
	for (1 .. 10 * $PostgreSQL::Test::Utils::timeout_default)
	{
		return if -S $self->{socket} && $self->ping;
		if (waitpid($pid, POSIX::WNOHANG()) == $pid)
		{
			delete $self->{pid};
			last;
		}
		usleep(100_000);
	}
	diag(slurp_file($self->logfile));
	croak "Redis \"$self->{name}\" does not start";
}

sub ping
{
	my ($self) = @_;
	my $answer = eval { $self->cli('PING') };

	return defined $answer && $answer eq 'PONG';
}

# Ends the server in good order.
sub stop
{
	my ($self) = @_;

	$self->_end('TERM');
	return;
}

# Ends it at once; what it held is lost.
sub kill9
{
	my ($self) = @_;

	$self->_end('KILL');
	return;
}

sub _end
{
	my ($self, $signal) = @_;
	my $pid = delete $self->{pid} or return;

	note("### SIG$signal to Redis \"$self->{name}\"");
	kill $signal, $pid;
	kill 'CONT', $pid;
	waitpid $pid, 0;
	return;
}

sub restart
{
	my ($self, @args) = @_;

	$self->stop;
	$self->start(@args);
	return;
}

# Makes it hang: connections stay open, nothing is answered.
sub sigstop
{
	my ($self) = @_;

	kill 'STOP', $self->{pid};
	return;
}

sub sigcont
{
	my ($self) = @_;

	kill 'CONT', $self->{pid};
	return;
}

# Runs a command and returns its answer as text: undef for nil, the bare
# string or number, several lines for an array.  An error is returned as text
# too ("ERR ...").  A command that gets no answer ends the test.
sub cli
{
	my ($self, @command) = @_;

	return _as_text($self->query(@command));
}

# Like cli, but an array is returned as a reference.
sub query
{
	my ($self, @command) = @_;
	my $socket = IO::Socket::UNIX->new(Peer => $self->{socket})
	  or croak "could not connect to Redis \"$self->{name}\": $!";

	if (defined $self->{password})
	{
		_send($socket, 'AUTH', grep { defined } $self->{user}, $self->{password});
		my $reply = _read_reply($socket);
		croak "could not log in: $reply" unless $reply eq 'OK';
	}
	_send($socket, @command);
	return scalar _read_reply($socket);
}

sub _as_text
{
	my ($reply) = @_;

	return $reply unless ref $reply;
	return join "\n", map { defined $_ ? _as_text($_) : '(nil)' } @$reply;
}

sub _send
{
	my ($socket, @args) = @_;

	croak 'an argument is undefined: ' . join ' ', map { $_ // '(undef)' } @args
	  if grep { !defined } @args;
	print $socket '*' . @args . "\r\n", map { '$' . length($_) . "\r\n$_\r\n" } @args;
	$socket->flush;
	return;
}

sub _read_reply
{
	my ($socket) = @_;
	local $/ = "\r\n";
	my $line = <$socket>;

	croak 'Redis closed the connection' unless defined $line;
	chomp $line;

	my ($type, $rest) = $line =~ /^(.)(.*)$/s;

	return $rest if $type =~ /[-+:]/;
	return if $rest < 0;
	if ($type eq '$')
	{
		my $bytes = '';

		while (length $bytes < $rest + 2)
		{
			read($socket, $bytes, $rest + 2 - length $bytes, length $bytes)
			  or croak 'Redis closed the connection';
		}
		return substr $bytes, 0, $rest;
	}
	return [ map { scalar _read_reply($socket) } 1 .. $rest ];
}

# Waits until a command gives this answer (undef: nil); a test result.
sub wait_for
{
	my ($self, $expected, @command) = @_;
	my $answer;

	for (1 .. 20 * $PostgreSQL::Test::Utils::timeout_default)
	{
		$answer = eval { $self->cli(@command) };
		return 1
		  if !$@
		  && (defined $expected
			? defined $answer && $answer eq $expected
			: !defined $answer);
		usleep(50_000);
	}
	diag("timed out; the last answer to \"@command\" was "
		  . (defined $answer ? "\"$answer\"" : 'nil'));
	return 0;
}

# Saves what Redis holds now in a file, and lets the next start begin with it.
sub save_rdb
{
	my ($self, $file) = @_;

	$self->cli('SAVE');
	File::Copy::copy("$self->{dir}/dump.rdb", "$self->{dir}/$file")
	  or croak "could not copy dump.rdb: $!";
	unlink "$self->{dir}/dump.rdb";
	return;
}

sub restore_rdb
{
	my ($self, $file) = @_;

	croak 'stop Redis first' if $self->{pid};
	File::Copy::copy("$self->{dir}/$file", "$self->{dir}/dump.rdb")
	  or croak "could not copy $file: $!";
	return;
}

END
{
	my $status = $?;

	foreach my $redis (@all)
	{
		$redis->_end('KILL') if $redis->{pid} && $redis->{owner} == $$;
	}
	$? = $status;
}

1;
