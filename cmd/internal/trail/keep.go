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

// keeping is what the commands hold and release do, and say when it is done.
var keeping = map[string]struct {
	do   func(l *audit.Log, who audit.Attr, reason string) error
	says string
}{
	"audit hold":    {(*audit.Log).Hold, "Nothing is purged until `audit release`."},
	"audit release": {(*audit.Log).Release, "What is old enough is purged again."},
}

// KeepCmd is `audit hold`, and `audit release`.
type KeepCmd[P Holder] struct {
	Place  P      `embed:""`
	Reason string `required:"" placeholder:"TEXT" help:"Why, for the trace: the number of a case; not a person's name."`
}

// Run records the act, and stops the purge, or lets it go on.
func (c *KeepCmd[P]) Run(app *cli.App) error {
	who, act := audit.Account(), keeping[app.Command]
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
	trail, err := OpenKept(app, app.Command, t)
	if err != nil {
		return err
	}
	if err := act.do(trail.Log, who, c.Reason); err != nil {
		return err
	}
	fmt.Fprintln(app.Stdout, act.says)
	return nil
}
