#!/bin/sh
# having.sh PREFIX: the packages, as ./DIR, whose tests have functions that begin so (Fuzz, Benchmark).
set -eu

grep -rl "^func $1" --include='*_test.go' . | xargs -n 1 dirname | sort -u
