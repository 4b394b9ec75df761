#!/bin/sh
# need.sh PACKAGE...: installs the Debian packages that are missing, with apt,
# through sudo when not root. Says what it does; does nothing when all are there.
# A package of another architecture is NAME:ARCH.
set -eu

# missing: a package may be there for another architecture only.
missing() {
	own=$(dpkg --print-architecture)
	for package in "$@"; do
		case $package in *:*) arch=${package##*:} ;; *) arch=$own ;; esac
		dpkg-query --show --showformat='${Architecture} ${db:Status-Status}\n' "${package%%:*}" 2>/dev/null |
			grep -qxE "($arch|all) installed" || printf '%s ' "$package"
	done
}

as_root() {
	if [ "$(id -u)" -eq 0 ]; then
		"$@"
	elif command -v sudo >/dev/null; then
		sudo "$@"
	else
		echo "need.sh: cannot install packages: run this as root: $*" >&2
		exit 1
	fi
}

# No more than apt-get itself, so that a sudo rule for it alone is enough. It waits while another one is at work.
apt() {
	DEBIAN_FRONTEND=noninteractive as_root apt-get -q -y -o DPkg::Lock::Timeout=300 "$@" </dev/null
}

# foreign has dpkg know the architectures of what is wanted from others.
foreign() {
	known=" $(dpkg --print-architecture) $(dpkg --print-foreign-architectures | tr '\n' ' ')"
	for package in "$@"; do
		arch=${package##*:}
		case $package in *:*) ;; *) continue ;; esac
		case $known in *" $arch "*) continue ;; esac
		echo "need.sh: adding the architecture $arch to dpkg's"
		if ! as_root dpkg --add-architecture "$arch"; then
			echo "need.sh: cannot add the architecture $arch; run this as root: dpkg --add-architecture $arch" >&2
			exit 1
		fi
		known="$known$arch "
	done
}

if ! command -v apt-get >/dev/null; then
	echo "need.sh: cannot install packages: this is no Debian; install yourself what stands for: $*" >&2
	exit 1
fi

wanted=$(missing "$@")
[ -n "$wanted" ] || exit 0
echo "need.sh: installing $wanted"
# shellcheck disable=SC2086 # one word a package
foreign $wanted
# A mirror that is being synchronised makes the update fail, and the
# installation may well succeed.
apt update || echo "need.sh: the package lists could not all be refreshed, going on" >&2
# shellcheck disable=SC2086 # one word a package
if ! apt install --no-install-recommends $wanted; then
	echo "need.sh: cannot install $wanted; the messages above say why" >&2
	exit 1
fi
