package main

import (
	"context"
	"os"
	"path/filepath"

	"tlagate/cmd/internal/cli"
	"tlagate/cmd/internal/doctor"
	"tlagate/cmd/internal/intact"
	"tlagate/tla"
	ctl "tlagate/tla/control"
)

type doctorCmd struct {
	withConfig
	JSON bool `name:"json" help:"Print it as JSON."`
}

// pinPage is the locked memory that a PIN takes, in octets.
const pinPage = 4096

// Run looks for the known traps of this terminal. It makes no network connection: only a start does (C4).
func (c *doctorCmd) Run(app *cli.App) error {
	cfg, err := c.load()
	d := doctor.Device{Offline: true, Identities: map[string]cli.Identity{"identity": cfg.Identity}, Own: "identity",
		Trust: cfg.Trust, Seal: cfg.Seal, Usable: cfg.usable}
	checks := doctor.Configuration(c.Config, err, cfg.cannotStart(d, err))
	here := doctor.Here("tla-relay")
	checks = append(checks, here.Clock(), here.Polkit(), here.Service(doctor.Socket(os.Getenv), func() []string {
		return nil
	}), here.APDULog())
	checks = append(checks, here.Memory()...)
	checks = append(checks, here.Locked(pinPage), here.Keyboard())
	if cli.Usable(err) {
		checks = append(checks, d.Checks()...)
		checks = append(checks, doctor.Check{Name: "control socket",
			Run: func(context.Context) doctor.Finding { return cfg.Control.socket() }})
		checks = append(checks, doctor.Check{Name: "cards",
			Run: func(ctx context.Context) doctor.Finding { return cfg.Control.cards(ctx) }})
		checks = append(checks, here.Users(cfg.Control.Group))
		checks = append(checks, doctor.Disk(string(cfg.Audit)))
		checks = append(checks, doctor.Integrity(cfg.Integrity.Configured(), func() (string, error) {
			return intact.Summary(cfg.Integrity, c.Config, cfg.Trust, string(cfg.Audit))
		})...)
	}
	checks = append(checks, here.NoNetwork())
	return doctor.Report(app, checks, c.JSON)
}

// cannotStart returns why the relay would refuse to start with what file and bundle say; nil = it would not. A bundle
// that cannot be used has a finding of its own.
func (c config) cannotStart(d doctor.Device, loaded error) error {
	content, err := d.Content()
	if err != nil || !cli.Usable(loaded) {
		return nil
	}
	s, err := c.settings(content)
	if err != nil {
		return err
	}
	return s.Check()
}

// socket checks the socket over which users command the relay.
func (c control) socket() doctor.Finding {
	info, err := os.Lstat(string(c.Socket))
	switch {
	case os.IsNotExist(err):
		return doctor.Warn("systemctl start tla-relay", "there is no socket %s: the relay is not running", c.Socket)
	case err != nil:
		return doctor.Cannot("run this command as root", "%v", err)
	case info.Mode().Type() != os.ModeSocket:
		return doctor.Fail("remove it, and restart tla-relay", "%s is no socket", c.Socket)
	case info.Mode().Perm()&0o007 != 0:
		return doctor.Fail("restart tla-relay: it makes it with mode 0660", "%s is open to every user (mode %04o)",
			c.Socket, info.Mode().Perm())
	}
	if dir, err := os.Stat(filepath.Dir(string(c.Socket))); err == nil && dir.Mode().Perm()&0o022 != 0 &&
		dir.Mode()&os.ModeSticky == 0 {
		return doctor.Fail("chmod go-w it", "others may replace files in %s (mode %04o)",
			filepath.Dir(string(c.Socket)), dir.Mode().Perm())
	}
	return doctor.Good("%s, mode %04o", c.Socket, info.Mode().Perm())
}

// cards asks the relay which cards it ignores; nothing of them is printed but their ATR.
func (c control) cards(ctx context.Context) doctor.Finding {
	var a tla.Answer
	if err := ctl.AskFor(ctx, string(c.Socket), ctl.Request{Command: "status"}, &a); err != nil || a.Status == nil {
		return doctor.Cannot("start tla-relay, and run this command as one of its users", "the relay was not asked: %v",
			err)
	}
	return ignored(a.Status)
}

// ignored returns a finding on the first card that is in and of no use.
func ignored(s *tla.Status) doctor.Finding {
	in := 0
	for _, r := range s.Readers {
		if r.Card == nil {
			continue
		}
		in++
		switch r.Card.Use {
		case tla.UseUnknown:
			return doctor.Warn("if it is a Vitale or CPS card, tell the makers of tlagate its ATR",
				"the card in %q is ignored: it is neither Vitale nor CPS; ATR %q", r.Name, r.Card.ATR)
		case tla.UseNoRule:
			return doctor.Warn("add a profile for it to the card policy (docs/policy.md)",
				"the card in %q is of no use: the card policy has no profile for it; ATR %s", r.Name, r.Card.ATR)
		}
	}
	return doctor.Good("%d, all of a kind that the relay uses", in)
}
