#!/bin/sh
# browser.sh sees to a browser for the tests of the server's page, which skip without one. umbra itself needs none, so this never fails: it
# installs Chromium on Debian where it may, and otherwise says why the tests will skip.
# browser_test.sh sets SETUP_ROOT to look for files below another root.
set -eu
root=${SETUP_ROOT:-}

# A package of Ubuntu's is there by its name, and only says where to get another: what counts is that it runs.
for browser in "${UMBRA_CHROMIUM:-}" chromium chromium-browser google-chrome-stable google-chrome headless_shell; do
	if [ -n "$browser" ] && "$browser" --version >/dev/null 2>&1; then exit 0; fi
done

skip() {
	echo "browser: no Chromium: $1; the tests of the server's page will skip"
	exit 0
}

[ "$(uname -s)" = Linux ] || skip "install one, or name it in UMBRA_CHROMIUM"
if ! [ -e "$root/etc/debian_version" ] || ! command -v apt-get >/dev/null; then
	skip "install your distribution's, or name one in UMBRA_CHROMIUM"
fi
! grep -qi '^ID=ubuntu' "$root/etc/os-release" 2>/dev/null || skip "Ubuntu has it as a snap only; name one in UMBRA_CHROMIUM"
as_root=
if [ "$(id -u)" != 0 ]; then
	as_root='sudo -n'
	sudo -n true 2>/dev/null || skip "as root: apt-get install chromium"
fi
echo "browser: installing chromium, for the tests of the server's page"
# $as_root is split into words on purpose.
# shellcheck disable=SC2086
if ! { $as_root apt-get update && $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends chromium; } >/dev/null 2>&1 </dev/null; then
	skip "apt-get could not install it"
fi
