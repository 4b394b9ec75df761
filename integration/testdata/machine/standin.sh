#!/usr/bin/env bash
# standin.sh is installed under the names of programs that a machine of a test cannot have: systemctl, systemd-run,
# apt-get, scp and make. Each does what the real one would, as far as the documents need it, and fails for all else.
set -euo pipefail

refuse() {
	echo "${0##*/}: the stand-in of the test cannot: $*" >&2
	exit 64
}

# setting NAME UNIT prints a setting's values in the unit and its drop-ins; an empty value discards those before it. In
# a template's, %i is the instance.
setting() {
	local value values=() files=("$(unit_file "$2")")
	for value in "/etc/systemd/system/$2.service.d/"*.conf; do
		[ ! -e "$value" ] || files+=("$value")
	done
	while IFS= read -r value; do
		if [ -n "$value" ]; then values+=("$value"); else values=(); fi
	done < <(sed -n ":a; /\\\\\$/{N; s/\\\\\n *//; ba}; s/^$1=//p" "${files[@]}")
	[ ${#values[@]} -eq 0 ] || printf '%s\n' "${values[@]//%i/${2#*@}}"
}

unit_file() {
	local dir name
	for dir in /etc/systemd/system /lib/systemd/system; do
		for name in "$1" "${1/@*/@}"; do # an instance has its template's
			[ ! -e "$dir/$name.service" ] || { echo "$dir/$name.service"; return; }
		done
	done
	refuse "find the unit $1.service"
}

# known fails for a unit that was changed since daemon-reload, which systemd would not have read.
known() {
	local file
	for file in "$(unit_file "$1")" "/etc/systemd/system/$1.service.d/"*.conf; do
		case $file in /etc/*) ;; *) continue ;; esac
		[ ! -e "$file" ] || [ ! "$file" -nt /run/daemon-reload ] || refuse "use $file before systemctl daemon-reload"
	done
}

start() {
	local unit=$1 user dir mode command environment bind inside=()
	known "$unit"
	running "$unit" && return
	user=$(setting User "$unit")
	for dir in $(setting StateDirectory "$unit"); do
		mode=$(setting StateDirectoryMode "$unit")
		install -d -m "${mode:-755}" -o "${user:-root}" -g "${user:-root}" "/var/lib/$dir"
	done
	mode=$(setting RuntimeDirectoryMode "$unit")
	for dir in $(setting RuntimeDirectory "$unit"); do
		install -d -m "${mode:-755}" -o "${user:-root}" -g "$(id -g "${user:-root}")" "/run/$dir"
	done
	# Without --auto-exit: there is no socket that brings pcscd back.
	eval "command=($(setting ExecStart "$unit" | sed 's/ \$[A-Z_]*//g; s/ --auto-exit//; s/\$\$/$/g'))"
	mapfile -t environment < <(setting Environment "$unit")
	bind=$(setting BindPaths "$unit")
	[ -z "$bind" ] || inside=(unshare --mount sh -c "mount --bind ${bind/:/ } && exec \"\$@\"" sh)
	launch "$unit" "${user:-root}" "$(setting SupplementaryGroups "$unit" | paste -sd,)" env "${environment[@]}" \
		"${command[@]}"
}

inside=() # the command by which a program runs in a file system of its own

# launch UNIT USER GROUPS COMMAND… starts the unit's program and waits until it is ready.
launch() {
	local unit=$1 user=$2 groups=${3:+--groups=$3}
	shift 3
	setsid "${inside[@]}" setpriv --reuid="$user" --regid="$(id -g "$user")" "${groups:---clear-groups}" \
		--no-new-privs "$@" \
		>"/var/log/$unit.log" 2>&1 </dev/null &
	echo $! >"/run/$unit.pid"
	await "$unit"
}

# running reports whether the unit's program runs: a process that has ended and was not waited for has no exe. Neither
# has one of several threads in the moment in which it starts another program in its place, so it is looked at twice.
running() { [ -e "/run/$1.pid" ] && { has_exe "$1" || { sleep 0.2 && has_exe "$1"; }; }; }

has_exe() { [ -n "$(readlink "/proc/$(cat "/run/$1.pid")/exe")" ]; }

# ready reports whether a program says that it is at work.
ready() {
	case $1 in
	pcscd) [ -S /run/pcscd/pcscd.comm ] ;;
	pcscd@*) [ -S "/run/pcscd-${1#*@}/pcscd/pcscd.comm" ] ;;
	tla-relay) grep -q 'msg=.*ready' "/var/log/$1.log" ;;
	tla-pdt | tla-pdt@*) grep -q 'parked' "/var/log/$1.log" ;;
	*) grep -q 'listening' "/var/log/$1.log" ;;
	esac
}

