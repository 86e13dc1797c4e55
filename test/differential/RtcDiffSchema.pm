# Random schemas for the differential test: tables of all kinds with rows, and
# how the cache knows of them.
#
#	my $schema = RtcDiffSchema->new;
#	$schema->statements		the SQL that makes it
#	$schema->relations		what can be read: [ { name, columns, ... }, ... ]
#	$schema->tables			what can be written
#
# A column is { name, type }; %type says what is known of a type.  Values come
# from short lists, so that they meet; some are equal and yet written in another
# way, which is what hashing has to get right.
#
# What is generated depends on srand alone: not on the server or the mode.

package RtcDiffSchema;

use strict;
use warnings;

use parent 'Exporter';

our @EXPORT = qw(%type pick chance between quote literal value shuffled same_family);

# family: what can be compared; other: types to write constants in, or casts;
# fuzzy: how to bring equal values to one form, where equal ones can differ
our %type = (
	int2 => { family => 'int', values => [ 1 .. 5 ], other => [qw(int2 int4 int8 numeric)] },
	int4 => { family => 'int', values => [ 1 .. 5 ], other => [qw(int2 int4 int8 numeric float8 d_int)] },
	int8 => { family => 'int', values => [ 1 .. 5 ], other => [qw(int2 int4 int8 numeric)] },
	d_int => { family => 'int', values => [ 1 .. 5 ], other => [qw(int4 int8 d_int)] },
	numeric => {
		family => 'numeric',
		values => [qw(1 1.0 1.00 2 2.5 2.50 3 3.0 NaN)],
		other => [qw(numeric int4 float8)],
		fuzzy => 'trim_scale(%s)'
	},
	'numeric(6,2)' => {
		family => 'numeric',
		values => [qw(1 1.0 2 2.5 3)],
		other => [qw(numeric int4)],
		fuzzy => 'trim_scale(%s)'
	},
	float8 => {
		family => 'float',
		values => [qw(0 -0 1.5 2 2.0 NaN)],
		other => [qw(float8 float4 int4 numeric)],
		fuzzy => '(%s + 0)'
	},
	float4 => {
		family => 'float',
		values => [qw(0 -0 1.5 2 2.0 0.1)],
		other => [qw(float8 float4)],
		fuzzy => '(%s + 0)'
	},
	text => {
		family => 'text',
		values => [ 'Ada', 'ada', 'ADA', 'Bob', 'bob', 'ab', 'ab ', '', 'x' ],
		other => [qw(text varchar name bpchar d_text)],
		fuzzy => 'lower(%s::text COLLATE "C")'
	},
	ci => {
		sql => 'text COLLATE diff.ci',
		cast => 'text',
		family => 'text',
		values => [ 'Ada', 'ada', 'ADA', 'Bob', 'bob', 'ab', 'x' ],
		other => [qw(text varchar)],
		fuzzy => 'lower(%s::text COLLATE "C")'
	},
	'varchar(8)' => {
		cast => 'varchar',
		family => 'text',
		values => [ 'Ada', 'ada', 'Bob', 'ab', 'ab ', 'x' ],
		other => [qw(text varchar bpchar)],
		fuzzy => 'lower(%s::text COLLATE "C")'
	},
	'char(5)' => {
		cast => 'bpchar',
		family => 'text',
		values => [ 'Ada', 'ada', 'Bob', 'ab', 'ab ', 'x' ],
		other => [qw(bpchar text char(7))],
		fuzzy => 'lower(%s::text COLLATE "C")'
	},
	name => {
		family => 'text',
		values => [ 'Ada', 'ada', 'Bob', 'ab', 'x' ],
		other => [qw(name text)],
		fuzzy => 'lower(%s::text COLLATE "C")'
	},
	d_text => {
		family => 'text',
		values => [ 'Ada', 'ada', 'Bob', 'ab', 'x' ],
		other => [qw(text d_text varchar)],
		fuzzy => 'lower(%s::text COLLATE "C")'
	},
	bool => { family => 'bool', values => [qw(t f)], other => ['bool'] },
	date => {
		family => 'time',
		values => [ '2024-01-01', '2024-01-02', '2024-01-03' ],
		other => [qw(date timestamp timestamptz)]
	},
	timestamp => {
		family => 'time',
		values => [ '2024-01-01', '2024-01-01 12:00', '2024-01-02' ],
		other => [qw(timestamp date timestamptz)]
	},
	timestamptz => {
		family => 'time',
		values => [ '2024-01-01 00:00+00', '2024-01-01 02:00+02', '2024-01-02 00:00+00' ],
		other => [qw(timestamptz timestamp)]
	},
	uuid => {
		family => 'uuid',
		values => [ map { "00000000-0000-0000-0000-00000000000$_" } qw(1 2 a A) ],
		other => ['uuid']
	},
	e_mood => { family => 'mood', values => [qw(sad ok happy)], other => ['e_mood'] },
	interval => {
		family => 'interval',
		values => [ '1 day', '24 hours', '2 days', '48:00', '1 mon', '30 days' ],
		other => ['interval'],
		fuzzy => 'extract(epoch from %s)'
	},
	inet => {
		family => 'inet',
		values => [ '10.0.0.1', '10.0.0.1/32', '10.0.0.2', '10.0.0.0/8' ],
		other => [qw(inet cidr)]
	},
	jsonb => {
		family => 'jsonb',
		values => [ '1', '1.0', '{"a": 1}', '{"a": 1.00}', '[1, "x"]' ],
		other => ['jsonb'],
		fuzzy => '(%s IS NULL)'
	},
	'numeric[]' => {
		family => 'array',
		values => [ '{1}', '{1.0}', '{1,2}', '{NULL}', '{}' ],
		other => ['numeric[]'],
		fuzzy => 'cardinality(%s)'
	},
	# the row type of a table, which may be altered
	shape => {
		family => 'row',
		values => [ '(1,1)', '(1,1.0)', '(2,1)', '(,)' ],
		other => ['shape'],
		fuzzy => '(%s IS NULL)'
	},
);

