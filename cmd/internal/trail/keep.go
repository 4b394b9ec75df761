package trail

import (
	"cmp"
	"crypto"
	"crypto/x509"
	"fmt"
	"time"

	"tlagate/audit"
	"tlagate/cmd/internal/cli"
)

// What a gateway keeps unless its configuration says otherwise.
const (
	keepFor = 366 * 24 * time.Hour // twelve months (SA2)
	reserve = 4 << 20              // octets
)

// OpenKept opens the trace of a program that keeps it for a time, a file a day, and purges what is older; the first
// pair that [Trail.Keys] opens signs what is purged.
func OpenKept(app *cli.App, program string, t cli.Trace) (*Trail, error) {
	trail := newTrail(app)
	err := trail.open(audit.Config{File: string(t.File), By: program, Daily: true, Space: t.Space, GoOn: t.GoOn,
		Keep: max(0, cmp.Or(t.Keep, keepFor)), Reserve: max(0, cmp.Or(t.Reserve, reserve)), Signer: trail.signer})
	return trail, err
}

// Kept says how long such a trace is kept, and what becomes of sessions when it has no room.
func Kept(t cli.Trace) string {
	text := "never purged"
	if t.Keep != cli.Never {
		text = fmt.Sprintf("kept for %d days, then purged", cmp.Or(t.Keep, keepFor)/(24*time.Hour))
	}
	if t.Space > 0 {
		text += fmt.Sprintf(", in at most %d MiB", t.Space>>20)
	}
	if t.GoOn {
		return text + "; without room, sessions begin all the same"
	}
	return text + "; without room, no session begins"
}

// signer returns who signs what is purged, as audit.Config.Signer wants it.
func (t *Trail) signer() (*x509.Certificate, crypto.Signer) {
	keys := t.keys.Load()
	if keys == nil {
		return nil, nil
	}
	pair := keys.Certificate()
	key, _ := pair.PrivateKey.(crypto.Signer)
	return pair.Leaf, key
}

// Holder is a Place whose trace a command may write to.
type Holder interface {
	Place
	AuditTrace() (cli.Trace, error)
	BecomeOwner() error // of the trace
}

// hold is what the commands hold and release have in common.
type hold[P Holder] struct {
	Place  P      `embed:""`
	Reason string `required:"" placeholder:"TEXT" help:"Why, for the trace: the number of a case; not a person's name."`
}

// do calls f with the program's trace; who is the account that asks.
func (c hold[P]) do(app *cli.App, program string, f func(l *audit.Log, who audit.Attr) error) error {
	who := audit.Account()
	t, err := c.Place.AuditTrace()
	if err == nil && t.File == "" {
		err = cli.Usage("the configuration names no audit trace")
	}
	if err != nil {
		return err
	}
	if err := c.Place.BecomeOwner(); err != nil {
		return err
	}
	trail, err := OpenKept(app, program, t)
	if err != nil {
		return err
	}
	return f(trail.Log, who)
}

// HoldCmd is `audit hold`.
type HoldCmd[P Holder] struct{ hold[P] }

// Run records the act, and stops the purge.
func (c *HoldCmd[P]) Run(app *cli.App) error {
	err := c.do(app, "audit hold", func(l *audit.Log, who audit.Attr) error { return l.Hold(who, c.Reason) })
	if err == nil {
		fmt.Fprintln(app.Stdout, "Nothing is purged until `audit release`.")
	}
	return err
}

// ReleaseCmd is `audit release`.
type ReleaseCmd[P Holder] struct{ hold[P] }

// Run records the act, and lets the purge go on.
func (c *ReleaseCmd[P]) Run(app *cli.App) error {
	err := c.do(app, "audit release", func(l *audit.Log, who audit.Attr) error { return l.Release(who, c.Reason) })
	if err == nil {
		fmt.Fprintln(app.Stdout, "What is old enough is purged again.")
	}
	return err
}
