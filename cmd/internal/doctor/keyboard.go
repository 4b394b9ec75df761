package doctor

import (
	"math/big"
	"strings"
)

// Keyboard returns the check that a user can type the code of their card at this machine (C2): without a keyboard, only
// a reader with keys of its own lets them.
func (s System) Keyboard() Check {
	return s.linux("keyboard", func() Finding {
		text, err := s.read("/proc/bus/input/devices")
		if err != nil {
			return Cannot("", "/proc/bus/input/devices cannot be read: %v", err)
		}
		for _, device := range strings.Split(text, "\n\n") {
			if name, keys := inputDevice(device); typesDigits(keys) {
				return Good("%s", name)
			}
		}
		return Warn("attach a keyboard or numeric keypad, or use a reader with keys of its own",
			"no keyboard is attached: a user can type the code of their card only at a reader that has keys")
	})
}

// inputDevice returns name and keys of a device, as the kernel describes it.
func inputDevice(text string) (name string, keys *big.Int) {
	for _, line := range strings.Split(text, "\n") {
		if n, ok := strings.CutPrefix(line, "N: Name="); ok {
			name = n
		}
		if words, ok := strings.CutPrefix(line, "B: KEY="); ok {
			keys = bits(strings.Fields(words))
		}
	}
	return name, keys
}

// bits reads a bitmap of the kernel: words of 64 bits in hexadecimal, the highest first. nil = it is none.
func bits(words []string) *big.Int {
	all := new(big.Int)
	for _, w := range words {
		n, ok := new(big.Int).SetString(w, 16)
		if !ok || n.Sign() < 0 || n.BitLen() > 64 {
			return nil
		}
		all.Or(all.Lsh(all, 64), n)
	}
	return all
}

// The keys of digits, from first to last, and the key that ends a line (linux/input-event-codes.h): on a keyboard, and
// in the three rows and the last of a keypad.
var (
	digitRow = [][2]int{{2, 11}, {28, 28}}
	keypad   = [][2]int{{71, 73}, {75, 77}, {79, 82}, {96, 96}}
)

// typesDigits reports whether a device has all digits and Enter.
func typesDigits(keys *big.Int) bool {
	return keys != nil && (hasAll(keys, digitRow) || hasAll(keys, keypad))
}

func hasAll(keys *big.Int, ranges [][2]int) bool {
	for _, r := range ranges {
		for k := r[0]; k <= r[1]; k++ {
			if keys.Bit(k) == 0 {
				return false
			}
		}
	}
	return true
}
