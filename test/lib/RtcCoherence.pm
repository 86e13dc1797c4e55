# Does Redis hold what the database says?
#
#	use RtcCoherence;
#	create_heroes($node);
#	...
#	same_as_table($node, $redis, 'all is there');
#	same_as_table($node, $redis, 'nothing is stale', partial => 1);
#
# The table "hero" is (id int, name text) with a write-through rule for the key
# "hero:{id}".  After a clear, keys may be missing: "partial".
#
# The table "plain" is (id int, n int), of 100 rows with n = 1, without keys of its
# own: what is cached of it hangs on tag sets.

package RtcCoherence;

use strict;
use warnings;

use parent 'Exporter';

use JSON::PP;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

our @EXPORT = qw(create_heroes same_as_table differences reads lists wait_hit hero_in_redis
	create_plain plain_lookup look pass_mark cleared_for_tags logged start_again);

# Makes the extension and the table, when Redis is used for the database, if there is
# a redis_url.  Options:
#	dbname	another database than "postgres", which is made, too
#	away	Redis cannot be used now; so the rows that come first are not stored
sub create_heroes
{
	my ($node, %option) = @_;
	my $dbname = $option{dbname} || 'postgres';

	$node->safe_psql('postgres', "CREATE DATABASE $dbname") if $option{dbname};
	$node->safe_psql($dbname, 'CREATE EXTENSION rtcache');
	$node->wait_open($dbname) or die "Redis is not used for \"$dbname\""
	  unless $option{away} || $node->safe_psql($dbname, 'SHOW rtcache.redis_url') eq '';
	$node->safe_psql($dbname, q{
		CREATE TABLE hero (id int PRIMARY KEY, name text);
		CREATE TRIGGER hero_cache AFTER INSERT OR UPDATE OR DELETE ON hero
			FOR EACH ROW EXECUTE FUNCTION rtcache_write_through('hero:{id}', 'ttl=1 hour');
	});
	return;
}

sub create_plain
{
	my ($node) = @_;

	$node->safe_psql('postgres', q{
		CREATE EXTENSION rtcache;
		CREATE TABLE plain (id int PRIMARY KEY, n int);
		INSERT INTO plain SELECT i, 1 FROM generate_series(1, 100) i;
		CREATE TRIGGER row AFTER INSERT OR UPDATE OR DELETE ON plain
			FOR EACH ROW EXECUTE FUNCTION rtcache_invalidate();
		CREATE TRIGGER truncated AFTER TRUNCATE ON plain
			FOR EACH STATEMENT EXECUTE FUNCTION rtcache_truncate();
	});
	return;
}

# Waits for the relay, then compares every key with its row; a test.
#
# Options: partial; prefix, of the keys, instead of "postgres:".
sub same_as_table
{
	my ($node, $redis, $name, %option) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my ($compared, @wrong) = differences($node, $redis, %option);
	my $count = @wrong;

	ok($count == 0, $name);
	diag("$count keys are wrong") if $count;
	diag($_) foreach splice @wrong, 0, 3;
	return $count == 0;
}

