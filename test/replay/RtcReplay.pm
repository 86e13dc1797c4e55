# Replays PostgreSQL's regression suite, and asks each of its queries again and
# again: from the cache and plainly, in several sessions, before and after random
# writes and random DDL.
#
#	my $replay = RtcReplay->new(suite => $directory, seed => 1, ...);
#	$replay->prepare;
#	$replay->file($name);		runs sql/$name.sql
#	$replay->report				what was compared, as text
#	$replay->{wrong}			{ title, text }, one for each kind of difference
#
# Sessions:
#	main	runs the suite, one for each file
#	reader	asks the same, with names of its own in front of the server's; as a
#			superuser and as a role that may only read
#	admin	writes and runs DDL
# A difference counts once for each DDL after which it is seen, and each query.

package RtcReplay;

use strict;
use warnings;

use Time::HiRes qw(time);

use RtcReplayDdl;
use RtcReplaySession;
use RtcReplaySplit;

my @writes = qw(update update update swap null delete insert insert all truncate);

# Options: suite (the directory), seed, redis (there is one), comparisons and
# seconds (how many are enough), share (of the queries, that are asked), ddl and
# writes (how often there is one, behind a query), only (kinds of DDL), tell (called with each new difference), verbose.
sub new
{
	my ($class, %option) = @_;
	my $self = bless {
		seed => 1, share => 1, ddl => 0.3, writes => 0.3, only => {}, %option,
		count => { map { $_ => 0 } qw(files statements queries compared error l1 redis miss bypass skipped ddl ddl_failed writes writes_failed wrong) },
		by_ddl => {}, wrong => {}, pool => [], began => time
	}, $class;

	$ENV{PG_ABS_SRCDIR} = $self->{suite};
	$ENV{PG_LIBDIR} = $self->{libdir} || $self->{suite};
	$ENV{PG_DLSUFFIX} = '.so';
	srand $self->{seed};
	return $self;
}

sub prepare
{
	my ($self) = @_;

	$self->{admin} = RtcReplaySession->new('admin');
	$self->{reader} = RtcReplaySession->new('reader');
	$self->_settle;
	return;
}

# What each session is to have, at its beginning.  With another "+" in front, recursion
# may have no end.
sub _settle
{
	my ($self) = @_;

	$self->{admin}->run("SET lock_timeout = '300ms'; SET client_min_messages = error;");
	$self->{reader}->run("SET search_path = shadow, public, pg_catalog; SET lock_timeout = '300ms'; SET statement_timeout = '60s';");
	return;
}

sub enough
{
	my ($self) = @_;

	return 1 if $self->{comparisons} && $self->{count}{compared} >= $self->{comparisons};
	return 1 if $self->{seconds} && time - $self->{began} >= $self->{seconds};
	return 0;
}

sub chance { return rand() < $_[0]; }
sub pick { return $_[ int rand @_ ]; }
sub dollars { return "\$replay_q\$$_[0]\$replay_q\$"; }

# --------------------------------------------------------------------
# Asking
# --------------------------------------------------------------------

# Asks once; true if that was right, or could not be compared.
sub _ask
{
	my ($self, $session, $q) = @_;
	my $who = $session->{name};

	return 1 if $q->{gone}{$who} || !$session->alive;
	my $answer = $session->value('SELECT replay.ask(' . dollars($q->{query}) . ')');
	my ($verdict, $how, @more) = split /\|/, $answer;

	if (!defined $verdict || $verdict !~ /^(ok|skip|wrong)$/)
	{
		# the transaction has failed, or the role is not let in
		$self->{count}{skipped}++;
		return 1;
	}
	if ($verdict eq 'skip')
	{
		$self->{count}{skipped}++;
		$self->{skips}{$how}++;
		$q->{gone}{$_} = 1 foreach qw(main reader role);
		return 1;
	}
	$self->{count}{compared}++;
	$self->{count}{$how}++;
	if ($verdict eq 'ok')
	{
		# and from where it is now
		return $self->_ask($session, $q) if $how eq 'miss' && chance(0.5);
		return 1;
	}
	$self->_wrong($who, $q, $how, @more);
	return 0;
}

