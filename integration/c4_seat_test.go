package integration

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/integration/lab"
	"tlagate/integration/world"
	"tlagate/tla/seat"
	"tlagate/tla/seat/seattest"
)

// remote is a login by SSH.
var remote = seattest.Session{Remote: true, Active: true, Class: "user"}

// logindOf starts a logind on a system bus that the relay of a lab alone sees.
func logindOf(t *testing.T, l *lab.Lab) *seattest.Logind {
	t.Helper()
	own := l.Path("dbus")
	l.RelayOver = world.Over{filepath.Dir(seat.Bus): own}
	return seattest.Start(t, filepath.Join(own, filepath.Base(seat.Bus)))
}

// newSeated returns a deployment whose relay asks a logind who acts; nobody has a login session yet.
func newSeated(t *testing.T) (*bed, *seattest.Logind) {
	b := newBed(t)
	logind := logindOf(t, b.Lab)
	b.ca.publish(t)
	b.Seat = "logind"
	require.NoError(t, b.StartGateway())
	require.NoError(t, b.StartRelay())
	b.startPdT(t)
	return b, logind
}

// TestC4OnlySomebodyAtTheTerminalActs: among all users who may use the control socket, only one with a local, active
// login session that has a seat can start a session or prolong it.
func TestC4OnlySomebodyAtTheTerminalActs(t *testing.T) {
	b, logind := newSeated(t)
	at := func(spoil func(*seattest.Session)) func(uint32) *seattest.Session {
		s := seattest.AtTheMachine
		spoil(&s)
		return func(uint32) *seattest.Session { return &s }
	}
	for name, c := range map[string]struct {
		of  func(uint32) *seattest.Session
		why string
	}{
		"remote login":              {func(uint32) *seattest.Session { return &remote }, "a remote one"},
		"session in the background": {at(func(s *seattest.Session) { s.Active = false }), "not in the foreground"},
		"session without a seat":    {at(func(s *seattest.Session) { s.Seat = "" }), "no seat"},
		"no session":                {func(uint32) *seattest.Session { return nil }, "no login session"},
		"answer that lacks a property": {at(func(s *seattest.Session) { s.Without = "Active" }),
			"says nothing of Active"},
	} {
		t.Run("C4 "+name, func(t *testing.T) {
			logind.Of(c.of)
			b.requireNotLocal(t, c.why)
		})
	}
	t.Run("C4 the control: somebody at the terminal", func(t *testing.T) {
		logind.Everybody(seattest.AtTheMachine)
		b.startAccepted(t)
	})
	t.Run("C4 others may look and stop", func(t *testing.T) {
		logind.Everybody(seattest.AtTheMachine)
		require.True(t, b.relay(t, "start").OK)
		logind.Everybody(remote)
		asked := logind.Asked()
		require.Equal(t, "up", b.relay(t, "status").Status.State)
		require.Contains(t, forge(t, b, `{"version":1,"command":"stay"}`), `"not_local"`)
		require.True(t, b.relay(t, "stop").OK)
		require.Equal(t, asked+1, logind.Asked(), "for the stay alone")
	})
	t.Run("C4 a client that says the right things", func(t *testing.T) {
		logind.Of(func(pid uint32) *seattest.Session {
			if comm,
				_ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid)); strings.TrimSpace(string(comm)) == "tla-relay" {
				return &seattest.AtTheMachine
			}
			return &remote
		})
		for _, said := range []string{
			`{"version":1,"command":"start"}`,
			`{"version":1,"command":"start","seat":"seat0","pid":1,"uid":0,"remote":false}`,
			`{"version":1,"command":"pin"}`, `{"version":1,"command":"pinlasttry"}`, `{"version":1,"command":"stay"}`,
			`{"version":1,"command":"whatever"}`,
		} {
			answer := forge(t, b, said)
			require.Contains(t, answer, `"code":"not_local"`, said)
			require.Equal(t, "idle", b.relay(t, "status").Status.State)
		}
		b.startAccepted(t)
	})
	t.Run("C4 no logind", func(t *testing.T) {
		logind.Gone()
		b.requireNotLocal(t, "cannot ask logind")
	})
}

// requireNotLocal asserts that every act is refused, and that nothing happens.
func (b *bed) requireNotLocal(t *testing.T, why string) {
	t.Helper()
	mark := b.RelayProc.Mark()
	for _, act := range []string{"start", "stay", "pin"} {
		_, err := b.Relay(act)
		require.ErrorContains(t, err, "réservée à la personne qui est devant ce terminal", act)
		require.NotContains(t, err.Error(), why, "that is for the log")
		logged(t, b.RelayProc, mark, "control request refused", "reason=not_local", "command="+act, why)
	}
	require.Equal(t, "idle", b.relay(t, "status").Status.State)
	require.Empty(t, networkSockets(t, b.RelayProc.PID()))
}

// forge sends something to the control socket, from this process, and returns the answer.
func forge(t *testing.T, b *bed, said string) string {
	t.Helper()
	c, err := net.Dial("unix", b.Path("relay.sock"))
	require.NoError(t, err)
	defer c.Close()
	require.NoError(t, c.SetDeadline(time.Now().Add(patience)))
	_, err = fmt.Fprintln(c, said)
	require.NoError(t, err)
	answer, err := bufio.NewReader(c).ReadString('\n')
	require.NoError(t, err)
	return answer
}
