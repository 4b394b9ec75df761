#!/bin/sh
# ifd.sh OUTPUT [FLAG...]: builds the reader driver, libtlagate-ifd.so (docs/driver.md), with more flags if there are.
set -eu
umask 022 # pcscd, which is root, loads no file that others than its owner can change

out=${1:?give the file to build, for example bin/libtlagate-ifd.so}
shift
cd "$(dirname "$0")/.."
version=$(deploy/version.sh 2>/dev/null || echo unknown)
# shellcheck disable=SC2046 # pkg-config prints several flags
"${CC:-cc}" -std=gnu11 -O2 -Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Werror \
	-fPIC -fvisibility=hidden -fstack-protector-strong -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2 \
	-DTLAGATE_VERSION="\"$version\"" $(pkg-config --cflags libpcsclite) -pthread -shared \
	-Wl,-z,relro,-z,now,-z,noexecstack "$@" -o "$out" pdt/ifd/handler/*.c
