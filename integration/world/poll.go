package world

import (
	"fmt"
	"time"
)

// Patience bounds every wait for what comes at once on an idle machine. It matters only when something is broken: a
// machine ten times slower must not reach it.
const Patience = 3 * time.Minute

// Poll asks ready until it returns nil; after timeout the error says what was
// waited for and ready's last answer. An answer that takes long is asked for
// less often, so that many who wait at once leave the machine to the work.
func Poll(timeout time.Duration, what string, ready func() error) error {
	deadline := time.Now().Add(timeout)
	for {
		asked := time.Now()
		err := ready()
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("waited %v for %s: %w", timeout, what, err)
		}
		time.Sleep(min(max(10*time.Millisecond, 2*time.Since(asked)), time.Second))
	}
}
