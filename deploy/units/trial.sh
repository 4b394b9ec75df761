#!/usr/bin/env bash
# Runs in the machine that deploy/units.sh boots: sets it up as docs/setup.md says, then tries the units.
set -euo pipefail

servers=(tla-pki tla-ocsp tla-gateway tla-pdt)

main() {
	trap 'echo "units: failed in line $LINENO"; journalctl --no-pager --lines=60' ERR
	set -E
	echo '127.0.0.1 localhost gw1.operateur.example pki.operateur.example bureau.cabinet-a.example' >/etc/hosts
	read_page '2\.' '7\.'
	all_serve
	sandboxed "${servers[@]}"
	the_driver_serves
	nobody_is_refused
	reload
	kills_what_hangs
	first_card
	echo 'units: all is well'
}

# read_page FROM TO [SED] types the blocks of these sections, in their order, as SED changes them. A code that an
# invitation prints goes into the next enrolment.
read_page() {
	local block user
	for block in $(blocks "$1" "$2" | awk '/^```sh/ { print ++n }'); do
		echo "== block $block of section $1"
		user=$(blocks "$1" "$2" | awk -v want="$block" '/^```sh/ && ++n == want { print $3 }')
		blocks "$1" "$2" | awk -v want="$block" '/^```sh/ { n++; next } /^```/ { next } n == want' |
			sed "/ enroll /s|\$| --yes - </root/code|; ${3:-}" >/tmp/block
		runuser -u "${user:-root}" -- timeout 60 bash -eux /tmp/block >/root/printed 2>/root/errors ||
			{ cat /root/printed /root/errors; return 1; }
		grep -oE '([A-Z0-9]{5}-){5,}[A-Z0-9]{5}' /root/printed | head -1 >/root/found || true
		[ ! -s /root/found ] || cp /root/found /root/code
	done
}

# blocks FROM TO prints the blocks of commands of these sections with their fences.
blocks() {
	sed -n "/^## $1/,/^## $2/p" setup.md | awk '/^```sh/ { on = 1 } on { print } /^```$/ { on = 0 }'
}

# all_serve waits until each program answers something.
all_serve() {
	until serve; do sleep 0.2; done
	echo '== all serve; the Poste de Travail is parked'
}

