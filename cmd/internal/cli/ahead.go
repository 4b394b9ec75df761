package cli

import (
	"fmt"

	"tlagate/session/ahead"
)

// ReadAhead is the line of a device's configuration about answers of cards that are sent before programs ask for them
// (docs/policy.md, "Read-ahead"):
//
//	read_ahead: 0
type ReadAhead struct {
	Most *int `yaml:"read_ahead"` // promises at once in a slot; 0 = no read-ahead, absent = as many as there may be
}

// CheckReadAhead returns what is wrong with the line.
func (r ReadAhead) CheckReadAhead() error {
	if n := r.Window(); n < 0 || n > ahead.MaxWindow {
		return fmt.Errorf("cannot use read_ahead: %d is not from 0 to %d", n, ahead.MaxWindow)
	}
	return nil
}

// Window returns how many promises there may be at once.
func (r ReadAhead) Window() int {
	if r.Most == nil {
		return ahead.MaxWindow
	}
	return *r.Most
}
