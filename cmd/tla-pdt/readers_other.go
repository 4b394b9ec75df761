//go:build !linux

package main

import (
	"errors"

	"tlagate/cmd/internal/cli"
)

// Run says that there is nothing to print.
func (c *readersCmd) Run(*cli.App) error {
	return errors.New("cannot print the configuration of pcscd: there is none on this system")
}
