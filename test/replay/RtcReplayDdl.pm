# Random DDL by which the text of a query comes to mean something else.
#
#	my $ddl = RtcReplayDdl::pick_one($admin, $query, \%only);
#	$ddl->{name}, $ddl->{where}			'main' or 'admin': which session
#	$ddl->{do}, $ddl->{undo}			statements
#	$ddl->{fresh}						true if new sessions alone can see it
#
# Each takes a word of the query and makes it mean another thing, by what the
# catalog says it means now; undo makes it mean the same again.  undef if the
# kind that was chosen does not apply.  %only: names of kinds, or all.
#
# Sessions have their search_path: "main" the suite's, in which "$user", which
# is a schema named postgres once there is one, is in front; the other reader's
# has "shadow" in front, and pg_catalog last, so that the server's own names can
# be hidden.
#
# "do" and "undo" are each to be run as one transaction.

package RtcReplayDdl;

use strict;
use warnings;

sub between { my ($low, $high) = @_; return $low + int rand($high - $low + 1); }
sub pick { return $_[ int rand @_ ]; }
sub quote { my ($text) = @_; $text =~ s/'/''/g; return "'$text'"; }

# The schema that hides others, in either session.
sub _front { return pick('postgres', 'shadow'); }

sub _ddl
{
	my ($do, $undo, %more) = @_;

	# a schema of that name must not stay, for it would get the suite's tables
	if (grep { /\bpostgres\b/ && !/ROLE postgres/ } @$do)
	{
		$do = [ 'CREATE SCHEMA postgres', @$do ] unless grep { /RENAME TO postgres$/ } @$do;
		$undo = [ @$undo, 'DROP SCHEMA IF EXISTS postgres CASCADE' ];
	}
	return { where => 'admin', do => $do, undo => $undo, %more };
}

sub _relation
{
	my ($x, $kinds) = @_;

	return pick(grep { $_->{more} =~ /^[$kinds]/ } @{ $x->{relation} || [] });
}

# A function of the suite, or of the server ("own" or "any").
sub _function
{
	my ($x, $which, $kind) = @_;

	return pick(grep { ($which eq 'any' || $_->{schema} ne 'pg_catalog') && $_->{more} =~ /^$kind/ } @{ $x->{function} || [] });
}

sub _user_type
{
	my ($x, $kind) = @_;

	return pick(grep { $_->{schema} ne 'pg_catalog' && $_->{more} =~ /^[$kind]/ } @{ $x->{type} || [] });
}

sub _column
{
	my ($admin, $r) = @_;
	my @columns = $admin->rows("SELECT quote_ident(attname) FROM pg_catalog.pg_attribute WHERE attrelid = $r->{oid} AND attnum > 0 AND NOT attisdropped ORDER BY attnum");
	my @used = grep { my $c = $_; $c =~ s/"//g; $r->{query} =~ /\b\Q$c\E\b/i } @columns;

	return (pick(@used ? @used : @columns), @columns);
}

# Operators that are another one in front of pg_catalog: name, types, function.
my @operators = (
	[ '=', 'int4', 'int4', 'int4ne' ], [ '=', 'text', 'text', 'textne' ], [ '<>', 'int4', 'int4', 'int4eq' ],
	[ '<', 'int4', 'int4', 'int4gt' ], [ '>', 'int4', 'int4', 'int4lt' ], [ '+', 'int4', 'int4', 'int4mi' ],
	[ '-', 'int4', 'int4', 'int4pl' ], [ '*', 'int4', 'int4', 'int4pl' ],
	[ '=', 'numeric', 'numeric', 'numeric_ne' ], [ '<', 'text', 'text', 'text_gt' ], [ '=', 'int8', 'int4', 'int84ne' ],
	[ '~', 'text', 'text', 'textregexne' ], [ '+', 'numeric', 'numeric', 'numeric_sub' ], [ '=', 'anyarray', 'anyarray', 'array_ne' ],
	[ '<=', 'int4', 'int4', 'int4gt' ], [ '=', 'bool', 'bool', 'boolne' ], [ '=', 'name', 'text', 'namenetext' ],
	[ '->', 'jsonb', 'text', 'jsonb_exists' ], [ '@>', 'anyrange', 'anyrange', 'range_contained_by' ],
	[ '&&', 'anyrange', 'anyrange', 'range_adjacent' ], [ '*', 'float8', 'float8', 'float8pl' ]);

my %kinds = (
	# ---- relations
	table_in_front => sub {
		my ($x) = @_;
		my $r = _relation($x, 'rpvm') or return;
		my $front = _front();
		my $how = pick('TABLE', 'TABLE', 'VIEW', 'MATERIALIZED VIEW');
		my $rows = $how eq 'TABLE' ? ' LIMIT ' . between(0, 3) : ' LIMIT 1';

		return if $r->{schema} eq $front;
		return _ddl([ "CREATE $how $front.$r->{name} AS SELECT * FROM $r->{schema}.$r->{name}$rows" ], [ "DROP $how $front.$r->{name}" ]);
	},
	table_moves_in_front => sub {
		my ($x) = @_;
		my $r = _relation($x, 'rp') or return;
		my $front = _front();

		return if $r->{schema} eq $front;
		return _ddl([ 'CREATE SCHEMA spare', "CREATE TABLE spare.$r->{name} (LIKE $r->{schema}.$r->{name})", "ALTER TABLE spare.$r->{name} SET SCHEMA $front" ],
			[ "DROP TABLE $front.$r->{name}", 'DROP SCHEMA spare' ]);
	},
	schema_comes_in_front => sub {
		my ($x) = @_;
		my $r = _relation($x, 'rp') or return;
		my $front = _front();

		my @make = ('CREATE SCHEMA spare', "CREATE TABLE spare.$r->{name} (LIKE $r->{schema}.$r->{name})");

		return if $r->{schema} eq $front;
		return _ddl([ @make, 'ALTER SCHEMA spare RENAME TO postgres' ], []) if $front eq 'postgres';
		return _ddl([ @make, 'ALTER SCHEMA shadow RENAME TO aside', 'ALTER SCHEMA spare RENAME TO shadow' ],
			[ 'DROP SCHEMA shadow CASCADE', 'ALTER SCHEMA aside RENAME TO shadow' ]);
	},
	temp_table => sub {
		my ($x) = @_;
		my $r = _relation($x, 'rpvm') or return;
		my $what = pick("SELECT * FROM $r->{schema}.$r->{name} LIMIT 2", "SELECT * FROM $r->{schema}.$r->{name} LIMIT 0");
		my $how = pick("CREATE TEMP TABLE $r->{name} AS $what", "CREATE TEMP VIEW $r->{name} AS $what");
		my $kind = $how =~ /VIEW/ ? 'VIEW' : 'TABLE';

		return { where => 'main', do => [$how], undo => ["DROP $kind pg_temp.$r->{name}"] };
	},
	table_replaced => sub {
		my ($x) = @_;
		my $r = _relation($x, 'r') or return;

		return if $r->{more} =~ /part/;
		return _ddl([ "ALTER TABLE $r->{schema}.$r->{name} RENAME TO replay_old", "CREATE TABLE $r->{schema}.$r->{name} (LIKE $r->{schema}.replay_old INCLUDING ALL)",
				"INSERT INTO $r->{schema}.$r->{name} SELECT * FROM $r->{schema}.replay_old LIMIT " . between(0, 2) ],
			[ "DROP TABLE $r->{schema}.$r->{name}", "ALTER TABLE $r->{schema}.replay_old RENAME TO $r->{name}" ]);
	},
	table_set_schema => sub {
		my ($x) = @_;
		my $r = _relation($x, 'rp') or return;
		my $to = pick('postgres', 'shadow', 'aside2');

		return if $r->{schema} eq $to;
		return _ddl([ 'CREATE SCHEMA IF NOT EXISTS aside2', "ALTER TABLE $r->{schema}.$r->{name} SET SCHEMA $to" ], [ "ALTER TABLE $to.$r->{name} SET SCHEMA $r->{schema}" ]);
	},
	schema_renamed => sub {
		my ($x) = @_;
		my $r = pick(@{ $x->{schema} || [] }, _relation($x, 'rpvm')) or return;
		my $name = $r->{kind} eq 'schema' ? $r->{name} : $r->{schema};

		return _ddl([ "ALTER SCHEMA $name RENAME TO replay_aside" ], [ "ALTER SCHEMA replay_aside RENAME TO $name" ]);
	},
	view_replaced => sub {
		my ($x, $admin) = @_;
		my $r = _relation($x, 'v') or return;
		my $old = join "\n", $admin->rows("SELECT pg_catalog.pg_get_viewdef($r->{oid})");

		$old =~ s/;\s*\z//;
		return _ddl([ "CREATE OR REPLACE VIEW $r->{schema}.$r->{name} AS SELECT * FROM ($old) AS x " . pick('WHERE false', 'LIMIT 1') ],
			[ "CREATE OR REPLACE VIEW $r->{schema}.$r->{name} AS $old" ]);
	},
	column_renamed => sub {
		my ($x, $admin) = @_;
		my $r = _relation($x, 'rpvm') or return;
		my ($c) = _column($admin, $r);
		my $t = "ALTER TABLE $r->{schema}.$r->{name}";

		return unless defined $c;
		return _ddl([ "$t RENAME COLUMN $c TO replay_c" ], [ "$t RENAME COLUMN replay_c TO $c" ]);
	},
	columns_swapped => sub {
		my ($x, $admin) = @_;
		my $r = _relation($x, 'rpvm') or return;
		my ($c, @all) = _column($admin, $r);
		my $d = pick(grep { $_ ne $c } @all);
		my $t = "ALTER TABLE $r->{schema}.$r->{name}";
		my @swap;

		return unless defined $d;
		@swap = ("$t RENAME COLUMN $c TO replay_c; $t RENAME COLUMN $d TO $c; $t RENAME COLUMN replay_c TO $d");
		return _ddl([@swap], [@swap]);
	},
	column_type => sub {
		my ($x, $admin) = @_;
		my $r = _relation($x, 'rp') or return;
		my ($c) = _column($admin, $r);

		return unless defined $c;
		my ($type) = $admin->rows("SELECT pg_catalog.format_type(atttypid, atttypmod) FROM pg_catalog.pg_attribute WHERE attrelid = $r->{oid} AND quote_ident(attname) = " . quote($c));
		my %to = (integer => pick('bigint', 'numeric', 'text'), text => pick('varchar', 'varchar(3)', 'name'), bigint => 'numeric', name => 'text', 'double precision' => 'numeric', numeric => 'float8');

		return unless defined $type && $to{$type};
		return _ddl([ "ALTER TABLE $r->{schema}.$r->{name} ALTER COLUMN $c TYPE $to{$type}" . ($to{$type} =~ /\(3/ ? " USING left($c, 3)" : '') ],
			[ "ALTER TABLE $r->{schema}.$r->{name} ALTER COLUMN $c TYPE $type USING $c\::$type" ]);
	},
	column_added => sub {
		my ($x) = @_;
		my $r = _relation($x, 'rp') or return;

		return _ddl([ "ALTER TABLE $r->{schema}.$r->{name} ADD COLUMN replay_c int DEFAULT 7" ], [ "ALTER TABLE $r->{schema}.$r->{name} DROP COLUMN replay_c" ]);
	},
	child_made => sub {
		my ($x) = @_;
		my $r = _relation($x, 'r') or return;

		return if $r->{more} =~ /part/;
		return _ddl([ "CREATE TABLE replay_child () INHERITS ($r->{schema}.$r->{name})", "INSERT INTO replay_child SELECT * FROM ONLY $r->{schema}.$r->{name} LIMIT 2" ],
			[ 'DROP TABLE replay_child' ]);
	},
	child_leaves => sub {
		my ($x, $admin) = @_;
		my $r = _relation($x, 'rp') or return;
		my @children = $admin->rows("SELECT inhrelid::pg_catalog.regclass || '|' || coalesce(pg_catalog.pg_get_expr(relpartbound, c.oid), '') "
			  . "FROM pg_catalog.pg_inherits JOIN pg_catalog.pg_class AS c ON c.oid = inhrelid WHERE inhparent = $r->{oid}");

		return unless @children;
		my ($child, $bound) = split /\|/, pick(@children), 2;
		my $t = "$r->{schema}.$r->{name}";

		return $bound
		  ? _ddl([ "ALTER TABLE $t DETACH PARTITION $child" ], [ "ALTER TABLE $t ATTACH PARTITION $child $bound" ])
		  : _ddl([ "ALTER TABLE $child NO INHERIT $t" ], [ "ALTER TABLE $child INHERIT $t" ]);
	},
	index_made => sub {
		my ($x, $admin) = @_;
		my $r = _relation($x, 'rpm') or return;
		my ($c) = _column($admin, $r);

		return unless defined $c;
		return _ddl([ "CREATE INDEX replay_index ON $r->{schema}.$r->{name} ($c)" ], [ "DROP INDEX $r->{schema}.replay_index" ]);
	},
	rule_made => sub {
		my ($x) = @_;
		my $r = _relation($x, 'rp') or return;

		return _ddl([ "CREATE RULE replay_rule AS ON DELETE TO $r->{schema}.$r->{name} DO INSTEAD NOTHING" ], [ "DROP RULE replay_rule ON $r->{schema}.$r->{name}" ]);
	},

	# ---- rights
	policy_made => sub {
		my ($x, $admin) = @_;
		my $r = _relation($x, 'rp') or return;
		my ($c) = _column($admin, $r);
		my $t = "$r->{schema}.$r->{name}";

		return unless defined $c;
		return _ddl([ "CREATE POLICY replay_policy ON $t USING " . pick("(current_user = 'postgres')", "($c IS NULL)", '(false)'), "ALTER TABLE $t ENABLE ROW LEVEL SECURITY" ],
			[ "ALTER TABLE $t DISABLE ROW LEVEL SECURITY", "DROP POLICY replay_policy ON $t" ]);
	},
	revoked => sub {
		my ($x) = @_;
		my $r = _relation($x, 'rpvm') or return;

		return _ddl([ "REVOKE SELECT ON $r->{schema}.$r->{name} FROM replay_user" ], [ "GRANT SELECT ON $r->{schema}.$r->{name} TO replay_user" ]);
	},
	function_revoked => sub {
		my ($x) = @_;
		my $f = _function($x, 'any', '[fa]') or return;

		# setup.sql calls these
		return if $f->{word} =~ /^(?:md5|concat|left|array_append|array_agg|string_agg|translate|to_jsonb|coalesce)$/;
		return _ddl([ "REVOKE EXECUTE ON FUNCTION $f->{schema}.$f->{name}($f->{args}) FROM PUBLIC" ], [ "GRANT EXECUTE ON FUNCTION $f->{schema}.$f->{name}($f->{args}) TO PUBLIC" ]);
	},
	role_path => sub {
		my ($x) = @_;
		my $r = _relation($x, 'rp') or return;

		return { %{ _ddl([ 'CREATE SCHEMA replay_role', "CREATE TABLE replay_role.$r->{name} (LIKE $r->{schema}.$r->{name})", 'ALTER ROLE postgres SET search_path = replay_role, public' ],
				[ 'DROP SCHEMA replay_role CASCADE', 'ALTER ROLE postgres RESET search_path' ]) }, fresh => 1 };
	},

	# ---- functions, operators, casts
	function_in_front => sub {
		my ($x) = @_;
		my $f = _function($x, 'any', 'f') or return;
		my $front = $f->{schema} eq 'pg_catalog' ? 'shadow' : _front();

		return if $f->{result} =~ /^any|trigger|internal|record/ || $f->{types} =~ /any|internal|VARIADIC/ || $f->{schema} eq $front;
		return _ddl([ "CREATE FUNCTION $front.$f->{name}($f->{types}) RETURNS " . ($f->{more} =~ /set/ ? 'SETOF ' : '') . "$f->{result} IMMUTABLE LANGUAGE sql AS 'SELECT NULL::$f->{result}'" ],
			[ "DROP FUNCTION $front.$f->{name}($f->{types})" ]);
	},
	function_overloaded => sub {
		my ($x) = @_;
		my $f = _function($x, 'any', 'f') or return;
		my $type = pick(qw(int2 int4 int8 text numeric float8 varchar jsonb anyelement));
		my @types = split /, /, $f->{types};

		return if !@types || $f->{result} =~ /^any|trigger|internal|record/ || $f->{types} =~ /internal/;
		$types[ rand @types ] = $type;
		my $types = join ', ', @types;
		my $front = $f->{schema} eq 'pg_catalog' ? 'public' : $f->{schema};

		return _ddl([ "CREATE FUNCTION $front.$f->{name}($types) RETURNS $f->{result} IMMUTABLE LANGUAGE sql AS 'SELECT NULL::$f->{result}'" ],
			[ "DROP FUNCTION $front.$f->{name}($types)" ]);
	},
	function_replaced => sub {
		my ($x) = @_;
		my $f = _function($x, 'own', 'f') or return;

		return if $f->{result} =~ /^any|trigger|internal|record/ || $f->{types} =~ /any|internal/;
		return _ddl([ "ALTER FUNCTION $f->{schema}.$f->{name}($f->{args}) RENAME TO replay_f",
				"CREATE FUNCTION $f->{schema}.$f->{name}($f->{args}) RETURNS " . ($f->{more} =~ /set/ ? 'SETOF ' : '') . "$f->{result} IMMUTABLE LANGUAGE sql AS 'SELECT NULL::$f->{result}'" ],
			[ "DROP FUNCTION $f->{schema}.$f->{name}($f->{args})", "ALTER FUNCTION $f->{schema}.replay_f($f->{args}) RENAME TO $f->{name}" ]);
	},
	function_volatility => sub {
		my ($x) = @_;
		my $f = _function($x, 'own', 'f') or return;
		my %word = (i => 'IMMUTABLE', s => 'STABLE', v => 'VOLATILE');
		my ($v) = $f->{more} =~ /^f (\w)/;

		# what is called immutable must be
		return if $v eq 'v';
		return _ddl([ "ALTER FUNCTION $f->{schema}.$f->{name}($f->{args}) " . pick('STABLE', 'VOLATILE') ], [ "ALTER FUNCTION $f->{schema}.$f->{name}($f->{args}) $word{$v}" ]);
	},
	function_default => sub {
		my ($x, $admin) = @_;
		my $f = _function($x, 'own', 'f') or return;
		my $old = join "\n", $admin->rows("SELECT pg_catalog.pg_get_functiondef($f->{oid})");
		my $new = $old;

		return unless $new =~ s/ DEFAULT [^,()]+\)/ DEFAULT NULL)/;
		return _ddl([$new], [$old]);
	},
	aggregate_in_front => sub {
		my ($x) = @_;
		my $f = _function($x, 'any', 'a') or return;

		return _ddl([ "CREATE AGGREGATE shadow.$f->{name}(*) (sfunc = pg_catalog.int8inc, stype = int8, initcond = '1000')" ], [ "DROP AGGREGATE shadow.$f->{name}(*)" ])
		  if $f->{types} eq '';
		return unless $f->{types} =~ /^(integer|bigint|numeric|text|double precision)$/;
		my %larger = (integer => 'int4', bigint => 'int8', text => 'text_', numeric => 'numeric_', 'double precision' => 'float8');
		my $func = pick("$larger{$f->{types}}larger", "$larger{$f->{types}}smaller");

		return _ddl([ "CREATE AGGREGATE shadow.$f->{name}($f->{types}) (sfunc = pg_catalog.$func, stype = $f->{types})" ], [ "DROP AGGREGATE shadow.$f->{name}($f->{types})" ]);
	},
	operator_in_front => sub {
		my ($x) = @_;
		my ($name, $left, $right, $function) = @{ pick(grep { $x->{query} =~ /\Q$_->[0]\E/ } @operators) || return };
		my $front = pick('shadow', 'shadow', 'public');

		return _ddl([ "CREATE OPERATOR $front.$name (function = pg_catalog.$function, leftarg = $left, rightarg = $right)" ], [ "DROP OPERATOR $front.$name ($left, $right)" ]);
	},
	cast_made => sub {
		my ($x) = @_;
		my $t = pick(_user_type($x, 'ecb') || (), _relation($x, 'r') || ()) or return;
		my $to = pick(qw(text json jsonb int4 json));
		my $value = { text => "'cast'", json => "'{\"cast\": 1}'", jsonb => "'{\"cast\": 1}'", int4 => '7' }->{$to};
		my $name = "$t->{schema}.$t->{name}";

		return _ddl([ "CREATE FUNCTION replay_cast($name) RETURNS $to IMMUTABLE LANGUAGE sql AS 'SELECT " . $value =~ s/'/''/gr . "::$to'",
				"CREATE CAST ($name AS $to) WITH FUNCTION replay_cast($name)" . pick('', ' AS ASSIGNMENT', ' AS IMPLICIT') ],
			[ "DROP CAST ($name AS $to)", "DROP FUNCTION replay_cast($name)" ]);
	},

	# ---- types
	enum_renamed => sub {
		my ($x, $admin) = @_;
		my $t = _user_type($x, 'e') or return;
		my @labels = map { quote($_) } $admin->rows("SELECT enumlabel FROM pg_catalog.pg_enum WHERE enumtypid = $t->{oid}");
		my @used = grep { $x->{query} =~ /\Q$_\E/ } @labels;
		my $one = pick(@used ? @used : @labels);
		my $other = pick(grep { $_ ne $one } @labels);
		my $type = "ALTER TYPE $t->{schema}.$t->{name} RENAME VALUE";
		my @swap;

		return unless defined $other;
		@swap = ("$type $one TO 'replay'; $type $other TO $one; $type 'replay' TO $other");
		return _ddl([@swap], [@swap]);
	},
	type_replaced => sub {
		my ($x, $admin) = @_;
		my $t = _user_type($x, 'ed') or return;
		my $name = "$t->{schema}.$t->{name}";
		my @labels = map { quote($_) } $admin->rows("SELECT enumlabel FROM pg_catalog.pg_enum WHERE enumtypid = $t->{oid} ORDER BY enumsortorder DESC");
		my $new = @labels ? "CREATE TYPE $name AS ENUM (" . join(', ', @labels) . ')' : "CREATE DOMAIN $name AS text";

		return _ddl([ "ALTER TYPE $name RENAME TO replay_type", $new ], [ "DROP TYPE $name", "ALTER TYPE $t->{schema}.replay_type RENAME TO $t->{name}" ]);
	},
	type_in_front => sub {
		my ($x) = @_;
		my $t = pick(@{ $x->{type} || [] }) or return;
		my $front = $t->{schema} eq 'pg_catalog' ? 'shadow' : _front();

		return if $t->{schema} eq $front;
		return _ddl([ "CREATE DOMAIN $front.$t->{name} AS " . pick('pg_catalog.text', 'pg_catalog.int8', 'pg_catalog.varchar(2)', 'pg_catalog.numeric(4,1)') ], [ "DROP DOMAIN $front.$t->{name}" ]);
	},
	domain_check => sub {
		my ($x) = @_;
		my $t = _user_type($x, 'd') or return;

		return _ddl([ "ALTER DOMAIN $t->{schema}.$t->{name} ADD CONSTRAINT replay_check CHECK (" . pick('value IS NULL', 'value IS NOT NULL') . ') NOT VALID' ],
			[ "ALTER DOMAIN $t->{schema}.$t->{name} DROP CONSTRAINT replay_check" ]);
	},

	# ---- the rest
	collation_in_front => sub {
		my ($x) = @_;
		my $c = pick(@{ $x->{collation} || [] }) or return;
		my $front = $c->{schema} eq 'pg_catalog' ? 'shadow' : _front();

		return if $c->{schema} eq $front;
		return _ddl([ "CREATE COLLATION $front.$c->{name} (provider = icu, locale = 'und-u-ks-level1', deterministic = false)" ], [ "DROP COLLATION $front.$c->{name}" ]);
	},
	config_in_front => sub {
		my ($x) = @_;
		my $c = pick(@{ $x->{config} || [] }, { schema => 'pg_catalog', name => 'english' });
		my $front = $c->{schema} eq 'pg_catalog' ? 'shadow' : _front();

		return if $c->{schema} eq $front || $x->{query} !~ /ts|\@\@/;
		return _ddl([ "CREATE TEXT SEARCH CONFIGURATION $front.$c->{name} (COPY = pg_catalog." . pick('simple', 'german') . ')' ], [ "DROP TEXT SEARCH CONFIGURATION $front.$c->{name}" ]);
	},
	config_altered => sub {
		my ($x) = @_;
		my $c = pick(grep { $_->{schema} ne 'pg_catalog' } @{ $x->{config} || [] }) or return;

		return _ddl([ "ALTER TEXT SEARCH CONFIGURATION $c->{schema}.$c->{name} RENAME TO replay_config", "CREATE TEXT SEARCH CONFIGURATION $c->{schema}.$c->{name} (COPY = pg_catalog.simple)" ],
			[ "DROP TEXT SEARCH CONFIGURATION $c->{schema}.$c->{name}", "ALTER TEXT SEARCH CONFIGURATION $c->{schema}.replay_config RENAME TO $c->{name}" ]);
	},
	extension => sub {
		my ($x) = @_;
		my $e = pick(qw(hstore citext pg_trgm intarray ltree cube seg isn));

		return _ddl([ "CREATE EXTENSION $e SCHEMA " . pick('shadow', 'public') ], [ "DROP EXTENSION $e" ]);
	});

# The words of texts, as identifiers, in a list of literals.
sub _words
{
	my %words = map { ($_ => 1, lc $_ => 1) } map { /(\w+)/g } @_;

	return join ',', map { quote($_) } sort keys %words;
}

sub kinds { return sort keys %kinds; }

sub pick_one
{
	my ($admin, $query, $only) = @_;
	my $words = _words($query);
	my %x = (query => $query);
	my @names = kinds();

	@names = grep { $only->{$_} } @names if %$only;

	# names in the bodies of functions are looked up, too
	$words = _words($query, $admin->rows("SELECT prosrc FROM pg_catalog.pg_proc AS p JOIN pg_catalog.pg_namespace AS n ON n.oid = pronamespace "
			  . "WHERE proname = ANY (ARRAY[$words]) AND nspname NOT IN ('pg_catalog', 'information_schema', 'rtc', 'replay') ORDER BY p.oid"))
	  if rand() < 0.5;
	foreach my $line ($admin->rows("SELECT replay.meanings(ARRAY[$words]::pg_catalog.text[]) AS m ORDER BY m"))
	{
		my ($kind, $word, $schema, $name, $oid, $more, $args, $result, $types) = split /\|/, $line;

		push @{ $x{$kind} }, {
			kind => $kind, word => $word, schema => $schema, name => $name, oid => $oid, more => $more // '',
			args => $args // '', result => $result // '', types => $types // '', query => $query };
	}
	foreach (1 .. 6)
	{
		my $name = pick(@names);
		my $ddl = $kinds{$name}->(\%x, $admin) or next;

		return { %$ddl, name => $name };
	}
	return undef;
}

1;
