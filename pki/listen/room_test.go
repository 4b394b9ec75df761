package listen

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"tlagate/internal/logtest"

	"github.com/stretchr/testify/require"
)

// fakeConn is a connection from any address; Read waits until it is closed.
type fakeConn struct {
	net.Conn
	remote string
	closed chan struct{}
}

type fakeAddr string

func (a fakeAddr) Network() string { return "tcp" }
func (a fakeAddr) String() string  { return string(a) }

func from(remote string) *fakeConn { return &fakeConn{remote: remote, closed: make(chan struct{})} }

func (c *fakeConn) RemoteAddr() net.Addr { return fakeAddr(c.remote) }
func (c *fakeConn) Close() error         { close(c.closed); return nil }
func (c *fakeConn) Read([]byte) (int, error) {
	<-c.closed
	return 0, io.EOF
}

// enter lets in a connection from each address, and returns the guests.
func enter(r *Room, remotes ...string) (guests []*Guest) {
	for _, remote := range remotes {
		guests = append(guests, r.Enter(from(remote)))
	}
	return guests
}

func several(network string, n int) (list []string) {
	for i := range n {
		list = append(list, fmt.Sprintf("%s%d:%d", network, i%250+1, 1000+i))
	}
	return list
}

func gone(guests []*Guest) (n int) {
	for _, g := range guests {
		if g.Gone() != nil {
			n++
		}
	}
	return n
}

// TestRoomSendsAwayTheHeaviest: a flood pushes out itself, whatever it is that makes it heavy.
func TestRoomSendsAwayTheHeaviest(t *testing.T) {
	flood := func(remote string, n int) []string { return strings.Fields(strings.Repeat(remote+" ", n)) }
	for name, attack := range map[string][]string{
		"one address":               flood("192.0.2.1:1", 500),
		"one IPv6 /64":              flood("[2001:db8::1]:1", 500),
		"an address each of a /24":  several("192.0.2.", 250),
		"the addresses of a /64":    {"[2001:db8::1]:1", "[2001:db8::2]:1", "[2001:db8::ffff]:1"},
		"two addresses of one /24":  append(flood("192.0.2.1:1", 90), flood("192.0.2.2:1", 90)...),
		"one IPv6 /48 in many /64s": {"[2001:db8:1:1::1]:1", "[2001:db8:1:2::1]:1", "[2001:db8:1:3::1]:1"},
	} {
		t.Run(name, func(t *testing.T) {
			r := NewRoom(RoomConfig{Places: 12})
			honest := enter(r, "198.51.100.1:1", "203.0.113.1:1", "[2001:db8:9::1]:1")
			attackers := enter(r, attack...)
			honest = append(honest, enter(r, several("198.18.1.", 1)...)...)
			honest = append(honest, enter(r, "198.18.2.1:1", "198.18.3.1:1", "198.18.4.1:1", "198.18.5.1:1",
				"198.18.6.1:1", "198.18.7.1:1")...)
			require.Zero(t, gone(honest))
			require.LessOrEqual(t, r.Guests(), 12)
			require.Equal(t, max(0, len(attackers)-2), gone(attackers))
		})
	}
}

// TestRoomPrefersTheLongestSilent: of the heaviest source the first that waits goes, never one that is being served.
func TestRoomPrefersTheLongestSilent(t *testing.T) {
	r := NewRoom(RoomConfig{Places: 3})
	guests := enter(r, "192.0.2.1:1", "192.0.2.1:2", "192.0.2.1:3")
	guests[0].busy.Store(true)
	enter(r, "198.51.100.1:1")
	require.NoError(t, guests[0].Gone())
	require.ErrorIs(t, guests[1].Gone(), ErrTooMany)
	require.NoError(t, guests[2].Gone())
	guests[2].busy.Store(true)
	last := enter(r, "192.0.2.1:4")
	require.ErrorIs(t, last[0].Gone(), ErrTooMany, "when all others are served, the newcomer of that source goes")
}

// TestRoomBoundsASource: a source with too many connections loses its own silent ones.
func TestRoomBoundsASource(t *testing.T) {
	r := NewRoom(RoomConfig{Places: 100, Each: 2})
	guests := enter(r, "192.0.2.1:1", "192.0.2.1:2", "192.0.2.1:3", "192.0.2.2:1")
	require.ErrorIs(t, guests[0].Gone(), ErrTooMany)
	require.Equal(t, 1, gone(guests))
	require.Equal(t, 3, r.Guests())
}

// TestRoomFavoursWhoWasProven: a source where a peer was proven may come back all at once.
func TestRoomFavoursWhoWasProven(t *testing.T) {
	r := NewRoom(RoomConfig{Places: 40})
	known := r.Enter(from("203.0.113.7:1"))
	known.Proven()
	known.Leave()
	back := enter(r, strings.Fields(strings.Repeat("203.0.113.7:1 ", 10))...)
	attack := enter(r, several("192.0.2.", 500)...)
	require.Zero(t, gone(back))
	require.Equal(t, 470, gone(attack))
}

