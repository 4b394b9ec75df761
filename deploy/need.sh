#!/bin/sh
# need.sh [--check] PACKAGE...: installs the Debian packages that are missing, with apt, through sudo when not root. It
# says what it does, and does nothing when all are there. A package of another architecture is NAME:ARCH. With --check
# it installs nothing; if the packages cannot be installed, it fails and says what root has to run.
set -eu

# missing prints the packages that are not installed for the wanted architecture.
missing() {
	own=$(dpkg --print-architecture)
	for package in "$@"; do
		case $package in *:*) arch=${package##*:} ;; *) arch=$own ;; esac
		dpkg-query --show --showformat='${Architecture} ${db:Status-Status}\n' "${package%%:*}" 2>/dev/null |
			grep -qxE "($arch|all) installed" || printf '%s ' "$package"
	done
}

# foreign prints the architectures of packages that dpkg does not know yet.
foreign() {
	known=" $(dpkg --print-architecture) $(dpkg --print-foreign-architectures | tr '\n' ' ')"
	for package in "$@"; do
		arch=${package##*:}
		case $package in *:*) ;; *) continue ;; esac
		case $known in *" $arch "*) continue ;; esac
		echo "$arch"
		known="$known$arch "
	done
}

# refuse WHY fails, and says everything that root has to run instead, at once.
refuse() {
	{
		echo "need.sh: cannot install packages: $*. As root, run this, then go on:"
		printf '  '
		for arch in $architectures; do printf 'dpkg --add-architecture %s && ' "$arch"; done
		echo "apt-get update && apt-get install --no-install-recommends ${wanted% }"
	} >&2
	exit 1
}

root() { [ "$(id -u)" -eq 0 ]; }

as_root() {
	if root; then "$@"; else sudo "$@"; fi
}

# apt runs nothing but apt-get as root, so that a sudo rule for that alone is enough. It waits for another apt that
# runs.
apt() {
	DEBIAN_FRONTEND=noninteractive as_root apt-get -q -y -o DPkg::Lock::Timeout=300 "$@" </dev/null
}

only_check=
if [ "${1:-}" = --check ]; then
	only_check=1
	shift
fi

if ! command -v apt-get >/dev/null; then
	echo "need.sh: cannot install packages: this is no Debian; install yourself what stands for: $*" >&2
	exit 1
fi

wanted=$(missing "$@")
[ -n "$wanted" ] || exit 0
# shellcheck disable=SC2086 # one word a package
architectures=$(foreign $wanted)

root || command -v sudo >/dev/null || refuse "you are not root, and there is no sudo"
[ -z "$only_check" ] || exit 0
root || sudo -l apt-get >/dev/null || refuse "sudo does not let you run apt-get"

echo "need.sh: installing $wanted"
for arch in $architectures; do
	echo "need.sh: adding the architecture $arch to dpkg's"
	as_root dpkg --add-architecture "$arch" || refuse "sudo does not let you run dpkg"
done
# While a mirror is being synchronised the update fails, and the installation may still succeed.
apt update || echo "need.sh: the package lists could not all be refreshed, going on" >&2
# shellcheck disable=SC2086 # one word a package
if ! apt install --no-install-recommends $wanted; then
	echo "need.sh: cannot install $wanted; the messages above say why" >&2
	exit 1
fi
