//go:build !linux

package owner

// Plan is what a program is going to do.
type Plan struct {
	Config                         string
	Written, Read, Devices, Groups []string
}

// Become does nothing: systems other than Linux have no such account.
func (Plan) Become() error { return nil }
