# One session of psql that lives as long as its state is wanted.
#
#	my $session = RtcReplaySession->new('main');
#	$session->run($sql)		true if it is still there
#	$session->value($sql)	the first value of the result; '' if there is none
#	$session->rows($sql)	the lines of the result, of a single column
#	$session->error			SQLSTATE of the last error of run(), or ''
#
# What is run may be anything that psql takes; its output is thrown away.

package RtcReplaySession;

use strict;
use warnings;

use IPC::Open2;

sub new
{
	my ($class, $name) = @_;
	my $self = bless { name => $name, n => 0, error => '' }, $class;

	$self->start;
	return $self;
}

sub start
{
	my ($self) = @_;

	$self->{pid} = open2($self->{out}, $self->{in}, 'exec psql -X -A -t -q -v VERBOSITY=sqlstate -P pager=off 2>&1');
	$self->{alive} = 1;
	$self->run('\pset null \'\'');
	return;
}

sub stop
{
	my ($self) = @_;

	return unless $self->{pid};
	close $self->{in};
	close $self->{out};
	waitpid $self->{pid}, 0;
	$self->{alive} = $self->{pid} = 0;
	return;
}

sub restart
{
	my ($self) = @_;

	$self->stop;
	$self->start;
	return;
}

# Everything that comes before the mark.
sub _until
{
	my ($self, $mark) = @_;
	my $text = '';

	# what takes as long is no test of the cache
	local $SIG{ALRM} = sub { kill 'TERM', $self->{pid}; };
	alarm 120;
	while (defined(my $line = readline $self->{out}))
	{
		if ($line =~ /\A(.*)\Q$mark\E\r?\n\z/s)
		{
			alarm 0;
			return $text . $1;
		}
		$text .= $line;
	}
	alarm 0;
	$self->{alive} = 0;
	return $text;
}

sub _send
{
	my ($self, $text) = @_;
	my $mark = "<<end $$." . ++$self->{n} . '>>';

	return '' unless $self->{alive};
	local $SIG{PIPE} = 'IGNORE';
	print { $self->{in} } "$text\n\\echo $mark\n";
	$self->{in}->flush;
	return $self->_until($mark);
}

sub run
{
	my ($self, $text) = @_;
	my $output = $self->_send($text);

	$self->{error} = $output =~ /^(?:psql:[^\n]*: )?(?:ERROR|FATAL): +(\w{5})$/m ? $1 : '';
	$self->{output} = $output;
	return $self->{alive};
}

sub error { return $_[0]{error}; }
sub alive { return $_[0]{alive}; }

# By a variable of psql, whatever format of output has been chosen.
sub value
{
	my ($self, $sql) = @_;
	my $n = ++$self->{n};
	my $text = $self->_send("\\set replay_value\n$sql AS replay_value \\gset\n\\echo '<<value $n|':replay_value'|value $n>>'");

	return $text =~ /<<value $n\|(.*)\|value $n>>/s ? $1 : '';
}

sub rows
{
	my ($self, $sql) = @_;

	$self->run("$sql;") or return ();
	return grep { length } split /\n/, $self->{output};
}

1;
