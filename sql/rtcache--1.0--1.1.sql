/* sql/rtcache--1.0--1.1.sql */

-- complain if script is sourced in psql, rather than via ALTER EXTENSION
\echo Use "ALTER EXTENSION rtcache UPDATE TO '1.1'" to load this file. \quit

--
-- Rules
--

COMMENT ON FUNCTION rtcache_write_through() IS
'AFTER ROW trigger: stores each new row as a JSON object under its key, and deletes the keys of rows that are gone. Arguments: key template such as ''hero:{id}'', then options ''ttl=<interval>'' (0: does not expire), ''del=<key template>'' (repeatable), ''tag=<tag template>'' (repeatable: answers cached under that tag are dropped), ''columns=<column, ...>'', ''warm'' (a background worker stores the rows that are there, and again when the cache was cleared) and ''behind=<column, ...>'' (which may be written through Redis; the key must tell the primary key). {.schema} and {.table} in a template are the names of the table. Warns if rows, or rules, can share a key. Errors: 22023 bad argument, 42703 unknown column, 42501 EXECUTE was granted to PUBLIC at most, 0A000 wrong kind of trigger or table.';

COMMENT ON FUNCTION rtcache_invalidate() IS
'AFTER ROW trigger: deletes the keys of each old and new row. Arguments: key templates such as ''hero:{id}'' or ''hero:all'', and ''tag=<tag template>''; without arguments, it only tracks the table, for answers that were computed from it. {.schema} and {.table} in a template are the names of the table. Errors: 22023 bad argument, 42703 unknown column, 42501 EXECUTE was granted to PUBLIC at most, 0A000 wrong kind of trigger or table.';

COMMENT ON FUNCTION rtcache_truncate() IS
'AFTER TRUNCATE trigger: deletes all keys that the given key templates can have made, with anything in the place of their columns; without arguments, all keys of the database; with ''keys=none'', none: it only tracks the table. ''tag=<tag>'': answers cached under that tag are dropped; with columns in it, all keys of the database. {.schema} and {.table} in a template are the names of the table. Errors: 22023 bad argument, 42703 unknown column, 42501 EXECUTE was granted to PUBLIC at most, 0A000 wrong kind of trigger or table.';

COMMENT ON FUNCTION rtcache_before_drop() IS
'deletes all keys of the database when this extension is dropped, and drops answers computed from a partition when it begins to be detached concurrently, and drops rules of a table that becomes a partition of one with the same rules';

COMMENT ON EVENT TRIGGER rtcache_before_drop IS
'deletes all keys of the database when rtcache is dropped, and drops answers when a partition begins to be detached concurrently; merges rules before ATTACH PARTITION';

-- cache_attach gets more arguments
CREATE FUNCTION cache_attach(rel regclass, key text DEFAULT NULL, mode text DEFAULT 'set', ttl interval DEFAULT NULL, del text[] DEFAULT '{}', tags text[] DEFAULT '{}', columns name[] DEFAULT NULL, warm boolean DEFAULT false, behind name[] DEFAULT '{}')
RETURNS void
AS 'MODULE_PATHNAME', 'cache_attach'
LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION cache_attach(regclass, text, text, interval, text[], text[], name[], boolean, name[]) IS
'makes rules for a table, triggers rtcache_row and rtcache_truncate. key: template such as ''hero:{id}'', NULL to track the table only; mode: ''set'' stores each new row under its key, ''del'' deletes the key; ttl: as for cache_get; del: templates of more keys to delete; tags: templates of tags whose answers are dropped; columns: those to store, NULL for all; warm: a background worker stores the rows that are there, and again when the cache was cleared; behind: those that may be written through Redis. {.schema} and {.table} in a template are the names of the table. Partitions that have the same rules lose theirs to the parent. The caller must own the table, and EXECUTE on the trigger functions must have been granted to him or a role of his; PUBLIC does not count. Errors: 22023 bad argument, or the same key for all rows, 42501 not the owner, 42703 unknown column, 42P16 the keys do not tell the primary key (behind), 42710 already attached, or another rule makes the same keys, 42809 not a table, 55000 no primary key (behind).';

