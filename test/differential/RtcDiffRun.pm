# Runs cases of the differential test, and makes small ones of those that fail.
#
#	my $run = RtcDiffRun->new($node, seed => 1, cases => 100, redis => 1);
#	$run->all;				runs them; the number of cases that failed
#	$run->report			what was compared, as text
#	$run->{count}			the same as numbers
#
# A case is a list of statements: a schema, queries, writes.  It becomes one
# script for psql, and a failure is told as such a script, which can be run by
# hand behind setup.sql.  The seed of the case n of a run is seed + n.

package RtcDiffRun;

use strict;
use warnings;

use File::Basename qw(dirname);
use Test::More;
use Time::HiRes qw(time);

use RtcDiffMeaning;
use RtcDiffQuery;
use RtcDiffSchema;
use RtcDiffWrite;

# What an answer can depend on; the rest has no dependency, or is not cached.
my @kinds = qw(row table tag);

my $setup_file = dirname(__FILE__) . '/setup.sql';
my $runs = 0;

# Options: seed, cases, redis (there is one), mutant ("trigger": hides writes),
# shrink (0: tell failures as they are), failures (how many are enough), about
# (themes of RtcDiffMeaning, instead of all).
sub new
{
	my ($class, $node, %option) = @_;
	my $self = bless {
		node => $node,
		seed => 1,
		cases => 10,
		shrink => 1,
		failures => 3,
		%option,
		count => { map { $_ => 0 } qw(cases queries writes failed_writes compared
			  l1 redis miss bypass changed survived ttl_only errors),
			map { ("kind_$_", "hit_$_") } @kinds },
		seconds => 0
	}, $class;

	return $self;
}

# Once per database.
sub prepare
{
	my ($self) = @_;

	$self->{node}->safe_psql('postgres', PostgreSQL::Test::Utils::slurp_file($setup_file));
	return;
}

# --------------------------------------------------------------------
# Cases
# --------------------------------------------------------------------

sub generate
{
	my ($self, $seed) = @_;

	srand $seed;

	my $schema = RtcDiffSchema->new;
	my @queries = map { RtcDiffQuery->new($schema, $_) } 1 .. between(10, 18);
	my $writer = RtcDiffWrite->new($schema);
	my @writes = map { $writer->next } 1 .. between(8, 16);
	my $n = 0;

	foreach my $w (@writes)
	{
		my $sabotage = $w->{ddl} || chance(0.4);

		$self->_sabotage($w) if $self->{mutant} && $sabotage;
	}

	# behind all the rest, which stays what it was for a seed
	my $more = RtcDiffMeaning->new($schema, 1 + @queries, split /,/, $self->{about} || '');

	push @queries, @{ $more->{queries} };
	splice @writes, rand(@writes + 1), 0, $_ foreach @{ $more->{writes} };
	return {
		seed => $seed,
		role => $more->{role},
		schema => [ map { { sql => "$_;" } } $schema->statements, @{ $more->{statements} } ],
		queries => [ map { $_->{n} = ++$n; { n => $n, sql => _pool($_), text => $_->{query}, theme => $_->{theme} } } @queries ],
		writes => \@writes
	};
}

# The cache does not hear of a write: does the test?
sub _sabotage
{
	my ($self, $w) = @_;

	die "unknown mutant $self->{mutant}" if $self->{mutant} ne 'trigger';
	return if $w->{behind} || $w->{ddl} || $w->{sql} =~ /\\connect/;
	my $which = "tgfoid IN (SELECT oid FROM pg_proc WHERE proname LIKE 'rtcache%')";

	# a new session knows nothing of a trigger but what the catalog says
	$w->{sql} = "UPDATE pg_trigger SET tgenabled = 'D' WHERE $which;\n\\connect -reuse-previous=on\n:settings\n"
	  . $w->{sql}
	  . "\nUPDATE pg_trigger SET tgenabled = 'A' WHERE $which;\n\\connect -reuse-previous=on\n:settings";
	return;
}

