# Tables and loops that benchmarks share; to be sourced behind test/servers.sh.
#
#	make_loops		a table "hero" of 10,000 rows with a rule, and functions
#					loop_<what>(calls), which return microseconds for one call
#	median			of the numbers on standard input
#
# shellcheck shell=bash

make_loops()
{
psql -qX <<'SQL'
ALTER SYSTEM SET rtcache.l1_size = '64MB';
ALTER SYSTEM SET shared_buffers = '256MB';
CREATE EXTENSION rtcache;
CREATE TABLE hero (id int PRIMARY KEY, name text, about text);
SELECT cache_attach('hero', key => 'hero:{id}', mode => 'del');
INSERT INTO hero SELECT i, 'hero ' || i, repeat('x', 60) FROM generate_series(1, 10000) AS i;
VACUUM ANALYZE hero;

-- microseconds for one call
CREATE FUNCTION loop_cache(n int) RETURNS float LANGUAGE plpgsql AS $$
DECLARE
	start timestamptz;
	v jsonb;
BEGIN
	FOR i IN 1 .. 1000 LOOP
		v := cache_get('hero:' || i, 'SELECT * FROM hero WHERE id = $1', ARRAY[i::text]);
	END LOOP;
	start := clock_timestamp();
	FOR i IN 1 .. n LOOP
		v := cache_get('hero:' || i % 1000 + 1, 'SELECT * FROM hero WHERE id = $1', ARRAY[(i % 1000 + 1)::text]);
	END LOOP;
	RETURN extract(epoch FROM clock_timestamp() - start) * 1e6 / n;
END $$;
CREATE FUNCTION loop_into(n int) RETURNS float LANGUAGE plpgsql AS $$
DECLARE
	start timestamptz;
	v jsonb;
BEGIN
	FOR i IN 1 .. 1000 LOOP
		v := cache_get('hero:' || i, 'SELECT * FROM hero WHERE id = $1', ARRAY[i::text]);
	END LOOP;
	start := clock_timestamp();
	FOR i IN 1 .. n LOOP
		SELECT cache_get('hero:' || i % 1000 + 1, 'SELECT * FROM hero WHERE id = $1', ARRAY[(i % 1000 + 1)::text]) INTO v;
	END LOOP;
	RETURN extract(epoch FROM clock_timestamp() - start) * 1e6 / n;
END $$;
CREATE FUNCTION loop_md5(n int) RETURNS float LANGUAGE plpgsql AS $$
DECLARE
	start timestamptz;
	v text;
BEGIN
	start := clock_timestamp();
	FOR i IN 1 .. n LOOP
		SELECT md5('hero:' || i % 1000 + 1) INTO v;
	END LOOP;
	RETURN extract(epoch FROM clock_timestamp() - start) * 1e6 / n;
END $$;
CREATE FUNCTION loop_pk(n int) RETURNS float LANGUAGE plpgsql AS $$
DECLARE
	start timestamptz;
	v json;
BEGIN
	start := clock_timestamp();
	FOR i IN 1 .. n LOOP
		SELECT row_to_json(h) INTO v FROM hero AS h WHERE id = i % 1000 + 1;
	END LOOP;
	RETURN extract(epoch FROM clock_timestamp() - start) * 1e6 / n;
END $$;

-- the same, for the rows of one statement
CREATE FUNCTION loop_rows(n int) RETURNS float LANGUAGE plpgsql AS $$
DECLARE
	start timestamptz;
BEGIN
	PERFORM loop_cache(1);
	start := clock_timestamp();
	PERFORM count(cache_get('hero:' || i % 1000 + 1, 'SELECT * FROM hero WHERE id = $1', ARRAY[(i % 1000 + 1)::text]))
	FROM generate_series(1, n) AS i;
	RETURN extract(epoch FROM clock_timestamp() - start) * 1e6 / n;
END $$;
CREATE FUNCTION loop_rowspk(n int) RETURNS float LANGUAGE plpgsql AS $$
DECLARE
	start timestamptz;
BEGIN
	start := clock_timestamp();
	PERFORM count((SELECT row_to_json(h) FROM hero AS h WHERE h.id = i % 1000 + 1))
	FROM generate_series(1, n) AS i;
	RETURN extract(epoch FROM clock_timestamp() - start) * 1e6 / n;
END $$;
SQL
}

median()
{
	sort -n | awk '{ v[NR] = $1 } END { printf "%.2f\n", NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'
}