REVOKE ALL ON FUNCTION cache_attach(regclass, text, text, interval, text[], text[], name[], boolean, name[]) FROM PUBLIC;

-- who was granted it keeps that
UPDATE pg_catalog.pg_proc AS p
   SET proacl = old.proacl
  FROM pg_catalog.pg_proc AS old
 WHERE p.oid = '@extschema@.cache_attach(regclass, text, text, interval, text[], text[], name[], boolean, name[])'::pg_catalog.regprocedure
   AND old.oid = '@extschema@.cache_attach(regclass, text, text, interval, text[], text[], name[])'::pg_catalog.regprocedure;

INSERT INTO pg_catalog.pg_shdepend (dbid, classid, objid, objsubid, refclassid, refobjid, deptype)
SELECT d.dbid, d.classid,
       '@extschema@.cache_attach(regclass, text, text, interval, text[], text[], name[], boolean, name[])'::pg_catalog.regprocedure,
       d.objsubid, d.refclassid, d.refobjid, d.deptype
  FROM pg_catalog.pg_shdepend AS d
 WHERE d.dbid = (SELECT oid FROM pg_catalog.pg_database
				  WHERE datname = pg_catalog.current_database())
   AND d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass
   AND d.objid = '@extschema@.cache_attach(regclass, text, text, interval, text[], text[], name[])'::pg_catalog.regprocedure
   AND d.deptype = 'a';

DROP FUNCTION cache_attach(regclass, text, text, interval, text[], text[], name[]);

-- and the view of rules another column; it keeps its grants, and what depends on it
CREATE FUNCTION rtcache_rule_options(
    OUT relation regclass,
    OUT trigger name,
    OUT warm boolean,
    OUT behind text)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'rtcache_rule_options'
LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 20;

COMMENT ON FUNCTION rtcache_rule_options() IS
'returns the options of the rules of this database that 1.0 did not have, for rtcache_rules; everybody may call it';

CREATE OR REPLACE VIEW rtcache_rules AS
    SELECT r.*, o.warm, o.behind
      FROM @extschema@.rtcache_rules() AS r
      JOIN @extschema@.rtcache_rule_options() AS o
        ON o.relation OPERATOR(pg_catalog.=) r.relation
       AND o.trigger OPERATOR(pg_catalog.=) r.trigger;

COMMENT ON COLUMN rtcache_rules.warm IS 'does a background worker store the rows that are there?';
COMMENT ON COLUMN rtcache_rules.behind IS 'the columns that may be written through Redis; NULL for none';

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

COMMENT ON FUNCTION cache_explain(text, text[]) IS
'tells whether the answer of a query can be cached, and what it depends on: one line for the query (cacheable, or not, and why), then one for each relation: row (which), table (all of it: why, and what would make it row), or TTL only (why its writes go by unseen). args: parameters as for cache_get, may be left out. Errors: as cache_get.';

-- more counters; the view keeps its grants, and what depends on it
CREATE FUNCTION cache_more_stats(
    OUT sets_refused bigint,
    OUT closings bigint,
    OUT key_conflicts bigint,
    OUT saved_ms double precision,
    OUT hit_ratio double precision,
    OUT refreshes bigint,
    OUT refreshes_failed bigint,
    OUT work_dropped bigint)
RETURNS record
AS 'MODULE_PATHNAME', 'cache_more_stats'
LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION cache_more_stats() IS
'returns the counters of rtcache_stats that cache_stats does not have; everybody may call it. Errors: 55000 not preloaded.';

CREATE OR REPLACE VIEW rtcache_stats AS
    SELECT s.*, r.*
      FROM @extschema@.cache_stats() AS s, @extschema@.cache_more_stats() AS r;

