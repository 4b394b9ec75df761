#!/usr/bin/env bash
# Tries the README's commands as a newcomer would, as an ordinary user with a fresh clone of HEAD: in a bare Debian 12
# with git, make, sudo and Go, then in a bare Debian 13, which has a Go of its own to install. It needs root (or sudo)
# and the network.
#
#   deploy/fresh.sh [COMMAND…]     default: make demo DEMO=auto, then make test
#
# FRESH_SUITES names the Debian suites (default "bookworm trixie"); FRESH_DIR (default /var/tmp/tlagate-fresh) is where
# the bare systems stay between runs. FRESH_CACHE names a directory where what Go fetches and compiles stays, too: what
# was tried once is tried again in a third of the time.
set -euo pipefail

suites=${FRESH_SUITES:-bookworm trixie}
top=${FRESH_DIR:-/var/tmp/tlagate-fresh}
repo=$(git -C "$(dirname "$0")" rev-parse --show-toplevel)
goroot=${FRESH_GOROOT:-$(GOTOOLCHAIN=local go env GOROOT)}
cache=${FRESH_CACHE:-}

main() {
	if [ "$(id -u)" != 0 ]; then
		exec sudo "FRESH_DIR=$top" "FRESH_SUITES=$suites" "FRESH_GOROOT=$goroot" "FRESH_CACHE=$cache" "$0" "$@"
	fi
	[ $# -gt 0 ] || set -- 'make demo DEMO=auto' 'make test'
	case $suites in
	*' '*) each "$@" ;;
	*) try "$@" ;;
	esac
}

# each tries every suite in a run of its own, and says which failed.
each() {
	local suite failed=
	for suite in $suites; do
		FRESH_SUITES=$suite FRESH_DIR=$top FRESH_GOROOT=$goroot FRESH_CACHE=$cache "$0" "$@" || failed="$failed $suite"
	done
	[ -z "$failed" ] || { echo "fresh: it failed on:$failed" >&2; exit 1; }
}

# try runs the commands on one suite.
try() {
	dir=$top/$suites
	"$repo/deploy/need.sh" debootstrap
	mkdir -p "$dir"
	exec 9>"$dir/lock"
	flock --nonblock 9 || { echo "fresh: cannot use $dir: another one is running there; set FRESH_DIR" >&2; exit 1; }
	bootstrap
	trap clean_up EXIT
	trap 'exit 130' INT TERM HUP
	lay_out
	unshare --mount --pid --ipc --uts --fork --kill-child \
		bash -c "$(declare -f inside); inside \"\$@\"" inside "$dir/root" "$suites" "$@" 9>&-
}

# clean_up removes the throw-away layer, also one that a killed run has left.
clean_up() {
	while mountpoint -q "$dir/root"; do
		umount -R "$dir/root" || umount -R --lazy "$dir/root" || return 1
	done
	rm -rf "$dir/upper" "$dir/work"
}

# bootstrap makes the bare system once: Debian, the prerequisites, and a user who may use sudo for apt. Debian 12's Go
# is too old, so there Go is put where its web page says to unpack it; from Debian 13 on it is among the packages that
# are installed.
bootstrap() {
	[ ! -e "$dir/base.done" ] || return 0
	rm -rf "$dir/base"
	mkdir -p "$dir/base"
	debootstrap --variant=minbase --include=git,make,sudo,ca-certificates "$suites" "$dir/base"
	chroot "$dir/base" useradd --create-home --shell /bin/bash newcomer
	echo 'newcomer ALL=(root) NOPASSWD: /usr/bin/apt-get' >"$dir/base/etc/sudoers.d/newcomer"
	if [ "$suites" = bookworm ]; then
		cp -a "$goroot" "$dir/base/usr/local/go"
		echo "export PATH=/usr/local/go/bin:\$PATH" >"$dir/base/etc/profile.d/go.sh"
	fi
	touch "$dir/base.done"
}

# lay_out mounts a throw-away layer over the bare system, with the network's settings and a clone of HEAD in it.
lay_out() {
	clean_up
	mkdir -p "$dir/upper" "$dir/work" "$dir/root"
	mount -t overlay overlay -o "lowerdir=$dir/base,upperdir=$dir/upper,workdir=$dir/work" "$dir/root"
	cp -L /etc/resolv.conf /etc/hosts "$dir/root/etc/"
	cp -L /etc/ssl/certs/ca-certificates.crt "$dir/root/etc/ssl/certs/ca-certificates.crt"
	git clone --quiet --no-hardlinks "$repo" "$dir/root/home/newcomer/tlagate"
	chroot "$dir/root" chown -R newcomer: /home/newcomer/tlagate
	[ -z "$cache" ] || keep_cache .cache/go-build go
}

# keep_cache mounts directories of the newcomer's home from the cache.
keep_cache() {
	local name
	for name; do
		mkdir -p "$cache/$name" "$dir/root/home/newcomer/$name"
		mount --bind "$cache/$name" "$dir/root/home/newcomer/$name"
	done
	chroot "$dir/root" chown newcomer: /home/newcomer/.cache "${@/#//home/newcomer/}"
}

# inside runs in namespaces of its own: it makes the new root the only one, then runs each command as the newcomer.
inside() {
	set -euo pipefail
	root=$1 suite=$2
	shift 2
	mount --make-rprivate /
	mount --rbind /dev "$root/dev"
	mount --rbind /sys "$root/sys"
	mount -t proc proc "$root/proc"
	mount -t tmpfs tmpfs "$root/run"
	mount -t tmpfs -o exec tmpfs "$root/tmp"
	mkdir -p "$root/old"
	cd "$root"
	pivot_root . old
	umount -l /old
	for command in "$@"; do
		echo "== newcomer on $suite: $command"
		su - newcomer -c "cd tlagate && $command" </dev/null
	done
	echo "== fresh: all commands succeeded on $suite"
}

main "$@"