func TestRoomRemembersNoMoreThanItsBound(t *testing.T) {
	r := NewRoom(RoomConfig{Places: 1})
	for i := range maxProven + 100 {
		g := r.Enter(from(fmt.Sprintf("10.%d.%d.%d:1", i>>16, i>>8&255, i&255)))
		g.Proven()
		g.Leave()
	}
	require.LessOrEqual(t, len(r.proven), maxProven)
	require.Empty(t, r.sources.byKey)
	require.Empty(t, r.networks.heap)
}

// TestSilentGuestsGo: a guest that sends nothing in time is sent away; one that has sent something is not timed again.
func TestSilentGuestsGo(t *testing.T) {
	r := NewRoom(RoomConfig{Places: 10, Silent: 50 * time.Millisecond})
	near, far := net.Pipe()
	talker := r.Enter(near)
	go func() { _, _ = far.Write([]byte{1}) }()
	_, err := talker.Read(make([]byte, 1))
	require.NoError(t, err)
	silent := enter(r, "192.0.2.1:1")[0]
	_, err = silent.Read(make([]byte, 1))
	require.Error(t, err)
	require.ErrorIs(t, silent.Gone(), ErrSilent)
	require.NoError(t, talker.Gone())
	require.Equal(t, 1, r.Guests())
}

// TestTurnsBoundWork: no more than so many guests are served at once, and a turn that lasts does not hold up the
// others.
func TestTurnsBoundWork(t *testing.T) {
	r := NewRoom(RoomConfig{Places: 10, Turns: 1})
	guests, ends := []*Guest{}, []net.Conn{}
	for range 3 {
		near, far := net.Pipe()
		guests, ends = append(guests, r.Enter(near)), append(ends, far)
	}
	read := make(chan int, len(guests))
	for i, g := range guests {
		go func() { _, _ = g.Read(make([]byte, 1)); read <- i }()
		go func() { _, _ = ends[i].Write([]byte{1}) }()
	}
	first := <-read
	require.Len(t, r.turns, 1)
	go func() { _, _ = guests[first].Read(make([]byte, 1)) }() // ends its turn
	<-read
	<-read // after longestTurn, if not before
	for _, far := range ends {
		far.Close()
	}
}

func TestRelieve(t *testing.T) {
	r := NewRoom(RoomConfig{Places: 10})
	r.relieve()
	guests := enter(r, "192.0.2.1:1", "192.0.2.2:1")
	r.relieve()
	require.Equal(t, 1, gone(guests))
}

func TestNetworkOf(t *testing.T) {
	for remote, want := range map[string]string{
		"192.0.2.77:1":             "192.0.2.0/24",
		"[::ffff:192.0.2.77]:1":    "192.0.2.0/24",
		"[2001:db8:1:2:3::4%e0]:1": "2001:db8:1::/48",
		"@":                        "@",
	} {
		require.Equal(t, want, networkOf(remote))
	}
}

// TestRationOfLines: the first lines of a kind are logged, then a count; other networks and reasons are logged all the
// same.
func TestRationOfLines(t *testing.T) {
	log := &logtest.Buffer{}
	r := NewRation(slog.New(slog.NewTextHandler(log, nil)))
	for i := range 1000 {
		r.Log(Line{Level: slog.LevelWarn, Message: "refused", Remote: fmt.Sprintf("192.0.2.%d:1", i%250),
			Reason: "too_many"})
	}
	r.Log(Line{Level: slog.LevelWarn, Message: "refused", Remote: "192.0.3.1:1", Reason: "too_many"})
	r.Log(Line{Level: slog.LevelWarn, Message: "refused", Remote: "192.0.2.1:1", Reason: "expired"})
	lines := func() int { return strings.Count(log.String(), "msg=refused ") }
	require.Equal(t, rationLines+2, lines())
	r.lines.Close()
	require.Contains(t, log.String(),
		fmt.Sprintf(`msg="refused, many times" reason=too_many from=192.0.2.0/24 more=%d`, 1000-rationLines))
	r.Log(Line{Level: slog.LevelWarn, Message: "refused", Remote: "192.0.2.1:1", Reason: "too_many"})
	require.Equal(t, rationLines+3, lines(), "counted anew")
}

// TestC1NewcomersAreServedUnderAFlood: under silent connections in thousands, from few addresses, every honest peer
// gets in.
func TestC1NewcomersAreServedUnderAFlood(t *testing.T) {
	for name, open := range map[string]bool{"gateway and streams": false, "enrolment": true} {
		t.Run(name, func(t *testing.T) {
			r := start(t, Config{Handshakes: 100, Open: open})
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			go flood(ctx, r.l.Addr().String())
			require.Eventually(t, func() bool { return r.l.Pending() >= 100 }, time.Minute, time.Millisecond)
			for range 10 {
				r.requireProven(t)
			}
		})
	}
}

// flood keeps opening connections from several addresses, and sends nothing on them.
func flood(ctx context.Context, to string) {
	var conns []net.Conn
	for i := 0; ctx.Err() == nil; i++ {
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 1, byte(1+i%16))}}
		c, err := d.DialContext(ctx, "tcp", to)
		if err == nil {
			conns = append(conns, c)
		}
		if len(conns) > 1000 {
			conns[0].Close()
			conns = conns[1:]
		}
	}
	for _, c := range conns {
		c.Close()
	}
}
