# What makes the same text mean something else, and code that runs while a query
# runs, for the differential test.
#
#	my $more = RtcDiffMeaning->new($schema, $n, @about);
#	$more->{statements}		on top of the schema
#	$more->{queries}		like those of RtcDiffQuery; the first is number $n
#	$more->{writes}			like those of RtcDiffWrite
#	$more->{role}			true if another role is to ask, too
#
# A case gets a few themes, of those named in @about if there are any.  Each has
# names, or code, queries that use them, and DDL or writes that change them;
# "behind" takes that back.  In the search_path there is a schema d0 in front of
# the others, which exists for so long only.

package RtcDiffMeaning;

use strict;
use warnings;

use RtcDiffSchema;

sub new
{
	my ($class, $schema, $n, @about) = @_;
	my $self = bless { schema => $schema, n => $n, statements => [], queries => [], writes => [] }, $class;
	my @names = shuffled(@about ? @about : sort keys %{ _themes() });

	$self->_theme($_) foreach @names > 2 ? @names[ 0, 1 ] : @names;
	return $self;
}

sub _theme
{
	my ($self, $name) = @_;
	my $make = _themes()->{$name} or die "there is no theme $name; there are: " . join(' ', sort keys %{ _themes() }) . "\n";
	my $theme = $make->($self) or return;

	push @{ $self->{statements} }, @{ $theme->{statements} || [] };
	$self->_query($_, $name, $theme->{role}) foreach @{ $theme->{queries} };
	push @{ $self->{writes} }, map { { ddl => 1, %$_ } } grep { $_ } (shuffled(@{ $theme->{writes} }))[ 0, 1 ];
	$self->{role} ||= $theme->{role};
	return;
}

# A second column, for a single one of type jsonb would be shown as it is.
sub _query
{
	my ($self, $query, $theme, $role) = @_;
	my $n = $self->{n}++;

	push @{ $self->{queries} }, { n => $n, theme => $theme, role => $role, key => "__N__q$n", query => $query, direct => $query, args => [], one_row => 0 };
	return;
}

sub _table
{
	my ($self, @families) = @_;
	my @tables = grep { $_->{kind} eq 'plain' && $_->{attached} } $self->{schema}->tables;

	return pick(@tables ? @tables : $self->{schema}->tables);
}

# A table, and a column of one of these families.
sub _column
{
	my ($self, @families) = @_;
	my @found;

	foreach my $r ($self->{schema}->tables)
	{
		push @found, map { [ $r, $_ ] } grep { my $f = $type{ $_->{type} }{family}; grep { $_ eq $f } @families } @{ $r->{columns} };
	}
	return @found ? @{ pick(@found) } : ();
}

# In front of all others for one comparison.
sub _in_front
{
	my (@sql) = @_;

	# mostly the schema is there already
	return { sql => 'CREATE SCHEMA d0;', behind => [ join(' ', map { "$_;" } @sql), 'DROP SCHEMA d0 CASCADE;' ] } if chance(0.7);
	return { sql => join(' ', 'CREATE SCHEMA d0;', map { "$_;" } @sql), behind => 'DROP SCHEMA d0 CASCADE;' };
}

# All that a table is asked, and something by its key.
sub _asks
{
	my ($r) = @_;

	return ("SELECT a.* FROM $r->{name} AS a", "SELECT a.* FROM $r->{name} AS a WHERE a.id = " . between(1, 5), "SELECT count(*) AS n, 1 AS one FROM $r->{name}");
}

sub _rows_of { my ($r) = @_; return "SELECT * FROM d.$r->{name} WHERE id " . pick('< 3', '= 1', 'IS NULL'); }

my $themes;

