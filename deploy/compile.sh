#!/usr/bin/env bash
# compile.sh [FLAG…] PACKAGE…: fetches what the PACKAGEs need, compiles it into Go's cache, and shows its progress. The
# command that follows with the same flags (`go build`, `go run`; `go test` if -test is among them), which would do the
# same for minutes without a word, finds it done. It says nothing when there is nothing to do.
set -euo pipefail
cd "$(dirname "$0")/.."

# A program whose packages are all compiled counts as stale, too, for the reason named here: only its link is missing.
stale='{{if and .Stale (ne .StaleReason "not installed but available in build cache")}}{{.ImportPath}}{{end}}'

# A line about one package or module, from -v or a download: a path, perhaps with a test or a version.
name='^[^ :#]+( \[[^ ]+\.test\]| v[^ :]+)?$'

begun=$SECONDS live=
if [ -t 1 ] && [ "${TERM:-dumb}" != dumb ]; then
	live=1
fi

main() {
	list=$(mktemp)
	trap 'rm -f "$list"' EXIT
	go list -deps -f "$stale" "$@" 2>&1 >"$list" | follow fetching fetched modules
	total=$(wc -l <"$list")
	[ "$total" -gt 0 ] || return 0
	go list -deps -export -v "$@" 2>&1 >/dev/null | follow compiling compiled packages "$total"
}

# follow DOING DONE THINGS [TOTAL] shows how far go is: it names each module or package when it begins with it. Its
# other lines are passed on.
follow() {
	local doing=$1 done=$2 things=$3 total=${4:-} n=0 line
	while IFS= read -r line; do
		line=${line#go: downloading }
		if [[ ! $line =~ $name ]]; then
			clear_line
			printf '%s\n' "$line" >&2
			continue
		fi
		n=$((n + 1))
		show "$n" "$total" "$doing $things: $n${total:+ of $total}, $line"
	done
	clear_line
	[ "$n" -ne 1 ] || things=${things%s}
	[ "$n" -eq 0 ] || echo "tlagate: $done $n $things in $((SECONDS - begun)) s"
}

# show keeps one line up to date on a terminal; elsewhere it writes a line for every tenth, or every five per cent.
show() {
	local n=$1 total=$2 text=$3
	if [ -n "$live" ]; then
		printf '\r\033[K%.79s' "tlagate: $text"
	elif [ $((n * 20 / ${total:-200})) -gt $(((n - 1) * 20 / ${total:-200})) ]; then
		echo "tlagate: $text"
	fi
}

clear_line() { [ -z "$live" ] || printf '\r\033[K'; }

main "$@"
