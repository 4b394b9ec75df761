package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"tlagate/cmd/internal/cli"
	"tlagate/cmd/tla-relay/internal/words"
	"tlagate/tla"
	ctl "tlagate/tla/control"
)

// userCmd is what the user's commands share.
type userCmd struct {
	withConfig
	JSON bool `name:"json" help:"Print the relay's answer as JSON (docs/control.md)."`
}

type (
	startCmd struct {
		userCmd
		PdT    string `name:"pdt" placeholder:"NAME" help:"Which Poste de Travail, if the terminal may choose; the first if not given."`
		NoWait bool   `name:"no-wait" help:"Return once the session is up, whether programs see the cards or not."`
	}
	checkCmd struct {
		userCmd
		PdT string `name:"pdt" placeholder:"NAME" help:"Which Poste de Travail, if the terminal may choose; the first if not given."`
	}
	stopCmd   struct{ userCmd }
	stayCmd   struct{ userCmd }
	statusCmd struct{ userCmd }
)

// Run starts a session, and asks for the user's code if that is wanted.
func (c *startCmd) Run(app *cli.App) error {
	if socket, err := c.socket(); err == nil && !c.JSON {
		defer asker{app: app, socket: socket}.beside()()
	}
	r := ctl.Request{Command: "start", PdT: c.PdT, Wait: !c.NoWait}
	return c.ask(app, r, func(t words.Tongue, w io.Writer, s *tla.Status) {
		fmt.Fprintln(w, t.Up(s))
		if !c.NoWait {
			t.Unseen(w, s)
		}
		if late := t.Warning(s); late != "" {
			fmt.Fprintln(w, late)
		}
	})
}

// Run does the test before a visit; exit 1 if it finds something.
func (c *checkCmd) Run(app *cli.App) error {
	a, err := c.answer(app, ctl.Request{Command: "check", PdT: c.PdT})
	if err != nil {
		return err
	}
	if !c.JSON {
		words.TongueOf(os.Getenv).Rehearsal(app.Stdout, a.Rehearsal, a.Status.Identity, time.Now())
	}
	if !a.Rehearsal.OK {
		return cli.ExitCode(1, nil)
	}
	return nil
}

// Run ends the session and says that the cards are free; it is an error if they are not.
func (c *stopCmd) Run(app *cli.App) error {
	a, err := c.answer(app, ctl.Request{Command: "stop"})
	if err == nil && !c.JSON {
		err = words.TongueOf(os.Getenv).Freed(app.Stdout, a.Status)
	}
	return err
}

func (c *stayCmd) Run(app *cli.App) error {
	return c.ask(app, ctl.Request{Command: "stay"}, func(t words.Tongue, w io.Writer, s *tla.Status) {
		fmt.Fprintln(w, t.Say(words.Stayed, nil))
	})
}

func (c *statusCmd) Run(app *cli.App) error {
	return c.ask(app, ctl.Request{Command: "status"}, func(t words.Tongue, w io.Writer, s *tla.Status) {
		t.Status(w, s)
	})
}

// ask has the daemon do a command, and shows its answer in the user's language.
func (c userCmd) ask(app *cli.App, r ctl.Request, show func(words.Tongue, io.Writer, *tla.Status)) error {
	a, err := c.answer(app, r)
	if err == nil && !c.JSON {
		show(words.TongueOf(os.Getenv), app.Stdout, a.Status)
	}
	return err
}

// answer has the daemon do a command, and prints its answer as JSON if that is wanted; an answer that is not ok is an
// error.
func (c userCmd) answer(app *cli.App, r ctl.Request) (a tla.Answer, err error) {
	t := words.TongueOf(os.Getenv)
	socket, err := c.socket()
	if err != nil {
		return a, err
	}
	if err := ctl.AskFor(app.Context, socket, r, &a); err != nil {
		app.Log.Debug("the relay was not asked", "command", r.Command, "error", err)
		return a, t.Trouble(err)
	}
	if c.JSON {
		err = json.NewEncoder(app.Stdout).Encode(a)
	}
	switch {
	case err != nil || a.OK:
		return a, err
	case c.JSON:
		return a, cli.ExitCode(1, nil)
	}
	own := ""
	if a.Status != nil {
		own = a.Status.Identity
	}
	return a, errors.New(t.WhyOf(r.Command, a.Error, own))
}

// socket returns where the daemon listens; for a user who has no configuration file, the usual place.
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
