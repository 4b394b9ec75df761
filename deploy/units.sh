#!/usr/bin/env bash
# Boots a bare Debian 12, then a 13, in a container without a network (systemd-nspawn), sets it up by the blocks of
# docs/setup.md, CA, gateway, two practices' Postes de Travail and a terminal in one machine, and tries the units there:
# deploy/units/trial.sh. It needs root (or sudo), the programs in bin/, and the network for Debian.
#
# UNITS_SUITES names the Debian suites (default "bookworm trixie"); UNITS_DIR (default /var/tmp/tlagate-units) is where
# the bare systems stay between runs.
set -euo pipefail

suites=${UNITS_SUITES:-bookworm trixie}
top=${UNITS_DIR:-/var/tmp/tlagate-units}
repo=$(git -C "$(dirname "$0")" rev-parse --show-toplevel)
packages=systemd,systemd-sysv,libpam-systemd,dbus,ca-certificates,curl,openssl,nftables,procps,pcscd,opensc
packages=$packages,vsmartcard-vpcd,polkitd

main() {
	[ "$(id -u)" = 0 ] || exec sudo "UNITS_DIR=$top" "UNITS_SUITES=$suites" "$0"
	"$repo/deploy/need.sh" debootstrap systemd-container
	local suite
	for suite in $suites; do
		(try "$top/$suite")
	done
}

# try tries the units in the suite.
try() {
	dir=$1
	mkdir -p "$dir"
	exec 9>"$dir/lock"
	flock --nonblock 9 || { echo "units: cannot use $dir: another one is running there; set UNITS_DIR" >&2; exit 1; }
	bootstrap
	trap clean_up EXIT
	trap 'exit 130' INT TERM HUP
	lay_out
	boot
	echo "== units: all is well on $suite"
}

bootstrap() {
	[ "$(cat "$dir/base.done" 2>/dev/null)" != "$packages" ] || return 0
	rm -rf "$dir/base"
	debootstrap --variant=minbase --include="$packages" "$suite" "$dir/base"
	rm -f "$dir/base/etc/machine-id" && touch "$dir/base/etc/machine-id"
	echo "$packages" >"$dir/base.done"
}

clean_up() {
	! mountpoint -q "$dir/root" || umount "$dir/root" || return 1
	rm -rf "$dir/upper" "$dir/work"
}

# lay_out mounts a throw-away layer over the bare system, with the programs, the trial, and a unit that runs it.
lay_out() {
	clean_up
	mkdir -p "$dir/upper" "$dir/work" "$dir/root"
	mount -t overlay overlay -o "lowerdir=$dir/base,upperdir=$dir/upper,workdir=$dir/work" "$dir/root"
	local root=$dir/root
	install -m 755 "$repo"/bin/tla-* "$root/usr/local/bin/"
	install -m 644 "$repo/bin/libtlagate-ifd.so" "$root/root/"
	package "$root/root"
	cp -r "$repo/deploy/examples" "$repo/deploy/units/trial.sh" "$repo/docs/setup.md" "$root/root/"
	cp "$repo/deploy/units/trial.service" "$root/etc/systemd/system/"
	ln -s ../trial.service "$root/etc/systemd/system/multi-user.target.wants/"
}

# package makes the terminal's package for this machine, and a simulated card, in a directory.
package() {
	local arch
	arch=$(dpkg --print-architecture)
	cd "$repo"
	PROGRAMS=tla-relay deploy/cross.sh "$dir/dist" "$arch"
	deploy/deb.sh "$dir/dist" "$arch"
	cp "$dir/dist"/tla-relay_*_"$arch".deb "$1/"
	go build -o "$1/" ./integration/cardsim/cmd/cardsim
	rm -r "$dir/dist"
}

# boot runs the machine until its trial is over, and prints what that said.
boot() {
	SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1 timeout 15m systemd-nspawn --quiet --directory="$dir/root" \
		--machine=tlagate-units --boot --register=no --keep-unit --private-network --console=pipe \
		</dev/null >"$dir/console" 2>&1 || true
	cat "$dir/root/root/said" || { echo "units: the machine did not boot; see $dir/console" >&2; exit 1; }
	grep -qx 'units: all is well' "$dir/root/root/said"
}

main
