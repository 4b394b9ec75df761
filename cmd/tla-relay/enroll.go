package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"time"

	"tlagate/bundle"
	"tlagate/cmd/internal/cli"
	"tlagate/cmd/internal/enrol"
	"tlagate/cmd/internal/trail"
	"tlagate/cmd/tla-relay/internal/words"
	"tlagate/est"
	"tlagate/tla"
)

type enrollCmd struct {
	withConfig
	enrol.Command
}

// Run gets the terminal's certificate with a one-time code. It is a local act of a person, and makes the one connection
// that a relay makes without a session (C4).
func (e *enrollCmd) Run(app *cli.App) error {
	c, err := e.load()
	if err != nil {
		return err
	}
	usual := est.Place{}
	if len(c.Gateways) > 0 {
		usual.Address = string(c.Gateways[0])
	}
	if err := c.Insist(app); err != nil {
		return err
	}
	if err := c.becomeOwner(e.Config); err != nil {
		return err
	}
	trace, err := trail.Open(app, "tla-relay enroll", c.Audit)
	if err != nil {
		return err
	}
	device := c.device()
	device.Hybrids = c.Hybrids(trace.Hybrids)
	return trace.Enrolment(func() error {
		return e.Command.Run(app, device, usual, words.TongueOf(os.Getenv).Enrolment(),
			c.FirstBundle(app, c.Trust, c.Identity, c.usable, bundle.Way{Dial: c.Dial, Hybrids: device.Hybrids}))
	})
}

func (c config) device() enrol.Device {
	return enrol.Device{Dial: c.Dial, Trust: c.Trust, Crypto: c.Foreseen(),
		Pairs: []enrol.Pair{{Name: "identity", Files: c.Identity, Profile: est.TLA}}}
}

// notEnrolled is the exit code of a relay that is not enrolled: EX_CONFIG of sysexits. Its unit does not restart it
// then.
const notEnrolled = 78

// enrolled refuses to run a terminal that has no certificate yet, as when it was just installed.
func (c config) enrolled() error {
	if _, err := os.Stat(string(c.Identity.Cert)); c.Identity.Cert == "" || !errors.Is(err, fs.ErrNotExist) {
		return nil // if something else is wrong with it, opening it will say so
	}
	return cli.ExitCode(notEnrolled,
		fmt.Errorf("cannot run: this terminal is not enrolled, there is no certificate %s; "+
			"as the relay's user, run: tla-relay enroll --gateway HOST:PORT, with a one-time code of your PKI",
			c.Identity.Cert))
}

// renewer renews the terminal's certificate inside sessions.
type renewer struct{ *enrol.Renewer }

func (c config) renewer(d *daemon, trace *trail.Trail, log *slog.Logger) renewer {
	pair := c.device().Pairs[0]
	return renewer{&enrol.Renewer{Trust: d.trust, At: c.Renewal.At, Dial: c.Dial, Hybrids: c.Hybrids(trace.Hybrids),
		Log: log, Traced: trace.Renewal, Held: []enrol.Held{{Pair: pair, Keys: d.keys}}}}
}

// during renews in a session, as tla.Config.During wants it, through the gateway of the session and no other.
func (r renewer) during(ctx context.Context, gateway string) {
	r.Run(ctx, []est.Place{{Address: gateway}})
}

// renewal returns how the renewal stands, as tla.Config.Renewal wants it.
func (r renewer) renewal() tla.Renewal {
	s := r.Status()
	return tla.Renewal{Due: s.Due, Warn: s.GivenUp || time.Now().After(s.Warn), FailingSince: s.FailingSince,
		Reason: s.Reason, GivenUp: s.GivenUp}
}
