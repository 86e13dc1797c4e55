-- With two-phase commit the ops wait for the second phase.  Without prepared
-- transactions (max_prepared_transactions is 0, the default) there is nothing to
-- test.
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir /lib/helpers.psql
\set ECHO none
\i :helpers
\set ECHO all

SELECT setting = '0' AS none FROM pg_settings WHERE name = 'max_prepared_transactions' \gset
\if :none
\quit
\endif

BEGIN;
SELECT cache_set('2:1', '1');
PREPARE TRANSACTION 'rtcache ops';
SELECT cache_wait();
SELECT * FROM get('2:1', 'SELECT 0 AS before');
COMMIT PREPARED 'rtcache ops';
SELECT * FROM held('2:1');
BEGIN;
SELECT cache_set('2:1', '2');
PREPARE TRANSACTION 'rtcache ops';
ROLLBACK PREPARED 'rtcache ops';
SELECT * FROM held('2:1');
