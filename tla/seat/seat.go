// Package seat asks logind whether a process belongs to a person who sits at this machine (annex code C4): to a login
// session that is local, in the foreground, and has a seat, that is screen and keys of this machine. A remote login has
// none, whichever user logs in.
//
// Only what the kernel knows counts: the session is that of the process's control group, which it cannot leave by
// itself. A process that belongs to a user but to no session (systemd-run --user, a desktop's applications) is refused:
// nothing shows from where its user gave the command.
package seat

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/godbus/dbus/v5"
)

// Bus is where the system bus listens.
const Bus = "/run/dbus/system_bus_socket"

// Names of logind on the bus (org.freedesktop.login1(5)).
const (
	logind           = "org.freedesktop.login1"
	managerPath      = "/org/freedesktop/login1"
	getSessionByPID  = "org.freedesktop.login1.Manager.GetSessionByPID"
	sessionInterface = "org.freedesktop.login1.Session"
	getAll           = "org.freedesktop.DBus.Properties.GetAll"
	noSessionForPID  = "org.freedesktop.login1.NoSessionForPID"
)

// Config configures Check.
type Config struct {
	Bus string // path of the bus's socket; "" = Bus
}

// Check returns why the process pid does not belong to a person at this machine; nil = it does. If logind does not
// answer, it does not. ctx should have a deadline.
func (c Config) Check(ctx context.Context, pid int) error {
	conn, err := c.connect(ctx)
	if err != nil {
		return fmt.Errorf("cannot ask logind whose process asks: %w", err)
	}
	defer conn.Close()
	s, err := sessionOf(ctx, conn, pid)
	if err != nil {
		return err
	}
	return s.judge()
}

// connect opens a connection for one question: while nothing is asked, there is none.
func (c Config) connect(ctx context.Context) (*dbus.Conn, error) {
	path := c.Bus
	if path == "" {
		path = Bus
	}
	socket, err := new(net.Dialer).DialContext(ctx, "unix", path)
	if err != nil {
		return nil, err
	}
	if deadline, ok := ctx.Deadline(); ok {
		_ = socket.SetDeadline(deadline)
	}
	conn, err := dbus.ConnectUnix(socket.(*net.UnixConn), dbus.WithContext(ctx))
	if err != nil {
		socket.Close()
	}
	return conn, err
}

// session is what logind says of a login session; the names are logind's.
type session struct {
	Remote bool
	Active bool
	State  string // "closing": its user has logged out
	Class  string
	Seat   struct {
		ID   string
		Path dbus.ObjectPath
	}
}

func sessionOf(ctx context.Context, conn *dbus.Conn, pid int) (s session, err error) {
	var path dbus.ObjectPath
	err = conn.Object(logind, managerPath).CallWithContext(ctx, getSessionByPID, 0, uint32(pid)).Store(&path)
	if e := (dbus.Error{}); errors.As(err, &e) && e.Name == noSessionForPID {
		return s, fmt.Errorf("process %d belongs to no login session", pid)
	}
	if err != nil {
		return s, fmt.Errorf("cannot ask logind for the session of process %d: %w", pid, err)
	}
	var properties map[string]dbus.Variant
	err = conn.Object(logind, path).CallWithContext(ctx, getAll, 0, sessionInterface).Store(&properties)
	if err == nil {
		err = s.read(properties)
	}
	if err != nil {
		return s, fmt.Errorf("cannot ask logind about the session of process %d: %w", pid, err)
	}
	return s, nil
}

// read wants all the properties: one that is missing is not taken for false.
func (s *session) read(properties map[string]dbus.Variant) error {
	for name, into := range map[string]any{"Remote": &s.Remote, "Active": &s.Active, "State": &s.State,
		"Class": &s.Class, "Seat": &s.Seat} {
		v, ok := properties[name]
		if !ok {
			return fmt.Errorf("it says nothing of %s", name)
		}
		if err := dbus.Store([]any{v.Value()}, into); err != nil {
			return fmt.Errorf("cannot read %s: %w", name, err)
		}
	}
	return nil
}

func (s session) judge() error {
	switch {
	case s.Remote:
		return errors.New("the login session is a remote one")
	case s.Seat.ID == "":
		return errors.New("the login session has no seat: it is not at this machine's screen and keys")
	case !s.Active:
		return errors.New("the login session is not in the foreground")
	case s.State != "active":
		return fmt.Errorf("the login session is %s", s.State)
	case !strings.HasPrefix(s.Class, "user"):
		return fmt.Errorf("the login session is a %s's, not a user's", s.Class)
	}
	return nil
}
