# Random queries for the differential test.
#
#	my $q = RtcDiffQuery->new($schema);
#	$q->{query}, $q->{args}		for cache_get or cache_list
#	$q->{direct}				the same with the values in place
#	$q->{key}, $q->{one_row}, $q->{tags}
#
# The answer of each is one multiset of rows, whatever plan is chosen: where
# equal values can be written in more than one way, or LIMIT cuts, it says what
# is to be shown.

package RtcDiffQuery;

use strict;
use warnings;

use RtcDiffSchema;

sub new
{
	my ($class, $schema, $n) = @_;
	my $self = bless {
		schema => $schema,
		args => [],
		aliases => 0,
		one_row => 0,
		key => "__N__q$n",
		n => $n,
	}, $class;
	my $how = rand;

	if ($how < 0.4) { $self->_simple; }
	elsif ($how < 0.5 && $self->_owned) { }
	elsif ($how < 0.53 && $self->_tagged) { }
	else { $self->{query} = $self->_select(2)->{sql}; }

	# parts that were thrown away may have had parameters
	my @args;

	$self->{query} =~ s/\$(\d+)/push @args, $self->{args}[$1 - 1]; '$' . scalar @args/ge;
	$self->{args} = \@args;
	$self->{direct} = $self->{query};
	$self->{direct} =~ s/\$(\d+)/defined $self->{args}[$1 - 1] ? quote($self->{args}[$1 - 1]) : 'NULL'/ge;
	return $self;
}

# A parameter; $n is nowhere else in a query.
sub _arg
{
	my ($self, $value) = @_;

	push @{ $self->{args} }, $value;
	return '$' . scalar @{ $self->{args} };
}

sub _cast { my ($name) = @_; return $type{$name}{cast} || $name; }

# --------------------------------------------------------------------
# Conditions
# --------------------------------------------------------------------

