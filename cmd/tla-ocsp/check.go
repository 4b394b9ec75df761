package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

	"tlagate/cmd/internal/cli"
	"tlagate/ocsp"
)

type checkCmd struct {
	Config string `required:"" short:"c" placeholder:"FILE" help:"Configuration file (YAML)."`
}

// Run prints what serve would find, all of it, and fails when serve would.
func (s *checkCmd) Run(app *cli.App) error {
	c, err := load(s.Config)
	if !cli.Usable(err) {
		return err
	}
	r := &report{out: app.Stdout, told: map[string]bool{}}
	for _, fault := range cli.FaultsOf(err) {
		r.line("configuration", "", fault)
	}
	cfg, err := c.responder(nil)
	r.tell("issuer", err)
	keys, err := c.Identity.OpenOrAll()
	r.tell("certificate", err)
	if keys != nil {
		defer keys.Close()
		cfg.Certificate = keys.Certificate()
	}
	r.line("listen", c.Listen, nil)
	for _, f := range ocsp.Check(cfg) {
		if !r.told[f.Name] {
			r.line(f.Name, f.Detail, f.Err)
		}
	}
	warnOfKey(app, string(c.Database))
	if r.wrong {
		return fmt.Errorf("cannot answer as %s is: see what is marked WRONG above", s.Config)
	}
	fmt.Fprintln(app.Stdout, "configuration is good")
	return nil
}

// report prints what is found.
type report struct {
	out   io.Writer
	wrong bool
	told  map[string]bool // of what no more need be said
}

// tell prints why something cannot be read; nil = it can.
func (r *report) tell(name string, err error) {
	for _, fault := range cli.FaultsOf(err) {
		r.line(name, "", fault)
		r.told[name] = true
	}
}

func (r *report) line(name, detail string, err error) {
	if err != nil {
		r.wrong = true
		fmt.Fprintf(r.out, "WRONG %-12s %s\n", name, cli.Screen(err.Error()))
		return
	}
	fmt.Fprintf(r.out, "ok    %-12s %s\n", name, cli.Screen(detail))
}

// warnOfKey: whoever can read the CA's key could sign anything, and the responder faces strangers.
func warnOfKey(app *cli.App, database string) {
	file := filepath.Join(filepath.Dir(database), "issuing", "issuing.key")
	if f, err := os.Open(file); err == nil {
		f.Close()
		fmt.Fprintf(app.Stdout, "note  %-12s this user can read the CA's key %s; run serve as a user who cannot\n",
			"key", cli.Screen(file))
	}
}
