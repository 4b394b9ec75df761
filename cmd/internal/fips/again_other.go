//go:build !unix

package fips

import (
	"crypto/fips140"
	"errors"
)

// Possible says why the program cannot start itself again; nil = it can, or need not. A child in its place would
// outlive whoever ends the program here.
func Possible() error {
	if fips140.Enabled() {
		return nil
	}
	return errors.New("cannot use crypto: rgs: set GODEBUG=fips140=on where this program is started, on Windows " +
		"for the whole machine with: setx /M GODEBUG fips140=on, and start it again")
}

func again([]string) error { return Possible() }
