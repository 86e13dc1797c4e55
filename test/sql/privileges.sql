-- A cached answer is for those only who may run the query: privileges of tables
-- and columns, roles, views, SECURITY DEFINER, row-level security.
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir /lib/helpers.psql
\set ECHO none
\i :helpers
\set ECHO all

CREATE ROLE rtc_alice;
CREATE ROLE rtc_bob;
CREATE ROLE rtc_team;
CREATE ROLE rtc_owner;
GRANT rtc_alice, rtc_bob, rtc_owner TO CURRENT_USER;
GRANT EXECUTE ON FUNCTION cache_get, cache_list, cache_peek, cache_stats TO rtc_alice, rtc_bob, rtc_owner;
GRANT SELECT ON rtcache_stats TO rtc_alice, rtc_bob, rtc_owner;
CREATE TABLE hero (id int PRIMARY KEY, name text, secret text);
INSERT INTO hero VALUES (1, 'Ada', 'loves'), (2, 'Grace', 'naps');
GRANT SELECT ON hero TO rtc_alice;
SELECT cache_wait(NULL, '30 s');

-- who may not run the query gets no answer, cached or not
SET ROLE rtc_bob;
SELECT error($$SELECT cache_get('hero:1', 'SELECT * FROM hero WHERE id = 1')$$);
SET ROLE rtc_alice;
SELECT * FROM get('hero:1', 'SELECT * FROM hero WHERE id = 1');
SELECT * FROM get('hero:1', 'SELECT * FROM hero WHERE id = 1');
SET ROLE rtc_bob;
SELECT error($$SELECT cache_get('hero:1', 'SELECT * FROM hero WHERE id = 1')$$);
SET ROLE rtc_alice;
SELECT * FROM get('hero:1', 'SELECT * FROM hero WHERE id = 1');
RESET ROLE;
SELECT * FROM get('hero:1', 'SELECT * FROM hero WHERE id = 1');

-- REVOKE and GRANT count at once
REVOKE SELECT ON hero FROM rtc_alice;
SET ROLE rtc_alice;
SELECT error($$SELECT cache_get('hero:1', 'SELECT * FROM hero WHERE id = 1')$$);
RESET ROLE;
GRANT SELECT ON hero TO rtc_alice;
SET ROLE rtc_alice;
SELECT * FROM get('hero:1', 'SELECT * FROM hero WHERE id = 1');
RESET ROLE;
-- also inside a transaction, and by its rollback
BEGIN;
REVOKE SELECT ON hero FROM rtc_alice;
SET LOCAL ROLE rtc_alice;
SELECT error($$SELECT cache_get('hero:1', 'SELECT * FROM hero WHERE id = 1')$$);
ROLLBACK;
SET ROLE rtc_alice;
SELECT * FROM get('hero:1', 'SELECT * FROM hero WHERE id = 1');
RESET ROLE;

-- membership
REVOKE SELECT ON hero FROM rtc_alice;
GRANT SELECT ON hero TO rtc_team;
GRANT rtc_team TO rtc_alice;
SET ROLE rtc_alice;
SELECT * FROM get('hero:1', 'SELECT * FROM hero WHERE id = 1');
RESET ROLE;
REVOKE rtc_team FROM rtc_alice;
SET ROLE rtc_alice;
SELECT error($$SELECT cache_get('hero:1', 'SELECT * FROM hero WHERE id = 1')$$);
RESET ROLE;
-- being a superuser
ALTER ROLE rtc_alice SUPERUSER;
SET ROLE rtc_alice;
SELECT * FROM get('hero:1', 'SELECT * FROM hero WHERE id = 1');
RESET ROLE;
ALTER ROLE rtc_alice NOSUPERUSER;
SET ROLE rtc_alice;
SELECT error($$SELECT cache_get('hero:1', 'SELECT * FROM hero WHERE id = 1')$$);
RESET ROLE;
-- owning the table
ALTER TABLE hero OWNER TO rtc_owner;
SET ROLE rtc_owner;
SELECT * FROM get('hero:1', 'SELECT * FROM hero WHERE id = 1');
RESET ROLE;
ALTER TABLE hero OWNER TO CURRENT_USER;
SET ROLE rtc_owner;
SELECT error($$SELECT cache_get('hero:1', 'SELECT * FROM hero WHERE id = 1')$$);
RESET ROLE;
-- the schema
CREATE SCHEMA hidden;
CREATE TABLE hidden.hero AS TABLE hero;
GRANT SELECT ON hidden.hero TO rtc_alice;
GRANT USAGE ON SCHEMA hidden TO rtc_alice;
SET ROLE rtc_alice;
SELECT * FROM get('hidden:1', 'SELECT name FROM hidden.hero WHERE id = 1');
RESET ROLE;
REVOKE USAGE ON SCHEMA hidden FROM rtc_alice;
SET ROLE rtc_alice;
SELECT error($$SELECT cache_get('hidden:1', 'SELECT name FROM hidden.hero WHERE id = 1')$$);
RESET ROLE;
DROP SCHEMA hidden CASCADE;

