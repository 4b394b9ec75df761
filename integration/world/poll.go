package world

import (
	"fmt"
	"time"
)

// Patience bounds every wait for what happens at once on an idle machine. It matters only when something is broken: a
// machine ten times slower must not reach it.
const Patience = 3 * time.Minute

// Poll calls ready until it returns nil; after timeout the error says what was waited for, and wraps ready's last
// error. It calls a ready that takes long less often, so that many that wait at once do not keep the machine busy.
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
