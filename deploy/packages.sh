#!/bin/sh
# packages.sh WHAT...: the Debian packages that WHAT needs.
set -eu

for what in "$@"; do
	case $what in
	build) echo gcc libc6-dev pkg-config libpcsclite-dev ;;
	demo) echo pcscd vsmartcard-vpcd opensc opensc-pkcs11 openssl curl tmux ;;
	test) echo pcscd vsmartcard-vpcd opensc opensc-pkcs11 openssl curl softhsm2 swtpm tpm2-openssl socat tmux ;;
	check) echo shellcheck ;;
	bench) echo stunnel4 ;;
	*)
		echo "packages.sh: cannot tell what $what needs: give build, demo, test, check or bench" >&2
		exit 1
		;;
	esac
done
