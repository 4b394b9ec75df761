#!/bin/sh
# fuzz.sh TIME: runs every fuzz target of the module for TIME (30s, 5m).
set -eu

time=${1:?give a time for each target, for example 30s}
for package in $(go list ./...); do
	listed=$(go test -list '^Fuzz' "$package" </dev/null)
	for target in $(printf '%s\n' "$listed" | grep '^Fuzz' || true); do
		echo "fuzz: $package $target for $time"
		go test -run '^$' -fuzz "^$target\$" -fuzzminimizetime 10x -fuzztime "$time" "$package" </dev/null
	done
done
