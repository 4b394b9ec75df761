//go:build !linux

package dialer

import "context"

// subscribe never sends an event.
func subscribe(context.Context, chan<- struct{}) error { return nil }
