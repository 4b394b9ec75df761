package main

import (
	"errors"
	"fmt"
	"time"

	"tlagate/audit"
	"tlagate/ca"
	"tlagate/ca/officers"
	"tlagate/cmd/internal/cli"
	"tlagate/keys"
	"tlagate/pki/trust"
)

// office is where a command goes: as an officer's to the running server, or to the CA's directory.
type office struct {
	Dir  string `short:"d" placeholder:"DIR" env:"TLA_PKI_DIR" help:"The CA's directory, while no server with officers runs; or --as."`
	Root string `placeholder:"DIR" help:"Directory with the root's key, when it is not DIR/root."`
	As   string `placeholder:"FILE" env:"TLAGATE_PKI" help:"${office_as}"`
}

// acting is an office of a command that changes something.
type acting struct {
	office
	Why        string `placeholder:"TEXT" help:"With --as: why, for the trace; nobody's name."`
	BreakGlass string `placeholder:"WHY" help:"${office_break_glass}"`
}

// ceremony is a CA's directory for what officers do not do from afar.
type ceremony struct {
	caDir
	BreakGlass string `placeholder:"WHY" help:"${office_break_glass}"`
}

// read opens the CA for what changes nothing.
func (o office) read(app *cli.App, f func(*ca.CA) error, out ...string) error {
	if err := o.check(); err != nil {
		return err
	}
	return caDir{o.Dir, o.Root}.open(app, f, out...)
}

// check refuses an office that is nowhere, or in two places.
func (o office) check() error {
	switch {
	case o.Dir == "" && o.As == "":
		return cli.Usage("cannot tell which CA: name its directory with --dir, or your officer's file with --as")
	case o.Dir != "" && o.As != "":
		return cli.Usage("cannot tell which CA: --dir (TLA_PKI_DIR) and --as (TLAGATE_PKI) are both given")
	}
	return nil
}

// act opens the CA for an act on its directory, which no server may have reserved for its officers.
func (a acting) act(app *cli.App, what string, f func(*ca.CA) error, out ...string) error {
	if err := a.check(); err != nil {
		return err
	}
	return ceremony{caDir{a.Dir, a.Root}, a.BreakGlass}.act(app, what, f, out...)
}

func (c ceremony) act(app *cli.App, what string, f func(*ca.CA) error, out ...string) error {
	if c.BreakGlass != "" && !officers.Sensible(c.BreakGlass) {
		return cli.Usage("cannot %s: --break-glass wants a reason, of at most 200 characters that can be printed", what)
	}
	return c.open(app, func(authority *ca.CA) error {
		if c.BreakGlass != "" {
			if err := c.breakGlass(app, authority, what); err != nil {
				return err
			}
			return f(authority)
		}
		err := authority.Unreserved(func() error { return f(authority) })
		if errors.Is(err, ca.ErrReserved) {
			return fmt.Errorf("cannot %s here: %w; act as one of them with --as, or in an emergency "+
				"with --break-glass WHY, which raises an alarm", what, err)
		}
		return err
	}, out...)
}

// breakGlass records an act past the officers before it is done. One that only takes trust away is done even if that
// fails.
func (c ceremony) breakGlass(app *cli.App, authority *ca.CA, what string) error {
	err := authority.Record(audit.OperatorAct, audit.Act(what), audit.Role("break-glass"), audit.Reason(c.BreakGlass))
	note := authority.Alone(func() error {
		return officers.BreakGlass(c.Dir, officers.Emergency{At: time.Now().UTC(), Account: operator(), Act: what,
			Why: c.BreakGlass})
	})
	app.Log.Error("this is done past the CA's officers", "act", what, "account", operator(), "why", c.BreakGlass)
	if err = errors.Join(err, note); err == nil {
		return nil
	}
	if what == "revoke" || what == "withdraw" {
		app.Log.Error("it is not recorded everywhere", "error", err)
		return nil
	}
	return fmt.Errorf("cannot %s: it cannot be recorded: %w", what, err)
}

// officerFile is an officer's file (YAML); docs/ca.md, section 6, explains it.
type officerFile struct {
	PKI      cli.Server   `yaml:"pki"` // unix:PATH, HOST:PORT, or {address: …, name: …}
	Identity cli.Identity `yaml:"identity"`
	Trust    cli.Trust    `yaml:"trust"`

	cli.Crypto `yaml:",inline"`
}

func (f *officerFile) check() error {
	if f.PKI == "" {
		return errors.Join(errors.New("pki is missing: write pki: unix:/run/tla-pki/officers.sock or pki: HOST:PORT"),
			f.CheckCrypto())
	}
	return f.CheckCrypto()
}

// afar runs f with a client of the server that the officer's file names.
func (o office) afar(app *cli.App, f func(*officers.Client) error) error {
	if err := o.check(); err != nil {
		return err
	}
	var file officerFile
	if err := cli.LoadYAML(o.As, &file, file.check); err != nil {
		return err
	}
	if err := file.Insist(app); err != nil {
		return err
	}
	own, err := file.Identity.OpenWith(keys.Config{PIN: cli.AskPIN})
	if err != nil {
		return err
	}
	defer own.Close()
	if err := own.OfAdmin(app.Log); err != nil {
		return err
	}
	store, err := trust.Open(file.Trust.Config(file.Demanded(), app.Log))
	if err != nil {
		return err
	}
	client, err := officers.NewClient(officers.ClientConfig{Server: string(file.PKI),
		Party: &trust.Party{Trust: store, Certificate: own.Certificate}})
	if err != nil {
		return err
	}
	return f(client)
}

// warn prints what an answer warns of, and returns an error if there is anything.
func warn(warnings []string) error {
	var errs []error
	for _, w := range warnings {
		errs = append(errs, errors.New(w))
	}
	return errors.Join(errs...)
}