-- columns
GRANT SELECT (id, name) ON hero TO rtc_bob;
SELECT cache_get('c:all', 'SELECT * FROM hero WHERE id = 2'),
	   cache_get('c:name', 'SELECT name FROM hero WHERE id = 2'),
	   cache_get('c:where', 'SELECT name FROM hero WHERE secret = ''naps'''),
	   cache_get('c:row', 'SELECT hero FROM hero WHERE id = 2'),
	   cache_get('c:count', 'SELECT count(*) FROM hero');
SET ROLE rtc_bob;
SELECT error($$SELECT cache_get('c:all', 'SELECT * FROM hero WHERE id = 2')$$);
SELECT * FROM get('c:name', 'SELECT name FROM hero WHERE id = 2');
SELECT error($$SELECT cache_get('c:where', 'SELECT name FROM hero WHERE secret = ''naps''')$$);
SELECT error($$SELECT cache_get('c:row', 'SELECT hero FROM hero WHERE id = 2')$$);
SELECT * FROM get('c:count', 'SELECT count(*) FROM hero');
RESET ROLE;
REVOKE SELECT (name) ON hero FROM rtc_bob;
SET ROLE rtc_bob;
SELECT error($$SELECT cache_get('c:name', 'SELECT name FROM hero WHERE id = 2')$$);
SELECT * FROM get('c:count', 'SELECT count(*) FROM hero');
RESET ROLE;

