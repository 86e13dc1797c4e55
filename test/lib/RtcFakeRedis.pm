# A Redis that misbehaves on demand: a proxy in front of a real one.
#
#	my $fake = RtcFakeRedis->new('faulty', $redis);
#	$node->append_conf('postgresql.conf', "rtcache.redis_url = '" . $fake->url . "'");
#	$fake->rule(match => '^SET .*hero:1', action => 'exec_error',
#				text => 'OOM command not allowed', count => 1);
#	...
#	is($fake->hits, 1);
#	$fake->clear;
#
# It understands the protocol, so it can answer one command of a pipeline in
# its own way and pass the others on.  A rule has
#
#	match	regular expression on the command, its words joined by a space
#	within	the command is in a transaction, or ends one, in which a command that
#			this regular expression matches was queued before
#	count	how often it applies; 0 = always (default)
#	skip	how many matches to let pass first (default 0)
#	action	what happens:
#		error		answer "-text"; Redis never sees the command.  Inside MULTI
#					the transaction is spoilt, as Redis does it
#		exec_error	a command inside MULTI: queued as if all were well, but not
#					passed on, and "-text" stands in its place in what EXEC
#					answers; all others are executed.  Elsewhere: as error
#		reply		pass the command on, answer "text" (protocol bytes) instead
#		close		close the connection; Redis never sees the command
#		close_after	pass the command on, close instead of answering
#		close_half	pass the command on, close after half of its answer
#		hang		pass the command on, then answer nothing more on this
#					connection
#		hold		keep the command, and what comes after it on this connection,
#					until the rules are cleared
#		delay		wait ms milliseconds before the command is passed on; the
#					whole proxy waits
#
# For a cut, mind that Redis may have executed what was sent before.
#
# The proxy is a process of its own and is told by messages: each call returns
# when the proxy has done it, so that there is nothing to wait for in a test.

package RtcFakeRedis;

use strict;
use warnings;

use Carp;
use IO::Handle;
use IO::Select;
use IO::Socket::UNIX;
use JSON::PP;
use POSIX ();
use PostgreSQL::Test::Utils;
use Socket;
use Test::More;
use Time::HiRes qw(usleep);

my @all;

# --------------------------------------------------------------------
# The side of the test
# --------------------------------------------------------------------

# Starts a proxy in front of an RtcRedis, which may be down or restarted.
sub new
{
	my ($class, $name, $redis) = @_;
	my $socket = PostgreSQL::Test::Utils::tempdir_short() . '/fake.sock';
	my $listener = IO::Socket::UNIX->new(Local => $socket, Listen => 64)
	  or croak "could not listen on $socket: $!";

	socketpair(my $ours, my $theirs, AF_UNIX, SOCK_STREAM, PF_UNSPEC)
	  or croak "could not make a pair of sockets: $!";
	$_->autoflush(1) foreach ($ours, $theirs);

	my $pid = fork;
	croak "could not fork: $!" unless defined $pid;
	if ($pid == 0)
	{
		close $ours;
		eval { _serve($listener, $theirs, $redis->socket); };
		print STDERR "# RtcFakeRedis $name: $@" if $@;
		POSIX::_exit($@ ? 1 : 0);
	}
	close $theirs;
	close $listener;

	my $self = bless {
		name => $name,
		socket => $socket,
		control => $ours,
		pid => $pid,
		owner => $$
	}, $class;
	push @all, $self;
	return $self;
}

sub url { return "unix://$_[0]->{socket}"; }
sub socket { return $_[0]->{socket}; }

sub _ask
{
	my ($self, %message) = @_;
	my $control = $self->{control};

	local $SIG{PIPE} = 'IGNORE';
	print $control encode_json(\%message), "\n";
	my $line = <$control>;
	croak "the fake Redis \"$self->{name}\" is gone" unless defined $line;
	my $answer = decode_json($line);
	croak $answer->{error} if $answer->{error};
	return $answer;
}

