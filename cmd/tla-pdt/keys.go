package main

import (
	"errors"
	"io/fs"
	"syscall"

	"tlagate/cmd/internal/cli"
	"tlagate/cmd/internal/keycmd"
	"tlagate/cmd/internal/trail"
	"tlagate/keys"
	"tlagate/pdt"
)

type keysCmd struct {
	configFlag
	JSON bool `name:"json" help:"Print it as JSON."`
}

// Run lists what this workstation holds (G2).
func (c *keysCmd) Run(app *cli.App) error { return keycmd.List(app, c.Config, c.JSON, keycmd.English) }

type eraseCmd struct {
	configFlag
	Yes bool `help:"Do not ask."`
}

// Run destroys this workstation's identity (G2), unless a running service has it in memory.
func (c *eraseCmd) Run(app *cli.App) error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	running := func() error {
		_, _, err := pdt.AskStatus(string(cfg.Status))
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) {
			return nil
		}
		return errors.New("systemctl stop tla-pdt")
	}
	if err := cfg.becomeOwner(c.Config); err != nil {
		return err
	}
	trace, err := trail.Open(app, "tla-pdt erase", cfg.Audit)
	if err != nil {
		return err
	}
	return trace.Erasure(func(tell func(keys.Event)) error {
		return (&keycmd.Erase{Config: c.Config, Yes: c.Yes, Running: running, Words: keycmd.English,
			Event: tell}).Run(app)
	})
}