# column = something constant, in one of many ways
sub _pin
{
	my ($self, $alias, $c) = @_;
	my $x = "$alias.$c->{name}";
	my $t = $type{ $c->{type} };
	my $v = sub { quote(value($c)) };
	my $other = sub { pick(@{ $t->{other} }) };
	my $how = rand;

	# a constant of another type must be one
	my $typed = sub {
		my $o = $other->();
		my $value = value($c);

		$value =~ s/\..*// if $o =~ /^d?_?int/;
		$value = '1' if $o =~ /int/ && $value !~ /^-?\d+$/;
		return quote($value) . "::$o";
	};

	# what is equal to a row must say what it is
	return "$x = " . (chance(0.5) ? $self->_arg(value($c)) : $v->()) . "::$c->{type}" if $t->{family} eq 'row';
	return "$x = " . $v->() if $how < 0.2;
	return "$x = " . $self->_arg(chance(0.06) ? undef : value($c)) if $how < 0.4;
	return "$x = " . $typed->() if $how < 0.5;
	return $typed->() . " = $x" if $how < 0.55;
	return "$x IN (" . join(', ', map { $v->() } 1 .. between(1, 3)) . (chance(0.15) ? ', NULL' : '') . ')'
	  if $how < 0.64;
	return "$x IN (" . join(', ', map { $self->_arg(value($c)) } 1 .. 2) . ')' if $how < 0.69;
	return "$x IN (" . join(', ', map { $typed->() } 1 .. 2) . ')' if $how < 0.72;
	if ($how < 0.83 && $t->{family} ne 'array')
	{
		my $list = '{' . join(',', (map { '"' . (value($c) =~ s/(["\\])/\\$1/gr) . '"' } 1 .. between(0, 3)), chance(0.1) ? 'NULL' : ()) . '}';
		my $o = chance(0.7) || $t->{family} =~ /int|numeric|float|time/ ? _cast($c->{type}) : $other->();

		return "$x = ANY (" . (chance(0.6) ? $self->_arg($list) : quote($list)) . "::${o}[])";
	}
	return "($x = " . $v->() . " OR $x = " . $v->() . ')' if $how < 0.88;
	return "NOT ($x <> " . $v->() . ')' if $how < 0.9;
	return "$x = " . $v->() . ' COLLATE ' . pick('diff.ci', '"C"') if $how < 0.94 && $t->{family} eq 'text';
	return "$x IS NOT DISTINCT FROM " . $v->() if $how < 0.95;
	return "($x = " . $v->() . ') IS NOT FALSE' if $how < 0.955;
	return "ROW($x, 1) = ROW(" . $v->() . '::' . _cast($c->{type}) . ', 1)' if $how < 0.96;
	return "coalesce($x, " . $v->() . '::' . _cast($c->{type}) . ') = ' . $v->() if $how < 0.97;
	return (chance(0.5) ? '' : 'NOT ') . $x if $how < 0.99 && $t->{family} eq 'bool';
	return "$x = " . $v->();
}

# anything else about a column
sub _loose
{
	my ($self, $alias, $c) = @_;
	my $x = "$alias.$c->{name}";
	my $v = literal($c, 0);

	return pick(
		"$x <> $v", "$x IS NULL", "$x IS NOT NULL", "$x IS DISTINCT FROM $v",
		"$x <= $v", "$x NOT IN ($v)", "$x <> ALL (ARRAY[$v]::" . _cast($c->{type}) . '[])', 'true',
		"($x > $v) IS NOT TRUE");
}

sub _pairs
{
	my ($one, $other) = @_;
	my @pairs;

	foreach my $a (@{ $one->{columns} })
	{
		foreach my $b (@{ $other->{columns} })
		{
			push @pairs, [ $a, $b ] if same_family($a, $b);
		}
	}
	return @pairs;
}

# an equality between two relations
sub _link
{
	my ($self, $one, $other) = @_;
	my @pairs = _pairs($one, $other) or return 'true';
	my ($a, $b) = @{ pick(@pairs) };

	# which collation would it be?
	my $collate = $type{ $a->{type} }{family} eq 'text' ? ' COLLATE ' . pick('diff.ci', '"C"') : '';

	return "$one->{alias}.$a->{name} = $other->{alias}.$b->{name}$collate";
}

sub _condition
{
	my ($self, $scope, $depth) = @_;
	my $r = pick(@$scope);
	my $how = rand;

	return $self->_pin($r->{alias}, pick(@{ $r->{columns} })) if $how < 0.5 || $depth <= 0;
	return $self->_loose($r->{alias}, pick(@{ $r->{columns} })) if $how < 0.6;
	return '(' . $self->_condition($scope, $depth - 1) . pick(' AND ', ' OR ') . $self->_condition($scope, $depth - 1) . ')'
	  if $how < 0.72;
	return 'NOT (' . $self->_condition($scope, $depth - 1) . ')' if $how < 0.75;
	return $self->_link($r, pick(@$scope)) if $how < 0.8;

	# subqueries
	my $inner = $self->_base;
	my $where = $self->_subwhere($inner, $r);
	my ($a, $b) = @{ pick(_pairs($r, $inner), [ undef, undef ]) };

	return pick('', 'NOT ') . "EXISTS (SELECT FROM $inner->{sql} WHERE $where)" if $how < 0.88 || !$a;
	my $collate = $type{ $a->{type} }{family} eq 'text' ? ' COLLATE ' . pick('diff.ci', '"C"') : '';

	return "$r->{alias}.$a->{name}$collate " . pick('', '', 'NOT ')
	  . "IN (SELECT $inner->{alias}.$b->{name} FROM $inner->{sql} WHERE $where)"
	  if $how < 0.95;
	return "(SELECT count(*) FROM $inner->{sql} WHERE $where) " . pick('> 0', '= 1', '= 0');
}

sub _subwhere
{
	my ($self, $inner, $outer) = @_;
	my @conditions;

	push @conditions, $self->_link($inner, $outer) if chance(0.7);
	push @conditions, $self->_pin($inner->{alias}, pick(@{ $inner->{columns} })) if chance(0.5) || !@conditions;
	return join ' AND ', @conditions;
}

# --------------------------------------------------------------------
# What is read
# --------------------------------------------------------------------

# A relation of the schema under a new alias.
sub _base
{
	my ($self) = @_;
	my @all = $self->{schema}->relations;
	my @attached = grep { $_->{attached} || !$_->{writable} } @all;
	my $r = chance(0.6) && @attached ? pick(@attached) : pick(@all);
	my $alias = 'a' . ++$self->{aliases};
	my $only = $r->{kind} eq 'parent' && chance(0.15) ? 'ONLY ' : '';

	return { sql => "$only$r->{name} AS $alias", alias => $alias, columns => $r->{columns}, only => $only, rel => $r };
}

sub _item
{
	my ($self, $depth, $left) = @_;
	my $how = rand;

	return $self->_base if $how < 0.75 || $depth <= 0;
	my $alias = 'a' . ++$self->{aliases};

	if ($how < 0.9)
	{
		my $sub = $self->_select($depth - 1);

		return { sql => "($sub->{sql}) AS $alias", alias => $alias, columns => $sub->{columns} };
	}
	if ($how < 0.92)
	{
		# constants that come as rows
		my $list = '{' . join(',', map { between(1, 6) } 1 .. between(1, 2)) . '}';

		return {
			sql => pick('unnest(' . $self->_arg($list) . '::int[])', 'generate_series(' . between(1, 3) . ', 3)') . " AS $alias (c1)",
			alias => $alias,
			columns => [ { name => 'c1', type => 'int4' } ]
		};
	}
	if ($how < 0.95 || !@$left)
	{
		my $c = pick(map { @{ $_->{columns} } } $self->{schema}->relations);
		my $cast = _cast($c->{type});

		return {
			sql => '(VALUES ' . join(', ', map { '(' . literal($c) . "::$cast)" } 1 .. between(1, 3)) . ") AS $alias (c1)",
			alias => $alias,
			columns => [ { name => 'c1', type => $c->{type} } ]
		};
	}
	my $inner = $self->_base;
	my $where = $self->_subwhere($inner, pick(@$left));
	my @columns = map { { name => "c$_", type => $inner->{columns}[ $_ - 1 ]{type} } } 1 .. @{ $inner->{columns} };
	my $list = join ', ', map { "$inner->{alias}.$inner->{columns}[$_ - 1]{name} AS c$_" } 1 .. @columns;

	return {
		sql => "LATERAL (SELECT $list FROM $inner->{sql} WHERE $where) AS $alias",
		alias => $alias,
		lateral => 1,
		columns => \@columns
	};
}

sub _from
{
	my ($self, $depth, $max) = @_;
	my $first = $self->_item($depth, []);
	my @scope = ($first);
	my $sql = $first->{sql};

	foreach (2 .. between(1, $max))
	{
		my $next = $self->_item($depth, \@scope);
		my $kind = pick('JOIN', 'JOIN', 'LEFT JOIN', 'LEFT JOIN', 'RIGHT JOIN', 'FULL JOIN', ', ');

		$kind = 'LEFT JOIN' if $next->{lateral} && $kind =~ /RIGHT|FULL/;
		if ($kind eq ', ')
		{
			# beside what is joined already: only WHERE links them
			push @{ $self->{links} }, $self->_link($next, pick(@scope)) if chance(0.8);
			$sql = "$sql CROSS JOIN $next->{sql}";
		}
		else
		{
			my @on = ($self->_link($next, pick(@scope)));
			my @both = (@scope, $next);

			if (chance(0.35))
			{
				my $r = pick(@both);
				push @on, $self->_pin($r->{alias}, pick(@{ $r->{columns} }));
			}
			$sql = "$sql $kind $next->{sql} ON " . join(' AND ', @on);
		}
		push @scope, $next;
	}
	return ($sql, @scope);
}

sub _where
{
	my ($self, $scope, $always) = @_;
	my @conditions = @{ delete $self->{links} || [] };
	my $r = pick(@$scope);

	push @conditions, $self->_pin($r->{alias}, pick(@{ $r->{columns} })) if $always || chance(0.6);
	push @conditions, $self->_condition($scope, 2) if chance(0.35);
	return @conditions ? ' WHERE ' . join(' AND ', @conditions) : '';
}

# --------------------------------------------------------------------
# Whole queries
# --------------------------------------------------------------------

# The list after SELECT; two columns at least, for a single one of type jsonb
# would be shown as it is.
sub _output
{
	my ($self, @expressions) = @_;
	my @columns;
	my $n = 0;

	push @expressions, { sql => '1', type => 'int4' } while @expressions < 2;
	my $sql = join ', ', map { "$_->{sql} AS c" . ++$n } @expressions;

	$n = 0;
	@columns = map { { name => 'c' . ++$n, type => $_->{type} } } @expressions;
	return ($sql, @columns);
}

sub _some
{
	my ($self, @scope) = @_;
	my @all = map { my $r = $_; map { { sql => "$r->{alias}.$_->{name}", type => $_->{type} } } @{ $r->{columns} } } @scope;

	@all = shuffled(@all);
	return splice @all, 0, between(2, 5);
}

# Equal values look the same.
sub _plainly
{
	my ($e) = @_;
	my $fuzzy = $type{ $e->{type} }{fuzzy} or return $e->{sql};

	return sprintf $fuzzy, $e->{sql};
}

# Rows that are equal in this order are the same.
sub _total_order
{
	return join ', ', map { "row_to_json($_->{alias})::text COLLATE \"C\"" } @_;
}

sub _select
{
	my ($self, $depth) = @_;
	my $how = rand;

	delete $self->{links};
	return $self->_set_operation($depth) if $how < 0.1 && $depth > 0;
	return $self->_cte($depth) if $how < 0.17 && $depth > 0;

	my ($from, @scope) = $self->_from($depth, $depth > 1 ? 3 : 2);
	my $where = $self->_where(\@scope);
	my @list = $self->_some(@scope);

	if ($how < 0.55)
	{
		if (chance(0.2))
		{
			my $inner = $self->_base;
			my $w = $self->_subwhere($inner, pick(@scope));

			push @list, { sql => "(SELECT count(*) FROM $inner->{sql} WHERE $w)", type => 'int8' };
		}
		my ($sql, @columns) = $self->_output(@list);

		if (chance(0.2))
		{
			$where .= ' ORDER BY ' . _total_order(@scope) . ' LIMIT ' . between(1, 3)
			  . (chance(0.4) ? ' OFFSET ' . between(1, 2) : '');
		}
		return { sql => "SELECT $sql FROM $from$where", columns => \@columns };
	}
	if ($how < 0.75)
	{
		my $by = pick(@list);
		my $sets = chance(0.15) ? pick('ROLLUP (%s)', 'GROUPING SETS ((%s), ())') : '%s';
		my $having = chance(0.3) ? ' HAVING ' . pick('count(*) > 1', "$by->{sql} = $by->{sql}") : '';

		if (chance(0.25))
		{
			my ($alias, $name) = split /\./, $by->{sql};
			# which of equal values stands for a group is anybody's guess
			$having = ' HAVING '
			  . ($type{ $by->{type} }{fuzzy}
				? "$by->{sql} = " . literal($by, 0)
				: $self->_pin($alias, { name => $name, type => $by->{type} }));
		}
		my $shown = $sets eq '%s' ? _plainly($by) : 'count(DISTINCT ' . _plainly($by) . ')';
		my $shown_type = $sets eq '%s' && !$type{ $by->{type} }{fuzzy} ? $by->{type} : undef;
		my ($sql, @columns) = $self->_output(
			{ sql => $shown, type => $shown_type || 'opaque' },
			{ sql => 'count(*)', type => 'int8' },
			{ sql => 'count(' . pick(@list)->{sql} . ')', type => 'int8' });

		@columns = grep { $_->{type} ne 'opaque' } @columns;
		return { sql => "SELECT $sql FROM $from$where GROUP BY " . sprintf($sets, $by->{sql}) . $having, columns => \@columns };
	}
	if ($how < 0.85)
	{
		my ($sql, @columns) = $self->_output(
			{ sql => 'count(*)', type => 'int8' },
			{ sql => 'count(DISTINCT ' . _plainly(pick(@list)) . ')', type => 'int8' },
			{ sql => "count(*) FILTER (WHERE " . $self->_condition(\@scope, 0) . ')', type => 'int8' });

		return { sql => "SELECT $sql FROM $from$where", columns => \@columns };
	}
	if ($how < 0.92)
	{
		my @plain = grep { !$type{ $_->{type} }{fuzzy} } @list;
		my ($sql, @columns) = $self->_output(@plain);

		if (chance(0.4))
		{
			my $on = "$list[0]{sql}";
			my $order = _total_order(@scope);

			return { sql => "SELECT DISTINCT ON ($on) $sql FROM $from$where ORDER BY $on, $order", columns => \@columns };
		}
		return { sql => "SELECT DISTINCT $sql FROM $from$where", columns => \@columns };
	}
	my $order = _total_order(@scope);
	my ($sql, @columns) = $self->_output(
		@list,
		{ sql => "row_number() OVER (ORDER BY $order)", type => 'int8' },
		{ sql => "count(*) OVER (PARTITION BY $list[0]{sql})", type => 'int8' });

	return { sql => "SELECT $sql FROM $from$where", columns => \@columns };
}

sub _set_operation
{
	my ($self, $depth) = @_;
	my $one = $self->_base;
	my $other = $self->_base;
	my @pairs = grep { !$type{ $_->[0]{type} }{fuzzy} && $_->[0]{type} eq $_->[1]{type} } _pairs($one, $other);
	my ($a, $b) = @{ pick(@pairs, [ undef, undef ]) };

	($a, $b) = ($one->{columns}[0], $other->{columns}[0]) unless $a;
	($a) = grep { $_->{name} eq 'id' } @{ $one->{columns} } if $type{ $a->{type} }{fuzzy};
	($b) = grep { $_->{name} eq 'id' } @{ $other->{columns} } unless same_family($a, $b);
	($a) = grep { $_->{name} eq 'id' } @{ $one->{columns} } unless same_family($a, $b);
	my $w1 = $self->_where([$one]);
	my $w2 = $self->_where([$other]);
	my $sql = "SELECT $one->{alias}.$a->{name} AS c1, 1 AS c2 FROM $one->{sql}$w1 "
	  . pick('UNION', 'UNION ALL', 'UNION ALL', 'INTERSECT', 'EXCEPT', 'EXCEPT ALL')
	  . " SELECT $other->{alias}.$b->{name}, 1 FROM $other->{sql}$w2";

	return { sql => $sql, columns => [ { name => 'c1', type => $a->{type} }, { name => 'c2', type => 'int4' } ] };
}

sub _cte
{
	my ($self, $depth) = @_;

	return $self->_recursive if chance(0.15);
	my $one = $self->_select($depth - 1);
	my $name = 'w' . ++$self->{aliases};
	my $alias = 'a' . ++$self->{aliases};
	my $r = { alias => $alias, columns => $one->{columns} };
	my $from = "$name AS $alias";
	my @scope = ($r);

	if (chance(0.4))
	{
		my $other = $self->_base;

		$from .= pick(' JOIN ', ' LEFT JOIN ') . "$other->{sql} ON " . $self->_link($other, $r);
		push @scope, $other;
	}
	my $where = $self->_where(\@scope);
	my ($sql, @columns) = $self->_output($self->_some(@scope));

	return {
		sql => "WITH $name AS " . pick('', 'MATERIALIZED ', '') . "($one->{sql}) SELECT $sql FROM $from$where",
		columns => \@columns
	};
}

# From row to row, three steps at most.
sub _recursive
{
	my ($self) = @_;
	my $one = $self->_base;
	my $other = $self->_base;
	my @pairs = grep { !$type{ $_->[0]{type} }{fuzzy} && $_->[0]{type} eq $_->[1]{type} } _pairs($one, $other);
	my ($a, $b) = @{ pick(@pairs, [ undef, undef ]) };

	return $self->_select(0) unless $a;
	my $name = 'w' . ++$self->{aliases};
	my $next = pick(@{ $other->{columns} });

	$next = $b unless $next->{type} eq $a->{type};
	return {
		sql => "WITH RECURSIVE $name (c1, c2) AS (SELECT $one->{alias}.$a->{name}, 1 FROM $one->{sql}"
		  . $self->_where([$one], 1)
		  . " UNION SELECT $other->{alias}.$next->{name}, w.c2 + 1 FROM $name AS w JOIN $other->{sql}"
		  . " ON $other->{alias}.$b->{name} = w.c1 WHERE w.c2 < 3) SELECT c1, c2 FROM $name",
		columns => [ { name => 'c1', type => $a->{type} }, { name => 'c2', type => 'int4' } ]
	};
}

# What most applications ask: rows of a table by a column or two.
sub _simple
{
	my ($self) = @_;
	my $r = $self->_base;
	my $where = $self->_where([$r], 1);
	my @id = grep { $_->{name} eq 'id' } @{ $r->{columns} };

	if (@id && chance(0.4))
	{
		$where = " WHERE $r->{alias}.id = " . (chance(0.5) ? $self->_arg(between(1, 7)) : between(1, 7));
		$self->{one_row} = chance(0.5) && $r->{rel}{pk} && $r->{rel}{kind} eq 'plain';
	}
	if ($self->{schema}{function} && chance(0.1))
	{
		$self->{query} = "SELECT $r->{alias}.id, f1($r->{alias}.id::int) AS n FROM $r->{sql}$where";
	}
	elsif ($self->{schema}{immutable} && chance(0.2))
	{
		$self->{query} = "SELECT $r->{alias}.id, f2($r->{alias}.id::int) AS n FROM $r->{sql}$where";
	}
	elsif (chance(0.15))
	{
		$self->{query} = "SELECT $r->{alias}.tableoid::regclass::text AS t, $r->{alias}.* FROM $r->{sql}$where";
	}
	elsif (chance(0.1))
	{
		# a join by name hides columns
		my $other = $self->_base;

		$self->{query} = "SELECT id, count(*) AS n FROM $r->{sql} "
		  . pick('FULL', 'LEFT', 'RIGHT', 'INNER')
		  . " JOIN $other->{sql} USING (id) WHERE id = "
		  . (chance(0.5) ? $self->_arg(between(1, 6)) : between(1, 6))
		  . ' GROUP BY id';
		$self->{one_row} = 0;
	}
	else
	{
		$self->{query} = "SELECT $r->{alias}.* FROM $r->{sql}$where";
	}
	return;
}

# A row under the very key that a rule writes.
sub _owned
{
	my ($self) = @_;
	my @owned = grep { $_->{owned} } $self->{schema}->relations or return 0;
	my $r = pick(@owned);
	my $c = $r->{owned};
	my $value = value($c);
	my $how = chance(0.5) ? $self->_arg($value) : quote($value);
	my @columns = grep { !$_->{generated} } @{ $r->{columns} };
	my $list = chance(0.8)
	  ? join(', ', map { $_->{name} } @{ $r->{columns} })
	  : join(', ', map { $_->{name} } splice @columns, 0, 2);
	my $more = chance(0.2) ? ' AND ' . $self->_loose($r->{name}, pick(@{ $r->{columns} })) : '';

	# percent-encoded as in key templates
	$value =~ s/([%: {}*?\[\]\\])/sprintf '%%%02X', ord $1/ge;
	$self->{query} = "SELECT $list FROM $r->{name} WHERE $c->{name} = $how$more";
	$self->{key} = "__N__$r->{name}:$value";
	$self->{one_row} = 1;
	return 1;
}

# The caller says what it depends on, and is right; children have rules of their
# own.
sub _tagged
{
	my ($self) = @_;
	my @tagged = grep { $_->{tagged} && $_->{kind} ne 'parent' } $self->{schema}->relations or return 0;
	my $r = pick(@tagged);
	my $c = $r->{tagged};
	my $value = value($c);

	return 0 if $c->{type} eq 'uuid' || $type{ $c->{type} }{family} eq 'time' || $type{ $c->{type} }{family} =~ /bool|inet/;
	if (chance(0.6))
	{
		$self->{query} = "SELECT * FROM $r->{name} WHERE $c->{name} = '$value'";
		$self->{tags} = ["__N__$r->{name}#$value"];
	}
	else
	{
		$self->{query} = "SELECT count(*) AS n, 1 AS one FROM $r->{name}";
		$self->{tags} = ["__N__$r->{name}"];
	}
	return 1;
}

1;