-- functions in the query
CREATE FUNCTION reveal(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT upper($1)';
GRANT SELECT ON hero TO rtc_alice, rtc_bob;
SELECT cache_get('f:1', 'SELECT reveal(secret) FROM hero WHERE id = 1');
SET ROLE rtc_bob;
SELECT * FROM get('f:1', 'SELECT reveal(secret) FROM hero WHERE id = 1');
RESET ROLE;
REVOKE EXECUTE ON FUNCTION reveal FROM PUBLIC;
SET ROLE rtc_bob;
SELECT error($$SELECT cache_get('f:1', 'SELECT reveal(secret) FROM hero WHERE id = 1')$$);
RESET ROLE;
DROP FUNCTION reveal;
-- which has ended answers
SELECT cache_wait(NULL, '30 s');
SELECT ready();

-- views: their owner's privileges, and the caller's on the view
REVOKE ALL ON hero FROM rtc_alice, rtc_bob;
CREATE VIEW names AS SELECT id, name FROM hero;
GRANT SELECT ON names TO rtc_alice;
SET ROLE rtc_alice;
SELECT * FROM get('v:1', 'SELECT name FROM names WHERE id = 1');
SELECT * FROM get('v:1', 'SELECT name FROM names WHERE id = 1');
SET ROLE rtc_bob;
SELECT error($$SELECT cache_get('v:1', 'SELECT name FROM names WHERE id = 1')$$);
RESET ROLE;
ALTER VIEW names OWNER TO rtc_owner;
SET ROLE rtc_alice;
SELECT error($$SELECT cache_get('v:1', 'SELECT name FROM names WHERE id = 1')$$);
RESET ROLE;
GRANT SELECT ON hero TO rtc_owner;
SET ROLE rtc_alice;
SELECT * FROM get('v:1', 'SELECT name FROM names WHERE id = 1');
RESET ROLE;
ALTER VIEW names SET (security_invoker = true);
SET ROLE rtc_alice;
SELECT error($$SELECT cache_get('v:1', 'SELECT name FROM names WHERE id = 1')$$);
RESET ROLE;
DROP VIEW names;
REVOKE ALL ON hero FROM rtc_owner;

-- SECURITY DEFINER: as its owner inside, as oneself outside
CREATE FUNCTION hero_as_owner(int) RETURNS jsonb LANGUAGE sql SECURITY DEFINER AS
	$$SELECT cache_get('d:' || $1, 'SELECT name FROM hero WHERE id = $1', ARRAY[$1::text])$$;
SET ROLE rtc_alice;
SELECT hero_as_owner(1);
SELECT error($$SELECT cache_get('d:1', 'SELECT name FROM hero WHERE id = $1', '{1}')$$);
SELECT hero_as_owner(1);
RESET ROLE;
CREATE FUNCTION hero_as_alice(int) RETURNS jsonb LANGUAGE sql SECURITY DEFINER AS
	$$SELECT cache_get('d:' || $1, 'SELECT name FROM hero WHERE id = $1', ARRAY[$1::text])$$;
ALTER FUNCTION hero_as_alice OWNER TO rtc_alice;
SELECT hero_as_owner(1);
SELECT error('SELECT hero_as_alice(1)');
DROP FUNCTION hero_as_owner, hero_as_alice;
-- which has ended answers
SELECT cache_wait(NULL, '30 s');
SELECT ready();

-- SET SESSION AUTHORIZATION
GRANT SELECT ON hero TO rtc_alice;
SELECT cache_wait(NULL, '30 s');
SET SESSION AUTHORIZATION rtc_alice;
SELECT * FROM get('hero:1', 'SELECT * FROM hero WHERE id = 1');
SET SESSION AUTHORIZATION rtc_bob;
SELECT error($$SELECT cache_get('hero:1', 'SELECT * FROM hero WHERE id = 1')$$);
RESET SESSION AUTHORIZATION;

-- row-level security: what it applies to is never cached, nor answered from a cache
CREATE TABLE note (id int PRIMARY KEY, owner text, body text);
INSERT INTO note VALUES (1, 'rtc_alice', 'of Alice'), (2, 'rtc_bob', 'of Bob');
GRANT SELECT ON note TO rtc_alice, rtc_bob;
-- filled by one to whom it does not apply, before and after it is enabled
SELECT * FROM list('notes', 'SELECT body FROM note ORDER BY id');
SET ROLE rtc_alice;
SELECT * FROM list('notes', 'SELECT body FROM note ORDER BY id');
RESET ROLE;
ALTER TABLE note ENABLE ROW LEVEL SECURITY;
SET ROLE rtc_alice;
SELECT * FROM list('notes', 'SELECT body FROM note ORDER BY id');
RESET ROLE;
CREATE POLICY mine ON note USING (owner = current_user);
SELECT * FROM list('notes', 'SELECT body FROM note ORDER BY id');
SET ROLE rtc_alice;
SELECT * FROM list('notes', 'SELECT body FROM note ORDER BY id');
SET ROLE rtc_bob;
SELECT * FROM list('notes', 'SELECT body FROM note ORDER BY id');
SELECT * FROM list('notes2', 'SELECT body FROM note ORDER BY id');
SELECT cache_peek('notes2');
-- through a subquery, a view, a function's arguments
SELECT * FROM list('notes', 'SELECT * FROM (SELECT body FROM note) AS s ORDER BY 1');
SELECT * FROM get('notes3', 'SELECT (SELECT count(*) FROM note) AS n');
SELECT * FROM get('notes4', 'SELECT 1 AS n WHERE EXISTS (SELECT FROM note WHERE id = 1)');
RESET ROLE;
CREATE VIEW notes_invoker WITH (security_invoker) AS SELECT body FROM note;
CREATE VIEW notes_owner AS SELECT body FROM note;
GRANT SELECT ON notes_invoker, notes_owner TO rtc_alice, rtc_bob;
SELECT * FROM list('notes5', 'SELECT body FROM notes_invoker ORDER BY 1');
SET ROLE rtc_bob;
SELECT * FROM list('notes5', 'SELECT body FROM notes_invoker ORDER BY 1');
SELECT * FROM list('notes6', 'SELECT body FROM notes_owner ORDER BY 1');
RESET ROLE;
-- the owner, with and without FORCE; row_security off
ALTER TABLE note OWNER TO rtc_owner;
SET ROLE rtc_owner;
SELECT * FROM list('notes', 'SELECT body FROM note ORDER BY id');
RESET ROLE;
ALTER TABLE note FORCE ROW LEVEL SECURITY;
SET ROLE rtc_owner;
SELECT * FROM list('notes', 'SELECT body FROM note ORDER BY id');
SET ROLE rtc_alice;
SET row_security = off;
SELECT error($$SELECT cache_list('notes', 'SELECT body FROM note ORDER BY id')$$);
RESET row_security;
RESET ROLE;
ALTER ROLE rtc_alice BYPASSRLS;
SET ROLE rtc_alice;
SELECT * FROM list('notes', 'SELECT body FROM note ORDER BY id');
RESET ROLE;
ALTER ROLE rtc_alice NOBYPASSRLS;
SET ROLE rtc_alice;
SELECT * FROM list('notes', 'SELECT body FROM note ORDER BY id');
RESET ROLE;

-- the role changes between two calls, of a function and within one statement
CREATE FUNCTION my_notes() RETURNS jsonb LANGUAGE sql STABLE AS
	$$SELECT cache_list('my', 'SELECT body FROM note ORDER BY id')$$;
SET ROLE rtc_alice;
SELECT my_notes();
SET ROLE rtc_bob;
SELECT my_notes();
RESET ROLE;
DO $$
DECLARE
	answer text := '';
	who text;
BEGIN
	FOREACH who IN ARRAY '{rtc_alice, rtc_bob, rtc_alice}'::text[] LOOP
		PERFORM set_config('role', who, true);
		answer := answer || cache_list('my2', 'WITH w AS (SELECT body FROM note) SELECT * FROM w');
	END LOOP;
	RESET ROLE;
	RAISE WARNING '%', answer;
END $$;

-- a call that the arguments make superfluous needs no privilege, any other does
CREATE FUNCTION hidden(text) RETURNS text IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN $1; END';
REVOKE EXECUTE ON FUNCTION hidden FROM PUBLIC;
SELECT cache_get('w', 'SELECT CASE WHEN $1 THEN hidden(name) ELSE name END AS n FROM hero WHERE id = 1', '{t}');
SELECT cache_get('v', 'SELECT CASE WHEN $1 THEN hidden(name) ELSE name END AS n FROM hero WHERE id = 1', '{f}');
GRANT SELECT ON hero TO rtc_alice;
SET ROLE rtc_alice;
SELECT cache_get('v', 'SELECT CASE WHEN $1 THEN hidden(name) ELSE name END AS n FROM hero WHERE id = 1', '{f}');
SELECT error($$SELECT cache_get('w', 'SELECT CASE WHEN $1 THEN hidden(name) ELSE name END AS n FROM hero WHERE id = 1', '{t}')$$);
SELECT cache_get('v', 'SELECT CASE WHEN $1 THEN hidden(name) ELSE name END AS n FROM hero WHERE id = 1', '{f}');
-- nor need a query have a plan for other arguments
SELECT * FROM list('full', 'SELECT h.id, n.id AS n FROM hero AS h FULL JOIN hero AS n ON n.id = $1 AND h.id < n.id ORDER BY 1, 2', '{NULL}');
RESET ROLE;
SELECT cache_list('full', 'SELECT h.id, n.id AS n FROM hero AS h FULL JOIN hero AS n ON n.id = $1 AND h.id < n.id ORDER BY 1, 2', '{NULL}')
	IS NOT NULL AS "a plan for NULL";
DROP FUNCTION hidden;

-- cache_peek shows what is there to those who could query it
SET ROLE rtc_bob;
SELECT cache_peek('hero:1') IS NOT NULL AS "no privilege on hero";
RESET ROLE;

DROP VIEW notes_invoker, notes_owner;
DROP FUNCTION my_notes;
DROP TABLE hero, note;
DROP OWNED BY rtc_alice, rtc_bob, rtc_team, rtc_owner;
DROP ROLE rtc_alice, rtc_bob, rtc_team, rtc_owner;
