-- Settings: defaults, limits, units, who may change them and how; what is refused.
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir /lib/helpers.psql
\set ECHO none
\i :helpers
\set ECHO all

-- all of them
SELECT name, vartype, unit, context, boot_val, min_val, max_val FROM pg_settings
 WHERE name LIKE 'rtcache.%' ORDER BY name COLLATE "C";
SELECT name FROM pg_settings WHERE name LIKE 'rtcache.%' AND (short_desc = '' OR category <> 'Customized Options');

-- the prefix is reserved
SELECT error('SET rtcache.nothing = 1');

-- units
SET rtcache.command_timeout = '1s';
SHOW rtcache.command_timeout;
SET rtcache.connect_timeout = '1min';
SHOW rtcache.connect_timeout;
SET rtcache.default_ttl = '1d';
SHOW rtcache.default_ttl;
SET rtcache.lease_ttl = 500;
SHOW rtcache.lease_ttl;
SET rtcache.max_value_size = '1MB';
SHOW rtcache.max_value_size;
SET rtcache.xact_buffer = '1MB';
SHOW rtcache.xact_buffer;
SET rtcache.enabled = no;
SHOW rtcache.enabled;
RESET ALL;
-- (the messages are not the same in all versions of the server)
SELECT format('SET rtcache.%s', c), left(error(format('SET rtcache.%s', c)), 5)
  FROM unnest(ARRAY['command_timeout = ''1kB''', 'command_timeout = 0', 'connect_timeout = ''2min''', 'default_ttl = -1',
	'lease_ttl = 99', 'max_value_size = 0', 'max_value_size = ''65MB''', 'xact_buffer = ''63kB''', 'enabled = maybe']) AS c;

-- those of the server
SELECT name, error(format('SET %s = %L', name, setting)) FROM pg_settings
 WHERE name LIKE 'rtcache.%' AND context IN ('sighup', 'postmaster') ORDER BY name COLLATE "C";

-- those that a session could use against others are for superusers, and for whom they were granted
CREATE ROLE rtc_plain;
GRANT rtc_plain TO CURRENT_USER;
SET ROLE rtc_plain;
SELECT name, error(format('SET %s = %L', name, setting)) FROM pg_settings
 WHERE name LIKE 'rtcache.%' AND context IN ('user', 'superuser') ORDER BY name COLLATE "C";
-- nor are all of them to be seen
SELECT name FROM pg_settings WHERE name LIKE 'rtcache.redis%';
SELECT left(error('SHOW rtcache.redis_url'), 5);
SELECT left(error('SHOW rtcache.redis_password_file'), 5);
SELECT left(error($$SELECT current_setting('rtcache.redis_url')$$), 5);
RESET ROLE;
GRANT SET ON PARAMETER rtcache.default_ttl TO rtc_plain;
SET ROLE rtc_plain;
SET rtcache.default_ttl = 60;
RESET ROLE;
RESET rtcache.default_ttl;
REVOKE SET ON PARAMETER rtcache.default_ttl FROM rtc_plain;
DROP ROLE rtc_plain;

-- redis_url: what is refused; a password is not repeated in the detail.  (What is
-- accepted is not tried here: nobody should reload that.)
SELECT format('ALTER SYSTEM SET rtcache.redis_url = %L', u)
  FROM unnest(ARRAY['localhost', 'http://localhost', 'redis:localhost', 'redis:/localhost', 'redis://', 'redis://:6379',
	'redis:///0', 'redis://localhost:', 'redis://localhost:0', 'redis://localhost:65536', 'redis://localhost:6379x',
	'redis://localhost:-1', 'redis://localhost/x', 'redis://localhost/-1', 'redis://localhost/2147483648', 'redis://localhost/0/1',
	'redis://localhost/0 ', 'redis://localhost?db=1', 'redis://localhost#x', 'redis://lo%zzcal', 'redis://lo%00cal', 'redis://lo%c',
	'redis://lo cal', 'redis://a%20b', 'redis://::1', 'redis://[::1', 'redis://[::1]x', 'redis://[::1]:x', 'redis://[]',
	'redis://[localhost]', 'redis://[1.2.3.4]', 'redis://:secret@localhost', 'redis://user:secret@localhost',
	'redis://user:@localhost', 'redis://user:p@ss@localhost', 'redis://@localhost', 'redis://%zz@localhost',
	'unix://', 'unix:///', 'unix://path', 'unix://user:secret@/path', 'unix://@/path', 'unix://user@path',
	'unix:///path?', 'unix:///path?x=1', 'unix:///path?db=', 'unix:///path?db=x', 'unix:///path?db=1&x=2', 'unix:///pa%th',
	'unix:///' || repeat('x', 200), 'redis://' || repeat('x', 300)]) AS u
\gexec

-- key_prefix
SELECT format('ALTER SYSTEM SET rtcache.key_prefix = %L', p)
  FROM unnest(ARRAY['', '%', '%x:', 'x%', '%d', '%dx:', 'a b:', E'a\tb:', 'a*:', 'a?:', '[a]:', '{a}:', 'a\:', 'rtcache:',
	'rtcache:%d:', 'rt', 'r', repeat('x', 256)]) AS p
\gexec

-- redis_password_file
SELECT format('ALTER SYSTEM SET rtcache.redis_password_file = %L', repeat('x', 1024))
\gexec