COMMENT ON COLUMN rtcache_stats.sets_refused IS 'values that Redis refused, so that their keys were deleted instead';
COMMENT ON COLUMN rtcache_stats.closings IS 'times that a database was closed since Redis refused an operation of it that cannot be left out';
COMMENT ON COLUMN rtcache_stats.key_conflicts IS 'lookups that found the answer to another question under their key in Redis, or had to throw it out of shared memory: the two replace each other; cache_health() names the keys';
COMMENT ON COLUMN rtcache_stats.saved_ms IS 'milliseconds that it had taken to compute the answers of all hits';
COMMENT ON COLUMN rtcache_stats.hit_ratio IS 'hits in shared memory and in Redis, as a part of hits and misses; bypasses do not count';
COMMENT ON COLUMN rtcache_stats.refreshes IS 'answers that background workers have computed before anybody missed them';
COMMENT ON COLUMN rtcache_stats.refreshes_failed IS 'questions that ended in an error when a background worker asked them; they are not tried again';
COMMENT ON COLUMN rtcache_stats.work_dropped IS 'work for background workers that was not done: there was no room for it, or nobody may do it any more';

COMMENT ON FUNCTION cache_stats_reset() IS
'sets the counters of rtcache_stats, rtcache_families and rtcache_tables to zero, of all databases. Errors: 55000 not preloaded.';

-- counters of families and of tables
CREATE FUNCTION rtcache_families(
    OUT family text,
    OUT l1_hits bigint,
    OUT l2_hits bigint,
    OUT misses bigint,
    OUT fills bigint,
    OUT refused bigint,
    OUT hit_ratio double precision,
    OUT computed_ms double precision,
    OUT saved_ms double precision,
    OUT bytes bigint,
    OUT datid oid)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'rtcache_families'
LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 50;

COMMENT ON FUNCTION rtcache_families() IS
'returns the counters of families of keys, of all databases. Errors: 55000 not preloaded.';

CREATE FUNCTION rtcache_tables(
    OUT relation regclass,
    OUT sets bigint,
    OUT dels bigint,
    OUT answers_ended bigint,
    OUT refreshes bigint,
    OUT warm bigint)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'rtcache_tables'
LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 20;

COMMENT ON FUNCTION rtcache_tables() IS
'returns the counters of the tables of this database. Errors: 55000 not preloaded.';

CREATE VIEW rtcache_families AS
    SELECT f.family, f.l1_hits, f.l2_hits, f.misses, f.fills, f.refused, f.hit_ratio,
           f.computed_ms, f.saved_ms, f.bytes, d.datname
      FROM @extschema@.rtcache_families() AS f
      LEFT JOIN pg_catalog.pg_database AS d
        ON d.oid OPERATOR(pg_catalog.=) f.datid;

COMMENT ON VIEW rtcache_families IS
'counters of families of keys since the last cache_stats_reset(); the family is the key up to the first colon. There is room for 1024 families of all databases, those of the others are added up under *';
COMMENT ON COLUMN rtcache_families.family IS 'the key up to the first colon, or all of it, at most 63 bytes; *: all families for which there was no room';
COMMENT ON COLUMN rtcache_families.l1_hits IS 'lookups answered from shared memory';
COMMENT ON COLUMN rtcache_families.l2_hits IS 'lookups answered by Redis';
COMMENT ON COLUMN rtcache_families.misses IS 'lookups that ran the query although the cache was usable';
COMMENT ON COLUMN rtcache_families.fills IS 'answers stored in a cache';
COMMENT ON COLUMN rtcache_families.refused IS 'answers not stored in Redis because a write came in between or the lease ran out';
COMMENT ON COLUMN rtcache_families.hit_ratio IS 'hits as a part of hits and misses';
COMMENT ON COLUMN rtcache_families.computed_ms IS 'milliseconds that the misses have spent on their queries';
COMMENT ON COLUMN rtcache_families.saved_ms IS 'milliseconds that it had taken to compute the answers of all hits; for a row that a rule has stored, which nobody computed, the mean of the misses';
COMMENT ON COLUMN rtcache_families.bytes IS 'bytes of the answers stored; divided by fills: what one takes';
COMMENT ON COLUMN rtcache_families.datname IS 'the database; NULL for *';

