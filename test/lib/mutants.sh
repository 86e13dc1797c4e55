# Mutants: copies of this tree, each without one safeguard.  To be sourced by a script
# whose functions are its mutants, all of them: each edits the sources with
#
#	replace <file> <perl expression>	which must change something
#
# The script calls
#
#	choose_mutants "$@"		sets the array mutants: those that are named, or all; if the
#							first argument is --apply, makes them, tells which cannot be
#							made any more, and ends the script
#	make_mutant <name>		in the directory $work; false if the sources are not what
#							they were
#
# shellcheck shell=bash

replace()
{
	cp "$work/$1" "$work/before"
	perl -0pi -e "$2" "$work/$1"
	if cmp -s "$work/$1" "$work/before"; then
		echo "$1 is not what it was: $2"
		applies=
	fi
}

make_mutant()
{
	work=$(mktemp -d)
	applies=yes
	tar -C "$top" -cf - --exclude-vcs --exclude='*.o' --exclude='*.so' --exclude='*.bc' \
		--exclude=./tmp_check "${tree:-.}" | tar -C "$work" -xf -
	"$1"
	[ -n "$applies" ]
}

choose_mutants()
{
	local apply= known name status=0 tree=

	if [ "${1:-}" = --apply ]; then
		apply=yes
		tree=./src
		shift
	fi
	mapfile -t known < <(sed -n 's/^\([a-z_]*\)()$/\1/p' "$0")
	mutants=("$@")
	[ $# -gt 0 ] || mutants=("${known[@]}")
	for name in "${mutants[@]}"; do
		case " ${known[*]} " in
			*" $name "*) ;;
			*)
				echo "There is no mutant \"$name\"; there are: ${known[*]}" >&2
				exit 2
				;;
		esac
	done
	[ -n "$apply" ] || return 0
	for name in "${mutants[@]}"; do
		make_mutant "$name" || { echo "$name cannot be made"; status=1; }
		rm -rf "$work"
	done
	exit "$status"
}
