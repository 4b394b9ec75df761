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
if ! (cd "$scratch" && apt-get -q -o APT::Sandbox::User=root download prometheus) >"$scratch/said" 2>&1; then
	echo "tlagate: cannot fetch Debian's package prometheus (apt-get update?); tests that need it are skipped:" >&2
	cat "$scratch/said" >&2
	exit 0
fi
dpkg-deb -x "$scratch"/prometheus_*.deb "$scratch/package"
mv "$scratch/package/usr/bin/promtool" "$scratch/package/usr/bin/prometheus" "$dir/"
