#!/bin/sh
# packages.sh WHAT...: prints the Debian packages that WHAT needs.
set -eu

# cross: compilers and libraries for the architectures that are not this machine's, and an emulator for arm64.
cross() {
	echo binutils libpcsclite-dev qemu-user-static
	[ "$own" = amd64 ] || echo gcc-x86-64-linux-gnu libc6-dev-amd64-cross libpcsclite-dev:amd64
	[ "$own" = arm64 ] || echo gcc-aarch64-linux-gnu libc6-dev-arm64-cross libpcsclite-dev:arm64
	[ "$own" = armhf ] || echo gcc-arm-linux-gnueabihf libc6-dev-armhf-cross libpcsclite-dev:armhf
}

own=$(dpkg --print-architecture 2>/dev/null || true)
for what in "$@"; do
	case $what in
	build) echo gcc libc6-dev pkg-config libpcsclite-dev ;;
	demo) echo pcscd vsmartcard-vpcd opensc opensc-pkcs11 openssl curl tmux softhsm2 ;;
	test)
		echo pcscd vsmartcard-vpcd opensc opensc-pkcs11 openssl curl softhsm2 swtpm tpm2-openssl socat strace systemd \
			iproute2 nftables tinyproxy-bin dbus-daemon tmux sslscan pcsc-tools python3-pyscard gnupg scdaemon \
			default-jre-headless exfat-fuse exfatprogs rsyslog-gnutls
		;;
	check) echo shellcheck ;;
	cross) cross ;;
	bench) echo stunnel4 ;;
	pictures) echo graphviz ;;
	*)
		echo "packages.sh: cannot tell what $what needs: give build, demo, test, check, bench, pictures or cross" >&2
		exit 1
		;;
	esac
done
