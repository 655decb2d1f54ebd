#!/bin/sh
# fuzz.sh TIME PACKAGES... runs every fuzz target of the packages for TIME each.
set -eu
time=$1
shift

list=$(go test -list '^Fuzz' "$@") # each package: its targets, then a line "ok PACKAGE TIME"
names=
printf '%s\n' "$list" | while read -r word package _; do
	case $word in
	Fuzz*) names="$names $word" ;;
	ok)
		for name in $names; do
			echo "$package $name"
			go test -run '^$' -fuzz "^$name\$" -fuzztime "$time" "$package" </dev/null
		done
		names=
		;;
	esac
done
