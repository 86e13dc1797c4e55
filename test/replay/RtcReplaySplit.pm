# Splits a script for psql into what psql would send, one by one.
#
#	my @items = RtcReplaySplit::split_script($text);
#
# An item is { line, text, query }: text is what to give to psql, as it stands,
# with its backslash commands; query is there if it is a SELECT that can be
# asked again: without the semicolon and what is behind it.  The data of COPY
# FROM stdin go with their statement ("data"), so that they cannot be taken for
# statements when that fails.

package RtcReplaySplit;

use strict;
use warnings;

# What does something, or is different each time, whatever the server says of it.
my $effects = qr/\b(?:nextval|setval|currval|lastval|set_config|pg_sleep|pg_advisory\w*|pg_try_advisory\w*|lo_\w+|lowrite|loread
	|pg_notify|dblink\w*|pg_terminate\w*|pg_cancel\w*|pg_reload_conf|pg_switch_wal|pg_stat\w*|pg_logical\w*|pg_replication\w*
	|pg_create\w*|pg_drop\w*|txid_\w+|pg_current_\w+|pg_snapshot\w*|random|pg_prepared_xacts|pg_locks|pg_cursors)\b/ix;

# What is left of a statement without comments at its beginning.
sub _bare
{
	my ($text) = @_;

	1 while $text =~ s{\A\s*(?:--[^\n]*(?:\n|\z)|/\*.*?\*/)}{}s;
	$text =~ s/\A\s+//;
	return $text;
}

sub _query
{
	my ($body) = @_;
	my $bare = _bare($body);

	return undef unless $bare =~ /\A\(*\s*(?:select|values|table|with)\b/i;
	return undef if $bare =~ $effects || length $bare > 4000;

	# variables of psql
	(my $open = $bare) =~ s/'(?:[^']|'')*'//g;
	return undef if $open =~ /(?<![:\w\]])(?::'\w+'|:"\w+"|:[a-z_]\w*)/i;
	return undef if $open =~ /\bfor\s+(?:no\s+key\s+)?(?:update|share|key\s+share)\b|\binto\b/i;
	$bare =~ s/\s+\z//;
	return $bare;
}

sub split_script
{
	my ($text) = @_;
	my @items;
	my ($start, $depth, $begin, $line, $first_line) = (0, 0, 0, 1, 1);
	my @words;
	my $conforming = 1;
	my $finish = sub {
		my ($body_end, $end) = @_;
		my $all = substr $text, $start, $end - $start;
		my $body = substr $text, $start, $body_end - $start;
		my $bare = _bare($body);

		if ($all =~ /\S/)
		{
			my $item = { line => $first_line, text => $all };
			my $query = _query($body);

			$item->{query} = $query if defined $query;
			if ($bare =~ /\Acopy\b.*\bfrom\s+stdin\b/is && $text =~ /\G[^\n]*\n(.*?)^\\\.[ \t]*(?:\n|\z)/gcsm)
			{
				$item->{data} = $1;
				$item->{copy} = $bare;
				$end = pos $text;
			}
			$conforming = $1 =~ /on|true|1|default/i ? 1 : 0
			  if $bare =~ /\Aset\s+standard_conforming_strings\s*(?:to|=)\s*'?(\w+)/i;
			push @items, $item;
		}
		$line += substr($text, $start, $end - $start) =~ tr/\n//;
		$first_line = $line;
		($start, $depth, $begin, @words) = ($end, 0, 0);
		pos $text = $end;
	};

	pos $text = 0;
	while (pos $text < length $text)
	{
		if ($text =~ /\G(?:\s+|--[^\n]*)/gc) { next; }
		if ($text =~ m{\G/\*}gc)
		{
			my $nested = 1;

			while ($nested && $text =~ m{\G.*?(/\*|\*/)}gcs) { $nested += $1 eq '/*' ? 1 : -1; }
			pos $text = length $text if $nested;
			next;
		}
		if ($text =~ /\G\$(?:[A-Za-z_\x80-\xff][\w\x80-\xff]*)?\$/gc)
		{
			my $at = index $text, $&, pos $text;

			pos $text = $at < 0 ? length $text : $at + length $&;
			next;
		}
		if ($text =~ /\G[Ee]'(?:[^'\\]|''|\\.)*'/gcs) { next; }
		if (!$conforming && $text =~ /\G'(?:[^'\\]|''|\\.)*'/gcs) { next; }
		if ($text =~ /\G'(?:[^']|'')*'/gcs || $text =~ /\G"(?:[^"]|"")*"/gcs) { next; }
		if ($text =~ /\G[A-Za-z_\x80-\xff][\w\$\x80-\xff]*/gc)
		{
			push @words, lc $&;
			if ($words[0] eq 'create' && grep { /^(?:function|procedure)$/ } @words[ 1 .. ($#words < 3 ? $#words : 3) ])
			{
				$begin++ if $words[-1] eq 'begin' || ($begin && $words[-1] eq 'case');
				$begin-- if $begin && $words[-1] eq 'end';
			}
			next;
		}
		if ($text =~ /\G\\;/gc) { next; }
		if ($text =~ /\G\\[^\n]*(?:\n|\z)/gc)
		{
			$finish->($-[0], $+[0]);
			next;
		}
		if ($text =~ /\G;/gc)
		{
			$finish->($-[0], $+[0]) if !$depth && !$begin;
			next;
		}
		$text =~ /\G./gcs;
		$depth++ if $& eq '(' || $& eq '[';
		$depth-- if ($& eq ')' || $& eq ']') && $depth;
	}
	$finish->(length $text, length $text);
	return @items;
}

1;
