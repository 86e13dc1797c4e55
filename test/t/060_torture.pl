# A short run of the torture checker (docs/torture.md): writers, readers in SQL
# and of Redis, all kinds of faults; no read may be wrong, and enough of
# everything must have happened.  RTC_TORTURE_SECONDS says how long (20).

use strict;
use warnings;

use Test::More;

my $seconds = $ENV{RTC_TORTURE_SECONDS} || 20;
my $output = `test/torture/run --seconds=$seconds 2>&1`;
my $status = $?;

diag($output);
is($status, 0, 'the checker is content');
like($output, qr/^wrong reads: 0$/m, 'no read was wrong');

done_testing();
