# What keeps the relay from Redis is said with where it was connecting, and what to do
# about it: in rtcache_relay, in cache_health() and in the log.  Never with a password.

use strict;
use warnings;

use PostgreSQL::Test::Utils;
use Test::More;

use RtcNode;
use RtcRedis;

my $redis = RtcRedis->new('main', tcp => 1, args => [ '--user', 'cache', 'on', '>hidden', '~*', '&*', '+@all', '-hgetall' ]);
my $guarded = RtcRedis->new('guarded', password => 'secret');
my $odd = RtcRedis->new('odd', args => [ '--rename-command', 'AUTH', '' ]);
$_->start foreach $redis, $guarded, $odd;
my $node = RtcNode->new('main');
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION rtcache');
my $file = $node->data_dir . '/redis_password';
$node->set_conf('rtcache.redis_password_file', '');

sub password
{
	my ($text) = @_;

	unlink $file;
	open my $out, '>', $file or die $!;
	print $out $text;
	close $out;
	chmod 0600, $file;
	$node->append_conf('postgresql.conf', "rtcache.redis_password_file = 'redis_password'");
	return;
}

# The relay cannot connect to this URL: what is said?
sub refused
{
	my ($what, $url, $reason, $hint) = @_;
	my $offset = -s $node->logfile;
	my $error = "could not connect to Redis at \Q$url\E: $reason";

	$node->set_conf('rtcache.redis_url', $url);
	ok( $node->poll_query_until('postgres',
			"SELECT last_error ~ \$rtc\$^$error\$rtc\$ FROM rtcache_relay"), "$what: last_error")
	  or diag($node->safe_psql('postgres', 'SELECT last_error FROM rtcache_relay'));
	like($node->safe_psql('postgres', q{SELECT detail FROM cache_health() WHERE name = 'connection' AND NOT ok}),
		qr/^The relay is not connected: $error.*\. .*$hint/, "$what: cache_health()");
	ok( $node->poll_query_until('postgres', 'SELECT true')
		  && slurp_file($node->logfile, $offset) =~
		  /WARNING:  rtcache $error.*\n.*DETAIL:  Trying again.*\n.*HINT:  .*$hint/,
		"$what: the log");
	return;
}

my $dir = PostgreSQL::Test::Utils::tempdir_short();
refused('no socket', "unix://$dir/none.sock", 'No such file or directory', 'There is no such socket');
refused('a database of it', "unix://someone\@$dir/none.sock?db=3", 'No such file or directory', 'There is no such socket');

# a port that is reserved for us
my $port = PostgreSQL::Test::Cluster::get_free_port();
refused('nobody listens', "redis://127.0.0.1:$port/0", 'Connection refused', 'Nobody listens there');
# if this build can do TLS
refused('no TLS there', 'rediss://127.0.0.1:' . $redis->port . '/0', 'could not establish TLS: ', 'the one for TLS')
  if $node->psql('postgres', q{ALTER SYSTEM SET rtcache.redis_url = 'rediss://127.0.0.1'; ALTER SYSTEM RESET rtcache.redis_url}) == 0;
refused('no such database', $redis->url . '?db=4711', 'could not select the database: ', '"databases"');

refused('no password', $guarded->url, '.*NOAUTH', 'write it into a file');
password("terces\n");
refused('another password', $guarded->url, 'could not authenticate: WRONGPASS', 'Check the user');
refused('none is needed', $redis->url, 'could not authenticate: .*without any password configured', 'asks for no password');
refused('AUTH is no command', $odd->url, 'could not authenticate: ERR unknown command', 'Check the user')
  if $odd->cli('AUTH', 'x') =~ /unknown command/;

# the right one, and a command that the user may not run
password("hidden\n");
(my $user_url = $redis->url) =~ s{//}{//cache\@};
$node->set_conf('rtcache.redis_url', $user_url);
ok( $node->poll_query_until('postgres',
		qq{SELECT last_error ~* 'lost Redis at \Q$user_url\E: .*NOPERM.*hgetall' FROM rtcache_relay}),
	'a command that is forbidden is named')
  or diag($node->safe_psql('postgres', 'SELECT last_error FROM rtcache_relay'));
like($node->safe_psql('postgres', q{SELECT detail FROM cache_health() WHERE name = 'connection'}),
	qr/README lists all that it needs/, 'with a hint');

# what was connected, and is lost
$redis->cli('ACL', 'SETUSER', 'cache', '+hgetall');
$node->reload;
ok($node->wait_streaming, 'it streams');
$redis->stop;
ok( $node->poll_query_until('postgres',
		qq{SELECT last_error LIKE 'could not connect to Redis at %' FROM rtcache_relay}), 'Redis is gone');
like(slurp_file($node->logfile), qr/rtcache lost Redis at \Q$user_url\E: server closed the connection/, 'it was lost');

unlike(slurp_file($node->logfile), qr/secret|terces|hidden/, 'no password is in the log');
ok($node->no_crash, 'no process has crashed');
$node->stop;
done_testing();
