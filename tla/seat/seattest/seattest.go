// Package seattest is a logind for tests: on a private bus of a real dbus-daemon it answers with sessions that a test
// makes up.
package seattest

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
	"github.com/godbus/dbus/v5/prop"
	"github.com/stretchr/testify/require"
)

// patience is how long to wait for what must happen, however slow the machine.
const patience = 2 * time.Minute

// Session is one login session, or what a test makes of it.
type Session struct {
	Remote, Active bool
	Class, Seat    string
	State          string // "" = as Active says
	Without        string // name of a property that it lacks
}

// AtTheMachine is the session of somebody who sits there.
var AtTheMachine = Session{Active: true, Class: "user", Seat: "seat0"}

// Logind says which process belongs to which session.
type Logind struct {
	exports sync.Mutex // held while a session is exported: the library does not

	t    *testing.T
	conn *dbus.Conn
	bus  *exec.Cmd

	mu    sync.Mutex // protects the rest
	of    func(pid uint32) *Session
	asked int
	mute  chan struct{} // not nil: an answer waits for it
}

const busConfig = `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN" "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>session</type><listen>unix:path=%s</listen><auth>EXTERNAL</auth>
<policy context="default"><allow user="*"/><allow own="*"/><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/></policy></busconfig>`

// withUsers runs the daemon with another /etc: it admits only users that it finds there.
const withUsers = `mount --bind "$1" /etc; shift; exec dbus-daemon "$@"`

// Bus starts a bus at path without a logind on it.
func Bus(t *testing.T, path string) *Logind { return bus(t, path, "dbus-daemon") }

func bus(t *testing.T, path string, daemon ...string) *Logind {
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	config := filepath.Join(t.TempDir(), "bus.conf")
	require.NoError(t, os.WriteFile(config, fmt.Appendf(nil, busConfig, path), 0o644))
	l := &Logind{t: t,
		bus: exec.Command(daemon[0], append(daemon[1:], "--nofork", "--nopidfile", "--config-file="+config)...)}
	l.bus.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	l.bus.Stderr = os.Stderr
	require.NoError(t, l.bus.Start(), "the Debian package dbus-daemon has it")
	t.Cleanup(func() {
		l.Gone()
		_ = os.Remove(path)
		_ = os.Remove(filepath.Dir(path)) // if it is empty
	})
	require.Eventually(t, func() bool {
		c, err := net.Dial("unix", path)
		if err == nil {
			c.Close()
		}
		return err == nil
	}, patience, 10*time.Millisecond, "the bus")
	return l
}

// Start starts a bus at path, and a logind on it that knows no session.
func Start(t *testing.T, path string) *Logind { return start(Bus(t, path), path) }

// StartFor is like Start, as root, for the users in a directory like /etc.
func StartFor(t *testing.T, path, etc string) *Logind {
	return start(bus(t, path, "unshare", "--mount", "sh", "-ec", withUsers, "sh", etc), path)
}

func start(l *Logind, path string) *Logind {
	t := l.t
	var err error
	l.conn, err = dbus.Connect("unix:path=" + path)
	require.NoError(t, err)
	require.NoError(t, l.conn.Export(manager{l}, "/org/freedesktop/login1", "org.freedesktop.login1.Manager"))
	reply, err := l.conn.RequestName("org.freedesktop.login1", dbus.NameFlagDoNotQueue)
	require.NoError(t, err)
	require.Equal(t, dbus.RequestNameReplyPrimaryOwner, reply)
	return l
}

// Gone ends bus and logind.
func (l *Logind) Gone() {
	l.Answer()
	if l.conn != nil {
		l.conn.Close()
	}
	if l.bus.ProcessState == nil {
		_ = l.bus.Process.Kill()
		_ = l.bus.Wait()
	}
}

// Everybody makes every process belong to this session from now on.
func (l *Logind) Everybody(s Session) { l.Of(func(uint32) *Session { return &s }) }

// Of sets which session a process belongs to; nil = none.
func (l *Logind) Of(of func(pid uint32) *Session) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.of = of
}

// Mute leaves questions without an answer until Answer is called.
func (l *Logind) Mute() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mute = make(chan struct{})
}

// Answer undoes Mute.
func (l *Logind) Answer() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.mute != nil {
		close(l.mute)
		l.mute = nil
	}
}

// Asked returns how many questions came.
func (l *Logind) Asked() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.asked
}

// ask returns the session of a process, and what to wait for before answering.
func (l *Logind) ask(pid uint32) (*Session, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.asked++
	if l.of == nil {
		return nil, l.mute
	}
	return l.of(pid), l.mute
}

// manager is what the bus sees of the Logind.
type manager struct{ l *Logind }

// GetSessionByPID answers as logind's does.
func (m manager) GetSessionByPID(pid uint32) (dbus.ObjectPath, *dbus.Error) {
	s, mute := m.l.ask(pid)
	if mute != nil {
		<-mute
	}
	if s == nil {
		return "", dbus.NewError("org.freedesktop.login1.NoSessionForPID",
			[]any{fmt.Sprintf("PID %d does not belong to any known session", pid)})
	}
	path := dbus.ObjectPath(fmt.Sprintf("/org/freedesktop/login1/session/s%d", pid))
	m.l.exports.Lock()
	defer m.l.exports.Unlock()
	_, err := prop.Export(m.l.conn, path, prop.Map{"org.freedesktop.login1.Session": s.properties()})
	if err != nil {
		return "", dbus.MakeFailedError(err)
	}
	return path, nil
}

func (s Session) properties() map[string]*prop.Prop {
	seat := struct {
		ID   string
		Path dbus.ObjectPath
	}{s.Seat, "/"}
	if s.Seat != "" {
		seat.Path = dbus.ObjectPath("/org/freedesktop/login1/seat/" + s.Seat)
	}
	if s.State == "" && s.Active {
		s.State = "active"
	}
	p := map[string]*prop.Prop{"State": {Value: s.State}, "Remote": {Value: s.Remote}, "Active": {Value: s.Active},
		"Class": {Value: s.Class}, "Seat": {Value: seat}}
	delete(p, s.Without)
	return p
}