sub _pool
{
	my ($q) = @_;
	my $array = sub {
		return 'ARRAY[' . join(', ', map { defined $_ ? quote($_) : 'NULL' } @_) . ']::text[]';
	};

	return "INSERT INTO diff.pool (n, key, one_row, query, args, tags, other, direct) VALUES ($q->{n}, "
	  . quote($q->{key}) . ', '
	  . ($q->{one_row} ? 'true' : 'false') . ",\n\t"
	  . quote($q->{query}) . ",\n\t"
	  . $array->(@{ $q->{args} }) . ', '
	  . ($q->{tags} ? $array->(@{ $q->{tags} }) : 'NULL') . ($q->{role} ? ', true' : ', false') . ",\n\t"
	  . quote($q->{direct}) . ');';
}

# The script of a case.  @$lines tells the write that each line belongs to.
sub script
{
	my ($self, $case, $lines) = @_;
	my @parts = ([
		undef, join "\n",
		'\set VERBOSITY verbose',
		'\set settings \'SET search_path = d0, d, diff, public; SET "TimeZone" = "UTC"; SET client_min_messages = error; SET lock_timeout = "20s"; SET statement_timeout = "60s";\'',
		':settings', 'DROP SCHEMA IF EXISTS d0, d1, d CASCADE;', 'CREATE SCHEMA d;',
		'DELETE FROM diff.pool;' ]);
	my $check = ($self->{redis} ? "SELECT cache_wait(timeout => '60 s') \\gset\n" : '') . 'SELECT diff.check();';
	my $explain = 'SELECT diff.explain() \gset';
	my $n = 0;

	if ($case->{role})
	{
		$check .= "\nSET ROLE diff_other;\nSELECT diff.check('r');\nRESET ROLE;";
		push @parts, [ undef, 'GRANT USAGE ON SCHEMA d TO diff_other; ALTER DEFAULT PRIVILEGES IN SCHEMA d GRANT SELECT ON TABLES TO diff_other;' ];
	}
	push @parts, [ undef, $_->{sql} ] foreach @{ $case->{schema} }, @{ $case->{queries} };
	# what takes long in this schema is left out
	push @parts, [ undef, $explain ], [ undef, '\echo W|0' ], [ undef, $check ];
	foreach my $w (@{ $case->{writes} })
	{
		push @parts, [ undef, '\echo W|' . ++$n ], [ $n, $w->{sql} ];
		push @parts, [ undef, $explain ] if $w->{ddl};
		push @parts, [ undef, $check ];
		my $plus = '';

		foreach my $behind (ref $w->{behind} ? @{ $w->{behind} } : $w->{behind} || ())
		{
			$plus .= '+';
			push @parts, [ undef, '\echo W|' . $n . $plus ], [ $n, $behind ];
			push @parts, [ undef, $explain ] if $w->{ddl};
			push @parts, [ undef, $check ];
		}
	}
	my $text = '';

	foreach my $part (@parts)
	{
		my $sql = "$part->[1]\n";

		push @$lines, ($part->[0]) x ($sql =~ tr/\n//) if $lines;
		$text .= $sql;
	}
	return $text;
}

# Runs one.  Returns a hash: failure (undef or { what, query, write, text }),
# and the numbers.
sub run_case
{
	my ($self, $case) = @_;
	my @lines;
	my $script = $self->script($case, \@lines);
	my $nonce = sprintf 'r%d_%d.', $$, ++$runs;
	my %count;
	my $failure;

	$script =~ s/__N__/$nonce/g;
	my ($stdout, $stderr, $timed_out) = ('', '', 0);
	my $status = $self->{node}->psql(
		'postgres', $script,
		on_error_stop => 0,
		stdout => \$stdout,
		stderr => \$stderr,
		timeout => 300,
		timed_out => \$timed_out);

	if ($timed_out || !defined $status || $status == 2)
	{
		my ($at) = reverse $stdout =~ /^W\|(\S+)/mg;
		return { failure => { what => 'crash', write => $at || 0, query => 0, text => substr $stderr, -2000 }, count => {} };
	}

	my %failed;

	while ($stderr =~ /^psql:<stdin>:(\d+): (?:ERROR|FATAL|PANIC): +(\w{5}): (.*)$/mg)
	{
		my ($line, $state, $message) = ($1, $2, $3);
		my $w = $lines[ $line - 1 ];

		$failed{$w} = 1 if defined $w;
		$count{errors}++;
		$self->{messages}{"$state $message"}++;
		$self->{sample}{"$state $message"} ||= defined $w ? $case->{writes}[$w - 1]{sql} : (split m{\n}, $script)[$line - 1];
		next if !_unexpected($state, $message);
		$failure ||= { what => 'error', write => $w || 0, query => 0, text => "$state $message" };
	}
	$count{failed_writes} = keys %failed;

	my ($write, %last, @check) = (0);
	my $finish = sub {
		my $changes = grep { $_->{changed} } @check;

		$count{changed} += $changes;
		$count{survived} += grep { $_->{exact} && $_->{how} =~ /^(l1|redis)$/ } @check if $changes && $write ne '0';
		@check = ();
	};

	foreach my $line (split /\n/, $stdout)
	{
		if ($line =~ /^W\|(\S+)/)
		{
			$finish->();
			$write = $1;
		}
		elsif ($line =~ /^R\|(\d+r?)\|([01])\|(\w+)\|(\w+)\|([01])\|(\w+)/)
		{
			my ($n, $exact, $kind, $how, $right, $hash) = ($1, $2, $3, $4, $5, $6);

			push @check, { exact => $exact, how => $how, changed => $exact && exists $last{$n} && $last{$n} ne $hash };
			$last{$n} = $hash;
			if (!$exact)
			{
				$count{ttl_only}++;
				next;
			}
			$count{compared}++;
			$count{$how}++;
			$count{"kind_$kind"}++;
			$count{"hit_$kind"}++ if $how =~ /^(l1|redis)$/;
			next if $right || $failure;
			$failure = { what => "wrong $how", write => $write, query => $n, text => '' };
		}
		elsif ($line =~ /^D\|(\d+r?)\|(\w+)\|(.*)/ && $failure && $failure->{query} eq $1
			&& $failure->{write} eq $write)
		{
			$failure->{text} .= "$2: $3\n";
		}
	}
	$finish->();
	$count{writes} = @{ $case->{writes} };
	$count{queries} = @{ $case->{queries} };
	return { failure => $failure, count => \%count, answered => scalar(keys %last) };
}

# An error that no statement of ours may cause.
sub _unexpected
{
	my ($state, $message) = @_;

	return $state =~ /^(XX|57P|55P|58|53|54)/ || $message =~ /diff\./;
}

sub all
{
	my ($self) = @_;
	my $start = time;
	my $failed = 0;

	foreach my $n (0 .. $self->{cases} - 1)
	{
		my $case = $self->generate($self->{seed} + $n);
		my $result = $self->run_case($case);

		$self->{count}{cases}++;
		$self->{count}{$_} += $result->{count}{$_} || 0 foreach keys %{ $result->{count} };
		next unless $result->{failure};
		$failed++;
		my ($theme) = map { $_->{theme} || () } grep { $result->{failure}{query} =~ /^$_->{n}r?$/ } @{ $case->{queries} };

		$result->{failure}{text} = "about: $theme\n$result->{failure}{text}" if $theme;
		push @{ $self->{failed} }, { seed => $case->{seed}, %{ $result->{failure} } };
		$self->tell($case, $result->{failure}) unless $self->{quiet};
		last if $failed >= $self->{failures};
	}
	$self->{seconds} += time - $start;
	return $failed;
}

sub report
{
	my ($self) = @_;
	my $c = $self->{count};
	my $share = sub { my ($part, $of) = @_; return sprintf '%d (%.0f%%)', $part, $of ? 100 * $part / $of : 0; };

	my $kinds = join ', ', map {
		"$_ " . $share->($c->{"hit_$_"}, $c->{"kind_$_"}) . " of $c->{\"kind_$_\"}"
	} @kinds;

	return "$c->{cases} cases, $c->{queries} queries, $c->{writes} writes ("
	  . $share->($c->{failed_writes}, $c->{writes}) . " met an error)\n"
	  . "  $c->{compared} answers compared, $c->{ttl_only} not (TTL only): "
	  . join(', ', map { "$_ " . $share->($c->{$_}, $c->{compared}) } qw(l1 redis miss bypass)) . "\n"
	  . "  hits by dependency: $kinds\n"
	  . '  changed by a write ' . $share->($c->{changed}, $c->{compared})
	  . ', from the cache behind a write that changed others ' . $share->($c->{survived}, $c->{compared})
	  . sprintf '; %.1f s', $self->{seconds};
}

# Answers that came from a cache.
sub hits
{
	my ($self) = @_;

	return $self->{count}{l1} + $self->{count}{redis};
}

# --------------------------------------------------------------------
# Failures
# --------------------------------------------------------------------

sub tell
{
	my ($self, $case, $failure) = @_;
	my $out = Test::More->builder->failure_output;
	my $text = "$failure->{what}, query $failure->{query}, write $failure->{write}, seed $case->{seed}\n$failure->{text}";

	($case, $failure) = $self->shrink($case, $failure) if $self->{shrink} && $failure->{what} ne 'crash';
	print $out "# ==== seed $case->{seed}: $text";
	print $out "# ---- as small as it gets (query $failure->{query}, write $failure->{write}); run setup.sql first\n";
	print $out $self->script($case), "-- gives $failure->{what}\n";
	print $out "-- $_\n" foreach split /\n/, $failure->{text};
	print $out "# ====\n";
	return;
}

# Leaves out what it can while the same thing goes wrong.
sub shrink
{
	my ($self, $case, $failure) = @_;
	my $tries = 0;
	my $until = time + 60;
	my $still = sub {
		my ($smaller) = @_;

		return 0 if ++$tries > 400 || time > $until;
		my $result = $self->run_case($smaller);
		my $f = $result->{failure};

		return 0 unless $f && $f->{what} eq $failure->{what};
		return 0 if $failure->{text} =~ /error/ && $f->{text} !~ /error/ || $failure->{text} !~ /error/ && $f->{text} =~ /error/;
		$failure = $f;
		$case = $smaller;
		return 1;
	};
	local $self->{messages} = {};

	# the writes behind it, the other queries
	my ($last) = $failure->{write} =~ /^(\d+)/;
	$still->({ %$case, writes => [ @{ $case->{writes} }[ 0 .. $last - 1 ] ] });
	$still->({ %$case, queries => [ grep { $failure->{query} =~ /^$_->{n}r?$/ } @{ $case->{queries} } ] });
	for (1 .. 2)
	{
		foreach my $kind (qw(writes schema queries))
		{
			for (my $size = int(@{ $case->{$kind} } / 2) || 1; $size >= 1; $size = int($size / 2))
			{
				for (my $at = 0; $at < @{ $case->{$kind} };)
				{
					my @list = @{ $case->{$kind} };

					splice @list, $at, $size;
					$at += $size unless $still->({ %$case, $kind => \@list });
				}
			}
		}
		# statements of one write
		foreach my $i (0 .. $#{ $case->{writes} })
		{
			for (my $at = 0; $at < (my @s = split /;\n/, $case->{writes}[$i]{sql}); $at++)
			{
				next if @s < 2 || $s[$at] =~ /^\\|^COPY|^UPDATE pg_/ || $case->{writes}[$i]{sql} =~ /\nCOPY|^COPY/;
				splice @s, $at, 1;
				my $sql = join ";\n", @s;
				$sql .= ';' unless $sql =~ /;$|settings$/;
				my @writes = @{ $case->{writes} };
				$writes[$i] = { %{ $writes[$i] }, sql => $sql };
				$at-- if $still->({ %$case, writes => \@writes });
			}
		}
	}
	return ($case, $failure);
}

1;