serve() {
	[ "$(systemctl show --property=ActiveState --value "${servers[@]}" | grep -cx active)" = ${#servers[@]} ] &&
		tla-pdt status | grep -q 'parked, 2 links' && ready 9464 && ready 9465 &&
		curl --silent --fail --output /dev/null http://127.0.0.1:8080/crl.der
}

ready() { [ "$(curl --silent "http://127.0.0.1:$1/readyz")" = ready ]; }

# sandboxed UNIT… shows what systemd makes of units that run, and that none complains about what it may not do.
sandboxed() {
	systemd-analyze security --no-pager "$@" | grep Overall
	if journalctl --no-pager --output=cat "${@/#/--unit=}" |
		grep -E 'Operation not permitted|Permission denied|not supported by protocol'; then
		return 1
	fi
	without_a_bus "$@"
}

# without_a_bus shows that logind cannot be asked from within units for a manager of their account, which would be
# outside of them.
without_a_bus() {
	local unit
	for unit; do
		[ "$unit" != tla-relay ] || continue # it asks logind who sits before the terminal
		if nsenter --mount --target "$(systemctl show --property=MainPID --value "$unit")" \
			setpriv --reuid=nobody --clear-groups ls /run/dbus/; then
			return 1
		fi
	done
}

# the_driver_serves shows that pcscd, in the unit that Debian has for it, and the driver in it know tla-pdt.
the_driver_serves() {
	opensc-tool --list-readers
	until { tla-pdt doctor || true; } | grep -E '^OK +driver connected'; do sleep 0.5; done
}

# dial connects to the gateway for so many seconds, and prints how often it did, and was refused.
dial() {
	local end=$((SECONDS + $1)) came=0 refused=0
	while [ $SECONDS -lt $end ]; do
		if (exec 3<>/dev/tcp/127.0.0.1/8443) 2>/dev/null; then came=$((came + 1)); else refused=$((refused + 1)); fi
	done
	echo "$came $refused"
}

nobody_is_refused() {
	local said
	said=$(dial 8 & for _ in 1 2; do sleep 1; systemctl restart tla-gateway; done; wait)
	echo "== two restarts of the gateway: ${said% *} connections, ${said#* } refused"
	[ "${said#* }" = 0 ]
	[ "${said% *}" -gt 10 ]
	all_serve
}

reload() {
	systemctl reload "${servers[@]}"
	all_serve
}

# kills_what_hangs stops each process, and waits until its unit has another.
kills_what_hangs() {
	local unit
	for unit in "${servers[@]}"; do
		mkdir -p "/etc/systemd/system/$unit.service.d"
		printf '[Service]\nWatchdogSec=5\n' >"/etc/systemd/system/$unit.service.d/soon.conf"
	done
	systemctl daemon-reload
	systemctl restart "${servers[@]}"
	sleep 12 # longer than the watchdog's time: whoever works stays
	for unit in "${servers[@]}"; do
		[ "$(systemctl show --property=NRestarts --value "$unit")" = 0 ]
		kill -STOP "$(systemctl show --property=MainPID --value "$unit")"
	done
	for unit in "${servers[@]}"; do
		until [ "$(systemctl show --property=NRestarts --value "$unit")" = 1 ]; do sleep 0.2; done
		echo "== $unit hung, and was started again"
	done
	all_serve
}

# first_card has a second practice on the machine, by the templates, and a terminal of it, whose cards are in the
# system's pcscd: the first practice's readers leave that. Nobody sits before this machine, so anybody may start the
# session.
first_card() {
	systemctl restart tla-gateway # which asks a responder that was away again within a minute, not at once
	all_serve
	useradd --create-home --groups pcsc-users mallory
	mv /etc/reader.conf.d/vpcd . # the simulated card's reader, of which a doctor at a Poste de Travail complains
	systemctl stop pcscd
	read_page 'Several practices' 'A practice leaves'
	each_its_own
	systemctl disable --now tla-pdt
	rm -r /etc/reader.conf.d/tlagate /etc/systemd/system/pcscd.socket.d
	mv vpcd /etc/reader.conf.d/
	systemctl daemon-reload
	systemctl stop pcscd pcscd.socket
	systemctl start pcscd
	useradd --create-home dominique
	until ./cardsim -kind vitale; do sleep 0.2; done & # in the reader of the package vsmartcard-vpcd, once it is there
	read_page '7\.' '8\.' \
		's/cabinet-a/cabinet-c/; /^systemctl start/i sed -i "s|, seat: logind||" /etc/tlagate/relay.yaml'
	export PCSCLITE_CSOCK_NAME=/run/pcscd-cabinet-c/pcscd/pcscd.comm
	read_page '8\.' '9\.' "s/'tlagate Vitale/'cabinet-c Vitale/"
	their_own_alone
	sandboxed tla-relay tla-pdt@cabinet-c pcscd@cabinet-c
	lingers mallory
	if lingers tla-relay; then return 1; fi # which needs logind, and the rule of its package forbids it
	echo '== a card was read at the second practice'
	unset PCSCLITE_CSOCK_NAME
	read_page 'A practice leaves' 'From a trial'
	[ -z "$(systemctl list-units --failed --quiet --plain)" ]
	[ -z "$(find /var/lib/tla-pdt-cabinet-c -mindepth 1 ! -name 'audit.jsonl*')" ]
	tla-pdt audit verify --file /var/lib/tla-pdt-cabinet-c/audit.jsonl
}

# each_its_own shows that the readers of each practice are those of its users alone, also after a restart. alice is one
# of the first practice; mallory is of none, and polkit lets him in where it is asked.
each_its_own() {
	useradd --create-home --groups tla-pdt,pcsc-users alice
	gpasswd --add carole pcsc-users
	local again
	for again in 1 2; do
		sees alice pcscd tlagate
		sees_nothing alice pcscd-cabinet-c/pcscd
		sees_nothing carole pcscd
		their_own_alone
		sees_nothing mallory pcscd
		systemctl kill --kill-whom=main --signal=KILL pcscd pcscd@cabinet-c
		until [ "$(systemctl show --property=NRestarts --value pcscd@cabinet-c)" = "$again" ]; do sleep 0.2; done
		until systemctl is-active --quiet pcscd@cabinet-c; do sleep 0.2; done
	done
	echo '== each practice sees its own readers alone'
}

their_own_alone() {
	doctor_of_the_second
	sees carole pcscd-cabinet-c/pcscd cabinet-c
	sees_nothing mallory pcscd-cabinet-c/pcscd
	[ "$(stat --format=%U "/proc/$(systemctl show --property=MainPID --value pcscd@cabinet-c)")" = pcscd-cabinet-c ]
}

doctor_of_the_second() {
	local socket=/run/pcscd-cabinet-c/pcscd/pcscd.comm said
	said=$(PCSCLITE_CSOCK_NAME=$socket tla-pdt doctor --config /etc/tlagate/cabinet-c/pdt.yaml || true)
	grep -E "^OK +PC/SC users +besides root, group pdt-cabinet-c can open $socket" <<<"$said"
	grep -E '^OK +(polkit|PC/SC service|driver entries|core dumps) ' <<<"$said"
	said=$(env --unset=PCSCLITE_CSOCK_NAME tla-pdt doctor --config /etc/tlagate/cabinet-c/pdt.yaml || true)
	grep -E '^FAILURE +PC/SC service +the reader "cabinet-c Vitale 00 00" is configured' <<<"$said"
}

# lingers USER has logind start a manager for the user at each boot.
lingers() {
	runuser -u "$1" -- busctl call org.freedesktop.login1 /org/freedesktop/login1 org.freedesktop.login1.Manager \
		SetUserLinger ubb "$(id -u "$1")" true false
}

# sees USER DIR PREFIX shows that the user finds readers of that name at the pcscd of that directory.
sees() { listed "$1" "$2" | grep -q "$3 Vitale 00 00"; }

# sees_nothing USER DIR shows that the user finds no readers there, where root does.
sees_nothing() {
	listed root "$2" | grep -q 'Vitale'
	! listed "$1" "$2" | grep 'Vitale'
}

listed() { runuser -u "$1" -- env "PCSCLITE_CSOCK_NAME=/run/$2/pcscd.comm" opensc-tool --list-readers || true; }

main
