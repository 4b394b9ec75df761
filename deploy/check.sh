#!/bin/sh
# check.sh: everything that can be said of the sources without running them.
set -eu

unformatted=$(git ls-files -z '*.go' | xargs -0r gofmt -l)
if [ -n "$unformatted" ]; then
	printf 'check: not formatted by gofmt:\n%s\n' "$unformatted" >&2
	exit 1
fi
go vet ./...
go tool staticcheck ./...
git grep -lzE '^#!/(usr/)?bin/(env )?(ba)?sh' | xargs -0r shellcheck
echo "check: gofmt, go vet, staticcheck and shellcheck have nothing to say"
