// Package fips has a program run in Go's FIPS 140 mode where its configuration says crypto: rgs (annex codes C2 and G5;
// docs/crypto.md). Nothing else keeps crypto/tls from ChaCha20, and a program cannot turn it on in itself: it is
// started again, in its own place.
package fips

import (
	"context"
	"crypto/fips140"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"tlagate/pki"
)

const (
	settings = "GODEBUG"
	name     = "fips140="
	on       = name + "on"

	// started is set in the environment of a program that was started again, so that it is once.
	started = "TLAGATE_FIPS140"
)

// Enter returns nil in a program that runs as c demands. Else it starts the program again, with the same arguments, and
// does not return. Call it once the configuration is read: before keys are, and before any sandbox. stopped ends with
// the signal that tells the program to end, of which the program started again would know nothing.
func Enter(stopped context.Context, c pki.Crypto) error {
	switch {
	case fips140.Enforced():
		return errors.New("cannot run with GODEBUG=fips140=only: names of OCSP and of keys are made by SHA-1; " +
			"say GODEBUG=fips140=on, or nothing")
	case Suits(c):
		return os.Unsetenv(started)
	case os.Getenv(started) != "":
		return errors.New("cannot use crypto: rgs: this program was started again with GODEBUG=fips140=on, " +
			"and is not in that mode; say crypto: default, or ask who built it")
	}
	if err := Possible(); err != nil {
		return err
	}
	signal.Reset(os.Interrupt, syscall.SIGTERM) // which end the program from here on, and at the next one's beginning
	if stopped.Err() != nil {
		return errors.New("cannot go on: this program was told to stop before it was as crypto: rgs demands")
	}
	return fmt.Errorf("cannot use crypto: rgs: this program cannot start itself again with GODEBUG=fips140=on: %w; "+
		"set it where the program is started", again(environment(os.Environ())))
}

// Suits reports whether the program runs as c demands.
func Suits(c pki.Crypto) bool { return c != pki.CryptoRGS || fips140.Enabled() }

// environment is that of the program started again.
func environment(of []string) (next []string) {
	var kept []string
	for _, v := range of {
		text, ok := strings.CutPrefix(v, settings+"=")
		if !ok {
			next = append(next, v)
			continue
		}
		kept = slices.DeleteFunc(strings.Split(text, ","), func(s string) bool {
			return s == "" || strings.HasPrefix(s, name)
		})
	}
	return append(next, settings+"="+strings.Join(append(kept, on), ","), started+"=1")
}
