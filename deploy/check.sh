#!/bin/sh
# check.sh: everything that can be checked without running the programs.
set -eu

unformatted=$(git ls-files -z '*.go' | xargs -0r gofmt -l)
if [ -n "$unformatted" ]; then
	printf 'check: not formatted by gofmt:\n%s\n' "$unformatted" >&2
	exit 1
fi
git ls-files -z '*.go' '*.md' '*.sh' 'pdt/ifd/*.[ch]' | xargs -0r deploy/columns.pl
go vet ./...
go vet -tags pkcs11 ./cmd/...
go tool staticcheck ./...
for target in linux/amd64 linux/arm64 windows/amd64; do # tla-pdt needs no cgo
	CGO_ENABLED=0 GOOS=${target%/*} GOARCH=${target#*/} go build -o /dev/null ./cmd/tla-pdt
done
CGO_ENABLED=0 GOOS=linux GOARCH=arm go build -o /dev/null ./cmd/tla-pdt ./cmd/tla-gateway ./cmd/tla-pki ./cmd/tla-ocsp
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
deploy/ifd.sh "$scratch/libtlagate-ifd.so"
PROGRAMS=tla-relay deploy/cross.sh "$scratch/dist" "$(dpkg --print-architecture)"
git grep -lzE '^#!/(usr/)?bin/(env )?(ba)?sh' | xargs -0r shellcheck
echo "check: gofmt, columns, go vet, staticcheck, cc and shellcheck have nothing to say; tla-pdt builds for Linux and" \
	"Windows"
