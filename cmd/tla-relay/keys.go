package main

import (
	"errors"
	"os"

	"tlagate/cmd/internal/cli"
	"tlagate/cmd/internal/keycmd"
	"tlagate/cmd/internal/trail"
	"tlagate/cmd/tla-relay/internal/words"
	"tlagate/keys"
	"tlagate/tla"
	ctl "tlagate/tla/control"
)

type keysCmd struct {
	withConfig
	JSON bool `name:"json" help:"Print it as JSON."`
}

// Run lists the keys and certificates of this terminal (G2).
func (c *keysCmd) Run(app *cli.App) error {
	return keycmd.List(app, c.Config, c.JSON, words.KeyWords[words.TongueOf(os.Getenv)])
}

type eraseCmd struct {
	withConfig
	Yes bool `help:"Do not ask."`
}

// Run destroys this terminal's identity (G2, EL3), provided that no relay runs, which would have it in memory.
func (c *eraseCmd) Run(app *cli.App) error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	running := func() error {
		err := ctl.Ask(app.Context, string(cfg.Control.Socket), "status", new(tla.Answer))
		if errors.Is(err, ctl.ErrNoDaemon) {
			return nil
		}
		return errors.New("systemctl stop tla-relay")
	}
	if err := cfg.becomeOwner(c.Config); err != nil {
		return err
	}
	trace, err := trail.Open(app, "tla-relay erase", cfg.Audit)
	if err != nil {
		return err
	}
	return trace.Erasure(func(tell func(keys.Event)) error {
		return (&keycmd.Erase{Config: c.Config, Yes: c.Yes, Running: running,
			Words: words.KeyWords[words.TongueOf(os.Getenv)], Event: tell}).Run(app)
	})
}
