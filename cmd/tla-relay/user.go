package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"tlagate/cmd/internal/cli"
	"tlagate/tla"
	ctl "tlagate/tla/control"
)

// userCmd is what the user's commands share.
type userCmd struct {
	place
	JSON bool `name:"json" help:"Print the relay's answer as JSON (docs/control.md)."`
}

type (
	startCmd  struct{ userCmd }
	stopCmd   struct{ userCmd }
	stayCmd   struct{ userCmd }
	statusCmd struct{ userCmd }
)

func (c *startCmd) Run(app *cli.App) error {
	return c.ask(app, "start", func(t tongue, w io.Writer, s *tla.Status) {
		fmt.Fprintln(w, t.up(s))
		if late := t.warning(s); late != "" {
			fmt.Fprintln(w, late)
		}
	})
}

func (c *stopCmd) Run(app *cli.App) error {
	return c.ask(app, "stop", func(t tongue, w io.Writer, s *tla.Status) { fmt.Fprintln(w, t.say(stopped, nil)) })
}

func (c *stayCmd) Run(app *cli.App) error {
	return c.ask(app, "stay", func(t tongue, w io.Writer, s *tla.Status) { fmt.Fprintln(w, t.say(stayed, nil)) })
}

func (c *statusCmd) Run(app *cli.App) error {
	return c.ask(app, "status", func(t tongue, w io.Writer, s *tla.Status) { t.status(w, s) })
}

// ask has the daemon do a command, and shows its answer in the user's language.
func (c userCmd) ask(app *cli.App, command string, show func(tongue, io.Writer, *tla.Status)) error {
	t := tongueOf(os.Getenv)
	socket, err := c.socket()
	if err != nil {
		return err
	}
	var a tla.Answer
	if err := ctl.Ask(app.Context, socket, command, &a); err != nil {
		return t.trouble(err)
	}
	if c.JSON {
		if err := json.NewEncoder(app.Stdout).Encode(a); err != nil {
			return err
		}
	}
	switch {
	case !a.OK && c.JSON:
		return cli.ExitCode(1, nil)
	case !a.OK:
		return errors.New(t.why(a.Error))
	case !c.JSON:
		show(t, app.Stdout, a.Status)
	}
	return nil
}

// socket finds the daemon; a user who has no configuration file finds it at the usual place.
func (c userCmd) socket() (string, error) {
	cfg, err := c.load()
	if err == nil {
		return string(cfg.Control.Socket), nil
	}
	usual := errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission)
	if usual && c.Config == defaultConfig {
		return defaultSocket, nil
	}
	return "", err
}
