-- The upgrade from 1.0: it makes the same objects as a new installation, and
-- rules and functions of 1.0 work with this library before it and after it.
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir /lib/helpers.psql
\set ECHO none
\i :helpers
\set ECHO all

-- what the catalogs say about the members of the extension, without OIDs
CREATE FUNCTION members() RETURNS SETOF text
SET search_path = pg_catalog, public LANGUAGE sql AS $$
	WITH member AS (
		SELECT d.classid, d.objid
		  FROM pg_depend AS d
		  JOIN pg_extension AS e ON e.oid = d.refobjid AND e.extname = 'rtcache'
		 WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e')
	SELECT concat_ws(' | ', pg_describe_object(m.classid, m.objid, 0),
					 obj_description(m.objid, m.classid::regclass::name),
					 pg_get_functiondef(p.oid), p.proacl,
					 i.initprivs,
					 c.relkind, c.relacl, pg_get_viewdef(c.oid),
					 (SELECT string_agg(concat_ws(' ', a.attnum, a.attname,
												  format_type(a.atttypid, a.atttypmod),
												  col_description(c.oid, a.attnum)),
										', ' ORDER BY a.attnum)
						FROM pg_attribute AS a
					   WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped),
					 t.evtevent, t.evtenabled, t.evttags, t.evtfoid::regproc)
	  FROM member AS m
	  LEFT JOIN pg_proc AS p ON p.oid = m.objid AND m.classid = 'pg_proc'::regclass
		   AND p.prokind = 'f'
	  LEFT JOIN pg_class AS c ON c.oid = m.objid AND m.classid = 'pg_class'::regclass
	  LEFT JOIN pg_event_trigger AS t ON t.oid = m.objid
		   AND m.classid = 'pg_event_trigger'::regclass
	  LEFT JOIN pg_init_privs AS i ON i.objoid = m.objid AND i.classoid = m.classid
		   AND i.objsubid = 0
	 WHERE m.classid <> 'pg_type'::regclass
$$;
-- made anew, because other tests grant and revoke
DROP EXTENSION rtcache;
CREATE EXTENSION rtcache;
CREATE TABLE new AS SELECT members() AS member;

DROP EXTENSION rtcache;
CREATE EXTENSION rtcache VERSION '1.0';
CREATE TABLE hero (id int PRIMARY KEY, name text);
SELECT cache_attach('hero', key => 'upgrade:{id}');
INSERT INTO hero VALUES (1, 'Ada');
SELECT * FROM held('upgrade:1');
SELECT * FROM get('upgrade:1', 'SELECT * FROM hero WHERE id = $1', '{1}');
SELECT count(*) FROM rtcache_relay;
SELECT count(*) > 0 FROM rtcache_stats;

-- what is granted before stays granted, and is no part of the extension
CREATE ROLE rtc_upgrader;
GRANT EXECUTE ON FUNCTION rtcache_write_through, rtcache_invalidate, rtcache_truncate, cache_get, cache_attach TO rtc_upgrader;
CREATE VIEW hits AS SELECT l1_hits, stats_reset FROM rtcache_stats;
CREATE VIEW keys AS SELECT relation, key FROM rtcache_rules WHERE kind = 'set';

ALTER EXTENSION rtcache UPDATE;
SELECT sets_refused + closings >= 0 AS counted, (SELECT count(*) FROM hits) FROM rtcache_stats;
TABLE keys;
DROP VIEW hits, keys;
SELECT p.proname, p.proacl::text ~ 'rtc_upgrader' AS granted, i.initprivs::text ~ 'rtc_upgrader' AS part
  FROM pg_proc AS p JOIN pg_init_privs AS i ON i.objoid = p.oid AND i.classoid = 'pg_proc'::regclass
 WHERE p.proacl::text ~ 'rtc_upgrader' ORDER BY 1;
REVOKE ALL ON FUNCTION rtcache_write_through, rtcache_invalidate, rtcache_truncate, cache_get, cache_attach FROM rtc_upgrader;
DROP ROLE rtc_upgrader;
SELECT extversion = (SELECT default_version FROM pg_available_extensions
					  WHERE name = 'rtcache') AS newest
  FROM pg_extension WHERE extname = 'rtcache';
UPDATE hero SET name = 'Bob' WHERE id = 1;
SELECT * FROM held('upgrade:1');
SELECT * FROM get('upgrade:1', 'SELECT * FROM hero WHERE id = $1', '{1}');

-- what a new installation has and the update lacks, and the other way round
TABLE new EXCEPT ALL SELECT members();
SELECT members() EXCEPT ALL TABLE new;
SELECT count(*) > 30 AS many FROM new;

DROP TABLE hero, new;
DROP FUNCTION members;
