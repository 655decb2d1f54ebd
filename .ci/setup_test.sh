#!/bin/sh
# setup_test.sh runs setup.sh on machines made of a few files: an empty root, and a PATH of fakes.
# The fakes' scripts stand in single quotes on purpose.
# shellcheck disable=SC2016
set -eu
setup=$(cd "$(dirname "$0")" && pwd)/setup.sh
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

case $(uname -s) in
Linux | Darwin) ;;
*) echo "setup_test: skipped: needs symbolic links" && exit ;;
esac

# machine makes one on which nothing is missing: Debian, root, Go 1.99.
machine() {
	rm -rf "${work:?}"/*
	mkdir -p "$work/bin" "$work/sys/etc" "$work/sys/usr/include" "$work/sys/usr/lib/x" \
		"$work/sys/usr/share/vulkan/icd.d" "$work/sys/etc/ssl/certs"
	for tool in sh env sed awk dirname tail mktemp rm grep mkdir touch; do
		ln -s "$(command -v $tool)" "$work/bin/$tool"
	done
	fake uname 'echo Linux'
	fake id 'echo 0'
	fake go 'case $2 in GOVERSION) echo go1.99.1;; CC) echo gcc;; esac'
	fake gcc ''
	fake make ''
	fake apt-get 'echo "apt-get $*" >>"$SETUP_ROOT/log"
		case $* in *mesa-vulkan-drivers*) touch "$SETUP_ROOT/usr/share/vulkan/icd.d/lvp.json";; esac
		case $* in *libvulkan1*) touch "$SETUP_ROOT/usr/lib/x/libvulkan.so.1";; esac'
	touch "$work/sys/etc/debian_version" "$work/sys/usr/include/stdlib.h" "$work/sys/usr/lib/x/libvulkan.so.1" \
		"$work/sys/usr/share/vulkan/icd.d/lvp.json" "$work/sys/etc/ssl/certs/ca-certificates.crt"
	: >"$work/sys/log"
}

fake() {
	printf '#!/bin/sh\n%s\n' "$2" >"$work/bin/$1"
	chmod +x "$work/bin/$1"
}

lacks() { for file; do rm "$work/$file"; done; }

# expect NAME STATUS SAID INSTALLED [VAR=VALUE...] runs setup.sh. SAID is part of what it says, or empty if it must be
# silent; INSTALLED is what apt-get's last call ends with, or empty if it must not be called.
expect() {
	name=$1 status=$2 said=$3 installed=$4
	shift 4
	code=0
	output=$(env -i PATH="$work/bin" HOME="$work/home" SETUP_ROOT="$work/sys" "$@" sh "$setup" 2>&1) || code=$?
	log=$(tail -n 1 "$work/sys/log")
	problem=''
	[ "$code" = "$status" ] || problem="exit status $code, want $status"
	case $output in
	'') [ -z "$said" ] || problem="silent, want: $said" ;;
	*"$said"*) [ -n "$said" ] || problem="not silent" ;;
	*) problem="want: $said" ;;
	esac
	case $log in
	*"$installed") [ -n "$installed" ] || [ -z "$log" ] || problem="installed: $log" ;;
	*) problem="installed: $log, want: $installed" ;;
	esac
	if [ -n "$problem" ]; then
		printf 'setup_test: %s: %s\n%s\n' "$name" "$problem" "$output" >&2
		failed=1
	fi
}

icd=sys/usr/share/vulkan/icd.d/lvp.json
loader=sys/usr/lib/x/libvulkan.so.1

machine
expect "nothing missing" 0 "" ""
lacks $icd
expect "no driver" 0 "a Vulkan driver" "recommends mesa-vulkan-drivers"
expect "driver now there" 0 "" "recommends mesa-vulkan-drivers"

machine
lacks $icd
touch "$work/sys/other.json"
expect "driver named" 0 "" "" VK_DRIVER_FILES="/nowhere.json:$work/sys/other.json"
expect "driver named wrongly" 1 "unset it" "" VK_ICD_FILENAMES=/nowhere.json

machine
lacks $icd $loader
expect "no loader, no driver" 0 "libvulkan.so.1" "recommends libvulkan1 mesa-vulkan-drivers"

machine
lacks sys/usr/include/stdlib.h
expect "package that does not help" 1 "still missing" "recommends libc6-dev"

machine
lacks sys/etc/ssl/certs/ca-certificates.crt
expect "no certificates, but the modules" 0 "" ""
fake go 'case $2 in GOVERSION) echo go1.99.1;; CC) echo gcc;; *) exit 1;; esac'
expect "neither certificates nor modules" 1 "certificate authorities" "recommends ca-certificates"

machine
lacks bin/gcc
expect "no compiler" 1 "still missing" "recommends gcc libc6-dev"
fake go 'case $2 in GOVERSION) echo go1.99.1;; CC) echo "clang -m64";; esac'
fake clang ''
: >"$work/sys/log"
expect "CC is clang" 0 "" ""

machine
expect "no compiler for Windows" 1 "still missing" "recommends gcc-mingw-w64-x86-64" SETUP_CROSS=windows
fake x86_64-w64-mingw32-gcc ''
: >"$work/sys/log"
expect "compiler for Windows" 0 "" "" SETUP_CROSS=windows

machine
lacks $icd
fake apt-get 'echo "E: Unable to locate package" >&2; exit 100'
expect "apt-get fails" 1 "could not install mesa-vulkan-drivers" ""
expect "apt-get's words" 1 "Unable to locate" ""

machine
lacks $icd
fake id 'echo 1000'
expect "neither root nor sudo" 1 "run this as root: apt-get update && apt-get install -y --no-install-recommends mesa" ""
fake sudo '"$@"'
expect "sudo" 0 "installing mesa-vulkan-drivers" "recommends mesa-vulkan-drivers"

machine
lacks $icd sys/etc/debian_version
expect "another Linux" 1 "Fedora" ""

machine
lacks bin/go
expect "no Go" 1 "Go 1" ""
fake go 'echo go1.20'
expect "old Go" 1 "go1.20 is installed" ""
fake go 'echo "go: go.mod requires go >= 9 (running go 1.24; GOTOOLCHAIN=local)" >&2; exit 1'
expect "old Go that knows" 1 "GOTOOLCHAIN=local" ""

machine
lacks $icd $loader
fake uname 'echo Darwin'
expect "macOS without tools" 1 "xcode-select --install" ""
fake xcode-select ''
expect "macOS" 0 "" ""
fake uname 'echo MINGW64_NT-10.0'
expect "Windows" 0 "" ""
lacks bin/gcc
expect "Windows without gcc" 1 "pacman" ""
fake uname 'echo Plan9'
expect "elsewhere" 1 "not for Plan9" ""

exit $failed
