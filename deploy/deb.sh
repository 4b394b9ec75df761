#!/usr/bin/env bash
# deb.sh [DIST [ARCH…]]: makes Debian packages, in DIST (default dist), of the programs that deploy/cross.sh has built
# in DIST/ARCH. The same programs make the same packages: all times in them are the commit's. With REPRODUCE=1 each
# package is made twice, and compared.
set -euo pipefail

cd "$(dirname "$0")/.."
dist=$(realpath -m "${1:-dist}")
shift || true
[ $# -gt 0 ] || set -- amd64 arm64 armhf

VERSION=${VERSION:-$(deploy/version.sh)}
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
SCRATCH=$(mktemp -d)
trap 'rm -rf "$SCRATCH"' EXIT
export VERSION SOURCE_DATE_EPOCH SCRATCH ARCH DIST

# pages makes what Debian wants compressed: the manual page, Debian's changelog with this version alone, and ours.
pages() {
	{
		printf 'tla-relay (%s) unstable; urgency=medium\n\n  * See changelog.gz.\n\n' "${VERSION/-/\~}"
		printf ' -- The tlagate authors <maintainers@tlagate.invalid>  %s\n' "$(LC_ALL=C TZ=UTC0 date -R -d "@$SOURCE_DATE_EPOCH")"
	} | gzip -9n >"$SCRATCH/changelog.Debian.gz"
	gzip -9nc CHANGELOG.md >"$SCRATCH/changelog.gz"
	gzip -9nc deploy/relay/tla-relay.1 >"$SCRATCH/tla-relay.1.gz"
}

# package DIR makes the package for $ARCH in DIR.
package() {
	GOFLAGS='' go tool -modfile=deploy/nfpm.mod nfpm package --config deploy/relay/nfpm.yaml --packager deb --target "$1/"
}

pages
umask 022
for ARCH in "$@"; do
	DIST=$dist/$ARCH
	[ -x "$DIST/tla-relay" ] || { echo "deb: cannot package for $ARCH: there is no $DIST/tla-relay; make cross builds it" >&2; exit 1; }
	package "$dist"
	[ "${REPRODUCE:-}" = 1 ] || continue
	mkdir -p "$SCRATCH/again"
	package "$SCRATCH/again" >/dev/null
	for again in "$SCRATCH/again/"*_"$ARCH".deb; do
		cmp "$again" "$dist/${again##*/}" || { echo "deb: ${again##*/} is another one when it is made again" >&2; exit 1; }
	done
done