sub _themes
{
	return $themes ||= {
		# ---- names
		table => sub {
			my ($self) = @_;
			my $r = $self->_table;
			my $name = $r->{name};

			return {
				queries => [ _asks($r) ],
				writes => [
					pick(
						_in_front("CREATE TABLE d0.$name AS " . _rows_of($r)),
						_in_front("CREATE VIEW d0.$name AS " . _rows_of($r)),
						_in_front("CREATE MATERIALIZED VIEW d0.$name AS " . _rows_of($r)),
						_in_front("CREATE TABLE d0.$name (LIKE d.$name)", "SELECT cache_attach('d0.$name')")),
					{ sql => "CREATE SCHEMA d1; CREATE TABLE d1.$name (LIKE d.$name); ALTER SCHEMA d1 RENAME TO d0;", behind => 'DROP SCHEMA d0 CASCADE;' },
					{ sql => "CREATE SCHEMA d0; CREATE SCHEMA d1; CREATE TABLE d1.$name (LIKE d.$name);", behind => [ "ALTER TABLE d1.$name SET SCHEMA d0;", 'DROP SCHEMA d0, d1 CASCADE;' ] },
					{ sql => "CREATE SCHEMA d1; ALTER TABLE d.$name SET SCHEMA d1;", behind => "ALTER TABLE d1.$name SET SCHEMA d; DROP SCHEMA d1;" } ] };
		},
		temporary => sub {
			my ($self) = @_;
			my $r = $self->_table;
			my $columns = RtcDiffSchema::column_list($r);
			my $insert = "INSERT INTO $r->{name} ($columns) VALUES (" . join(', ', RtcDiffSchema::row($r)) . ');';

			return {
				queries => [ _asks($r) ],
				writes => [
					{ sql => "CREATE TEMP TABLE $r->{name} AS " . _rows_of($r) . ';', behind => [ $insert, "DROP TABLE pg_temp.$r->{name};" ] },
					{ sql => 'CREATE TEMP TABLE other (a int);', behind => [ "CREATE TEMP TABLE $r->{name} (LIKE $r->{name}); $insert", "DROP TABLE other, pg_temp.$r->{name};" ] },
					{ sql => "CREATE TEMP VIEW $r->{name} AS " . _rows_of($r) . ';', behind => "DROP VIEW pg_temp.$r->{name};" } ] };
		},
		schema => sub {
			my ($self) = @_;
			my $r = $self->_table;

			return {
				queries => [ _asks($r), "SELECT a.*, 1 AS one FROM d.$r->{name} AS a" ],
				writes => [ { sql => "ALTER SCHEMA d RENAME TO d1; CREATE SCHEMA d; CREATE TABLE d.$r->{name} (LIKE d1.$r->{name});", behind => 'DROP SCHEMA d CASCADE; ALTER SCHEMA d1 RENAME TO d;' } ] };
		},
		columns => sub {
			my ($self) = @_;
			my $r = $self->_table;
			my ($c, $d) = map { $_->{name} } shuffled(grep { $_->{name} ne 'id' } @{ $r->{columns} });

			return unless $d;
			my $swap = "ALTER TABLE $r->{name} RENAME COLUMN $c TO cx; ALTER TABLE $r->{name} RENAME COLUMN $d TO $c; ALTER TABLE $r->{name} RENAME COLUMN cx TO $d;";

			return { queries => [ _asks($r), "SELECT $c, 1 AS one FROM $r->{name}" ], writes => [ { sql => $swap, behind => $swap } ] };
		},
		labels => sub {
			my ($self) = @_;
			my ($r, $c) = $self->_column('mood');
			my $swap = "ALTER TYPE e_mood RENAME VALUE 'sad' TO 'sadx'; ALTER TYPE e_mood RENAME VALUE 'ok' TO 'sad'; ALTER TYPE e_mood RENAME VALUE 'sadx' TO 'ok';";

			return {
				queries => [
					"SELECT 'sad'::e_mood AS m, 'sad'::e_mood < 'ok'::e_mood AS l",
					"SELECT enum_range(NULL, 'ok'::e_mood) AS m, 1 AS one",
					$r ? "SELECT id, $c->{name} FROM $r->{name} WHERE $c->{name} = 'sad'" : () ],
				writes => [ { sql => $swap, behind => $swap } ] };
		},
		type => sub {
			my ($self) = @_;
			my ($r, $c) = $self->_column('mood');
			my @new = ("CREATE TYPE %s.e_mood AS ENUM ('happy', 'ok', 'sad')", 'CREATE DOMAIN %s.e_mood AS text', 'CREATE DOMAIN %s.e_mood AS varchar(1)');

			return {
				queries => [
					"SELECT 'ok'::e_mood AS m, 1 AS one",
					"SELECT e.*, 1 AS one FROM unnest('{ok,happy}'::e_mood[]) AS e",
					$r ? "SELECT id, $c->{name} FROM $r->{name} WHERE $c->{name} = 'ok'::e_mood" : () ],
				writes => [
					_in_front(sprintf pick(@new), 'd0'),
					{ sql => 'ALTER TYPE d.e_mood RENAME TO e_old; ' . sprintf(pick(@new), 'd') . ';', behind => 'DROP TYPE d.e_mood; ALTER TYPE d.e_old RENAME TO e_mood;' } ] };
		},
		cast => sub {
			my ($self) = @_;
			my ($what, $value) = @{ pick([ 'shape', "'(1,2)'::shape" ], [ 'e_mood', "'ok'::e_mood" ]) };
			my ($r, $c) = $self->_column($what eq 'shape' ? 'row' : 'mood');
			my $to = pick(qw(text json));
			my $new = $to eq 'text' ? "'cast'" : "'7'";

			return {
				queries => [
					"SELECT ($value)::$to AS v, 1 AS one",
					"SELECT $value AS v, 1 AS one",
					"SELECT jsonb_build_array($value) AS v, 1 AS one",
					$r ? "SELECT id, $c->{name}::$to AS v, $c->{name} FROM $r->{name}" : () ],
				writes => [ {
					sql => "CREATE FUNCTION recast($what) RETURNS $to IMMUTABLE LANGUAGE sql AS \$\$ SELECT $new\::$to \$\$; CREATE CAST ($what AS $to) WITH FUNCTION recast($what);",
					behind => "DROP CAST ($what AS $to); DROP FUNCTION recast($what);" } ] };
		},
		function => sub {
			my ($self) = @_;
			my $r = $self->_table;
			my $f = sub { my ($where, $type, $n) = @_; return "CREATE FUNCTION ${where}nf(k $type) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT $n'"; };

			return {
				statements => [ $f->('', 'numeric', 1) ],
				queries => [ "SELECT id, nf(id) AS n FROM $r->{name}", 'SELECT nf(2) AS n, 1 AS one' ],
				writes => [
					_in_front($f->('d0.', 'numeric', 2)),
					{ sql => $f->('', pick(qw(int8 int4 int2 float8)), 3) . ';', behind => 'DROP FUNCTION IF EXISTS nf(int8), nf(int4), nf(int2), nf(float8);' },
					{ sql => 'ALTER FUNCTION nf(numeric) RENAME TO nf_old; ' . $f->('', 'numeric', 4) . ';', behind => 'DROP FUNCTION nf(numeric); ALTER FUNCTION nf_old(numeric) RENAME TO nf;' },
					{ sql => 'ALTER FUNCTION nf(numeric) STABLE;', behind => 'ALTER FUNCTION nf(numeric) IMMUTABLE;' } ] };
		},
		operator => sub {
			my ($self) = @_;
			my $r = $self->_table;
			my $o = sub { my ($where, $f, $type) = @_; return "CREATE OPERATOR ${where}=== (function = $f, leftarg = $type, rightarg = $type)"; };

			return {
				statements => [ $o->('', 'numeric_eq', 'numeric') ],
				queries => [ "SELECT id, id === 2 AS e FROM $r->{name}", 'SELECT 1 === 2 AS e, 1 AS one' ],
				writes => [
					_in_front($o->('d0.', 'numeric_ne', 'numeric')),
					{ sql => $o->('', 'int4ne', 'int4') . ';', behind => 'DROP OPERATOR === (int4, int4);' },
					{ sql => 'DROP OPERATOR === (numeric, numeric); ' . $o->('', 'numeric_ge', 'numeric') . ';' } ] };
		},
		search => sub {
			my ($self) = @_;

			return {
				statements => ['CREATE TEXT SEARCH CONFIGURATION tc (COPY = pg_catalog.english)'],
				queries => [
					"SELECT to_tsvector('tc', 'the fat cats')::text AS v, 1 AS one",
					"SELECT to_tsvector('tc', 'two cats') @@ to_tsquery('tc', 'cat') AS v, 1 AS one" ],
				writes => [
					_in_front('CREATE TEXT SEARCH CONFIGURATION d0.tc (COPY = pg_catalog.simple)'),
					{ sql => 'ALTER TEXT SEARCH CONFIGURATION tc RENAME TO tc_old; CREATE TEXT SEARCH CONFIGURATION tc (COPY = pg_catalog.simple);', behind => 'DROP TEXT SEARCH CONFIGURATION tc; ALTER TEXT SEARCH CONFIGURATION tc_old RENAME TO tc;' },
					{ sql => 'ALTER TEXT SEARCH CONFIGURATION tc ALTER MAPPING FOR asciiword WITH simple;' } ] };
		},
		collation => sub {
			my ($self) = @_;
			my ($r, $c) = $self->_column('text');

			return {
				queries => [
					"SELECT 'a' = 'A' COLLATE ci AS e, 1 AS one",
					$r ? "SELECT id, $c->{name} FROM $r->{name} WHERE $c->{name}::text = 'ada' COLLATE ci" : () ],
				writes => [ _in_front('CREATE COLLATION d0.ci FROM "C"') ] };
		},

		# ---- code
		default => sub {
			my ($self) = @_;
			my ($r, $t) = ($self->_table, $self->_table);
			my $create = sub { my ($default) = @_; return "CREATE OR REPLACE FUNCTION greet(k int, w text DEFAULT $default) RETURNS text IMMUTABLE LANGUAGE sql AS 'SELECT k || w'"; };
			my @default = ('current_user', 'counted()', "'x'", "current_setting('search_path')");

			return {
				statements => [ "CREATE FUNCTION counted() RETURNS text STABLE LANGUAGE sql AS 'SELECT count(*)::text FROM $t->{name}'", $create->(pick(@default)) ],
				queries => [ "SELECT id, greet(id::int) AS g FROM $r->{name}", 'SELECT greet(1) AS g, greet(2) AS h' ],
				role => 1,
				writes => [ { sql => $create->(pick(@default)) . ';', behind => "DELETE FROM $t->{name} WHERE id = " . between(1, 4) . ';' } ] };
		},
		domain => sub {
			my ($self) = @_;
			my $r = $self->_table;

			return {
				statements => [
					'CREATE TABLE allowed (v int, w text)', "INSERT INTO allowed SELECT i, 'x' FROM generate_series(1, 9) AS i",
					chance(0.7) ? "SELECT cache_attach('allowed')" : (),
					"CREATE FUNCTION is_allowed(k int) RETURNS bool STABLE LANGUAGE plpgsql AS 'BEGIN RETURN "
					  . pick('EXISTS (SELECT FROM allowed WHERE v = k)', "current_user <> ''diff_other''") . "; END'",
					'CREATE DOMAIN d_code AS int CHECK (is_allowed(value))' ],
				queries => [
					"SELECT id, id::int::d_code AS c FROM $r->{name}", "SELECT id, id::int::d_code AS c FROM $r->{name} WHERE id = 1",
					"SELECT j.*, 1 AS one FROM json_to_record('{\"c\": 2}') AS j (c d_code)", 'SELECT 3::d_code AS c, 1 AS one' ],
				role => 1,
				writes => [
					{ sql => 'DELETE FROM allowed WHERE v = ' . between(1, 4) . ';', behind => 'INSERT INTO allowed SELECT 1;' },
					{ sql => 'ALTER DOMAIN d_code ADD CONSTRAINT small CHECK (value < 3) NOT VALID;', behind => 'ALTER DOMAIN d_code DROP CONSTRAINT small;' } ] };
		},
		classes => sub {
			my ($self) = @_;
			my $r = $self->_table;
			my @compare = map {
				;
				"CREATE FUNCTION pair_$_->[0](a pair, b pair) RETURNS bool STABLE LANGUAGE plpgsql AS 'BEGIN RETURN pair_cmp(a, b) $_->[1] 0; END'",
				  "CREATE OPERATOR $_->[2] (function = pair_$_->[0], leftarg = pair, rightarg = pair)"
			} ([ 'lt', '<', '<#' ], [ 'le', '<=', '<=#' ], [ 'eq', '=', '=#' ], [ 'ge', '>=', '>=#' ], [ 'gt', '>', '>#' ]);

			return {
				statements => [
					'CREATE TYPE pair AS (a int, b int)', 'CREATE TABLE direction (d int)', 'INSERT INTO direction VALUES (1)', "SELECT cache_attach('direction')",
					"CREATE FUNCTION pair_cmp(a pair, b pair) RETURNS int STABLE LANGUAGE plpgsql AS 'BEGIN RETURN coalesce((SELECT min(d) FROM direction), 0) * (coalesce((a).a, 0) - coalesce((b).a, 0)); END'",
					@compare,
					'CREATE OPERATOR CLASS pair_ops DEFAULT FOR TYPE pair USING btree AS OPERATOR 1 <#, OPERATOR 2 <=#, OPERATOR 3 =#, OPERATOR 4 >=#, OPERATOR 5 >#, FUNCTION 1 pair_cmp(pair, pair)',
					'CREATE TYPE pairs AS RANGE (subtype = pair, subtype_opclass = pair_ops)' ],
				queries => [
					"SELECT id, 1 AS one FROM $r->{name} WHERE id BETWEEN 1 AND 5 ORDER BY ROW(id, 1)::pair LIMIT 1",
					"SELECT min(id) AS n, 1 AS one FROM (SELECT id, first_value(id) OVER (ORDER BY ROW(id, 1)::pair) AS f FROM $r->{name}) AS x WHERE id = f",
					"SELECT id, pairs(ROW(id, 1)::pair, ROW(5, 1)::pair, '[]') \@> ROW(3, 1)::pair AS e FROM $r->{name}",
					"SELECT id, ROW(id, 1)::pair <# ROW(3, 1)::pair AS e FROM $r->{name}",
					'SELECT DISTINCT ROW(x, 1)::pair AS p, 1 AS one FROM generate_series(1, 2) AS x',
					"SELECT ROW(ROW(1, 1)::pair, 1) < ROW(ROW(2, 1)::pair, 1) AS e, 1 AS one" ],
				writes => [ { sql => 'UPDATE direction SET d = -1;', behind => 'UPDATE direction SET d = 1;' } ] };
		},
		aggregate => sub {
			my ($self) = @_;
			my ($r, $t) = ($self->_table, $self->_table);

			return {
				statements => [
					"CREATE FUNCTION step(s int, k int) RETURNS int STABLE LANGUAGE plpgsql AS 'BEGIN RETURN s + (SELECT count(*) FROM $t->{name}); END'",
					"CREATE FUNCTION last(s int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT s + 1'",
					'CREATE AGGREGATE total(int) (sfunc = ' . pick('step', 'int4pl') . ', stype = int, finalfunc = last, initcond = 0)' ],
				queries => [ "SELECT total(id::int) AS n, 1 AS one FROM $r->{name}", "SELECT id, total(id::int) OVER (PARTITION BY id) AS n FROM $r->{name}" ],
				writes => [
					{ sql => "DELETE FROM $t->{name} WHERE id = " . between(1, 4) . ';', behind => "CREATE OR REPLACE FUNCTION last(s int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT s + 2';" },
					_in_front('CREATE AGGREGATE d0.total(int) (sfunc = int4larger, stype = int)') ] };
		},
		inlined => sub {
			my ($self) = @_;
			my ($r, $t) = ($self->_table, $self->_table);

			return {
				statements => [
					"CREATE FUNCTION many() RETURNS bigint STABLE LANGUAGE sql AS 'SELECT count(*) FROM $t->{name}'",
					"CREATE FUNCTION outer_f(k int) RETURNS bigint STABLE LANGUAGE sql AS 'SELECT many() + k'",
					"CREATE FUNCTION rows_of() RETURNS SETOF $t->{name} STABLE LANGUAGE sql AS 'SELECT * FROM $t->{name}'",
					"CREATE VIEW w1 AS SELECT id, outer_f(id::int) AS n FROM $r->{name}" ],
				queries => [ "SELECT id, outer_f(id::int) AS n FROM $r->{name}", 'SELECT f.*, 1 AS one FROM rows_of() AS f', 'SELECT id, n FROM w1' ],
				role => 1,
				writes => [
					{ sql => "DELETE FROM $t->{name} WHERE id = " . between(1, 4) . ';', behind => "CREATE OR REPLACE FUNCTION many() RETURNS bigint STABLE LANGUAGE sql AS 'SELECT 7::bigint';" },
					{ sql => "ALTER TABLE $t->{name} ENABLE ROW LEVEL SECURITY;", behind => "ALTER TABLE $t->{name} DISABLE ROW LEVEL SECURITY;" } ] };
		},
		bodies => sub {
			my ($self) = @_;
			my $r = $self->_table;

			# names that are in the body of a function, and not in the text
			return {
				statements => [
					'CREATE DOMAIN unit AS numeric(4,1)',
					'CREATE FUNCTION in_units(k numeric) RETURNS text IMMUTABLE LANGUAGE ' . pick("sql AS 'SELECT k::unit::text'", "plpgsql AS 'BEGIN RETURN k::unit::text; END'"),
					"CREATE FUNCTION ids() RETURNS SETOF int STABLE LANGUAGE sql AS 'SELECT id::int FROM $r->{name}'" ],
				queries => [ 'SELECT in_units(1.26) AS u, 1 AS one', "SELECT id, in_units(id + 0.26) AS u FROM $r->{name}", 'SELECT i, 1 AS one FROM ids() AS i' ],
				writes => [
					_in_front('CREATE DOMAIN d0.unit AS numeric(4,2)'),
					_in_front("CREATE TABLE d0.$r->{name} (LIKE d.$r->{name})"),
					{ sql => 'ALTER DOMAIN unit RENAME TO unit_old; CREATE DOMAIN unit AS numeric(5,3);', behind => 'DROP DOMAIN unit; ALTER DOMAIN unit_old RENAME TO unit;' } ] };
		},
		rights => sub {
			my ($self) = @_;
			my $r = $self->_table;

			return {
				statements => [ "CREATE POLICY p1 ON $r->{name} USING (id > 2 OR current_user <> 'diff_other')" ],
				queries => [ _asks($r) ],
				role => 1,
				writes => [
					{ sql => "ALTER TABLE $r->{name} ENABLE ROW LEVEL SECURITY;", behind => "ALTER TABLE $r->{name} DISABLE ROW LEVEL SECURITY;" },
					{ sql => "REVOKE SELECT ON $r->{name} FROM diff_other;", behind => "GRANT SELECT ON $r->{name} TO diff_other;" } ] };
		} };
}

1;