CREATE VIEW rtcache_tables AS
    SELECT * FROM @extschema@.rtcache_tables();

COMMENT ON VIEW rtcache_tables IS
'counters of the tables of this database since the last cache_stats_reset(); there is room for 1024 tables of all databases, those of the others are added up in a row without relation';
COMMENT ON COLUMN rtcache_tables.relation IS 'the table; NULL: all tables, of any database, for which there was no room';
COMMENT ON COLUMN rtcache_tables.sets IS 'values that committed transactions have given to Redis by rules of the table';
COMMENT ON COLUMN rtcache_tables.dels IS 'keys that they have deleted there by rules of the table';
COMMENT ON COLUMN rtcache_tables.answers_ended IS 'answers that writes to the table have ended, as far as lookups and the relay found that out';
COMMENT ON COLUMN rtcache_tables.refreshes IS 'answers over the table that workers have computed again';
COMMENT ON COLUMN rtcache_tables.warm IS 'rows of the table that a warm-up has stored';

REVOKE ALL ON FUNCTION rtcache_families() FROM PUBLIC;
REVOKE ALL ON FUNCTION rtcache_tables() FROM PUBLIC;

-- what takes long
CREATE FUNCTION rtcache_progress(
    OUT pid integer,
    OUT datid oid,
    OUT relation regclass,
    OUT phase text,
    OUT done bigint,
    OUT total bigint,
    OUT started_at timestamptz,
    OUT pattern text,
    OUT pass integer,
    OUT passes integer,
    OUT keys_deleted bigint,
    OUT resumed integer)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'rtcache_progress'
LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 10;

COMMENT ON FUNCTION rtcache_progress() IS
'returns what takes long: warm-ups, and what the relay does that goes through all keys of Redis. Errors: 55000 not preloaded.';

CREATE VIEW rtcache_progress AS
    SELECT p.pid, d.datname, p.relation, p.phase, p.done, p.total, p.started_at,
           p.pattern, p.pass, p.passes, p.keys_deleted, p.resumed
      FROM @extschema@.rtcache_progress() AS p
      LEFT JOIN pg_catalog.pg_database AS d
        ON d.oid OPERATOR(pg_catalog.=) p.datid;

COMMENT ON VIEW rtcache_progress IS
'what takes long: warm-ups, and what the relay does that goes through all keys of Redis; lookups of the database go without Redis during the latter, except during a sweep';
COMMENT ON COLUMN rtcache_progress.pid IS 'the process that does it';
COMMENT ON COLUMN rtcache_progress.datname IS 'the database; NULL if it concerns all';
COMMENT ON COLUMN rtcache_progress.relation IS 'the table, of this database, whose rows are stored; else NULL';
COMMENT ON COLUMN rtcache_progress.phase IS 'warm-up (the rows of a table are stored), waiting for Redis (the same, but Redis cannot be used now); of the relay: clear of everything (Redis cannot be repaired), registration (a database gets a key prefix, or is tried again after Redis refused something), clear (cache_clear), delete by pattern (cache_del_pattern), sweep (which dependencies are registered is found out after connecting)';
COMMENT ON COLUMN rtcache_progress.done IS 'rows of a warm-up that are behind it, about; keys that the relay has looked at in this pass, about, those of others included';
COMMENT ON COLUMN rtcache_progress.total IS 'of so many rows, about; of so many keys in Redis when it began; NULL if unknown';
COMMENT ON COLUMN rtcache_progress.started_at IS 'when it began';
COMMENT ON COLUMN rtcache_progress.pattern IS 'the relay: which keys are deleted';
COMMENT ON COLUMN rtcache_progress.pass IS 'how often the keys are gone through, this time included:';
COMMENT ON COLUMN rtcache_progress.passes IS 'of so many times';
COMMENT ON COLUMN rtcache_progress.keys_deleted IS 'keys deleted, without leases and the like';
COMMENT ON COLUMN rtcache_progress.resumed IS 'how often it went on where it was after the connection had been lost';

