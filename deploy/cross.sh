#!/usr/bin/env bash
# cross.sh [OUT [ARCH…]]: builds the programs for Linux on amd64, arm64 and armhf (ARMv7) into OUT/ARCH (default dist),
# and examines the results: position-independent, every relocation read-only from the start, no executable stack, no
# bigger than allowed. The same sources make the same octets, wherever they lie: with REPRODUCE=1 all of it is built a
# second time, from a copy elsewhere with an empty build cache, and compared.
#
#   PROGRAMS="tla-relay"   only these        VERSION=1.2.3   instead of what deploy/version.sh says
set -euo pipefail

repo=$(cd "$(dirname "$0")/.." && pwd)
out=$(realpath -m "${1:-$repo/dist}")
shift || true
architectures=("${@:-amd64 arm64 armhf}")
read -ra architectures <<<"${architectures[*]}"
read -ra programs <<<"${PROGRAMS:-tla-relay tla-pdt tla-gateway tla-pki tla-ocsp}"
max_relay=18000000 # octets: a terminal has a small disk

fail() {
	echo "cross: $*" >&2
	exit 1
}

# target ARCH sets goarch and triplet, the names of ARCH in Go and in the GNU tools, and further options of the linker:
# on amd64 it can pack relocations, which are a tenth of a program there (glibc >= 2.36 reads them).
target() {
	link=
	case $1 in
	amd64) goarch=amd64 triplet=x86_64-linux-gnu link=,-z,pack-relative-relocs ;;
	arm64) goarch=arm64 triplet=aarch64-linux-gnu ;;
	armhf) goarch=arm triplet=arm-linux-gnueabihf ;;
	*) fail "cannot build for $1: give amd64, arm64 or armhf" ;;
	esac
}

# build ARCH DIR builds the sources in the current directory into DIR. Nothing of the machine may get into a program: no
# path, no time, no state of the checkout.
build() {
	target "$1"
	command -v "$triplet-gcc" >/dev/null ||
		fail "cannot build for $1: there is no $triplet-gcc; run deploy/need.sh \$(deploy/packages.sh cross)"
	[ -e "/usr/lib/$triplet/pkgconfig/libpcsclite.pc" ] ||
		fail "cannot build for $1: libpcsclite-dev:$1 is missing; run deploy/need.sh \$(deploy/packages.sh cross)"
	mkdir -p "$2"
	# nethttpomithttp2: our programs speak HTTP/1.1 alone, and this saves half a megabyte.
	CGO_ENABLED=1 GOOS=linux GOARCH=$goarch GOARM=7 GOAMD64=v1 GOARM64=v8.0 GOFLAGS='' GOWORK=off CC=$triplet-gcc \
		CGO_CFLAGS='-O2 -fstack-protector-strong -D_FORTIFY_SOURCE=2' CGO_LDFLAGS='' \
		PKG_CONFIG_LIBDIR=/usr/lib/$triplet/pkgconfig PKG_CONFIG_PATH='' \
		go build -trimpath -buildvcs=false -buildmode=pie -tags pkcs11,nethttpomithttp2 \
		-ldflags "-s -w -buildid= -linkmode=external -X tlagate/cmd/internal/cli.Version=$version \
			-extldflags '-Wl,-z,relro,-z,now,-z,noexecstack$link,--build-id=sha1'" \
		-o "$2/" "${programs[@]/#/./cmd/}"
}

# examine FILE fails, and says why, if a program is not as it must be.
examine() {
	local headers
	headers=$(LC_ALL=C readelf --wide --file-header --program-headers --dynamic "$1")
	grep -qE 'Type: +DYN' <<<"$headers" || fail "$1 is not position-independent: it always lies at the same address"
	grep -q 'GNU_RELRO' <<<"$headers" || fail "$1 has no RELRO segment: its relocations stay writable"
	grep -qE '\(FLAGS(_1)?\).*NOW' <<<"$headers" || fail "$1 binds its symbols lazily: its jump table stays writable"
	grep -qE 'GNU_STACK.* RW ' <<<"$headers" || fail "$1 has an executable stack"
	grep -qE '\((RPATH|RUNPATH|TEXTREL)\)' <<<"$headers" && fail "$1 has an RPATH, or relocations in its code"
	[ "$(basename "$1")" != tla-relay ] || [ "$(stat -c %s "$1")" -le $max_relay ] ||
		fail "$1 has $(stat -c %s "$1") octets; a terminal has room for $max_relay (go tool nm -size says what is" \
			"large)"
}

# reproduce builds everything a second time, in another place and without a cache, and compares.
reproduce() {
	local again
	again=$(mktemp -d)
	# shellcheck disable=SC2064 # expanded now: this very directory
	trap "rm -rf '$again'" EXIT
	mkdir "$again/sources"
	git ls-files -z --cached --others --exclude-standard | xargs -0 cp --parents --no-dereference -t "$again/sources"
	cd "$again/sources"
	export GOCACHE=$again/cache
	for arch in "${architectures[@]}"; do
		build "$arch" "$again/$arch"
		for program in "${programs[@]}"; do
			cmp "$out/$arch/$program" "$again/$arch/$program" ||
				fail "$program for $arch is another one when it is built elsewhere"
		done
	done
	echo "cross: built again elsewhere, every octet is the same"
}

cd "$repo"
version=${VERSION:-$(deploy/version.sh)}
for arch in "${architectures[@]}"; do
	build "$arch" "$out/$arch"
	for program in "${programs[@]}"; do
		examine "$out/$arch/$program"
		printf 'cross: %-6s %-12s %9d octets\n' "$arch" "$program" "$(stat -c %s "$out/$arch/$program")"
	done
done
for arch in "${architectures[@]}"; do
	(cd "$out/$arch" && sha256sum "${programs[@]/#/./}" | sed "s, \./, $arch/,")
done >"$out/SHA256SUMS"
echo "cross: $version in $out; position-independent, RELRO, no lazy binding, no executable stack"
[ "${REPRODUCE:-}" != 1 ] || reproduce