# Adds a rule; the first rule that matches a command applies.
sub rule
{
	my ($self, %rule) = @_;

	note("### fake Redis \"$self->{name}\": "
		  . join(', ', map { "$_=$rule{$_}" } sort keys %rule));
	$self->_ask(do => 'rule', rule => \%rule);
	return;
}

# Removes all rules, and passes on what was held.  Connections that hang keep hanging.
sub clear
{
	my ($self) = @_;

	$self->_ask(do => 'clear');
	return;
}

# How often rules have applied since the last clear.
sub hits
{
	my ($self) = @_;

	return $self->_ask(do => 'hits')->{hits};
}

# Waits until they have applied so often; a test result.
sub wait_hits
{
	my ($self, $n) = @_;

	for (1 .. 20 * $PostgreSQL::Test::Utils::timeout_default)
	{
		return 1 if $self->hits >= $n;
		usleep(50_000);
	}
	diag('timed out; the rules applied ' . $self->hits . ' times');
	return 0;
}

# The commands that arrived since the last call of this, as strings.
sub commands
{
	my ($self) = @_;

	return @{ $self->_ask(do => 'commands')->{commands} };
}

# Leads new connections to another RtcRedis, as a name or a load balancer that
# moves does; those that are open stay where they are.
sub lead_to
{
	my ($self, $redis) = @_;

	note("### fake Redis \"$self->{name}\": new connections go to \"$redis->{name}\"");
	$self->_ask(do => 'lead', to => $redis->socket);
	return;
}

# Closes every connection, as a restart would.
sub cut_all
{
	my ($self) = @_;

	$self->_ask(do => 'cut_all');
	return;
}

sub stop
{
	my ($self) = @_;
	my $pid = delete $self->{pid} or return;

	kill 'KILL', $pid;
	waitpid $pid, 0;
	unlink $self->{socket};
	return;
}

END
{
	my $status = $?;

	foreach my $fake (@all)
	{
		$fake->stop if $fake->{pid} && $fake->{owner} == $$;
	}
	$? = $status;
}

# --------------------------------------------------------------------
# The side of the proxy
#
# A link is a connection of a client with its own to Redis.  Commands and
# answers are paired by their order: "expected" holds one entry per command
# that waits for its answer, and that entry says what to do with it.
# --------------------------------------------------------------------

my (@rules, @commands, %links, $select, $upstream);
my $hits = 0;
my $max_commands = 10_000;

sub _serve
{
	my ($listener, $control);

	($listener, $control, $upstream) = @_;
	$SIG{PIPE} = 'IGNORE';
	$SIG{INT} = $SIG{TERM} = 'DEFAULT';
	$select = IO::Select->new($listener, $control);
	while (1)
	{
		foreach my $handle ($select->can_read)
		{
			if ($handle == $control)
			{
				my $line = <$control>;
				return unless defined $line;
				print $control encode_json(_obey(decode_json($line))), "\n";
			}
			elsif ($handle == $listener)
			{
				my $client = $listener->accept or next;
				my $server = IO::Socket::UNIX->new(Peer => $upstream);
				if (!$server)
				{
					close $client;
					next;
				}
				my $link = {
					client => $client,
					server => $server,
					from_client => '',
					from_server => '',
					expected => [],
					multi => undef,
					hang => 0,
					held => 0
				};
				$links{$client} = $links{$server} = $link;
				$select->add($client, $server);
			}
			elsif (my $link = $links{$handle})
			{
				my $side = $handle == $link->{client} ? 'client' : 'server';
				my $n = sysread $handle, $link->{"from_$side"}, 65536,
				  length $link->{"from_$side"};

				if (!$n)
				{
					_close($link);
					next;
				}
				if ($side eq 'client') { _commands($link); }
				else { _answers($link); }
			}
		}
	}
	return;
}

