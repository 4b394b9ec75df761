// Package peertext makes what a peer wrote fit for a log or a screen.
package peertext

import "unicode"

// maxRunes is the longest sentence of a peer.
const maxRunes = 300

// Clean returns s with spaces for control and invisible characters, cut to 300 runes.
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
