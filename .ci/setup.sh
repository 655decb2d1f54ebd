#!/bin/sh
# setup.sh sees to what umbra needs beside its Go modules, and is silent where all of it is there:
#
#   Go            as new as go.mod asks
#   a C compiler  the WebGPU library is linked through cgo
#   Vulkan        a loader and a driver, on Linux; macOS and Windows bring Metal and Direct3D 12
#
# With SETUP_CROSS=windows also a C compiler for Windows, on Linux.
#
# On Debian and Ubuntu it installs what is missing. Elsewhere it says what is missing, and fails.
# setup_test.sh sets SETUP_ROOT to look for files below another root.
set -eu
root=${SETUP_ROOT:-}
cd "$(dirname "$0")/.."

has() { command -v "$1" >/dev/null 2>&1; }

# exists tells whether any of the files that a pattern grew to is there.
exists() {
	for file; do [ -e "$file" ] && return 0; done
	return 1
}

fail() {
	printf 'setup: %s\n' "$@" >&2
	exit 1
}

# need notes one missing thing: what and why, and its Debian packages.
missing='' packages=''
need() {
	missing="$missing
  $1"
	packages="$packages $2"
}

check_go() {
	wanted=$(sed -n 's/^go //p' go.mod)
	has go || fail "Go $wanted or newer is needed: https://go.dev/doc/install"
	# Go 1.21 and newer fetch the version that go.mod asks for, unless told not to; then this fails.
	have=$(go env GOVERSION 2>&1) || fail "Go $wanted or newer is needed: $have"
	printf '%s %s\n' "${have#go}" "$wanted" | awk '{
		split($1, h, /[^0-9]+/); split($2, w, /[^0-9]+/)
		for (i = 1; i <= 3; i++) if (h[i]+0 != w[i]+0) exit h[i]+0 < w[i]+0
	}' || fail "Go $wanted or newer is needed, $have is installed: https://go.dev/doc/install"
}

compiler() {
	cc=$(go env CC)
	has "${cc%% *}"
}

loader() {
	exists "$root"/usr/lib/*/libvulkan.so.1 "$root"/usr/lib*/libvulkan.so.1 "$root"/lib*/libvulkan.so.1 \
		"$root"/usr/local/lib*/libvulkan.so.1 "$root"/usr/local/lib/*/libvulkan.so.1 && return
	ldconfig=$(command -v ldconfig || echo /sbin/ldconfig)
	[ -z "$root" ] && "$ldconfig" -p 2>/dev/null | grep -q 'libvulkan\.so\.1'
}

# driver looks where the Vulkan loader looks for the files that describe drivers (LoaderDriverInterface.md).
driver() {
	named=${VK_DRIVER_FILES:-${VK_ICD_FILENAMES:-}}
	if [ -n "$named" ]; then # the loader then looks nowhere else
		old=$IFS IFS=:
		for file in $named; do
			exists "$file" && IFS=$old && return
		done
		fail "VK_DRIVER_FILES or VK_ICD_FILENAMES is set, but there is no $named; unset it"
	fi
	for folder in /usr/share /usr/local/share /etc /usr/local/etc /run/opengl-driver/share \
		"${XDG_DATA_HOME:-${HOME:-}/.local/share}" "${XDG_CONFIG_HOME:-${HOME:-}/.config}"; do
		exists "$root$folder"/vulkan/icd.d/*.json && return
	done
	return 1
}

# modules tells whether the Go modules are here, or else the certificates that fetching them takes.
modules() {
	exists "${SSL_CERT_FILE:-}" "$root/etc/ssl/certs/ca-certificates.crt" ||
		GOPROXY=off go list -deps -test ./... tool >/dev/null 2>&1
}

check_linux() {
	missing='' packages=''
	has make || need "make, which runs the jobs" make
	if ! compiler; then
		need "a C compiler (gcc): the WebGPU library is linked through cgo" "gcc libc6-dev"
	elif debian && ! exists "$root"/usr/include/stdlib.h; then
		need "the C library's headers, for cgo" libc6-dev
	fi
	if debian && ! modules; then
		need "certificate authorities, to fetch Go modules" ca-certificates
	fi
	if [ "${SETUP_CROSS:-}" = windows ]; then
		has x86_64-w64-mingw32-gcc || need "mingw-w64's C compiler, for Windows binaries" gcc-mingw-w64-x86-64
	fi
	loader || need "the Vulkan loader (libvulkan.so.1), through which WebGPU reaches the GPU" libvulkan1
	driver || need "a Vulkan driver; Mesa's serve AMD and Intel GPUs, and its lavapipe machines without a GPU" \
		mesa-vulkan-drivers
}

debian() { [ -e "$root/etc/debian_version" ] && has apt-get; }

# install installs $packages, quietly unless it fails.
install() {
	as_root=
	[ "$(id -u)" = 0 ] || as_root=sudo
	command="apt-get install -y --no-install-recommends$packages"
	if [ -n "$as_root" ] && ! has sudo; then
		fail "missing:$missing" "run this as root: apt-get update && $command"
	fi
	printf 'setup: missing:%s\nsetup: installing%s\n' "$missing" "$packages"
	log=$(mktemp)
	# $command is split into words on purpose.
	# shellcheck disable=SC2086
	if ! { $as_root apt-get update && $as_root env DEBIAN_FRONTEND=noninteractive $command; } >"$log" 2>&1 </dev/null; then
		tail -n 20 "$log" >&2
		rm -f "$log"
		fail "could not install$packages (apt-get's last lines are above)"
	fi
	rm -f "$log"
}

case $(uname -s) in
Linux)
	check_go
	check_linux
	[ -n "$missing" ] || exit 0
	if debian; then
		install
		check_linux
		[ -z "$missing" ] || fail "still missing after the installation:$missing"
		exit 0
	fi
	fail "missing:$missing" "install, by your distribution's names:
  Fedora      gcc make vulkan-loader mesa-vulkan-drivers
  Arch        gcc make vulkan-icd-loader, and vulkan-radeon, vulkan-intel, nvidia-utils or vulkan-swrast
  openSUSE    gcc make libvulkan1, and libvulkan_radeon, libvulkan_intel or libvulkan_lvp
  An NVIDIA GPU's Vulkan driver comes with NVIDIA's own driver."
	;;
Darwin)
	check_go
	xcode-select -p >/dev/null 2>&1 || fail "missing: the C compiler; run: xcode-select --install"
	;;
MINGW* | MSYS* | CYGWIN*)
	check_go
	compiler || fail "missing: a C compiler for cgo (mingw-w64's gcc, in PATH); with MSYS2: pacman -S mingw-w64-ucrt-x86_64-gcc"
	;;
*)
	fail "umbra's WebGPU library is built for Linux, macOS and Windows, not for $(uname -s)"
	;;
esac
