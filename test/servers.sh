# Private servers for scripts that run in the sandbox; to be sourced.
#
#	start_redis		on unix socket $REDIS_SOCKET, nothing is saved
#	start_postgres	on unix socket $PGHOST, with rtcache preloaded
#	restart_postgres <options>	with options of the server program
#	stop_servers	both, if they run
#
# shellcheck shell=bash

export REDIS_SOCKET=$TMPDIR/redis.sock
export PGHOST=$TMPDIR PGPORT=5432 PGUSER=postgres PGDATABASE=postgres
export PGDATA=$TMPDIR/data

if command -v redis-server >/dev/null; then
	redis_server=redis-server redis_cli=redis-cli
else
	redis_server=valkey-server redis_cli=valkey-cli
fi

start_redis()
{
	local i

	"$redis_server" --port 0 --unixsocket "$REDIS_SOCKET" --save '' \
		--appendonly no --dir "$TMPDIR" --daemonize yes \
		--pidfile "$TMPDIR/redis.pid" --logfile "$TMPDIR/redis.log" >/dev/null
	for ((i = 0; i < 100; i++)); do
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
		shared_preload_libraries = 'rtcache'
		rtcache.redis_url = 'unix://$REDIS_SOCKET'
		# the tests want to see what Redis does
		rtcache.l1_size = 0
		wal_level = replica
		max_prepared_transactions = 20
		fsync = off
		log_line_prefix = '%m [%p] %q%a '
	CONF
	pg_ctl start -w -s -l "$TMPDIR/postgres.log" ||
		{ cat "$TMPDIR/postgres.log"; return 1; }
}

restart_postgres()
{
	pg_ctl restart -w -s -m fast -o "$1" -l "$TMPDIR/postgres.log" ||
		{ cat "$TMPDIR/postgres.log"; return 1; }
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
