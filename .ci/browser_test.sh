#!/bin/sh
# browser_test.sh runs browser.sh on machines made of a few files: an empty root, and a PATH of fakes.
set -eu
browser=$(cd "$(dirname "$0")" && pwd)/browser.sh
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

fake() {
	printf '#!/bin/sh\n%s\n' "$2" >"$work/bin/$1"
	chmod +x "$work/bin/$1"
}

# machine makes Debian, root, without a browser; apt-get installs one.
machine() {
	rm -rf "${work:?}"/*
	mkdir -p "$work/bin" "$work/sys/etc"
	for tool in sh env grep chmod; do ln -s "$(command -v $tool)" "$work/bin/$tool"; done
	fake uname 'echo Linux'
	fake id 'echo 0'
	fake apt-get "echo \"\$*\" >>$work/log; [ \"\$1\" = update ] || { echo '#!/bin/sh' >$work/bin/chromium; chmod +x $work/bin/chromium; }"
	touch "$work/sys/etc/debian_version"
	echo ID=debian >"$work/sys/etc/os-release"
	: >"$work/log"
}

# expect NAME SAID INSTALLED: it says that, or nothing if that is empty, succeeds, and installs, or not.
expect() {
	name=$1 code=0
	output=$(env -i PATH="$work/bin" SETUP_ROOT="$work/sys" sh "$browser" 2>&1) || code=$?
	problem=''
	[ "$code" = 0 ] || problem="exit status $code"
	case $output in
	'') [ -z "$2" ] || problem="silent, want: $2" ;;
	*"$2"*) [ -n "$2" ] || problem="not silent" ;;
	*) problem="want: $2" ;;
	esac
	installed=no
	! grep -q install "$work/log" || installed=yes
	[ "$installed" = "$3" ] || problem="installed: $installed"
	if [ -n "$problem" ]; then
		printf 'browser_test: %s: %s\n%s\n' "$name" "$problem" "$output" >&2
		failed=1
	fi
	: >"$work/log"
}

machine
expect "Debian" "installing chromium" yes
expect "there now" "" no

machine
fake google-chrome ''
expect "another" "" no

machine
fake chromium-browser 'echo "requires the chromium snap" >&2; exit 1'
echo ID=ubuntu >"$work/sys/etc/os-release"
expect "Ubuntu's" "a snap only" no

machine
fake apt-get 'exit 100'
expect "apt-get fails" "apt-get could not" no

machine
fake id 'echo 1000'
expect "neither root nor sudo" "as root:" no
# shellcheck disable=SC2016
fake sudo 'shift; "$@"'
fake true ''
expect "sudo" "installing chromium" yes

machine
rm "$work/sys/etc/debian_version"
expect "another Linux" "your distribution's" no
fake uname 'echo Darwin'
expect "macOS" "UMBRA_CHROMIUM" no

exit $failed
