#!/bin/sh
# version.sh: prints the version of this commit. A commit with a tag v1.2.3 is 1.2.3; any other is 0.0.0-DATE.COMMIT,
# older than every release. Sources that differ from their commit say so.
set -eu

tag=$(git describe --tags --exact-match --match 'v[0-9]*' 2>/dev/null || true)
version=${tag#v}
[ -n "$version" ] ||
	version=0.0.0-$(TZ=UTC0 git log -1 --date=format-local:%Y%m%d --format=%cd).$(git rev-parse --short=10 HEAD)
git diff --quiet HEAD -- || version=$version.changed
echo "$version"
