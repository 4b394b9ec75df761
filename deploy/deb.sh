#!/usr/bin/env bash
# deb.sh [DIST [ARCH…]]: makes Debian packages, in DIST (default dist), of the programs that deploy/cross.sh has built
# in DIST/ARCH. The same programs make the same packages: all times in them are the commit's. With REPRODUCE=1 each
# package is made twice, and compared. With MANIFEST_CERT and MANIFEST_KEY each has a manifest of itself that this key
# has signed (docs/integrity.md).
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

fail() {
	echo "deb: $*" >&2
	exit 1
}

# pages makes what Debian wants compressed: the manual page, Debian's changelog with this version alone, and ours.
pages() {
	{
		printf 'tla-relay (%s) unstable; urgency=medium\n\n  * See changelog.gz.\n\n' "${VERSION/-/\~}"
		printf ' -- The tlagate authors <maintainers@tlagate.invalid>  %s\n' \
			"$(LC_ALL=C TZ=UTC0 date -R -d "@$SOURCE_DATE_EPOCH")"
	} | gzip -9n >"$SCRATCH/changelog.Debian.gz"
	gzip -9nc CHANGELOG.md >"$SCRATCH/changelog.gz"
	gzip -9nc deploy/relay/tla-relay.1 >"$SCRATCH/tla-relay.1.gz"
}

# package DIR CONFIG makes the package for $ARCH in DIR.
package() {
	GOFLAGS='' go tool -modfile=deploy/nfpm.mod nfpm package --config "$2" --packager deb --target "$1/"
}

# manifest lists what the package for $ARCH installs, but for its configuration and for documents, which a terminal may
# leave out, and signs the list; a package made with $config has it.
manifest() {
	rm -rf "$SCRATCH/bare" "$SCRATCH/tree"
	mkdir "$SCRATCH/bare"
	package "$SCRATCH/bare" deploy/relay/nfpm.yaml >/dev/null
	dpkg-deb --extract "$SCRATCH/bare/"*_"$ARCH".deb "$SCRATCH/tree"
	rm -r "$SCRATCH/tree/usr/share/doc" "$SCRATCH/tree/usr/share/man" "$SCRATCH/tree/usr/share/lintian"
	go run ./cmd/tla-pki manifest list --name tla-relay --root "$SCRATCH/tree" --except /etc/tlagate/relay.yaml \
		--owner root:root --package-version "$VERSION" --architecture "$ARCH" --number "$SOURCE_DATE_EPOCH" \
		--made "$(date -u -d "@$SOURCE_DATE_EPOCH" +%Y-%m-%dT%H:%M:%SZ)" --out "$SCRATCH/list.json"
	rm -f "$SCRATCH/tla-relay.p7m"
	go run ./cmd/tla-pki manifest sign --in "$SCRATCH/list.json" --cert "$MANIFEST_CERT" --key "$MANIFEST_KEY" \
		--out "$SCRATCH/tla-relay.p7m"
	config=$SCRATCH/nfpm.yaml
	local to=/usr/share/tlagate/tla-relay.p7m
	sed "/^contents:/a\\  - {src: \"\${SCRATCH}/tla-relay.p7m\", dst: $to, expand: true, file_info: {mode: 0644}}" \
		deploy/relay/nfpm.yaml >"$config"
}

pages
umask 022
for ARCH in "$@"; do
	DIST=$dist/$ARCH
	[ -x "$DIST/tla-relay" ] || fail "cannot package for $ARCH: there is no $DIST/tla-relay; make cross builds it"
	config=deploy/relay/nfpm.yaml
	[ -z "${MANIFEST_KEY:-}" ] || manifest
	package "$dist" "$config"
	[ "${REPRODUCE:-}" = 1 ] || continue
	mkdir -p "$SCRATCH/again"
	package "$SCRATCH/again" "$config" >/dev/null
	for again in "$SCRATCH/again/"*_"$ARCH".deb; do
		cmp "$again" "$dist/${again##*/}" || fail "${again##*/} is another one when it is made again"
	done
done
