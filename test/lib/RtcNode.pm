# A PostgreSQL server with rtcache preloaded.
#
#	my $redis = RtcRedis->new('main');
#	$redis->start;
#	my $node = RtcNode->new('main', redis => $redis);
#	$node->start;
#	$node->wait_streaming;
#
# It is a PostgreSQL::Test::Cluster, so that all of its methods are there, as
# they are in the PostgreSQL that is tested.

package RtcNode;

use strict;
use warnings;

use parent 'PostgreSQL::Test::Cluster';

use File::Basename qw(dirname);
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

# END blocks clean up, and a signal should not keep them from it.
$SIG{INT} = $SIG{TERM} = $SIG{HUP} = sub { exit 1 };

# Makes an initialized node that is not started.  Options:
#	redis		RtcRedis or RtcFakeRedis; without it, redis_url is empty
#	l1			1 = with the cache in shared memory, which hides from most tests
#				what they want to see; without redis it is there anyway
#	conf		further lines for postgresql.conf
#	preload		0 = rtcache is not preloaded
#	init		options for init(); wal_level is replica in any case
# The other settings are in rtcache.conf.
sub new
{
	my ($class, $name, %option) = @_;
	my $self = $class->SUPER::new($name);
	my $preload = exists $option{preload} ? $option{preload} : 1;

	# UTF8 and no locale, whatever the environment says
	$self->init(
		extra => [ '-E', 'UTF8', '--locale=C' ],
		%{ $option{init} || {} });

	$self->append_conf('postgresql.conf', slurp_file(dirname(__FILE__) . '/rtcache.conf'));
	$self->append_conf('postgresql.conf', "shared_preload_libraries = ''") unless $preload;
	$self->append_conf('postgresql.conf',
		"rtcache.redis_url = '" . $option{redis}->url . "'")
	  if $option{redis};
	$self->append_conf('postgresql.conf', "rtcache.l1_size = 0")
	  if $preload && $option{redis} && !$option{l1};
	$self->append_conf('postgresql.conf', $option{conf}) if $option{conf};
	return $self;
}

# Changes a setting of the whole server.  A reload does not wait until the
# relay has seen it: wait for its effect.
sub set_conf
{
	my ($self, $name, $value) = @_;

	# the last one counts; adjust_conf would need one to be there already
	$self->append_conf('postgresql.conf', "$name = '$value'");
	$self->reload;
	return;
}

# As there, but its timeout is one for each query, not for the whole session.
sub background_psql
{
	my ($self, @args) = @_;
	my $session = $self->SUPER::background_psql(@args);

	$session->set_query_timer_restart;
	return $session;
}

# Waits until the relay is in a state ("streaming", "connecting", ...); a test
# result.
sub wait_state
{
	my ($self, $state, $dbname) = @_;

	return $self->poll_query_until($dbname || 'postgres',
		"SELECT state = '$state' FROM rtcache_relay");
}

sub wait_streaming
{
	my ($self, $dbname) = @_;

	return $self->wait_state('streaming', $dbname);
}

# Waits until Redis has all that is committed now; a test result.
sub cache_wait
{
	my ($self, $dbname) = @_;
	my $timeout = $PostgreSQL::Test::Utils::timeout_default;

	return $self->safe_psql($dbname || 'postgres',
		"SELECT cache_wait(timeout => '$timeout s')") eq 't';
}

# The relay belongs to no database, hence pg_stat_activity does not show it.
# Needs the extension in "postgres".
sub relay_pid
{
	my ($self) = @_;

	return $self->safe_psql('postgres', 'SELECT pid FROM rtcache_relay');
}

# Kills the relay in its tracks, which makes the server restart all of its
# processes; returns when another relay runs.
sub kill_relay
{
	my ($self) = @_;
	my $pid = $self->relay_pid or return 0;

	kill 'KILL', $pid;
	return $self->wait_other_relay($pid);
}

# As in PostgreSQL::Test::Cluster, but also while the server comes up again: psql
# may have given up before the query is written to it, and IPC::Run dies of that.
sub poll_query_until
{
	my ($self, @args) = @_;

	for (1 .. 100)
	{
		my $result = eval { $self->SUPER::poll_query_until(@args) };

		return $result if $@ eq '';
		die $@ if $@ !~ /Broken pipe/;
		usleep(100_000);
	}
	return 0;
}

# Waits until the relay runs as another process than this; a test result.
sub wait_other_relay
{
	my ($self, $pid) = @_;

	for (1 .. 20 * $PostgreSQL::Test::Utils::timeout_default)
	{
		my ($status, $now) = $self->psql('postgres',
			'SELECT pid FROM rtcache_relay');

		return 1 if $status == 0 && $now ne '' && $now ne $pid;
		usleep(50_000);
	}
	return 0;
}

# Has no process of the server crashed?  A test result; for the end of a test,
# because a crash between two looks at the server goes unnoticed.
sub no_crash
{
	my ($self) = @_;
	my @lines = grep { /PANIC|TRAP|was terminated by signal/ }
	  split /\n/, slurp_file($self->logfile);

	diag($_) foreach @lines;
	return @lines == 0;
}

# Waits until Redis is used for a database: what is committed from now on is stored
# there, and not taken for something older that has to be cleared.  A test result.
sub wait_open
{
	my ($self, $dbname) = @_;

	return $self->poll_query_until($dbname || 'postgres', q{
		SELECT (SELECT state = 'streaming' FROM rtcache_relay) AND bool_and(ok)
			FROM cache_health() WHERE name IN ('gate', 'caught_up', 'prefix')});
}

# Waits until lookups without L1 store their answers in Redis, whatever has kept them
# from it; a test result.
sub wait_fill
{
	my ($self, $dbname) = @_;
	my $fills = $self->stat('fills', $dbname);

	return $self->poll_query_until($dbname || 'postgres', qq{
		SELECT cache_get('wait_fill:' || clock_timestamp(), 'SELECT 1 AS n', NULL, '1 min') IS NOT NULL
			AND fills > $fills FROM rtcache_stats});
}

# Waits until the relay has looked at all tag sets in Redis: from then on writers leave
# out what nobody is interested in.  A test result.
sub wait_sweep
{
	my ($self) = @_;

	return $self->poll_query_until('postgres', q{
		SELECT count(*) = 0 FROM rtcache_progress WHERE phase = 'sweep'});
}

# What cache_health() says: "true", or "false", and the detail.
sub health
{
	my ($self, $name, $dbname) = @_;

	return $self->safe_psql($dbname || 'postgres',
		"SELECT ok::text || ' ' || detail FROM cache_health() WHERE name = '$name'");
}

# One value of rtcache_stats.
sub stat
{
	my ($self, $column, $dbname) = @_;

	return $self->safe_psql($dbname || 'postgres',
		"SELECT $column FROM rtcache_stats");
}

1;
