# Random writes for the differential test: DML of all kinds, in transactions of
# all kinds, and DDL now and then.
#
#	my $w = RtcDiffWrite->new($schema);
#	$w->next	{ sql, ddl, behind }: the next write; "behind" is to be run
#				after the answers have been compared once (or a list of such)
#
# Some of them fail: constraints are there to be violated.

package RtcDiffWrite;

use strict;
use warnings;

use RtcDiffSchema;

sub new
{
	my ($class, $schema) = @_;

	return bless { schema => $schema, n => 0, id => 20 }, $class;
}

sub next
{
	my ($self) = @_;
	my $how = rand;

	return $self->_unseen if $how < 0.02;
	return { sql => $self->_ddl, ddl => 1 } if $how < 0.12;
	return { sql => $self->_dml . ';' } if $how < 0.6;
	return { sql => $self->_copy } if $how < 0.64;
	return $self->_prepared if $how < 0.67;
	if ($how < 0.7)
	{
		# as logical replication does it
		return { sql => 'SET session_replication_role = replica; ' . $self->_dml . '; RESET session_replication_role;' };
	}
	if ($how < 0.715)
	{
		return { sql => $self->_mass };
	}
	if ($how < 0.74)
	{
		# another session writes, and this one reads with a fresh memory
		return { sql => $self->_dml . ";\n\\connect -reuse-previous=on\n:settings" };
	}
	return { sql => $self->_transaction };
}

# What is stored while nobody tells of writes must not count later on.
sub _unseen
{
	my ($self) = @_;
	my $t = $self->_table;

	return {
		ddl => 1,
		sql => "SELECT cache_detach('$t->{name}');",
		behind => "UPDATE $t->{name} SET " . $self->_set($t) . '; ' . _attach($t)
	};
}

sub _table
{
	my ($self) = @_;

	return pick($self->{schema}->tables);
}

# As it was attached, for its tags must go on to be what queries rely on.
sub _attach { my ($t) = @_; return ($t->{attach} || "SELECT cache_attach('$t->{name}')") . ';'; }

sub _writable { my ($t) = @_; return grep { !$_->{generated} } @{ $t->{columns} }; }

# Which rows: mostly one.
sub _where
{
	my ($self, $t, $prefix) = @_;
	my $how = rand;
	my @id = grep { $_->{name} eq 'id' } @{ $t->{columns} };
	my $c = pick(@{ $t->{columns} });

	$prefix = '' unless defined $prefix;
	return "${prefix}id = " . between(1, 8) if $how < 0.45 && @id;
	return "$prefix$c->{name} = " . literal($c, 0) if $how < 0.82;
	return "$prefix$c->{name} IS NULL" if $how < 0.9;
	return "${prefix}id IN (" . between(1, 4) . ', ' . between(4, 8) . ')' if $how < 0.97;
	return 'true';
}

sub _set
{
	my ($self, $t) = @_;
	my @columns = _writable($t);
	my @not_id = grep { $_->{name} ne 'id' } @columns;
	my %seen;
	my @set;

	foreach (1 .. between(1, 2))
	{
		my $c = chance(0.2) || !@not_id ? pick(@columns) : pick(@not_id);

		next if $seen{ $c->{name} }++;
		push @set, "$c->{name} = " . (
			$c->{name} eq 'id'
			? ($type{ $c->{type} }{family} eq 'int' && chance(0.3) ? 'id + 1' : between(1, 9))
			: literal($c));
	}
	return join ', ', @set;
}

sub _insert
{
	my ($self, $t) = @_;
	my $rows = chance(0.6) ? 1 : between(2, 4);
	my @rows;

	foreach (1 .. $rows)
	{
		my @columns = _writable($t);
		my @row = map { $_->{name} eq 'id' ? (chance(0.3) ? between(1, 9) : ++$self->{id}) : literal($_) } @columns;

		push @rows, '(' . join(', ', @row) . ')';
	}
	return "INSERT INTO $t->{name} (" . RtcDiffSchema::column_list($t) . ') VALUES ' . join(', ', @rows);
}

