// Package pulsetest shows that what asks whether a program works hangs as the program does.
package pulsetest

import (
	"testing"
	"time"
)

const (
	patience = 2 * time.Minute // for what must happen
	while    = 50 * time.Millisecond
)

// Hangs fails t unless f hangs while a lock is held, and returns when it is let go. It calls f a few times: a loop may
// come round once more before it hangs.
func Hangs(t testing.TB, f, hold, letGo func()) {
	t.Helper()
	hold()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 3 {
			f()
		}
	}()
	select {
	case <-done:
		t.Error("it answers although what it asks hangs")
	case <-time.After(while): // that it hangs can only be seen for a while
	}
	letGo()
	select {
	case <-done:
	case <-time.After(patience):
		t.Error("it hangs although nothing else does")
	}
}
