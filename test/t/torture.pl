# A short run of the torture checker (docs/torture.md): writers, readers in SQL
# and of Redis, all kinds of faults, with both caches, Redis alone and L1 alone.
# No read may be wrong.  How much of everything happened depends on the machine,
# so little is enough here.  RTC_TORTURE_SECONDS says how long (15).
#
# Slow.

use strict;
use warnings;

use Test::More;

my $seconds = $ENV{RTC_TORTURE_SECONDS} || 15;
my $round = int($seconds / 3) || 1;
my $output = `test/torture/run --seconds=$seconds --round=$round 2>&1`;
my $status = $? >> 8;

diag($output);
# 3 = less happened than a long run has to show
ok($status == 0 || $status == 3, 'the checker is content');
like($output, qr/^wrong reads: 0$/m, 'no read was wrong');
like($output, qr/: [1-9]\d* commits/, 'there were commits');
like($output, qr/^counters: .*[1-9]\d* fills/m, 'the cache was used');
like($output, qr/^faults: [1-9]/m, 'there were faults');

done_testing();