sub _dml
{
	my ($self) = @_;
	my $t = $self->_table;
	my $name = $t->{name};
	my $list = RtcDiffSchema::column_list($t);
	my $how = rand;

	return $self->_insert($t) if $how < 0.3;
	return "UPDATE $name SET " . $self->_set($t) . ' WHERE ' . $self->_where($t) if $how < 0.6;
	return "DELETE FROM $name WHERE " . $self->_where($t) if $how < 0.7;
	return $self->_insert($t) . ' ON CONFLICT DO NOTHING' if $how < 0.74;
	if ($how < 0.8)
	{
		return $self->_insert($t) unless $t->{pk};
		return $self->_insert($t) . ' ON CONFLICT (id) DO UPDATE SET ' . $self->_set($t) =~ s/\bid \+/EXCLUDED.id +/r;
	}
	if ($how < 0.85)
	{
		my @values = map { $_->{name} eq 'id' ? 's.k + 10' : "t.$_->{name}" } _writable($t);

		return "MERGE INTO $name AS t USING (VALUES (" . between(1, 4) . '), (' . between(5, 12) . ')) AS s (k) ON t.id = s.k '
		  . pick(
			'WHEN MATCHED THEN UPDATE SET ' . $self->_set($t) . ' ',
			'WHEN MATCHED THEN DELETE ',
			'')
		  . "WHEN NOT MATCHED THEN INSERT (" . $list . ') VALUES ('
		  . join(', ', map { $_->{name} eq 'id' ? 's.k' : literal($_) } _writable($t)) . ')';
	}
	if ($how < 0.88)
	{
		my @values = map { $_->{name} eq 'id' ? 'id + ' . between(10, 30) : $_->{name} } _writable($t);

		return "INSERT INTO $name ($list) SELECT " . join(', ', @values) . " FROM $name WHERE " . $self->_where($t);
	}
	if ($how < 0.92)
	{
		# rows that wander from one table into another
		my $other = $self->_table;
		my %there = map { $_->{name} => $_ } _writable($t);
		my @values = map { my $c = $there{ $_->{name} }; $c && same_family($c, $_) ? "x.$_->{name}" : literal($_) } _writable($other);

		return "WITH x AS (DELETE FROM $name WHERE " . $self->_where($t) . ' RETURNING *) '
		  . "INSERT INTO $other->{name} (" . RtcDiffSchema::column_list($other) . ') SELECT ' . join(', ', @values) . ' FROM x';
	}
	if ($how < 0.95)
	{
		my $other = $self->_table;

		return "UPDATE $name AS t SET " . $self->_set($t) . " FROM $other->{name} AS o WHERE t.id = o.id AND " . $self->_where($other, 'o.');
	}
	if ($how < 0.96)
	{
		return "TRUNCATE $name" . (chance(0.3) ? ' CASCADE' : '');
	}
	my @views = grep { $_->{kind} eq 'view' } $self->{schema}->relations;

	return $self->_insert($t) unless @views;
	my $v = pick(@views);

	return chance(0.6)
	  ? "UPDATE $v->{name} SET " . $self->_set($v) . ' WHERE ' . $self->_where($v)
	  : $self->_insert($v);
}

sub _copy
{
	my ($self) = @_;
	my $t = $self->_table;
	my @columns = _writable($t);
	my @lines;

	foreach (1 .. between(1, 4))
	{
		push @lines, join "\t", map {
			my $v = $_->{name} eq 'id' ? ++$self->{id} : chance(0.1) ? '\N' : value($_);
			$v
		} @columns;
	}
	return "COPY $t->{name} (" . RtcDiffSchema::column_list($t) . ") FROM stdin;\n" . join("\n", @lines) . "\n\\.";
}

sub _transaction
{
	my ($self) = @_;
	my @sql = ('BEGIN');
	my $n = 0;

	foreach (1 .. between(1, 4))
	{
		my $how = rand;

		if ($how < 0.65) { push @sql, $self->_dml; }
		elsif ($how < 0.8)
		{
			push @sql, 'SAVEPOINT s' . ++$n, $self->_dml, "ROLLBACK TO s$n";
		}
		elsif ($how < 0.9)
		{
			push @sql, 'SAVEPOINT s' . ++$n, $self->_dml, "RELEASE s$n";
		}
		else
		{
			# an error in the middle, caught
			push @sql, "DO \$\$ BEGIN " . $self->_dml . "; PERFORM 1 / 0; EXCEPTION WHEN OTHERS THEN NULL; END \$\$";
		}
	}
	push @sql, chance(0.8) ? 'COMMIT' : 'ROLLBACK';
	return join(";\n", @sql) . ';';
}

