# rtcache.publish: the relay tells a channel which keys have changed, in the
# EXEC that changes them; deletions by pattern and clears are told as globs.

use strict;
use warnings;

use IO::Select;
use IO::Socket::UNIX;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use RtcCoherence;
use RtcFakeRedis;
use RtcNode;
use RtcRedis;

my $redis = RtcRedis->new('main');
$redis->start;
my $fake = RtcFakeRedis->new('faulty', $redis);
my $node = RtcNode->new('main', redis => $fake, conf => "rtcache.publish = 'changes'");
my $subscriber;

sub subscribe
{
	$subscriber = IO::Socket::UNIX->new(Peer => $redis->socket) or die "$!";
	RtcRedis::_send($subscriber, 'SUBSCRIBE', 'changes');
	RtcRedis::_read_reply($subscriber);
	return;
}

# The messages up to one that marks the end, which is published by us.
sub messages
{
	my @messages;

	$redis->cli('PUBLISH', 'changes', 'END');
	while (1)
	{
		my $reply = RtcRedis::_read_reply($subscriber);

		last if $reply->[2] eq 'END';
		push @messages, $reply->[2];
	}
	return @messages;
}

subscribe();
$node->start;
create_heroes($node);
ok($node->wait_streaming, 'the relay streams');
$node->safe_psql('postgres', q{INSERT INTO hero VALUES (0, 'first')});
ok($node->cache_wait);
is_deeply([ grep { /\*/ } messages() ], [ 'postgres:*', 'postgres:hero:*' ],
	'a prefix that is registered is cleared, and the keys of a new rule');

sub published
{
	my ($sql, @expected) = @_;
	my $name = pop @expected;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	$node->safe_psql('postgres', $sql);
	ok($node->cache_wait);
	is_deeply([ sort(messages()) ], \@expected, $name);
	return;
}

published(q{INSERT INTO hero VALUES (1, 'a'), (2, 'b')}, 'postgres:hero:1', 'postgres:hero:2', 'INSERT');
published(q{UPDATE hero SET id = 3 WHERE id = 2}, 'postgres:hero:2', 'postgres:hero:3', 'a key that moves');
published(q{DELETE FROM hero WHERE id = 3}, 'postgres:hero:3', 'DELETE');
published(q{SELECT cache_set('x*[y]', '1')}, 'postgres:x\*\[y\]', 'a key with the characters of globs');
published(q{BEGIN; UPDATE hero SET name = 'no'; ROLLBACK}, 'nothing is told of a rollback');
published(q{SELECT cache_del_pattern('hero:*')}, 'postgres:hero:*', 'a pattern');
published(q{SELECT cache_get('of a[tag]', 'SELECT 1 AS n', NULL, NULL, '{t}'),
	cache_get('other', 'SELECT 2 AS n', NULL, NULL, '{t}')}, 'nothing is told of a fill');
published(q{SELECT cache_invalidate('t')}, 'postgres:of a\[tag\]', 'postgres:other', 'answers with a tag');
published(q{SELECT cache_clear()}, 'postgres:*', 'a clear');

# A batch that is applied again is told again, one that was not is not.
$fake->rule(match => '^PUBLISH', action => 'error', text => 'NOPERM no', count => 1);
published(q{UPDATE hero SET name = 'again' WHERE id = 1}, 'postgres:hero:1', 'a batch that failed is told when it is applied');
is($redis->cli('GET', 'postgres:hero:1'), '{"id":1,"name":"again"}', 'which it is');
ok($node->poll_query_until('postgres', q{SELECT last_error LIKE '%: NOPERM%' FROM rtcache_relay}),
	'an error of PUBLISH is one of the batch');

# What Redis has lost is cleared, and told.
$redis->kill9;
$redis->start;
subscribe();
$node->reload;
ok($node->wait_streaming);
ok( $node->poll_query_until('postgres', 'SELECT clears > 1 FROM rtcache_stats'), 'a Redis that is empty is cleared');
ok((grep { $_ eq 'postgres:*' } messages()) > 0, 'and that is told');

# Off
$node->set_conf('rtcache.publish', '');
ok($node->wait_streaming);
$node->safe_psql('postgres', q{UPDATE hero SET name = 'reload seen' WHERE id = 0});
ok($node->cache_wait);
messages();
published(q{UPDATE hero SET name = 'off'}, 'off');

$node->stop;
done_testing();