sub _ask_as_role
{
	my ($self, $q) = @_;
	my $reader = $self->{reader};

	$reader->run('SET ROLE replay_user;');
	local $reader->{name} = 'role';
	$self->_ask($reader, $q);
	$reader->run('RESET ROLE;');
	return;
}

# In all sessions.
sub _ask_all
{
	my ($self, $q) = @_;

	$self->_wait;
	$self->_ask($self->{main}, $q);
	$self->_ask($self->{reader}, $q) unless $q->{own};
	$self->_ask_as_role($q) if !$q->{own} && $q->{role};
	return;
}

sub _wait
{
	my ($self) = @_;

	$self->{admin}->run("SELECT rtc.cache_wait(timeout => '30 s');") if $self->{redis};
	return;
}

# Some others that were asked before.
sub _ask_some
{
	my ($self, $n) = @_;
	my @pool = @{ $self->{pool} };

	foreach (1 .. $n)
	{
		my $q = pick(@pool) or last;

		$self->_ask($self->{main}, $q);
		$self->_ask($self->{reader}, $q) unless $q->{own} || chance(0.5);
	}
	return;
}

sub _wrong
{
	my ($self, $who, $q, $how, @more) = @_;
	my $what = $self->{step} ? "$self->{step}{name} ($self->{phase})" : 'suite';
	my $title = "$what, $how, asked by $who" . ($more[1] =~ /^error (\w+)/ ? ", error $1" : '');
	my $text = "$q->{file}.sql, line $q->{line}: $title\n"
	  . "query:\n$q->{query}\n"
	  . "explained: $more[0]\n"
	  . "from the cache: $more[1]\nplainly:        $more[2]\n"
	  . "before that, in the sessions:\n"
	  . join("\n", map { "  $_" } @{ $self->{steps} || [] })
	  . "\nlast statements of the suite:\n"
	  . join("\n", map { s/\n/\n    /gr } map { "  $_" } grep { length } @{ $self->{last} || [] });

	$self->{count}{wrong}++;
	$self->{wrong_by}{$what}++;
	$q->{gone}{$who} = 1;
	# what is wrong in one session need not be so in the next
	$q->{wrong}++;
	return if $self->{wrong}{$title}++;
	$self->{tell}->($title, $text, $self->{count}{compared}) if $self->{tell};
	return;
}

# --------------------------------------------------------------------
# What happens in between
# --------------------------------------------------------------------

sub _note { my ($self, $who, $sql) = @_; push @{ $self->{steps} }, "$who: $sql"; return; }

sub _write
{
	my ($self, $q) = @_;
	my $rel = pick(@{ $q->{relations} }) or return 0;
	my $kind = pick(@writes);
	my ($i, $j, $k) = map { int rand 1000 } 1 .. 3;

	return 0 if $kind eq 'truncate' && chance(0.7);
	my $sql = $self->{admin}->value("SELECT replay.write($rel, '$kind', $i, $j, $k)");

	$self->{count}{ $sql eq '' ? 'writes_failed' : 'writes' }++;
	$self->_note(admin => $sql) if $sql ne '';
	return $sql ne '';
}

sub _transaction
{
	my ($self, $session, @sql) = @_;
	my $text = join ";\n", 'BEGIN', @sql, 'COMMIT;';

	$session->run($text);
	return '' if $session->error eq '';
	my $error = $session->error;

	$session->run('ROLLBACK;');
	return $error;
}

