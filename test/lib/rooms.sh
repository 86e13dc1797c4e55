# Links rooms of src/ with a shim instead of a server; to be sourced by what does so,
# which are test/unit/run and test/fuzz/run.
#
#	link_rooms <file.c> <program> [more sources or options...]
#
# The line "rooms:" in the head of the file names the rooms, as in "rooms: base/key
# rule/ttl".  The caller sets $work, a directory for objects, and may set $CC and
# rooms_flags, an array of options for compiling and linking alike.
#
# shellcheck shell=bash

pg_config=${PG_CONFIG:-pg_config}
rooms_flags=()
mapfile -t rooms_cflags < <(pkg-config --cflags hiredis | tr ' ' '\n' | sed '/^$/d')
rooms_cflags+=(
	-g -fno-pie -fwrapv -fno-strict-aliasing -Wall -Wextra -Werror
	-Wno-unused-parameter -Wno-sign-compare -Wno-missing-field-initializers
	-isystem "$("$pg_config" --includedir-server)" -Isrc -Itest/lib
	-DRTCACHE_VERSION='"test"'
)
# What of the server is not in the shim is not called, and stays at zero.
mapfile -t rooms_ldflags < <(pkg-config --libs hiredis | tr ' ' '\n' | sed '/^$/d')
rooms_ldflags=(
	-no-pie -Xlinker --unresolved-symbols=ignore-all
	"-L$("$pg_config" --pkglibdir)" "-L$("$pg_config" --libdir)"
	-Xlinker -Bstatic -lpgcommon -lpgport -Xlinker -Bdynamic "${rooms_ldflags[@]}" -lm
)

# rooms_of <file.c>
rooms_of()
{
	sed -n 's,^[/ ]\* *rooms: *\([^*]*\).*,\1,p' "$1"
}

# compile <source> <object>
compile()
{
	"${CC:-gcc}" "${rooms_cflags[@]}" "${rooms_flags[@]}" -c -o "$2" "$1"
}

link_rooms()
{
	local file=$1 program=$2 source object objects=() rooms

	shift 2
	rooms=$(rooms_of "$file")
	[ -n "$rooms" ] || { echo "$file names no rooms"; return 1; }
	# shellcheck disable=SC2046,SC2086  # the names of rooms are words
	for source in $(printf 'src/%s.c ' $rooms) test/lib/server_shim.c; do
		object=${source//\//_}
		object=${work:?}/${object%.c}.o
		[ -e "$object" ] || compile "$source" "$object" || return 1
		objects+=("$object")
	done
	"${CC:-gcc}" "${rooms_cflags[@]}" "${rooms_flags[@]}" -o "$program" "$file" "$@" \
		"${objects[@]}" "${rooms_ldflags[@]}"
}
