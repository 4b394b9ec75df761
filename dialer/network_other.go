//go:build !linux

package dialer

import "context"

// subscribe never tells of anything.
func subscribe(context.Context, chan<- struct{}) error { return nil }