sub _obey
{
	my ($message) = @_;
	my $do = $message->{do};

	if ($do eq 'rule')
	{
		my $rule = $message->{rule};
		my $re = eval { qr/$rule->{match}/s };

		return { error => "bad match: $@" } unless $re;
		my $within = defined $rule->{within} ? eval { qr/$rule->{within}/s } : undef;

		return { error => "bad within: $@" } if defined $rule->{within} && !$within;
		return { error => "unknown action: $rule->{action}" }
		  unless $rule->{action} =~
		  /^(error|exec_error|reply|close|close_after|close_half|hang|hold|delay)$/;
		push @rules,
		  {
			text => 'ERR faked',
			skip => 0,
			%$rule,
			re => $re,
			within_re => $within,
			left => $rule->{count} || -1
		  };
	}
	elsif ($do eq 'clear')
	{
		@rules = ();
		$hits = 0;
		foreach my $link (grep { $_->{held} } values %links)
		{
			$link->{held} = 0;
			_commands($link);
		}
	}
	elsif ($do eq 'hits') { return { hits => $hits }; }
	elsif ($do eq 'commands') { return { commands => [ splice @commands ] }; }
	elsif ($do eq 'lead') { $upstream = $message->{to}; }
	elsif ($do eq 'cut_all')
	{
		my @all = values %links;

		_close($_) foreach @all;
	}
	return { ok => 1 };
}

sub _close
{
	my ($link) = @_;

	foreach my $side (qw(client server))
	{
		my $handle = $link->{$side};

		next unless delete $links{$handle};
		$select->remove($handle);
		close $handle;
	}
	$link->{closed} = 1;
	return;
}

sub _write
{
	my ($link, $side, $bytes) = @_;

	while (length $bytes && !$link->{closed})
	{
		my $n = syswrite $link->{$side}, $bytes;

		if (!$n)
		{
			_close($link);
			return;
		}
		substr $bytes, 0, $n, '';
	}
	return;
}

# The length of the complete reply (or command) at the start of the buffer;
# 0 = not complete yet.
sub _length
{
	my ($buffer, $start) = @_;
	my $eol = index $$buffer, "\r\n", $start;

	return 0 if $eol < 0;
	my $type = substr $$buffer, $start, 1;
	my $n = substr $$buffer, $start + 1, $eol - $start - 1;
	my $end = $eol + 2;

	if ($type eq '$')
	{
		$end += $n + 2 if $n >= 0;
		return length $$buffer >= $end ? $end - $start : 0;
	}
	if ($type eq '*')
	{
		for (1 .. $n)
		{
			my $length = _length($buffer, $end) or return 0;
			$end += $length;
		}
	}
	return $end - $start;
}

sub _words
{
	my ($command) = @_;
	my @words;
	my $at = index($command, "\r\n") + 2;

	while ($at < length $command)
	{
		my $eol = index $command, "\r\n", $at;
		my $n = substr $command, $at + 1, $eol - $at - 1;

		push @words, substr $command, $eol + 2, $n;
		$at = $eol + 2 + $n + 2;
	}
	return @words;
}

sub _find_rule
{
	my ($text, $multi) = @_;

	foreach my $rule (@rules)
	{
		my $within = $rule->{within_re};

		next if $rule->{left} == 0 || $text !~ $rule->{re};
		next if $within && !($multi && grep { $_ =~ $within } @{ $multi->{texts} });
		if ($rule->{skip} > 0)
		{
			$rule->{skip}--;
			next;
		}
		$rule->{left}-- if $rule->{left} > 0;
		$hits++;
		return $rule;
	}
	return;
}