REVOKE ALL ON FUNCTION rtcache_progress() FROM PUBLIC;

--
-- Warming
--

CREATE PROCEDURE cache_warm(rel regclass, where_clause text DEFAULT NULL, batch integer DEFAULT 1000)
AS 'MODULE_PATHNAME', 'cache_warm'
LANGUAGE C;

COMMENT ON PROCEDURE cache_warm(regclass, text, integer) IS
'stores the rows of a table, or of all of its partitions, under the keys of its rules in Redis, where they are not there; never over a newer value. where_clause: which rows, as behind WHERE; batch: rows that are stored in a transaction, about; 1 to 10000. Needs SELECT on the table, and on the partitions; stores the rows that the caller sees. What was stored stays when it is cancelled, and another call passes over it. Errors: 22004 NULL, 22023 bad batch, 25001 inside a transaction block or where_clause has written, 25006 recovery, 42501 not allowed, 42601 where_clause is no expression, 42809 not a table, 55000 no rule stores the rows, not preloaded or no Redis, 08006 Redis cannot be used.';

REVOKE ALL ON PROCEDURE cache_warm(regclass, text, integer) FROM PUBLIC;

--
-- Writing behind
--

CREATE TABLE rtcache_inbox_position (
    prefix text PRIMARY KEY,
    id text NOT NULL,
    noted text NOT NULL,
    applied bigint NOT NULL,
    refused bigint NOT NULL,
    changed_at timestamptz NOT NULL);

COMMENT ON TABLE rtcache_inbox_position IS
'how far the inbox of this database in Redis has been applied; written in the transactions that apply it';
COMMENT ON COLUMN rtcache_inbox_position.prefix IS 'what the keys of the database begin with; the inbox is <prefix>~inbox';
COMMENT ON COLUMN rtcache_inbox_position.id IS 'the last entry that was applied';
COMMENT ON COLUMN rtcache_inbox_position.noted IS 'Redis is known to have been told that entries up to this one are applied';
COMMENT ON COLUMN rtcache_inbox_position.applied IS 'entries that were applied';
COMMENT ON COLUMN rtcache_inbox_position.refused IS 'entries that could not be applied';
COMMENT ON COLUMN rtcache_inbox_position.changed_at IS 'when that was';

-- a dump tells which entries its rows contain
SELECT pg_catalog.pg_extension_config_dump('@extschema@.rtcache_inbox_position', '');

-- and a subscriber of logical replication has an inbox of its own
CREATE FUNCTION rtcache_keep_position()
RETURNS trigger
AS 'MODULE_PATHNAME', 'rtcache_keep_position'
LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION rtcache_keep_position() IS
'leaves rtcache_inbox_position out of logical replication, on the side of the subscriber';

CREATE TRIGGER keep_position BEFORE INSERT OR UPDATE OR DELETE ON rtcache_inbox_position
FOR EACH ROW EXECUTE FUNCTION rtcache_keep_position();

ALTER TABLE rtcache_inbox_position ENABLE REPLICA TRIGGER keep_position;

CREATE FUNCTION cache_put(key text, value jsonb)
RETURNS void
AS 'MODULE_PATHNAME', 'cache_put'
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;

COMMENT ON FUNCTION cache_put(text, jsonb) IS
'appends to the inbox that columns of the row with this key get new values; a background worker does that, and makes the row if there is none. value: an object of columns, which a rule allows to be written behind. Done at once, and not undone by a rollback. Needs INSERT and UPDATE on the columns, INSERT and SELECT on the primary key. Errors: 08006 Redis cannot be used, 08007 not known whether it was done, 08P01 Redis refuses it, 22023 bad key or value, 25006 recovery, 42501 no privilege, or no rule allows it, 42703 unknown column, 54000 too large, 55000 not preloaded, or the table has no primary key.';

CREATE FUNCTION cache_add(key text, increments jsonb)
RETURNS void
AS 'MODULE_PATHNAME', 'cache_add'
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;

