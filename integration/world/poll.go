package world

import (
	"fmt"
	"time"
)

// Poll asks ready every few milliseconds until it returns nil; after timeout
// the error says what was waited for and ready's last answer.
func Poll(timeout time.Duration, what string, ready func() error) error {
	deadline := time.Now().Add(timeout)
	for {
		err := ready()
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("waited %v for %s: %w", timeout, what, err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}
