package doctor

import (
	"math/big"
	"slices"
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

// The keys of digits, and those that end a line (linux/input-event-codes.h).
var (
	digitRow = []int{2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 28}
	keypad   = []int{71, 72, 73, 75, 76, 77, 79, 80, 81, 82, 96}
)

// typesDigits reports whether a device has all digits and Enter.
func typesDigits(keys *big.Int) bool {
	return keys != nil && slices.ContainsFunc([][]int{digitRow, keypad}, func(set []int) bool {
		return !slices.ContainsFunc(set, func(k int) bool { return keys.Bit(k) == 0 })
	})
}
