// Package peertext makes what a peer wrote fit for a log or a screen.
package peertext

import "unicode"

// maxRunes bounds a sentence of a peer.
const maxRunes = 300

// Clean gives s without control or invisible characters, 300 runes at most.
func Clean(s string) string {
	out := make([]rune, 0, min(len(s), maxRunes))
	for _, r := range s {
		if len(out) == maxRunes {
			break
		}
		if !unicode.IsPrint(r) {
			r = ' '
		}
		out = append(out, r)
	}
	return string(out)
}
