/* sql/rtcache--1.0--1.1.sql */

-- complain if script is sourced in psql, rather than via ALTER EXTENSION
\echo Use "ALTER EXTENSION rtcache UPDATE TO '1.1'" to load this file. \quit

--
-- Rules
--

COMMENT ON FUNCTION rtcache_write_through() IS
'AFTER ROW trigger: stores each new row as a JSON object under its key, and deletes the keys of rows that are gone. Arguments: key template such as ''hero:{id}'', then options ''ttl=<interval>'' (0: does not expire), ''del=<key template>'' (repeatable), ''tag=<tag template>'' (repeatable: answers cached under that tag are dropped) and ''columns=<column, ...>''. {.schema} and {.table} in a template are the names of the table. Warns if rows, or rules, can share a key. Errors: 22023 bad argument, 42703 unknown column, 42501 EXECUTE was granted to PUBLIC at most, 0A000 wrong kind of trigger or table.';

COMMENT ON FUNCTION rtcache_invalidate() IS
'AFTER ROW trigger: deletes the keys of each old and new row. Arguments: key templates such as ''hero:{id}'' or ''hero:all'', and ''tag=<tag template>''; without arguments, it only tracks the table, for answers that were computed from it. {.schema} and {.table} in a template are the names of the table. Errors: 22023 bad argument, 42703 unknown column, 42501 EXECUTE was granted to PUBLIC at most, 0A000 wrong kind of trigger or table.';

COMMENT ON FUNCTION rtcache_truncate() IS
'AFTER TRUNCATE trigger: deletes all keys that the given key templates can have made, with anything in the place of their columns; without arguments, all keys of the database; with ''keys=none'', none: it only tracks the table. ''tag=<tag>'': answers cached under that tag are dropped; with columns in it, all keys of the database. {.schema} and {.table} in a template are the names of the table. Errors: 22023 bad argument, 42703 unknown column, 42501 EXECUTE was granted to PUBLIC at most, 0A000 wrong kind of trigger or table.';

COMMENT ON FUNCTION rtcache_before_drop() IS
'deletes all keys of the database when this extension is dropped, and drops answers computed from a partition when it begins to be detached concurrently, and drops rules of a table that becomes a partition of one with the same rules';

COMMENT ON EVENT TRIGGER rtcache_before_drop IS
'deletes all keys of the database when rtcache is dropped, and drops answers when a partition begins to be detached concurrently; merges rules before ATTACH PARTITION';

COMMENT ON FUNCTION cache_attach(regclass, text, text, interval, text[], text[], name[]) IS
'makes rules for a table, triggers rtcache_row and rtcache_truncate. key: template such as ''hero:{id}'', NULL to track the table only; mode: ''set'' stores each new row under its key, ''del'' deletes the key; ttl: as for cache_get; del: templates of more keys to delete; tags: templates of tags whose answers are dropped; columns: those to store, NULL for all. {.schema} and {.table} in a template are the names of the table. Partitions that have the same rules lose theirs to the parent. The caller must own the table, and EXECUTE on the trigger functions must have been granted to him or a role of his; PUBLIC does not count. Errors: 22023 bad argument, or the same key for all rows, 42501 not the owner, 42703 unknown column, 42710 already attached, or another rule makes the same keys, 42809 not a table.';

-- It looks at ALTER SCHEMA, ALTER EXTENSION and CREATE FOREIGN TABLE, too.
DROP EVENT TRIGGER rtcache_check_rules;

CREATE EVENT TRIGGER rtcache_check_rules
ON ddl_command_end
WHEN TAG IN ('ALTER FOREIGN TABLE', 'ALTER INDEX', 'ALTER MATERIALIZED VIEW', 'ALTER TABLE', 'ALTER TRIGGER', 'CREATE FOREIGN TABLE', 'CREATE INDEX', 'CREATE TABLE', 'CREATE TRIGGER', 'REFRESH MATERIALIZED VIEW',
    'ALTER AGGREGATE', 'ALTER DOMAIN', 'ALTER EXTENSION', 'ALTER FUNCTION', 'ALTER OPERATOR FAMILY', 'ALTER PROCEDURE', 'ALTER ROUTINE', 'ALTER SCHEMA', 'ALTER TEXT SEARCH CONFIGURATION', 'ALTER TEXT SEARCH DICTIONARY', 'ALTER TYPE', 'ALTER VIEW',
    'CREATE AGGREGATE', 'CREATE CAST', 'CREATE FUNCTION', 'CREATE OPERATOR CLASS', 'CREATE PROCEDURE', 'CREATE SCHEMA', 'CREATE VIEW')
EXECUTE FUNCTION rtcache_check_rules();

COMMENT ON EVENT TRIGGER rtcache_check_rules IS
'checks rules of rtcache when they are created and when their tables are altered, and drops answers that DDL makes stale';

ALTER EVENT TRIGGER rtcache_check_rules ENABLE ALWAYS;

-- PostgreSQL asks for EXECUTE on the trigger functions when it clones a rule to a
-- new partition, which the owner of the table makes.  Making rules takes a grant
-- to a role: rtcache checks that, and PUBLIC does not count.
GRANT EXECUTE ON FUNCTION rtcache_write_through() TO PUBLIC;
GRANT EXECUTE ON FUNCTION rtcache_invalidate() TO PUBLIC;
GRANT EXECUTE ON FUNCTION rtcache_truncate() TO PUBLIC;

-- GRANT has taken what users had granted for a part of the extension, which
-- pg_dump leaves out.  What is a part of it is this.
UPDATE pg_catalog.pg_init_privs AS i
   SET initprivs = ARRAY[pg_catalog.makeaclitem(p.proowner, p.proowner, 'EXECUTE', false),
						 pg_catalog.makeaclitem(0, p.proowner, 'EXECUTE', false)]
  FROM pg_catalog.pg_proc AS p
 WHERE i.classoid = 'pg_catalog.pg_proc'::pg_catalog.regclass
   AND i.objoid = p.oid
   AND p.oid IN ('@extschema@.rtcache_write_through()'::pg_catalog.regprocedure,
				 '@extschema@.rtcache_invalidate()'::pg_catalog.regprocedure,
				 '@extschema@.rtcache_truncate()'::pg_catalog.regprocedure);

-- From 17 on it has noted in whose names, and roles with such a note cannot be
-- dropped.
DELETE FROM pg_catalog.pg_shdepend AS d
 WHERE d.dbid = (SELECT oid FROM pg_catalog.pg_database
				  WHERE datname = pg_catalog.current_database())
   AND d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass
   AND d.deptype = 'i'
   AND d.objid IN ('@extschema@.rtcache_write_through()'::pg_catalog.regprocedure,
				   '@extschema@.rtcache_invalidate()'::pg_catalog.regprocedure,
				   '@extschema@.rtcache_truncate()'::pg_catalog.regprocedure);

--
-- Reading
--

COMMENT ON FUNCTION cache_get(text, text, text[], interval, text[]) IS
'returns the one row of a query, from the cache if it is there. key: at most 64 kB; query: a single SELECT; args: its parameters as text; ttl: NULL for rtcache.default_ttl, 0 for a value that does not expire; tags: what the answer depends on besides its key, at most 64; NULL for what cache_explain finds in the query. No row is NULL. Errors: 21000 more than one row, 22004 NULL among tags, 22023 bad key, ttl, tag or number of args, 42601 not a single statement, 42701 two columns of one name, 0A000 not a SELECT.';