sub _ddl_round
{
	my ($self, $q) = @_;
	my $ddl = RtcReplayDdl::pick_one($self->{admin}, $q->{query}, $self->{only}) or return;
	my $session = $self->{ $ddl->{where} };

	$self->{steps} = [];
	$self->{step} = $ddl;
	$self->{phase} = 'before';
	$self->_ask_all($q);
	my $error = $self->_transaction($session, @{ $ddl->{do} });

	if ($error ne '')
	{
		$self->{count}{ddl_failed}++;
		$self->{failed}{"$ddl->{name} $error"}++;
		$self->{sample}{"$ddl->{name} $error"} = join '; ', @{ $ddl->{do} };
		$self->{step} = undef;
		return;
	}
	$self->{count}{ddl}++;
	$self->{by_ddl}{ $ddl->{name} }++;
	$self->_note($ddl->{where} => $_) foreach @{ $ddl->{do} };
	$self->{phase} = 'done';
	$self->_ask_fresh($q) if $ddl->{fresh};
	$self->_ask_all($q);
	$self->_ask_some(1);
	$self->{phase} = 'done, then a write';
	$self->_ask_all($q) if chance(0.3) && $self->_write($q);
	$self->{phase} = 'undone';
	$error = $self->_transaction($session, @{ $ddl->{undo} });
	$self->_note($ddl->{where} => $_) foreach @{ $ddl->{undo} }, $error;
	if ($error ne '')
	{
		$self->{failed}{"$ddl->{name} undo $error"}++;
		$self->{sample}{"$ddl->{name} undo $error"} = join '; ', @{ $ddl->{undo} };
	}
	$self->_ask_fresh($q) if $ddl->{fresh};
	$self->_ask_all($q);
	$self->_ask_some(1);
	$self->{step} = undef;
	# a session may keep what is wrong
	$self->_start_reader if $q->{wrong} && delete $q->{gone}{reader};
	return;
}

sub _start_reader
{
	my ($self) = @_;

	$self->{reader}->restart;
	$self->_settle;
	return;
}

sub _ask_fresh
{
	my ($self, $q) = @_;
	my $session = RtcReplaySession->new('fresh');

	$self->_ask($session, $q);
	$session->stop;
	return;
}

sub _write_round
{
	my ($self, $q) = @_;

	$self->{steps} = [];
	$self->{step} = { name => 'write' };
	$self->{phase} = 'before';
	$self->_ask_all($q);
	$self->{phase} = 'done';
	if ($self->_write($q))
	{
		$self->_ask_all($q);
		$self->_ask_some(1);
	}
	$self->{step} = undef;
	return;
}

# --------------------------------------------------------------------
# The suite
# --------------------------------------------------------------------

sub _in_transaction
{
	my ($self, $text) = @_;

	$text =~ s/^\s*(?:--[^\n]*\n\s*)*//;
	$self->{busy} = 1 if $text =~ /^(?:begin|start\s+transaction)\b/i;
	$self->{busy} = 0 if $text =~ /^(?:commit|rollback(?!\s+(?:work\s+|transaction\s+)?to\b)|end|abort|prepare\s+transaction)\b/i;
	return;
}

sub _query
{
	my ($self, $q) = @_;
	my $main = $self->{main};
	my $explain = sub { return split /\|/, $main->value('SELECT replay.explain(' . dollars($q->{query}) . ')'); };
	my ($what, $more) = $explain->();

	return unless defined $what;
	$more = '' unless defined $more;
	$self->{count}{queries}++;
	if ($what eq 'ttl' && !$self->{busy})
	{
		my $list = join ',', split / /, $more;

		$self->{admin}->run("SELECT replay.attach('{$list}');");
		($what, $more) = $explain->();
		return unless defined $what;
		$more = '' unless defined $more;
	}
	if ($what eq 'none' && $more =~ /volatile|row lock|sequence|sample/ || $what eq 'error' && $more =~ /^0A000 cached|^42601/)
	{
		$self->{count}{skipped}++;
		$self->{skips}{$more}++;
		return;
	}
	$q->{own} = 1 if $what eq 'none' && $more =~ /temporary/;
	$q->{relations} = $what eq 'exact' ? [ split / /, $more ] : [];
	$self->{step} = undef;
	$self->{steps} = [];
	$self->_ask($main, $q) for 1 .. 2;
	return if $q->{gone}{main};
	return if $what ne 'exact';
	$q->{role} = chance(0.3);

	my $pool = $self->{pool};

	push @$pool, $q;
	shift @$pool if @$pool > 40;
	return if $self->{busy} || $self->{no_rounds};
	$self->_ddl_round($q) if chance($self->{ddl});
	$self->_write_round($q) if chance($self->{writes});
	return;
}

