# The tools of the other tests: a private Redis, and the proxy that makes it
# misbehave.  No PostgreSQL here.

use strict;
use warnings;

use IO::Socket::UNIX;
use PostgreSQL::Test::Utils;
use Test::More;

use RtcFakeRedis;
use RtcRedis;

my $redis = RtcRedis->new('main');
$redis->start;

is($redis->cli('SET', 'a', 'b'), 'OK', 'a status');
is($redis->cli('GET', 'a'), 'b', 'a string');
is($redis->cli('GET', 'none'), undef, 'nil');
is($redis->cli('MGET', 'a', 'none'), "b\n(nil)", 'an array');
is($redis->cli('DBSIZE'), 1, 'a number');
like($redis->cli('HGET', 'a', 'f'), qr/^WRONGTYPE/, 'an error');

my $bytes = "\r\n\0\xff";
$redis->cli('SET', 'bytes', $bytes);
is($redis->cli('GET', 'bytes'), $bytes, 'any bytes');

# the proxy
my $fake = RtcFakeRedis->new('faulty', $redis);

# Sends commands in one go; returns their answers, 'EOF' where there is none.
sub pipeline
{
	my @commands = @_;
	my $socket = IO::Socket::UNIX->new(Peer => $fake->socket) or die $!;

	RtcRedis::_send($socket, @$_) foreach @commands;
	return [
		map {
			my $reply = eval { RtcRedis::_read_reply($socket) };
			$@ ? 'EOF' : $reply
		} @commands
	];
}

my @batch = (
	['MULTI'],
	[ 'SET', 'k1', 1 ],
	[ 'SET', 'k2', 2 ],
	[ 'SET', 'k3', 3 ],
	['EXEC'], ['PING']);
my @queued = ('OK', 'QUEUED', 'QUEUED', 'QUEUED');

is_deeply(pipeline(@batch), [ @queued, [ 'OK', 'OK', 'OK' ], 'PONG' ], 'no rule');
is_deeply([ $fake->commands ],
	[ 'MULTI', 'SET k1 1', 'SET k2 2', 'SET k3 3', 'EXEC', 'PING' ],
	'commands are recorded');

$redis->cli('FLUSHALL');
$fake->rule(match => '^SET k2', action => 'exec_error', text => 'OOM no', count => 1);
is_deeply(pipeline(@batch), [ @queued, [ 'OK', 'OOM no', 'OK' ], 'PONG' ],
	'an error inside EXEC');
is($redis->cli('MGET', 'k1', 'k2', 'k3'), "1\n(nil)\n3", 'all others were executed');
is_deeply(pipeline(@batch)->[4], [ 'OK', 'OK', 'OK' ], 'the rule is used up');
is($fake->hits, 1, 'hits are counted');

$redis->cli('FLUSHALL');
$fake->clear;
$fake->rule(match => '^SET k2', action => 'error', text => 'OOM no', count => 1);
is_deeply(
	pipeline(@batch),
	[
		'OK', 'QUEUED', 'OOM no', 'QUEUED',
		'EXECABORT Transaction discarded because of previous errors.', 'PONG'
	],
	'an error before EXEC');
is($redis->cli('DBSIZE'), 0, 'nothing was executed');

$fake->clear;
$fake->rule(match => '^EXEC', action => 'error', text => 'LOADING', skip => 1, count => 1);
is_deeply(pipeline(@batch)->[4], [ 'OK', 'OK', 'OK' ], 'skip');
$redis->cli('FLUSHALL');
is_deeply(pipeline(@batch), [ @queued, 'LOADING', 'PONG' ], 'EXEC refused');
is($redis->cli('DBSIZE'), 0, 'nothing was executed');

foreach my $action ('close', 'close_after', 'close_half')
{
	$redis->cli('FLUSHALL');
	$fake->clear;
	$fake->rule(match => '^EXEC', action => $action);
	is(pipeline(@batch)->[4], 'EOF', "$action: no answer");
	is($redis->cli('DBSIZE'), $action eq 'close' ? 0 : 3, "$action: executed or not");
}

$fake->clear;
$fake->rule(match => '^PING', action => 'reply', text => ":42\r\n");
is(pipeline(['PING'])->[0], 42, 'another answer');
ok(!eval { $fake->rule(match => '(', action => 'reply'); 1 }, 'a bad rule is refused');

# a snapshot
$fake->clear;
$redis->cli('SET', 'x', 'old');
$redis->save_rdb('old.rdb');
$redis->cli('SET', 'x', 'new');
$redis->kill9;
is(pipeline(['PING'])->[0], 'EOF', 'the proxy has no Redis');
$redis->restore_rdb('old.rdb');
$redis->start;
is($redis->cli('GET', 'x'), 'old', 'restarted from a snapshot');
is(pipeline([ 'GET', 'x' ])->[0], 'old', 'the proxy has it again');

# a password
my $guarded = RtcRedis->new('guarded', tcp => 1, password => 'secret');
$guarded->start;
is($guarded->cli('PING'), 'PONG', 'with a password');
like($guarded->tcp_url, qr{^redis://127\.0\.0\.1:\d+$}, 'with a port');
$guarded->sigstop;
$guarded->kill9;

done_testing();
