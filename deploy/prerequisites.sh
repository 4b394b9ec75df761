#!/bin/sh
# prerequisites.sh: says in a sentence what is missing before anything can be
# built: Go 1.21 or later (it fetches the very version by itself), git, make.
set -eu

fail() {
	echo "tlagate: $*" >&2
	exit 1
}

command -v git >/dev/null || fail "cannot find git; install it: apt install git"
command -v make >/dev/null || fail "cannot find make; install it: apt install make"
command -v go >/dev/null ||
	fail "cannot find Go; install 1.21 or later from https://go.dev/dl/ and put it in PATH"

# GOTOOLCHAIN=local: the version that is installed, not the one it would fetch.
# From /: go.mod, which an older Go cannot read, must not matter.
version=$(cd / && GOTOOLCHAIN=local go env GOVERSION)
minor=$(printf '%s\n' "$version" | sed -n 's/^go1\.\([0-9]*\).*/\1/p')
case $version in
go1.*) [ "${minor:-0}" -ge 21 ] || fail "cannot build with $version: Go 1.21 or later is needed, https://go.dev/dl/" ;;
devel*) ;;
*) fail "cannot tell the version of the installed Go ($version); Go 1.21 or later is needed, https://go.dev/dl/" ;;
esac
go version >/dev/null || fail "cannot fetch the Go toolchain $(go env GOTOOLCHAIN); is there a network and a module proxy?"
