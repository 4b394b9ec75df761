package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

	"tlagate/cmd/internal/cli"
	"tlagate/cmd/internal/intact"
	"tlagate/ocsp"
)

type checkCmd struct{ configFlag }

// Run prints what serve would find, all of it, and fails when serve would, or when nobody would accept its answers.
func (s *checkCmd) Run(app *cli.App) error {
	c, err := load(s.Config)
	if !cli.Usable(err) {
		return err
	}
	r := &report{out: app.Stdout, told: map[string]bool{}}
	r.unusable = err != nil
	for _, fault := range cli.FaultsOf(err) {
		r.line("configuration", "", fault)
	}
	r.absent(c)
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
	if c.Integrity.Configured() && err == nil {
		text, err := intact.Summary(c.Integrity, s.Config, cli.Trust{}, string(c.Audit))
		r.line("integrity", text, err)
	}
	warnOfKey(app, string(c.Database))
	if r.unusable {
		return cli.Usage(wrong, s.Config)
	}
	if r.wrong {
		return fmt.Errorf(wrong, s.Config)
	}
	fmt.Fprintln(app.Stdout, "configuration is good")
	return nil
}

const wrong = "cannot answer as %s is: see what is marked WRONG above"

// report prints what is found.
type report struct {
	out      io.Writer
	wrong    bool
	unusable bool            // the configuration itself
	told     map[string]bool // of what no more need be said
}

// absent takes for told what the configuration does not name: its faults have said so.
func (r *report) absent(c config) {
	r.told["issuer"] = c.Issuer == ""
	r.told["certificate"] = c.Identity.Cert == "" || c.Identity.Key == ""
	r.told["database"] = c.Database == ""
}

// tell prints why something cannot be read; nil = it can.
func (r *report) tell(name string, err error) {
	if r.told[name] {
		return
	}
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
