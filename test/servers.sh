# Private servers for scripts that run in the sandbox; to be sourced.
#
#	start_redis		on unix socket $REDIS_SOCKET, nothing is saved
#	start_postgres	on unix socket $PGHOST, with rtcache preloaded
#	restart_postgres <options>	with options of the server program
#	default_postgres	restarts it with the settings that README tells to make,
#					and no others that matter to rtcache
#	stop_servers	both, if they run
#
# Redis is the program that $REDIS_SERVER names, with its client beside it; by
# default redis-server or, if there is none, valkey-server.
#
# shellcheck shell=bash

export REDIS_SOCKET=$TMPDIR/redis.sock
export PGHOST=$TMPDIR PGPORT=5432 PGUSER=postgres PGDATABASE=postgres
export PGDATA=$TMPDIR/data

redis_server=${REDIS_SERVER:-}
if [ -z "$redis_server" ]; then
	redis_server=redis-server
	command -v redis-server >/dev/null || redis_server=valkey-server
fi
redis_cli=${redis_server%-server}-cli

start_redis()
{
	local end=$((SECONDS + 180))

	"$redis_server" --port 0 --unixsocket "$REDIS_SOCKET" --save '' \
		--appendonly "${REDIS_APPEND:-no}" --dir "$TMPDIR" --daemonize yes \
		--pidfile "$TMPDIR/redis.pid" --logfile "$TMPDIR/redis.log" >/dev/null
	while ((SECONDS < end)); do
		if "$redis_cli" -s "$REDIS_SOCKET" ping >/dev/null 2>&1; then
			return 0
		fi
		sleep 0.1
	done
	cat "$TMPDIR/redis.log"
	return 1
}

start_postgres()
{
	initdb -D "$PGDATA" -U postgres -A trust -N -E UTF8 --locale=C \
		>"$TMPDIR/initdb.log" 2>&1 || { cat "$TMPDIR/initdb.log"; return 1; }
	cat >>"$PGDATA/postgresql.conf" <<-CONF
		listen_addresses = ''
		unix_socket_directories = '$TMPDIR'
		rtcache.redis_url = 'unix://$REDIS_SOCKET'
		log_line_prefix = '%m [%p] %q%a '
		include 'testing.conf'
	CONF
	# the tests want to see what Redis does
	cat "${BASH_SOURCE%/*}/lib/rtcache.conf" - >"$PGDATA/testing.conf" <<<'rtcache.l1_size = 0'
	pg_ctl start -w -t 180 -s -l "$TMPDIR/postgres.log" ||
		{ cat "$TMPDIR/postgres.log"; return 1; }
}

restart_postgres()
{
	pg_ctl restart -w -t 180 -s -m fast -o "$1" -l "$TMPDIR/postgres.log" ||
		{ cat "$TMPDIR/postgres.log"; return 1; }
}

default_postgres()
{
	printf '%s\n' "shared_preload_libraries = 'rtcache'" 'fsync = off' >"$PGDATA/testing.conf"
	restart_postgres ''
}

stop_servers()
{
	local pid

	if pg_ctl status >/dev/null 2>&1; then
		pg_ctl stop -w -s -m fast -t 30 || pg_ctl stop -w -s -m immediate
	fi
	if [ -f "$TMPDIR/redis.pid" ]; then
		pid=$(cat "$TMPDIR/redis.pid")
		kill "$pid" && tail -s 0.1 -f --pid="$pid" /dev/null
	fi
}
