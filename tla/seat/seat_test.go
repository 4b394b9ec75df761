package seat_test

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"tlagate/tla/seat"
	"tlagate/tla/seat/seattest"
)

// patience is how long to wait for what must happen, however slow the machine.
const patience = 2 * time.Minute

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// socketPath returns a short path: that of a Unix socket has at most 107 octets.
func socketPath(t *testing.T) string {
	dir, err := os.MkdirTemp("", "seat-")
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	return filepath.Join(dir, "bus")
}

// TestC4OnlySomebodyAtTheMachineIsLetIn: which sessions count, and why the others do not.
func TestC4OnlySomebodyAtTheMachineIsLetIn(t *testing.T) {
	bus := socketPath(t)
	logind := seattest.Start(t, bus)
	at := seattest.AtTheMachine
	change := func(spoil func(*seattest.Session)) seattest.Session {
		s := at
		spoil(&s)
		return s
	}
	for name, c := range map[string]struct {
		session seattest.Session
		why     string // "" = let in
	}{
		"somebody at the machine":        {at, ""},
		"a root shell at the machine":    {change(func(s *seattest.Session) { s.Class = "user-early" }), ""},
		"a remote login":                 {seattest.Session{Remote: true, Active: true, Class: "user"}, "a remote one"},
		"a remote login that has a seat": {change(func(s *seattest.Session) { s.Remote = true }), "a remote one"},
		"a session without a seat":       {change(func(s *seattest.Session) { s.Seat = "" }), "no seat"},
		"a session in the background": {change(func(s *seattest.Session) { s.Active = false }),
			"not in the foreground"},
		"a session that is over": {change(func(s *seattest.Session) { s.State = "closing" }),
			"session is closing"},
		"an answer without State": {change(func(s *seattest.Session) { s.Without = "State" }),
			"says nothing of State"},
		"the login screen":         {change(func(s *seattest.Session) { s.Class = "greeter" }), "a greeter's"},
		"a user's service manager": {change(func(s *seattest.Session) { s.Class = "manager" }), "a manager's"},
		"an answer without Remote": {change(func(s *seattest.Session) { s.Without = "Remote" }),
			"says nothing of Remote"},
		"an answer without Seat": {change(func(s *seattest.Session) { s.Without = "Seat" }),
			"says nothing of Seat"},
	} {
		t.Run("C4 "+name, func(t *testing.T) {
			logind.Everybody(c.session)
			err := check(t, bus)
			if c.why == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, c.why)
		})
	}
	logind.Of(func(pid uint32) *seattest.Session { require.EqualValues(t, os.Getpid(), pid); return nil })
	require.ErrorContains(t, check(t, bus), "belongs to no login session")
}

// TestC4NoAnswerIsANo: without logind, or without a bus, no process is one of a person at the machine.
func TestC4NoAnswerIsANo(t *testing.T) {
	t.Run("C4 no bus", func(t *testing.T) {
		require.ErrorContains(t, check(t, socketPath(t)), "cannot ask logind")
	})
	t.Run("C4 no logind on the bus", func(t *testing.T) {
		bus := socketPath(t)
		seattest.Bus(t, bus)
		require.ErrorContains(t, check(t, bus), "cannot ask logind")
	})
	t.Run("C4 a logind that is silent", func(t *testing.T) {
		bus := socketPath(t)
		logind := seattest.Start(t, bus)
		logind.Everybody(seattest.AtTheMachine)
		logind.Mute()
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		require.Error(t, seat.Config{Bus: bus}.Check(ctx, os.Getpid()))
	})
	t.Run("C4 a bus that is silent", func(t *testing.T) {
		bus := socketPath(t)
		l, err := net.Listen("unix", bus)
		require.NoError(t, err)
		defer l.Close()
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		require.Error(t, seat.Config{Bus: bus}.Check(ctx, os.Getpid()))
	})
}

func check(t *testing.T, bus string) error {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	return seat.Config{Bus: bus}.Check(ctx, os.Getpid())
}
