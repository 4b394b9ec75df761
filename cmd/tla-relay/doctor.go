package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"tlagate/cmd/internal/cli"
	"tlagate/cmd/internal/doctor"
)

type doctorCmd struct {
	place
	JSON bool `name:"json" help:"Print it as JSON."`
}

// pinPage is the locked memory that a PIN takes, in octets.
const pinPage = 4096

// Run looks for the known traps of this terminal. It makes no network connection: a start alone does (C4).
func (c *doctorCmd) Run(app *cli.App) error {
	cfg, err := c.load()
	checks := []doctor.Check{{Name: "configuration", Run: func(context.Context) doctor.Finding { return doctor.Configuration(c.Config, err) }}}
	here := doctor.Here("tla-relay")
	checks = append(checks, here.Clock(), here.Polkit(), here.Service(doctor.Socket(os.Getenv), func() []string { return nil }), here.APDULog())
	checks = append(checks, here.Memory()...)
	checks = append(checks, here.Locked(pinPage))
	if err == nil {
		d := doctor.Device{Identities: map[string]cli.Identity{"identity": cfg.Identity}, Own: "identity", Trust: cfg.Trust, Seal: cfg.Seal}
		checks = append(append(checks, d.Checks()...), cfg.Control.checks()...)
		checks = append(checks, doctor.Disk(string(cfg.Audit)))
	}
	checks = append(checks, here.NoNetwork())
	return doctor.Report(app, checks, c.JSON)
}

// checks are of who may command the relay.
func (c control) checks() []doctor.Check {
	return []doctor.Check{
		{Name: "control socket", Run: func(context.Context) doctor.Finding { return c.socket() }},
		{Name: "group of the users", Run: func(context.Context) doctor.Finding { return c.members() }},
	}
}

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
		return doctor.Fail("restart tla-relay: it makes it with mode 0660", "%s is open to every user (mode %04o)", c.Socket, info.Mode().Perm())
	}
	if dir, err := os.Stat(filepath.Dir(string(c.Socket))); err == nil && dir.Mode().Perm()&0o022 != 0 && dir.Mode()&os.ModeSticky == 0 {
		return doctor.Fail("chmod go-w it", "others may replace files in %s (mode %04o)", filepath.Dir(string(c.Socket)), dir.Mode().Perm())
	}
	return doctor.Good("%s, mode %04o", c.Socket, info.Mode().Perm())
}

// members are those who may start and stop a session.
func (c control) members() doctor.Finding {
	if c.Group == "" {
		return doctor.Warn("set control.group, and add the users to it", "root and the relay's own user alone may start a session")
	}
	users, err := doctor.Members("/etc/group", "/etc/passwd", c.Group)
	switch {
	case err != nil:
		return doctor.Fail(fmt.Sprintf("groupadd --system %s", c.Group), "%v", err)
	case len(users) == 0:
		return doctor.Warn(fmt.Sprintf("usermod -aG %s USER, who logs in again", c.Group), "nobody is in the group %s: only root may start a session", c.Group)
	}
	return doctor.Good("in the group %s: %v", c.Group, users)
}
