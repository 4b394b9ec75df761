package main

import (
	"fmt"
	"os"
	"path/filepath"

	"tlagate/cmd/internal/cli"
	"tlagate/ocsp"
)

type checkCmd struct {
	Config string `required:"" short:"c" placeholder:"FILE" help:"Configuration file (YAML)."`
}

// Run prints what serve would find, and fails when serve would.
func (s *checkCmd) Run(app *cli.App) error {
	c, err := load(s.Config)
	if err != nil {
		return err
	}
	cfg, err := c.responder(nil)
	if err != nil {
		return err
	}
	keys, unreadable := c.Identity.Open()
	if unreadable != nil {
		fmt.Fprintf(app.Stdout, "WRONG certificate  %v\n", unreadable)
	} else {
		defer keys.Close()
		cfg.Certificate = keys.Certificate()
	}
	fmt.Fprintf(app.Stdout, "ok    listen       %s\n", c.Listen)
	wrong := show(app, ocsp.Check(cfg), unreadable != nil)
	warnOfKey(app, string(c.Database))
	if wrong || unreadable != nil {
		return fmt.Errorf("cannot answer as %s is: see what is marked WRONG above", s.Config)
	}
	fmt.Fprintln(app.Stdout, "configuration is good")
	return nil
}

func show(app *cli.App, found []ocsp.Finding, unreadable bool) (wrong bool) {
	for _, f := range found {
		switch {
		case f.Name == "certificate" && unreadable: // told already
		case f.Err != nil:
			wrong = true
			fmt.Fprintf(app.Stdout, "WRONG %-12s %v\n", f.Name, f.Err)
		default:
			fmt.Fprintf(app.Stdout, "ok    %-12s %s\n", f.Name, f.Detail)
		}
	}
	return wrong
}

// warnOfKey: whoever can read the CA's key could sign anything, and the responder faces strangers.
func warnOfKey(app *cli.App, database string) {
	file := filepath.Join(filepath.Dir(database), "issuing", "issuing.key")
	if f, err := os.Open(file); err == nil {
		f.Close()
		fmt.Fprintf(app.Stdout, "note  %-12s this user can read the CA's key %s; run serve as a user who cannot\n", "key", file)
	}
}
