//go:build !linux

package memory

// Close does nothing: only Linux can.
func Close() {}
