#!/bin/sh
# prerequisites.sh [PACKAGE...]: sees that there is everything that a build needs. It looks first, and reports all that
# is wrong at once: there must be a clone that git trusts, Go 1.21 or later (which fetches the version of go.mod by
# itself), directories that Go may write to, and a way to install the Debian packages that are missing. Then it installs
# those, and has Go fetch its version.
set -eu
here=$(dirname "$0")

status=0
fail() {
	echo "tlagate: $*" >&2
	status=1
}

# goes GO reports whether a Go is recent enough. GOTOOLCHAIN=local asks for the version that is installed, not the one
# that it would fetch. It runs in /, away from go.mod, which an older Go cannot read.
goes() {
	version=$(cd / && GOTOOLCHAIN=local "$1" env GOVERSION 2>/dev/null) || version=
	case $version in
	go1.*)
		minor=${version#go1.}
		minor=${minor%%[!0-9]*}
		[ "${minor:-0}" -ge 21 ]
		;;
	devel*) ;;
	*) return 1 ;;
	esac
}

# elsewhere prints the directory of a Go that is installed but not in PATH, if there is one.
elsewhere() {
	for go in /usr/local/go/bin/go /usr/lib/go-*/bin/go "${HOME:-}"/sdk/go*/bin/go; do
		if [ -x "$go" ] && goes "$go"; then
			dirname "$go"
			return
		fi
	done
}

# packaged reports whether the system's own Go is recent enough, as Debian 13's is.
packaged() {
	# shellcheck source=/dev/null
	(. /etc/os-release && [ "$ID" = debian ] && [ "${VERSION_ID:-99}" -ge 13 ]) 2>/dev/null
}

# missing_go WRONG fails with what is wrong, and says how to get a Go.
missing_go() {
	dir=$(elsewhere)
	if [ -n "$dir" ]; then
		hint="there is one in $dir: export PATH=$dir:\$PATH"
	elif packaged; then
		hint="remove it from PATH, and Debian's own is installed"
	else
		hint="unpack one from https://go.dev/dl/ into /usr/local, then: export PATH=/usr/local/go/bin:\$PATH"
	fi
	fail "$1; Go 1.21 or later is needed: $hint"
}

look_for_go() {
	if ! command -v go >/dev/null; then
		missing_go "cannot find Go in PATH"
	elif ! goes go; then
		missing_go "cannot build with ${version:-a Go that does not tell its version}, which is $(command -v go)"
	fi
}

# setting NAME prints a setting of Go's.
setting() { (cd / && GOTOOLCHAIN=local go env "$1" 2>/dev/null); }

# refusal DIR prints why Go cannot write and run files in a directory; nothing if it can.
refusal() {
	if ! said=$(LC_ALL=C mkdir -p "$1" 2>&1) || ! said=$(LC_ALL=C mktemp "$1/.tlagate-XXXXXX" 2>&1); then
		echo "${said##*: }"
		return
	fi
	printf '#!/bin/sh\n' >"$said"
	chmod +x "$said"
	"$said" 2>/dev/null || echo "no program may run there (mounted noexec?)"
	rm -f "$said"
}

# others DIR prints whose is a part of a cache that we may not write to: root's, if root once ran Go with our HOME.
others() {
	found=$(find "$1" -maxdepth 1 -type d ! -writable -print -quit 2>/dev/null)
	[ -z "$found" ] || echo "$found belongs to $(stat -c %U "$found")"
}

usable() { [ -n "$1" ] && [ -z "$(refusal "$1")$(others "$1")" ]; }

# look_at_dir WHAT SETTING DIR fails if Go cannot work in a directory; WHAT is its purpose, SETTING names it for Go.
look_at_dir() {
	if [ -z "$3" ] || [ "$3" = off ]; then
		fail "cannot build: Go has no place for its $1; set HOME, or $2 to a directory"
		return
	fi
	why=$(refusal "$3")
	[ "$2" = TMPDIR ] || why=${why:-$(others "$3")}
	[ -z "$why" ] || fail "cannot use Go's $1 $3: $why; mend that, or name another directory: export $2=DIRECTORY"
}

look_at_dirs() {
	look_at_dir "build cache" GOCACHE "$(setting GOCACHE)"
	tmp=$(setting GOTMPDIR)
	look_at_dir "temporary directory" TMPDIR "${tmp:-${TMPDIR:-/tmp}}"
	look_at_downloads
}

# look_at_downloads looks at two directories, mostly one inside the other, which matter only when something has to be
# fetched.
look_at_downloads() {
	downloads=$(setting GOPATH)
	downloads=${downloads%%:*}
	downloads=${downloads:+$downloads/pkg}
	modules=$(setting GOMODCACHE)
	if usable "$downloads"; then
		usable "$modules" || fetched || look_at_dir "module cache" GOMODCACHE "$modules"
	elif ! fetched; then
		look_at_dir "place for downloads" GOPATH "$downloads"
		case $modules in "$downloads"/*) ;; *) look_at_dir "module cache" GOMODCACHE "$modules" ;; esac
	fi
}

# fetched reports whether everything that is ever fetched is there.
fetched() { (cd "$here/.." && GOPROXY=off go list -deps ./... >/dev/null 2>&1); }

# look_at_clone fails if git refuses to read the clone, as it does when the clone belongs to somebody else: Go asks git
# for the version of what it builds.
look_at_clone() {
	dir=$(cd "$here/.." && pwd)
	[ -e "$dir/.git" ] && command -v git >/dev/null || return 0
	said=$(LC_ALL=C git -C "$dir" rev-parse --git-dir 2>&1) && return
	case $said in
	*safe.directory*) fail "cannot build: git does not trust $dir, which belongs to $(stat -c %U "$dir");" \
		"build as that user, or: git config --global --add safe.directory $dir" ;;
	*) fail "cannot build: git cannot read $dir: $said" ;;
	esac
}

look_at_clone
command -v git >/dev/null || set -- "$@" git
if ! command -v go >/dev/null && [ -z "$(elsewhere)" ] && packaged; then
	set -- "$@" golang-go
else
	look_for_go
	[ "$status" -ne 0 ] || look_at_dirs
fi
[ $# -eq 0 ] || "$here/need.sh" --check "$@" || status=1
[ "$status" -eq 0 ] || exit 1

[ $# -eq 0 ] || "$here/need.sh" "$@"
go version >/dev/null || fail "cannot have ${GOTOOLCHAIN:-the Go of go.mod}, for the reason that go gives above;" \
	"it is fetched from GOPROXY, which is $(setting GOPROXY)"
exit "$status"
