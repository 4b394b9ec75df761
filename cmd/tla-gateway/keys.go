package main

import (
	"fmt"

	"tlagate/cmd/internal/cli"
	"tlagate/cmd/internal/keycmd"
	"tlagate/cmd/internal/trail"
	"tlagate/internal/tcp"
	"tlagate/keys"
)

type keysCmd struct {
	configFlag
	JSON bool `name:"json" help:"Print it as JSON."`
}

// Run lists what this gateway holds (G2).
func (c *keysCmd) Run(app *cli.App) error { return keycmd.List(app, c.Config, c.JSON, keycmd.English) }

type eraseCmd struct {
	configFlag
	Yes bool `help:"Do not ask."`
}

// Run destroys this gateway's identity (G2), unless its address is in use: a running gateway has the keys in memory.
func (c *eraseCmd) Run(app *cli.App) error {
	cfg, _, err := load(c.Config)
	if err != nil {
		return err
	}
	running := func() error {
		l, err := tcp.Listen(app.Context, cfg.Listen, false)
		if err != nil {
			return fmt.Errorf("its address is in use, or cannot be tried: %w", err)
		}
		return l.Close()
	}
	if err := cfg.becomeOwner(c.Config); err != nil {
		return err
	}
	trace, err := trail.OpenKept(app, "tla-gateway erase", cfg.Audit)
	if err != nil {
		return err
	}
	return trace.Erasure(func(tell func(keys.Event)) error {
		return (&keycmd.Erase{Config: c.Config, Yes: c.Yes, Running: running, Words: keycmd.English,
			Event: tell}).Run(app)
	})
}
