#!/bin/sh
# prometheus.sh DIR: puts Debian's prometheus and promtool into DIR, unless they are installed or there already. Their
# package is unpacked, not installed: installed, it would run on this machine and listen on all interfaces. The tests
# that need them are skipped, and say so, if it cannot be fetched.
set -eu
dir=$1
if command -v prometheus >/dev/null || [ -x "$dir/prometheus" ]; then
	exit 0
fi
mkdir -p "$dir"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

download() (cd "$scratch" && apt-get -q -o APT::Sandbox::User=root download "$1")

if ! download prometheus >"$scratch/said" 2>&1; then
	echo "tlagate: cannot fetch Debian's package prometheus (apt-get update?); tests that need it are skipped:" >&2
	cat "$scratch/said" >&2
	exit 0
fi
download promtool >/dev/null 2>&1 || true # a package of its own from Debian 13 on
for package in "$scratch"/*.deb; do
	dpkg-deb -x "$package" "$scratch/package"
done
for program in prometheus promtool; do
	if [ -e "$scratch/package/usr/bin/$program" ]; then
		mv "$scratch/package/usr/bin/$program" "$dir/"
	else
		echo "tlagate: there is no $program in Debian's packages; tests that need it are skipped" >&2
	fi
done
