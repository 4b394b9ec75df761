#!/bin/sh
# fuzz.sh TIME [DIR…]: runs every fuzz target of the module, or of those packages, for TIME (30s, 5m): one package per
# processor at a time, one worker for each.
set -eu

time=${1:?give a time for each target, for example 30s}
shift
cache=$(go env GOCACHE)/fuzz/tlagate

# fuzz DIR builds one package once for all its targets, and runs it in its own directory, where its seeds are and where
# an input that fails is written. The tag leaves out tests whose dependencies would take minutes to instrument.
fuzz() {
	go test -c -tags fuzzing -fuzz . -o "$bin/fuzz.test" "./$1"
	for target in $("$bin/fuzz.test" -test.list '^Fuzz'); do
		echo "fuzz: $1 $target for $time"
		(cd "$1" && "$bin/fuzz.test" -test.run '^$' -test.fuzz "^$target\$" -test.fuzzminimizetime 10x \
			-test.fuzztime "$time" -test.parallel 1 -test.fuzzcachedir "$cache/$1") </dev/null
	done
}

if [ $# -eq 0 ]; then
	deploy/having.sh Fuzz | xargs -n 1 -P "$(nproc)" "$0" "$time"
	exit
fi
bin=$(mktemp -d)
trap 'rm -rf "$bin"' EXIT
for dir; do
	fuzz "${dir#./}"
done
