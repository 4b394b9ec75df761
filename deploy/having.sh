#!/bin/sh
# having.sh PREFIX: prints the packages, as ./DIR, whose tests have functions that begin with PREFIX (Fuzz, Benchmark).
set -eu

grep -rl "^func $1" --include='*_test.go' . | xargs -n 1 dirname | sort -u