sub _prepared
{
	my ($self) = @_;

	return {
		sql => "BEGIN;\n" . $self->_insert($self->_table) . ";\n" . $self->_update . ";\nPREPARE TRANSACTION '__N__p';",
		behind => pick('COMMIT', 'COMMIT', 'ROLLBACK') . " PREPARED '__N__p';"
	};
}

sub _update
{
	my ($self) = @_;
	my $t = $self->_table;

	return "UPDATE $t->{name} SET " . $self->_set($t) . ' WHERE ' . $self->_where($t);
}

# So many rows that single values are not kept any more, most of them in vain.
sub _mass
{
	my ($self) = @_;
	my $t = pick(grep { $_->{kind} eq 'plain' } $self->{schema}->tables) || $self->_table;
	my $n = $self->{id} + 1000;
	my $m = $n + 1200;
	my @values = map { $_->{name} eq 'id' ? 'g' : literal($_) } _writable($t);

	return "BEGIN;\n" . $self->_update . ";\n"
	  . "INSERT INTO $t->{name} (" . RtcDiffSchema::column_list($t) . ') SELECT ' . join(', ', @values) . " FROM generate_series($n, $m) AS g;\n"
	  . "UPDATE $t->{name} SET " . $self->_set($t) . ' WHERE ' . $self->_where($t) . ";\n"
	  . "DELETE FROM $t->{name} WHERE id >= $n;\nCOMMIT;";
}

# --------------------------------------------------------------------
# DDL
# --------------------------------------------------------------------

