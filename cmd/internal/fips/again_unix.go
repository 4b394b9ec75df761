//go:build unix

package fips

import (
	"os"
	"syscall"
)

// Possible says why the program cannot start itself again; nil = it can.
func Possible() error { return nil }

// again returns only when it fails. The process stays the same one, for whoever waits for it.
func again(env []string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	return syscall.Exec(self, os.Args, env)
}