my @families = (
	[qw(int2 int4 int8 d_int)],
	[qw(int4 int8 numeric)],
	[ qw(numeric), 'numeric(6,2)' ],
	[qw(float8 float4)],
	[ qw(text ci name d_text), 'varchar(8)', 'char(5)' ],
	[qw(ci text)],
	['bool'],
	[qw(date timestamp timestamptz)],
	['uuid'], ['e_mood'], ['interval'], ['inet'], ['jsonb'], ['numeric[]'], ['shape']);

sub between { my ($low, $high) = @_; return $low + int rand($high - $low + 1); }
sub pick { return $_[ int rand @_ ]; }
sub chance { return rand() < $_[0]; }

sub shuffled
{
	my @list = @_;

	foreach my $i (reverse 1 .. $#list)
	{
		my $j = int rand($i + 1);
		@list[ $i, $j ] = @list[ $j, $i ];
	}
	return @list;
}

sub quote { my ($text) = @_; $text =~ s/'/''/g; return "'$text'"; }

# A value of a column, as text.
sub value
{
	my ($column) = @_;

	return '' . pick(@{ $type{ $column->{type} }{values} });
}

# The same as SQL; now and then NULL.
sub literal
{
	my ($column, $null) = @_;

	return 'NULL' if chance(defined $null ? $null : 0.1);
	return quote(value($column)) . ($type{ $column->{type} }{family} eq 'row' ? "::$column->{type}" : '');
}

sub same_family
{
	my ($one, $other) = @_;

	return $type{ $one->{type} }{family} eq $type{ $other->{type} }{family};
}

sub _sql_type { my ($name) = @_; return $type{$name}{sql} || $name; }

sub statements { return @{ $_[0]->{statements} }; }
sub relations { return @{ $_[0]->{relations} }; }
sub tables { return grep { $_->{writable} } @{ $_[0]->{relations} }; }

sub add
{
	my ($self, $sql) = @_;

	push @{ $self->{statements} }, $sql;
	return;
}

sub new
{
	my ($class) = @_;
	my $self = bless { statements => [], relations => [], n => 0 }, $class;

	# The families of this case: few, so that tables can be joined.
	my @mine = map { pick(@families) } 1 .. between(2, 3);
	unshift @mine, $families[ chance(0.7) ? 0 : 1 ];
	$self->{palette} = \@mine;

	$self->add("CREATE TYPE e_mood AS ENUM ('sad', 'ok', 'happy', 'odd')");
	$self->add('CREATE DOMAIN d_int AS int4');
	$self->add('CREATE DOMAIN d_text AS text');
	$self->add('CREATE TABLE shape (a int, b numeric)');

	my $tables = between(2, 4);

	for my $n (1 .. $tables)
	{
		my $kind = rand;

		if ($kind < 0.55) { $self->_plain("t$n"); }
		elsif ($kind < 0.82) { $self->_partitioned("t$n"); }
		else { $self->_inherited("t$n"); }
	}
	$self->_foreign_keys if chance(0.5);
	$self->_nested_trigger if chance(0.15);
	$self->_views;
	return $self;
}

sub _columns
{
	my ($self) = @_;
	my @palette = @{ $self->{palette} };
	my @columns = ({ name => 'id', type => pick(qw(int4 int4 int8 int2)) });

	foreach my $n (1 .. between(2, 5))
	{
		push @columns, { name => "c$n", type => pick(@{ pick(@palette) }) };
	}
	return @columns;
}

sub _definition { return join ', ', map { "$_->{name} " . _sql_type($_->{type}) } @_; }

# Registers something that can be read.
sub _relation
{
	my ($self, $name, $columns, %more) = @_;
	my $r = { name => $name, columns => [ map { {%$_} } @$columns ], %more };

	push @{ $self->{relations} }, $r;
	return $r;
}

sub _plain
{
	my ($self, $name) = @_;
	my @columns = $self->_columns;

	$self->add("CREATE TABLE $name (" . _definition(@columns) . ')');
	if (chance(0.12))
	{
		$self->add("ALTER TABLE $name ADD COLUMN gone int, ADD COLUMN g int8 GENERATED ALWAYS AS (id + 1) STORED");
		$self->add("ALTER TABLE $name DROP COLUMN gone");
		push @columns, { name => 'g', type => 'int8', generated => 1 };
	}

	my $r = $self->_relation($name, \@columns, writable => 1, kind => 'plain');

	$r->{pk} = 1 if chance(0.75);
	$self->add("ALTER TABLE $name ADD PRIMARY KEY (id)") if $r->{pk};
	$self->_indexes($r);
	$self->_rules($r);
	$self->_rows($r);
	return $r;
}

sub _indexes
{
	my ($self, $r) = @_;

	foreach (1 .. between(1, 4))
	{
		$self->add($self->index($r));
	}
	return;
}

# A statement that makes an index; its name is kept for DROP INDEX.
sub index
{
	my ($self, $r) = @_;
	my @columns = shuffled(@{ $r->{columns} });
	my $c = $columns[0];
	my $name = 'i' . ++$self->{n};
	my $family = $type{ $c->{type} }{family};
	my $what = $c->{name};
	my $tail = '';
	my $how = rand;

	if ($how < 0.2) { $what .= ", $columns[1]{name}"; }
	elsif ($how < 0.3) { $tail = " WHERE $columns[1]{name} IS NOT NULL"; }
	elsif ($how < 0.36) { $what = $family eq 'text' ? "lower(${what}::text)" : "($what IS NULL)"; }
	elsif ($how < 0.42 && $family eq 'text') { $what .= pick(' COLLATE "C"', ' COLLATE diff.ci'); }
	elsif ($how < 0.5) { $tail = " INCLUDE ($columns[1]{name})"; }
	elsif ($how < 0.55) { return "CREATE INDEX $name ON $r->{name} USING hash ($what)"; }
	push @{ $r->{indexes} }, $name;
	return 'CREATE ' . (chance(0.1) && $r->{kind} eq 'plain' ? 'UNIQUE ' : '')
	  . "INDEX $name ON $r->{name} ($what)$tail";
}

# A bound of a partition, and the partitions that a table may get.
sub _partitioned
{
	my ($self, $name, $depth) = @_;
	my @columns = $self->_columns;
	my $by = pick(grep { $type{ $_->{type} }{family} !~ /json|array|float|row/ } @columns);
	my @leaves = $self->_partition_by($name, \@columns, $by, \my $clause);

	$self->add("CREATE TABLE $name (" . _definition(@columns) . ") $clause");
	my $r = $self->_relation($name, \@columns, writable => 1, kind => 'partitioned', by => $by);
	my $early = chance(0.5);
	my $sub = 0;

	$self->_indexes($r) if $early;
	$self->_rules($r) if $early;
	foreach my $bound (@leaves)
	{
		my $leaf = $name . 'p' . ++$sub;

		if ($bound->{sub} = $depth ? 0 : chance(0.2))
		{
			my $by2 = pick(grep { $type{ $_->{type} }{family} !~ /json|array|float|row/ } @columns);
			my @below = $self->_partition_by($leaf, \@columns, $by2, \my $clause2);
			my $n = 0;

			$self->_partition($name, $leaf, $bound->{sql}, \@columns, $clause2);
			$self->_partition($leaf, $leaf . 'q' . ++$n, $_->{sql}, \@columns, '') foreach @below;
		}
		else
		{
			$self->_partition($name, $leaf, $bound->{sql}, \@columns, '');
			push @{ $r->{leaves} }, { name => $leaf, bound => $bound->{sql} };
		}
	}
	$self->_indexes($r) unless $early;
	$self->_rules($r) unless $early;
	$self->_rows($r);
	return $r;
}

# Makes one, either in place or as a table of another shape that is attached.
sub _partition
{
	my ($self, $parent, $name, $bound, $columns, $clause) = @_;

	if (chance(0.5))
	{
		$self->add("CREATE TABLE $name PARTITION OF $parent $bound $clause");
	}
	else
	{
		my @order = shuffled(@$columns);

		splice @order, between(0, scalar @order), 0, { name => 'gone', type => 'text' };
		$self->add("CREATE TABLE $name (" . _definition(@order) . ") $clause");
		$self->add("ALTER TABLE $name DROP COLUMN gone" . ($clause ? '' : ''));
		$self->add("ALTER TABLE $parent ATTACH PARTITION $name $bound");
	}
	$self->_relation($name, $columns, writable => 1, kind => 'partition');
	return;
}

sub _partition_by
{
	my ($self, $name, $columns, $by, $clause) = @_;
	my %seen;
	my @values = grep { !$seen{$_}++ } @{ $type{ $by->{type} }{values} };
	my $family = $type{ $by->{type} }{family};
	my $how = $family =~ /^(int|time|uuid)$/ ? pick(qw(list range hash)) : pick(qw(list hash));

	# equal values must not be in two lists
	$how = 'hash' if $family ne 'int' && $how eq 'list' && $type{ $by->{type} }{fuzzy};
	$$clause = "PARTITION BY $how ($by->{name})";
	if ($how eq 'hash')
	{
		return map { { sql => "FOR VALUES WITH (MODULUS 2, REMAINDER $_)" } } 0, 1;
	}
	if ($how eq 'range')
	{
		my $middle = quote($values[ @values / 2 ]);

		return (
			{ sql => "FOR VALUES FROM (MINVALUE) TO ($middle)" },
			{ sql => "FOR VALUES FROM ($middle) TO (MAXVALUE)" },
			{ sql => 'DEFAULT' });
	}
	@values = @values[ 0 .. 1 ] if $family eq 'time' || $family eq 'uuid' || $family eq 'inet';
	my $half = int(@values / 2);

	return (
		{ sql => 'FOR VALUES IN (' . join(', ', map { quote($_) } @values[ 0 .. $half - 1 ]) . ')' },
		{ sql => 'FOR VALUES IN (' . join(', ', 'NULL', map { quote($_) } @values[ $half .. $#values ]) . ')' },
		{ sql => 'DEFAULT' });
}

sub _inherited
{
	my ($self, $name) = @_;
	my $r = $self->_plain($name);
	my @columns = @{ $r->{columns} };

	$r->{kind} = 'parent';
	return if grep { $_->{generated} } @columns;
	foreach my $n (1 .. between(1, 2))
	{
		my $child = "${name}h$n";
		my @more = ({ name => "x$n", type => pick(@{ pick(@{ $self->{palette} }) }) });

		if (chance(0.5))
		{
			$self->add("CREATE TABLE $child (" . _definition(@more) . ") INHERITS ($name)");
			@more = (@columns, @more);
		}
		else
		{
			@more = (shuffled(@columns), @more);
			$self->add("CREATE TABLE $child (gone int, " . _definition(@more) . ')');
			$self->add("ALTER TABLE $child DROP COLUMN gone");
			$self->add("ALTER TABLE $child ALTER COLUMN id SET NOT NULL") if $r->{pk};
			$self->add("ALTER TABLE $child INHERIT $name");
		}
		my $c = $self->_relation($child, \@more, writable => 1, kind => 'child');

		$self->add("ALTER TABLE $child ADD PRIMARY KEY (id)") if chance(0.5);
		$self->_indexes($c) if chance(0.6);
		$self->_rules($c, $r->{attached});
		$self->_rows($c);
		if (chance(0.2))
		{
			$self->add("CREATE TABLE ${child}k () INHERITS ($child)");
			delete $c->{tagged};
			my $k = $self->_relation("${child}k", \@more, writable => 1, kind => 'child');
			$self->_rules($k, $c->{attached});
			$self->_rows($k);
		}
	}
	return;
}

# Tells the cache of a table: in one of many ways, or not at all, or not quite.
sub _rules
{
	my ($self, $r, $must) = @_;
	my $t = $r->{name};
	my @columns = @{ $r->{columns} };
	my $how = rand;
	my $prefix = "__N__$t";

	$how *= 0.93 if $must;
	$r->{attached} = 1;
	if ($how < 0.5)
	{
		$self->add("SELECT cache_attach('$t')");
	}
	elsif ($how < 0.62)
	{
		# a view of the columns that a query can read with the key that owns it
		$r->{owned} = pick(@columns);
		$self->add("SELECT cache_attach('$t', key => '$prefix:{$r->{owned}{name}}')");
	}
	elsif ($how < 0.7)
	{
		my $c = pick(@columns);

		# a row's tags follow its values
		$r->{tagged} = $c unless $type{ $c->{type} }{fuzzy};
		$r->{attach} = "SELECT cache_attach('$t', key => '$prefix:{id}', mode => 'del', "
		  . "del => ARRAY['$prefix:all'], tags => ARRAY['$prefix#{$c->{name}}', '$prefix'])";
		$self->add($r->{attach});
	}
	elsif ($how < 0.76)
	{
		$self->add("SELECT cache_attach('$t', tags => ARRAY['$prefix'])");
	}
	elsif ($how < 0.86)
	{
		$self->add("CREATE TRIGGER r1 AFTER INSERT OR UPDATE OR DELETE ON $t "
			  . 'FOR EACH ROW EXECUTE FUNCTION rtcache_invalidate()');
		$self->_truncate_rules($r);
	}
	elsif ($how < 0.93)
	{
		$self->add("CREATE TRIGGER r1 AFTER INSERT OR DELETE ON $t "
			  . "FOR EACH ROW EXECUTE FUNCTION rtcache_write_through('$prefix:{id}')");
		$self->add("CREATE TRIGGER r2 AFTER UPDATE ON $t "
			  . "FOR EACH ROW EXECUTE FUNCTION rtcache_invalidate('$prefix:{id}')");
		$self->_truncate_rules($r);
	}
	elsif ($how < 0.96)
	{
		# these must be noticed: no exact answers from this table
		$self->add(pick(
				"CREATE TRIGGER r1 AFTER INSERT OR UPDATE ON $t FOR EACH ROW EXECUTE FUNCTION rtcache_invalidate()",
				"CREATE TRIGGER r1 AFTER INSERT OR UPDATE OF id OR DELETE ON $t FOR EACH ROW EXECUTE FUNCTION rtcache_invalidate()",
				"CREATE TRIGGER r1 AFTER INSERT OR UPDATE OR DELETE ON $t FOR EACH ROW WHEN (pg_trigger_depth() > 0) EXECUTE FUNCTION rtcache_invalidate()",
				"CREATE TRIGGER r1 AFTER INSERT OR UPDATE OR DELETE ON $t FOR EACH ROW EXECUTE FUNCTION rtcache_invalidate()"
		));
		$self->_truncate_rules($r) if chance(0.5);
		$r->{attached} = 0;
	}
	else
	{
		$r->{attached} = 0;
	}
	return;
}

# Without arguments, TRUNCATE drops all answers there are.
sub _truncate_rules
{
	my ($self, $r) = @_;
	my $keys = chance(0.7) ? "'keys=none'" : '';

	$self->add("CREATE TRIGGER r9 AFTER TRUNCATE ON $r->{name} FOR EACH STATEMENT EXECUTE FUNCTION rtcache_truncate($keys)");
	return;
}

sub row
{
	my ($r, $null) = @_;

	# "odd" is what ALTER TYPE renames: no query speaks of it
	return map { $_->{type} eq 'e_mood' && chance(0.2) ? "'odd'" : literal($_, $_->{name} eq 'id' ? 0 : $null) }
	  grep { !$_->{generated} } @{ $r->{columns} };
}

sub column_list { my ($r) = @_; return join ', ', map { $_->{name} } grep { !$_->{generated} } @{ $r->{columns} }; }

sub _rows
{
	my ($self, $r) = @_;
	my $list = column_list($r);
	my $id = 0;

	foreach (1 .. between(3, 7))
	{
		# "id" need not be the first
		my %value;
		my @all = row($r);
		@value{ split /, /, $list } = @all;
		$value{id} = ++$id if $value{id} =~ /\d/;
		$self->add("INSERT INTO $r->{name} ($list) VALUES (" . join(', ', map { $value{$_} } split /, /, $list) . ')');
	}
	return;
}

sub _foreign_keys
{
	my ($self) = @_;
	my @targets = grep { $_->{pk} } $self->tables;
	my @from = grep { $_->{kind} =~ /plain|partitioned|parent/ } $self->tables;

	foreach my $from (@from)
	{
		next unless @targets && chance(0.7);
		my $to = pick(@targets);
		my @columns = grep { $_->{name} =~ /^c/ && $type{ $_->{type} }{family} eq 'int' } @{ $from->{columns} };
		next unless @columns;
		my $c = pick(@columns);

		$self->add("DELETE FROM $from->{name} WHERE $c->{name} NOT IN (SELECT id FROM $to->{name})");
		$self->add("ALTER TABLE $from->{name} ADD FOREIGN KEY ($c->{name}) REFERENCES $to->{name} (id) ON DELETE "
			  . pick('CASCADE', 'SET NULL', 'CASCADE', 'NO ACTION')
			  . ' ON UPDATE '
			  . pick('CASCADE', 'SET NULL', 'CASCADE')
			  . (chance(0.2) ? ' DEFERRABLE INITIALLY DEFERRED' : ''));
	}
	return;
}

# Writes made by writes: before a row is stored, behind it, and at commit.
sub _nested_trigger
{
	my ($self) = @_;
	my ($one, $two) = shuffled(grep { $_->{kind} =~ /plain|partitioned/ } $self->tables);

	return unless $two;
	my $c = $two->{columns}[1];
	my $d = $one->{columns}[1];

	$self->add("CREATE FUNCTION nested() RETURNS trigger LANGUAGE plpgsql AS \$\$ BEGIN "
		  . "UPDATE $two->{name} SET $c->{name} = " . literal($c) . " WHERE id = 1; RETURN NULL; END \$\$");
	$self->add(pick(
			"CREATE TRIGGER a_nested AFTER INSERT OR UPDATE ON $one->{name} FOR EACH ROW EXECUTE FUNCTION nested()",
			"CREATE CONSTRAINT TRIGGER z_nested AFTER INSERT OR UPDATE ON $one->{name} INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION nested()"
	));
	$self->add("CREATE FUNCTION before() RETURNS trigger LANGUAGE plpgsql AS \$\$ BEGIN "
		  . "NEW.$d->{name} := " . literal($d) . "; RETURN NEW; END \$\$");
	$self->add("CREATE TRIGGER before BEFORE UPDATE ON $one->{name} FOR EACH ROW EXECUTE FUNCTION before()")
	  if chance(0.5);
	return;
}

sub _views
{
	my ($self) = @_;
	my @from = $self->relations;

	foreach my $n (1 .. between(0, 2))
	{
		my $r = pick(@from);
		my @columns = @{ $r->{columns} };
		my $c = pick(@columns);
		my $where = chance(0.5) ? " WHERE $c->{name} = " . literal($c, 0) : '';
		my $options = chance(0.2) ? ' WITH (security_barrier)' : '';

		$self->add("CREATE VIEW v$n$options AS SELECT "
			  . join(', ', map { $_->{name} } @columns) . " FROM $r->{name}$where");
		push @from, $self->_relation("v$n", \@columns, kind => 'view', of => $r->{name});
	}
	if (chance(0.25))
	{
		my $r = pick(@from);

		$self->add("CREATE MATERIALIZED VIEW m1 AS SELECT "
			  . join(', ', map { $_->{name} } @{ $r->{columns} }) . " FROM $r->{name}");
		$self->_relation('m1', $r->{columns}, kind => 'matview');
		$self->{matview} = 1;
		$self->add('CREATE INDEX ON m1 (id)') if chance(0.5);
	}
	if (chance(0.2))
	{
		my $r = pick($self->tables);

		$self->{function} = { name => 'f1', of => $r->{name} };
		$self->add("CREATE FUNCTION f1(k int) RETURNS bigint LANGUAGE sql STABLE AS "
			  . "'SELECT count(*) FROM $r->{name} WHERE id = k'");
	}
	if (chance(0.3))
	{
		$self->{immutable} = 1;
		$self->add(immutable(1));
	}
	return;
}

# A function whose answers may be cached, until it is another one.
sub immutable
{
	my ($n) = @_;

	return 'CREATE OR REPLACE FUNCTION f2(k int) RETURNS int IMMUTABLE LANGUAGE '
	  . (chance(0.5) ? "sql AS 'SELECT k + $n'" : "plpgsql AS 'BEGIN RETURN k + $n; END'");
}

1;