sub _ddl
{
	my ($self) = @_;
	my $schema = $self->{schema};
	my $t = $self->_table;
	my $name = $t->{name};
	my $n = ++$self->{n};
	my @columns = grep { $_->{name} =~ /^c/ } @{ $t->{columns} };
	my $c = pick(@columns) || $t->{columns}[0];
	my ($leafy) = shuffled(grep { $_->{leaves} } $schema->tables);
	my @views = grep { $_->{kind} eq 'view' } $schema->relations;
	my @choice = (
		sub { $schema->index($t) . ';' },
		sub { 'DROP INDEX IF EXISTS ' . pick(@{ $t->{indexes} || ['i1'] }) . ';' },
		sub { "ALTER TABLE $name ADD COLUMN n$n int DEFAULT $n;" },
		sub { "ALTER TABLE $name ADD COLUMN n$n int; UPDATE $name SET n$n = 1 WHERE " . $self->_where($t) . ';' },
		sub { "ALTER TABLE $name RENAME COLUMN $c->{name} TO $c->{name}n; ALTER TABLE $name RENAME COLUMN $c->{name}n TO $c->{name};" },
		sub {
			my $to = { int4 => 'int8', int2 => 'int4', int8 => 'int4', text => 'varchar', 'varchar(8)' => 'text', name => 'text', date => 'timestamp' }->{ $c->{type} }
			  or return $schema->index($t) . ';';

			return "ALTER TABLE $name ALTER COLUMN $c->{name} TYPE $to;";
		},
		sub {
			return $schema->index($t) . ';' unless $type{ $c->{type} }{family} eq 'int';
			return "ALTER TABLE $name ALTER COLUMN $c->{name} TYPE int8 USING $c->{name} + 1;";
		},
		sub { "ALTER TABLE $name DROP COLUMN $c->{name}; ALTER TABLE $name ADD COLUMN $c->{name} " . ($type{ $c->{type} }{sql} || $c->{type}) . ';' },
		sub { "BEGIN; ALTER TABLE $name ADD COLUMN n$n int; " . $self->_dml . '; ROLLBACK;' },
		sub { "ALTER TABLE $name RENAME TO old$n; CREATE TABLE $name (LIKE old$n INCLUDING ALL); INSERT INTO $name (id) VALUES (1); DROP TABLE $name; ALTER TABLE old$n RENAME TO $name;" },
		sub { "ALTER TABLE $name RENAME TO old$n; CREATE TABLE $name (LIKE old$n INCLUDING DEFAULTS); INSERT INTO $name SELECT * FROM old$n WHERE " . $self->_where($t) . '; ' . (chance(0.5) ? _attach($t) : '') },
		sub { 'CLUSTER ' . ($t->{pk} ? "$name USING ${name}_pkey;" : ';') . " VACUUM FULL $name; REINDEX TABLE $name;" },
		sub { "ALTER TYPE e_mood RENAME VALUE 'odd' TO 'odd$n';" },
		sub { "SELECT cache_detach('$name'); " . $self->_dml . "; " . _attach($t) },
		sub { _attach($t) },
	);

	if (grep { $_->{type} eq 'shape' } @columns)
	{
		push @choice, (sub { "ALTER TABLE shape RENAME COLUMN a TO a$n; ALTER TABLE shape RENAME COLUMN a$n TO a;" },
			sub { "ALTER TABLE shape RENAME COLUMN b TO b$n;" }) x 2;
	}
	if ($schema->{immutable})
	{
		push @choice, (sub { RtcDiffSchema::immutable($n + 1) . ';' }) x 3;
	}
	if ($schema->{matview})
	{
		push @choice, (sub { 'REFRESH MATERIALIZED VIEW m1;' }) x 4;
	}
	if ($leafy)
	{
		my $leaf = pick(@{ $leafy->{leaves} });

		push @choice,
		  (sub { "ALTER TABLE $leafy->{name} DETACH PARTITION $leaf->{name};" }) x 2,
		  (sub { "ALTER TABLE $leafy->{name} ATTACH PARTITION $leaf->{name} $leaf->{bound};" }) x 2,
		  sub {
			"ALTER TABLE $leafy->{name} DETACH PARTITION $leaf->{name}; "
			  . "UPDATE $leaf->{name} SET " . $self->_set($leafy) . "; DELETE FROM $leaf->{name} WHERE " . $self->_where($leafy) . '; '
			  . "ALTER TABLE $leafy->{name} ATTACH PARTITION $leaf->{name} $leaf->{bound};";
		  },
		  sub { "DROP TABLE $leaf->{name}; CREATE TABLE $leaf->{name} PARTITION OF $leafy->{name} $leaf->{bound};" },
		  sub { "TRUNCATE $leaf->{name};" };
	}
	foreach my $child (grep { $_->{kind} eq 'child' && $_->{name} !~ /k$/ } $schema->tables)
	{
		my ($parent) = $child->{name} =~ /^(t\d+)/;

		push @choice,
		  sub { "ALTER TABLE $child->{name} NO INHERIT $parent;" },
		  sub { "ALTER TABLE $child->{name} NO INHERIT $parent; DELETE FROM $child->{name} WHERE " . $self->_where($child) . "; ALTER TABLE $child->{name} INHERIT $parent;" },
		  sub { "ALTER TABLE $child->{name} INHERIT $parent;" };
	}
	if (@views)
	{
		my $v = pick(@views);
		my $list = join ', ', map { $_->{name} } @{ $v->{columns} };
		my $w = pick(@{ $v->{columns} });

		push @choice,
		  (sub { "CREATE OR REPLACE VIEW $v->{name} AS SELECT $list FROM $v->{of} WHERE $w->{name} = " . literal($w, 0) . ';' }) x 2,
		  sub { "ALTER VIEW $v->{name} RENAME COLUMN id TO idx; ALTER VIEW $v->{name} RENAME COLUMN idx TO id;" };
	}
	if ($schema->{function})
	{
		push @choice, sub { "CREATE OR REPLACE FUNCTION f1(k int) RETURNS bigint LANGUAGE sql STABLE AS 'SELECT count(*) + 1 FROM $schema->{function}{of} WHERE id = k';" };
	}
	return pick(@choice)->();
}

1;