# The same without a test: how many keys were compared, and what is wrong.
sub differences
{
	my ($node, $redis, %option) = @_;
	my $prefix = $option{prefix} // 'postgres:';

	return (0, 'Redis does not catch up') unless $node->cache_wait;

	my %row = map { /^(\d+) (.*)$/ } split /\n/,
	  $node->safe_psql('postgres', q{SELECT id, row_to_json(h) FROM hero h},
		extra_params => [ '-F', ' ' ]);
	my @keys = @{ $redis->query('KEYS', "${prefix}hero:*") };
	my $compared = 0;
	my @wrong;

	while (my @chunk = splice @keys, 0, 1000)
	{
		my $values = $redis->query('MGET', @chunk);

		# what a lookup has stored ends in a blank
		s/ $// foreach grep { defined } @$values;

		foreach my $i (0 .. $#chunk)
		{
			my ($id) = $chunk[$i] =~ /:(\d+)$/ or next;
			my $row = delete $row{$id};

			# a lookup stores it as jsonb prints it
			$values->[$i] =~ s/([:,]) "/$1"/g;
			$values->[$i] =~ s/": (?=\d|n)/":/g;

			# a lookup may have found no row, which is cached as well
			$row = 'null' unless defined $row || $values->[$i] ne 'null';

			$compared++;
			push @wrong, "$chunk[$i] is $values->[$i], should be "
			  . (defined $row ? $row : 'deleted')
			  unless defined $row && same_json($values->[$i], $row);
		}
	}
	push @wrong, map { "$_ is missing" } sort { $a <=> $b } keys %row
	  unless $option{partial};
	return ($compared, @wrong);
}

# A lookup stores the text of jsonb, a rule that of json.
sub same_json
{
	my ($value, $expected) = @_;
	my $json = JSON::PP->new->canonical->allow_nonref;

	return 1 if $value eq $expected;
	my $decoded = eval { $json->encode($json->decode($value)) };
	return defined $decoded && $decoded eq $json->encode($json->decode($expected));
}

# What cache_get gives for a hero: the name.  It is asked in a new session of this
# database ("postgres"), or in this session.
sub reads
{
	my ($node, $id, $where) = @_;

	return _ask($node, "SELECT cache_get('hero:$id', 'SELECT * FROM hero WHERE id = $id')->>'name'", $where);
}

# What cache_list gives, which no rule stores, of the same.
sub lists
{
	my ($node, $id, $where) = @_;

	return _ask($node, "SELECT cache_list('names', 'SELECT name FROM hero WHERE id = $id') -> 0 ->> 'name'", $where);
}

sub _ask
{
	my ($node, $sql, $where) = @_;

	return ref $where ? $where->query_safe($sql) : $node->safe_psql($where || 'postgres', $sql);
}

# Waits until a lookup of a hero gives this name and comes from Redis; a test result.
sub wait_hit
{
	my ($node, $id, $name) = @_;
	my $hits = $node->stat('l2_hits');

	return $node->poll_query_until('postgres', qq{
		SELECT cache_get('hero:$id', 'SELECT * FROM hero WHERE id = $id')->>'name' = '$name';
		SELECT l2_hits > $hits FROM rtcache_stats}, "t\nt");
}

# The name that a hero has in Redis; "nothing" if its key is not there.
sub hero_in_redis
{
	my ($redis, $id, $prefix) = @_;
	my ($name) = ($redis->cli('GET', ($prefix // 'postgres:') . "hero:$id") // '') =~ /"name": ?"(.*?)"/;

	return $name // 'nothing';
}

# A lookup of a row of "plain", as SQL.  More arguments of cache_get may follow.
sub plain_lookup
{
	my ($key, $id, $more) = @_;

	return sprintf q{SELECT cache_get('%s', 'SELECT n FROM plain WHERE id = $1', '{%d}', '1 hour'%s) ->> 'n'},
	  $key, $id, $more // '';
}

# The same, asked in a new session.
sub look
{
	my ($node, @lookup) = @_;

	return $node->safe_psql('postgres', plain_lookup(@lookup));
}

# The first TAG op that is left out since a start leaves a mark in WAL, and a
# relay that meets the mark of another start clears.  This lets the position
# pass it, for tests that want to see the WAL read again.
sub pass_mark
{
	my ($node) = @_;
	my $messages = -1;

	$node->safe_psql('postgres', q{
		CREATE TABLE IF NOT EXISTS unread (n int);
		DO $$BEGIN
			IF NOT EXISTS (SELECT FROM rtcache_rules WHERE relation = 'unread'::regclass) THEN
				PERFORM cache_attach('unread');
			END IF;
		END$$});
	for (1 .. 100 * $PostgreSQL::Test::Utils::timeout_default)
	{
		my $now = $node->safe_psql('postgres', 'INSERT INTO unread VALUES (1); SELECT messages FROM rtcache_stats');

		last if $now == $messages;
		$messages = $now;
		usleep(10_000);
	}
	return $node->cache_wait;
}

# Has Redis been cleared since, because a server ended right behind the first
# TAG op that it left out?  Then keys may be missing.
sub cleared_for_tags
{
	my ($node, $offset) = @_;

	return slurp_file($node->logfile, $offset) =~ /clearing the cache in Redis: Redis has tag sets that writers did not know of/;
}

# Waits for a line of the server's log behind an offset; a test result.
sub logged
{
	my ($node, $regexp, $offset) = @_;

	return eval { $node->wait_for_log($regexp, $offset || 0); 1 } || 0;
}

# Starts a node whose postmaster was killed: its children may take a moment
# to go.
sub start_again
{
	my ($node) = @_;

	for (1 .. 10 * $PostgreSQL::Test::Utils::timeout_default)
	{
		return 1 if $node->start(fail_ok => 1);
		usleep(100_000);
		# it may have taken the dead one's pid file for its own
		$node->stop('fast', fail_ok => 1);
	}
	return 0;
}

1;