COMMENT ON FUNCTION cache_add(text, jsonb) IS
'appends to the inbox that something is added to columns of the row with this key; a background worker does that. increments: an object of columns, which a rule allows to be written behind. Done at once, and not undone by a rollback. Needs SELECT and UPDATE on the columns, SELECT on the primary key. Errors: as cache_put.';

CREATE FUNCTION cache_inbox_retry()
RETURNS bigint
AS 'MODULE_PATHNAME', 'cache_inbox_retry'
LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION cache_inbox_retry() IS
'puts the entries of the inbox that could not be applied back into it, behind all that is there; returns how many. Errors: 08006 Redis cannot be used, 08007 not known whether it was done, 08P01 Redis refuses it, 25006 recovery, 55000 not preloaded.';

CREATE FUNCTION rtcache_inbox(
    OUT datid oid,
    OUT pid integer,
    OUT length bigint,
    OUT kept bigint,
    OUT oldest_age interval,
    OUT applied bigint,
    OUT refused bigint,
    OUT dead bigint,
    OUT rate double precision,
    OUT is_full boolean,
    OUT last_id text,
    OUT last_error text,
    OUT last_error_at timestamptz)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'rtcache_inbox'
LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 10;

COMMENT ON FUNCTION rtcache_inbox() IS
'returns the inboxes of all databases of this server. Errors: 55000 not preloaded.';

CREATE VIEW rtcache_inbox AS
    SELECT i.datid, d.datname, i.pid, i.length, i.oldest_age, i.applied, i.dead,
           i.rate, i.is_full, i.kept, i.refused, i.last_id, i.last_error, i.last_error_at
      FROM @extschema@.rtcache_inbox() AS i
      LEFT JOIN pg_catalog.pg_database AS d
        ON d.oid OPERATOR(pg_catalog.=) i.datid;

COMMENT ON VIEW rtcache_inbox IS
'what waits in the inboxes of databases in Redis, and who applies it; those that have had no entry since the server started are left out';
COMMENT ON COLUMN rtcache_inbox.datid IS 'the database';
COMMENT ON COLUMN rtcache_inbox.datname IS 'its name';
COMMENT ON COLUMN rtcache_inbox.pid IS 'the worker; NULL if there is none now';
COMMENT ON COLUMN rtcache_inbox.length IS 'entries that wait to be applied';
COMMENT ON COLUMN rtcache_inbox.oldest_age IS 'how old the oldest of them is, by the clocks of Redis and of this server; NULL if none waits';
COMMENT ON COLUMN rtcache_inbox.applied IS 'entries that were applied, ever';
COMMENT ON COLUMN rtcache_inbox.dead IS 'entries that could not be applied, and wait for cache_inbox_retry() or to be deleted';
COMMENT ON COLUMN rtcache_inbox.rate IS 'entries that are applied each second, of late';
COMMENT ON COLUMN rtcache_inbox.is_full IS 'more than rtcache.inbox_max entries wait';
COMMENT ON COLUMN rtcache_inbox.kept IS 'entries that were applied, and stay for rtcache.inbox_keep';
COMMENT ON COLUMN rtcache_inbox.refused IS 'entries that could not be applied, ever';
COMMENT ON COLUMN rtcache_inbox.last_id IS 'the last entry that was applied';
COMMENT ON COLUMN rtcache_inbox.last_error IS 'what keeps the worker from applying entries; NULL if nothing does';
COMMENT ON COLUMN rtcache_inbox.last_error_at IS 'since when';

REVOKE ALL ON FUNCTION rtcache_keep_position() FROM PUBLIC;
REVOKE ALL ON FUNCTION cache_put(text, jsonb) FROM PUBLIC;
REVOKE ALL ON FUNCTION cache_add(text, jsonb) FROM PUBLIC;
REVOKE ALL ON FUNCTION cache_inbox_retry() FROM PUBLIC;
REVOKE ALL ON FUNCTION rtcache_inbox() FROM PUBLIC;