# await waits until the unit is ready, as a reader would see it before going on.
await() {
	local tries=1200
	until ready "$1"; do
		if ! running "$1" || [ $((tries -= 1)) -eq 0 ]; then
			cat "/var/log/$1.log" >&2
			refuse "see that $1 is at work"
		fi
		sleep 0.1
	done
}

stop() {
	running "$1" || return 0
	kill "$(cat "/run/$1.pid")"
	while running "$1"; do sleep 0.1; done
	[ "$1" != pcscd ] || rm -f /run/pcscd/*
}

do_systemctl() {
	local verb unit
	while [ "${1#--}" != "$1" ]; do shift; done # --root=/ --system, of a package's script
	verb=$1
	shift
	case $verb in
	preset) return ;;
	daemon-reload) touch /run/daemon-reload && return ;;
	enable | disable)
		# without --now, at the next boot, which never comes
		[ "${1:-}" = --now ] || { unit_file "${1%.service}" >/dev/null && return; }
		shift
		if [ "$verb" = enable ]; then verb=start; else verb=stop; fi
		;;
	esac
	[ $# -gt 0 ] || refuse "$verb nothing"
	for unit; do
		# A program that is passed no socket opens it itself.
		case $unit in
		pcscd.socket) unit=pcscd ;;
		*.socket) [ -e "/etc/systemd/system/$unit" ] || refuse "find $unit"; continue ;;
		esac
		unit=${unit%.service}
		case $verb in
		start) start "$unit" ;;
		stop) stop "$unit" ;;
		restart) stop "$unit"; start "$unit" ;;
		*) refuse "$verb $unit" ;;
		esac
	done
}

do_systemd_run() {
	local unit=''
	case ${1:-} in
	--unit) unit=$2 ;;
	-P) shift && with_credential "$@" && return ;;
	*) refuse "$*" ;;
	esac
	shift 2
	launch "$unit" root '' "$(command -v "$1")" "${@:2}"
}

# with_credential -p User=USER -p LoadCredentialEncrypted=NAME:FILE COMMAND… runs a command with a decrypted
# credential.
with_credential() {
	local user=${2#User=} credential=${4#LoadCredentialEncrypted=} dir
	[ "$1 $2 $3 $4" = "-p User=$user -p LoadCredentialEncrypted=$credential" ] || refuse "$*"
	dir=$(mktemp -d /run/credentials-XXXX)
	systemd-creds decrypt --name="${credential%%:*}" "${credential#*:}" "$dir/${credential%%:*}"
	chmod -R u=rX,go= "$dir"
	chown -R "$user" "$dir"
	CREDENTIALS_DIRECTORY=$dir setpriv --reuid="$user" --regid="$user" --clear-groups "${@:5}"
}

# Debian's packages must be there already, and stay; ours is installed, without its dependencies. Installing pcscd
# starts it.
do_apt_get() {
	case "${1:-} ${2:-}" in
	'install -y') ;;
	'purge -y') dpkg-query --show "${@:3}" >/dev/null && return ;;
	*) refuse "$*" ;;
	esac
	local package
	case "$*" in *.deb* | *pcscd*) start pcscd ;; esac
	for package in "${@:3}"; do
		case $package in
		./*.deb) DEBIAN_FRONTEND=noninteractive dpkg --install "$package" ;;
		*) dpkg-query --show "$package" >/dev/null || refuse "install $package: name it in deploy/packages.sh" ;;
		esac
	done
}

# The other machines' files are in /run/peers.
do_scp() {
	local options=() to=${*: -1}
	if [ "$1" = -r ]; then options=(-r) && shift; fi
	[ -d "/run/peers/${to%%:*}" ] || refuse "reach ${to%%:*}"
	to=/run/peers/${to%%:*}/$(case ${to#*:} in /*) echo "${to#*:}" ;; *) echo "root/${to#*:}" ;; esac)
	cp "${options[@]}" "${@:1:$#-1}" "$to"
}

# The programs and packages were built before.
do_make() {
	local target
	for target; do
		case $target in
		build) mkdir -p bin && cp /run/built/tla-* bin/ && deploy/ifd.sh bin/libtlagate-ifd.so ;;
		packages) mkdir -p dist && cp /run/built/*.deb dist/ ;;
		demo) ;;
		*) refuse "$target" ;;
		esac
	done
}

case ${0##*/} in
systemctl) do_systemctl "$@" ;;
systemd-run) do_systemd_run "$@" ;;
apt-get) do_apt_get "$@" ;;
scp) do_scp "$@" ;;
make) do_make "$@" ;;
*) refuse "be ${0##*/}" ;;
esac
