// Package atr reads a card's answer to reset (ATR, ISO 7816-3), by which its model is known.
package atr

import "strings"

// Fits reports whether an ATR matches a pattern, both in lower-case hexadecimal: a point stands for any digit, a * at
// the end for any further digits.
func Fits(digits, pattern string) bool {
	pattern, open := strings.CutSuffix(pattern, "*")
	if len(digits) < len(pattern) || len(digits) > len(pattern) && !open {
		return false
	}
	for i := range pattern {
		if pattern[i] != '.' && pattern[i] != digits[i] {
			return false
		}
	}
	return true
}

// PrefersT1 reports whether the ATR (ISO 7816-3, 8.2) offers T=1, which programs then speak.
func PrefersT1(atr []byte) bool {
	if len(atr) < 2 {
		return false
	}
	y, at := atr[1]>>4, 2
	for range 8 {
		for _, present := range []byte{y & 1, y & 2, y & 4} { // TA, TB, TC
			if present != 0 {
				at++
			}
		}
		if y&8 == 0 || at >= len(atr) {
			return false
		}
		if atr[at]&0x0F == 1 {
			return true
		}
		y, at = atr[at]>>4, at+1
	}
	return false
}
