#!/bin/sh
# journal.sh PROGRAM ARGUMENT...: runs a program as systemd runs one of a unit, with its standard error in a journal:
# once as it is, and once while journald's own socket is away. Then prints what the journal has, as JSON. journald and
# its files are this script's own: it runs in a mount namespace, where all files are below /mnt, too, but /run is empty.
set -eu
mount --rbind / /mnt
mount -t tmpfs none /run
mkdir -p /run/systemd/journal "/run/log/journal/$(cat /etc/machine-id)"
/lib/systemd/systemd-journald >&2 &
journald=$!
until [ -S /run/systemd/journal/socket ] && [ -S /run/systemd/journal/stdout ]; do sleep 0.1; done

cat >/run/unit.sh <<'END'
JOURNAL_STREAM=$(stat -L -c %d:%i /proc/$$/fd/2)
export JOURNAL_STREAM
exec "$@"
END
systemd-cat sh /run/unit.sh "$@" || true
mv /run/systemd/journal/socket /run/systemd/journal/away
systemd-cat sh /run/unit.sh "$@" || true
mv /run/systemd/journal/away /run/systemd/journal/socket
journalctl --sync >&2 || true
journalctl --directory=/run/log/journal --output=json --no-pager
kill "$journald"