sub _text
{
	my ($self, $item) = @_;

	return $item->{text} unless defined $item->{data};

	# a file, for the data must not be taken for statements
	my $file = "$ENV{TMPDIR}/replay.data";
	my $copy = $item->{copy} =~ s/\s+/ /gr =~ s/;\s*$//r;

	open my $f, '>', $file or die "could not write $file: $!";
	print $f $item->{data};
	close $f;
	return "\\$copy" =~ s/\bfrom\s+stdin\b/from '$file'/ir;
}

# Runs one file; "quick": without asking.
sub file
{
	my ($self, $name, $quick) = @_;
	my $path = "$self->{suite}/sql/$name.sql";
	my $text = do { local $/; open my $f, '<', $path or die "could not read $path: $!\n"; <$f> };
	my $main = $self->{main} = RtcReplaySession->new('main');

	$main->run("SET lock_timeout = '2s'; SET statement_timeout = '60s';");
	$self->{busy} = 0;
	$self->{last} = [];
	$self->{pool} = [ splice @{ $self->{pool} }, -10 ] if @{ $self->{pool} } > 10;
	foreach my $item (RtcReplaySplit::split_script($text))
	{
		last if !$quick && $self->enough;
		# psql would not answer in a branch that it skips
		next if $item->{text} =~ /^\s*\\(?:if|elif|else|endif|q|quit)\b/;
		push @{ $self->{last} }, $item->{text} =~ s/^\s+//r;
		shift @{ $self->{last} } if @{ $self->{last} } > 6;
		$main->run($self->_text($item)) or last;
		$self->{count}{statements}++;
		$self->_in_transaction($item->{text});
		next if $quick;
		if (defined $item->{query})
		{
			next unless chance($self->{share});
			$self->_query({ query => $item->{query}, file => $name, line => $item->{line} });
		}
		elsif (!$self->{busy} && $item->{text} !~ /^\s*\\/)
		{
			# else when a query reads it
			$self->{admin}->run('SELECT replay.attach_all();')
			  if $item->{text} =~ /\bcreate\s+table\b/i && chance(0.5);
			$self->_wait;
			$self->{steps} = [];
			$self->_ask_some(1);
		}
	}
	$self->{count}{files}++;
	$main->stop;
	return;
}

sub report
{
	my ($self) = @_;
	my $c = $self->{count};
	my $list = sub { my ($h) = @_; return join ', ', map { "$_ $h->{$_}" } sort { $h->{$b} <=> $h->{$a} || $a cmp $b } keys %{ $h || {} }; };

	return "$c->{files} files, $c->{statements} statements, $c->{queries} queries; $c->{ddl} DDL ($c->{ddl_failed} not possible), $c->{writes} writes ($c->{writes_failed} not possible)\n"
	  . "$c->{compared} answers compared: " . join(', ', map { "$_ $c->{$_}" } qw(l1 redis miss bypass error)) . "; $c->{skipped} not compared\n"
	  . "not compared: " . $list->($self->{skips}) . "\n"
	  . "DDL: " . $list->($self->{by_ddl}) . "\n"
	  . ($self->{verbose} ? join('', map { "  failed $self->{failed}{$_} $_: $self->{sample}{$_}\n" } sort keys %{ $self->{failed} || {} }) : '')
	  . "$c->{wrong} wrong" . ($c->{wrong} ? ': ' . $list->($self->{wrong_by}) : '')
	  . sprintf "; %.1f s\n", time - $self->{began};
}

1;
