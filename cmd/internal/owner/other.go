//go:build !linux

package owner

// Plan is what a program is going to do.
type Plan struct {
	Config                         string
	Written, Read, Devices, Groups []string
}

// Become does nothing where there is no such account to become.
func (Plan) Become() error { return nil }
