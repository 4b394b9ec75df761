#!/bin/sh
# pictures.sh: draws docs/pictures/NAME.svg from NAME.dot, and writes into it the hash of NAME.dot, by which a test
# finds a drawing that is older than its text.
set -eu
cd "$(dirname "$0")/../docs/pictures"

for text in *.dot; do
	dot -Tsvg "$text" | sed "1a <!-- of $text, SHA-256 $(sha256sum <"$text" | cut -d' ' -f1) -->" >"${text%.dot}.svg"
done