# Passes the complete commands of a client on, as the rules say.
sub _commands
{
	my ($link) = @_;
	my $length;

	while (!$link->{closed} && !$link->{held}
		&& ($length = _length(\$link->{from_client}, 0)))
	{
		my $command = substr $link->{from_client}, 0, $length, '';
		my @words = _words($command);
		my $name = uc $words[0];
		my $text = join ' ', @words;
		my $multi = $link->{multi};
		my $rule = _find_rule($text, $multi);
		my $action = $rule ? $rule->{action} : '';
		my %expect;

		push @commands, $text if @commands < $max_commands;

		if ($action eq 'close')
		{
			_close($link);
			return;
		}
		elsif ($action eq 'hold')
		{
			$link->{held} = 1;
			$link->{from_client} = $command . $link->{from_client};
			return;
		}
		elsif ($action eq 'delay') { usleep(1000 * $rule->{ms}); }
		elsif ($action eq 'error' || $action eq 'exec_error')
		{
			$expect{own} = "-$rule->{text}\r\n";
			if ($multi && $name !~ /^(EXEC|DISCARD|WATCH|UNWATCH|MULTI)$/)
			{
				if ($action eq 'error') { $multi->{spoilt} = 1; }
				else
				{
					$expect{own} = "+QUEUED\r\n";
					push @{ $multi->{insert} },
					  [ $multi->{queued}, "-$rule->{text}\r\n" ];
					$multi->{queued}++;
				}
			}
			elsif ($name eq 'EXEC' && $multi)
			{
				# refused as a whole: nothing of it is executed
				_write($link, 'server', _encode('DISCARD'));
				$expect{instead} = delete $expect{own};
				$link->{multi} = undef;
			}
			push @{ $link->{expected} }, \%expect;
			_answers($link);
			next;
		}
		elsif ($action) { $expect{rule} = $rule; }

		if ($name eq 'MULTI')
		{
			$link->{multi} = { queued => 0, texts => [], insert => [], spoilt => 0 };
		}
		elsif ($name eq 'EXEC' && $multi)
		{
			if ($multi->{spoilt})
			{
				$command = _encode('DISCARD');
				$expect{instead} = "-EXECABORT Transaction discarded because"
				  . " of previous errors.\r\n";
			}
			$expect{insert} = $multi->{insert};
			$link->{multi} = undef;
		}
		elsif ($name eq 'DISCARD') { $link->{multi} = undef; }
		elsif ($multi && $name ne 'WATCH')
		{
			$multi->{queued}++;
			push @{ $multi->{texts} }, $text;
		}

		push @{ $link->{expected} }, \%expect;
		_write($link, 'server', $command);
	}
	return;
}

# Hands answers back, in the order of their commands.
sub _answers
{
	my ($link) = @_;

	while (!$link->{closed} && @{ $link->{expected} })
	{
		my $expect = $link->{expected}->[0];
		my $answer = $expect->{own};

		if (!defined $answer)
		{
			my $length = _length(\$link->{from_server}, 0) or return;
			$answer = substr $link->{from_server}, 0, $length, '';
		}
		shift @{ $link->{expected} };

		$answer = $expect->{instead} if defined $expect->{instead};
		if ($expect->{insert} && $answer =~ /^\*(\d+)\r\n/)
		{
			$answer = _insert($answer, $expect->{insert});
		}
		if (my $rule = $expect->{rule})
		{
			my $action = $rule->{action};

			$answer = $rule->{text} if $action eq 'reply';
			$link->{hang} = 1 if $action eq 'hang';
			if ($action =~ /^close_/)
			{
				_write($link, 'client', substr $answer, 0, length($answer) / 2)
				  if $action eq 'close_half';
				_close($link);
				return;
			}
		}
		_write($link, 'client', $answer) unless $link->{hang};
	}
	return;
}

# Puts further elements into an array, at the places they are to have.
sub _insert
{
	my ($array, $insert) = @_;
	my ($n) = $array =~ /^\*(\d+)\r\n/;
	my $at = index($array, "\r\n") + 2;
	my @elements;

	for (1 .. $n)
	{
		my $length = _length(\$array, $at);

		push @elements, substr $array, $at, $length;
		$at += $length;
	}
	splice @elements, $_->[0], 0, $_->[1] foreach @$insert;
	return '*' . @elements . "\r\n" . join '', @elements;
}

sub _encode
{
	return '*' . @_ . "\r\n" . join '', map { '$' . length($_) . "\r\n$_\r\n" } @_;
}

1;
