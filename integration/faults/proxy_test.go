package faults

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/integration/world"
)

const patience = world.Patience

// bed is a proxy between a client and a server, both of which are the test's.
type bed struct {
	t      *testing.T
	p      *Proxy
	server net.Listener
}

func newBed(t *testing.T) *bed {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	p, err := NewProxy(l.Addr().String())
	require.NoError(t, err)
	t.Cleanup(p.Close)
	return &bed{t, p, l}
}

// pair returns the two ends of a new connection; index 0 is the client's.
func (b *bed) pair() (ends [2]*net.TCPConn) {
	client, err := net.Dial("tcp", b.p.Addr())
	require.NoError(b.t, err)
	server, err := b.server.Accept()
	require.NoError(b.t, err)
	ends = [2]*net.TCPConn{client.(*net.TCPConn), server.(*net.TCPConn)}
	for _, end := range ends {
		require.NoError(b.t, end.SetDeadline(time.Now().Add(patience)))
		b.t.Cleanup(func() { end.Close() })
	}
	say(b.t, ends[0], ends[1], "x")
	say(b.t, ends[1], ends[0], "x")
	return ends
}

func say(t *testing.T, from, to net.Conn, text string) {
	t.Helper()
	_, err := from.Write([]byte(text))
	require.NoError(t, err)
	hears(t, to, text)
}

func hears(t *testing.T, end net.Conn, text string) {
	t.Helper()
	got := make([]byte, len(text))
	_, err := io.ReadFull(end, got)
	require.NoError(t, err)
	require.Equal(t, text, string(got))
}

// silent asserts that an end hears nothing, not even the end of the stream.
func silent(t *testing.T, end net.Conn) {
	t.Helper()
	require.NoError(t, end.SetReadDeadline(time.Now().Add(30*time.Millisecond)))
	_, err := end.Read(make([]byte, 1))
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	require.NoError(t, end.SetReadDeadline(time.Now().Add(patience)))
}

// TestFaultStrikesAtItsOctet: exactly as many octets pass as the fault says, in each direction, in whatever pieces.
func TestFaultStrikesAtItsOctet(t *testing.T) {
	const text = "0123456789"
	for _, kind := range []Kind{Cut, Reset, HalfOpen, Deaf, Stall} {
		for _, way := range []Direction{ToTarget, ToClient} {
			for after := 1; after <= len(text); after++ {
				b := newBed(t)
				ends := b.pair()
				a := b.p.Arm(Fault{Kind: kind, Way: way, After: after})
				require.False(t, a.Struck())
				_, err := ends[way].Write([]byte(text))
				require.NoError(t, err)
				hears(t, ends[1-way], text[:after])
				<-a.Fired()
				b.broken(ends, a, text[after:])
			}
		}
	}
}

// broken asserts what each end sees of a fault that has struck; rest is what it kept back.
func (b *bed) broken(ends [2]*net.TCPConn, a *Armed, rest string) {
	b.t.Helper()
	near, far := ends[a.Way], ends[1-a.Way]
	switch a.Kind {
	case Cut:
		_, err := near.Read(make([]byte, 1))
		require.Equal(b.t, io.EOF, err)
		_, err = far.Read(make([]byte, 1))
		require.Equal(b.t, io.EOF, err)
	case Reset:
		for _, end := range ends {
			_, err := end.Read(make([]byte, 1))
			require.ErrorIs(b.t, err, syscall.ECONNRESET)
		}
	case HalfOpen:
		silent(b.t, far)
		_, err := far.Write([]byte("lost"))
		require.NoError(b.t, err)
		silent(b.t, near)
		require.NoError(b.t, near.Close())
		silent(b.t, far)
	case Deaf:
		silent(b.t, far)
		say(b.t, far, near, "the other way all is well")
	case Stall:
		silent(b.t, far)
		_, err := far.Write([]byte("held too"))
		require.NoError(b.t, err)
		silent(b.t, near)
		require.NoError(b.t, near.CloseWrite())
		silent(b.t, far)
		a.Release()
		hears(b.t, far, rest)
		hears(b.t, near, "held too")
		_, err = far.Read(make([]byte, 1))
		require.Equal(b.t, io.EOF, err, "the end comes late too")
	}
}

func TestFaultAtOnceStrikesAllConnections(t *testing.T) {
	b := newBed(t)
	first, second := b.pair(), b.pair()
	a := b.p.Arm(Fault{Kind: Cut})
	require.True(t, a.Struck())
	for _, end := range []net.Conn{first[0], first[1], second[0], second[1]} {
		_, err := end.Read(make([]byte, 1))
		require.Equal(t, io.EOF, err)
	}
	third := b.pair()
	say(t, third[0], third[1], "and no later one")
}

func TestFaultStrikesOneConnectionAlone(t *testing.T) {
	b := newBed(t)
	first, second := b.pair(), b.pair()
	a := b.p.Arm(Fault{Kind: Cut, Way: ToTarget, After: 3})
	say(t, first[0], first[1], "12")
	say(t, second[0], second[1], "12")
	require.False(t, a.Struck(), "each connection is counted by itself")
	say(t, second[0], second[1], "3")
	<-a.Fired()
	say(t, first[0], first[1], "345")
}

func TestALostConnectionTakesNoFurtherFault(t *testing.T) {
	b := newBed(t)
	first, second := b.pair(), b.pair()
	stall := b.p.Arm(Fault{Kind: Stall, Way: ToTarget, After: 1})
	_, err := first[0].Write([]byte("12345"))
	require.NoError(t, err)
	<-stall.Fired()
	a := b.p.Arm(Fault{Kind: Cut, Way: ToTarget, After: 2})
	stall.Release()
	hears(t, first[1], "12345")
	require.False(t, a.Struck())
	say(t, second[0], second[1], "12")
	<-a.Fired()
}

func TestAStallGoesOnByItself(t *testing.T) {
	b := newBed(t)
	ends := b.pair()
	const pause = 50 * time.Millisecond
	began := time.Now()
	b.p.Arm(Fault{Kind: Stall, For: pause})
	say(t, ends[0], ends[1], "late")
	require.GreaterOrEqual(t, time.Since(began), pause)
}

func TestDisarmedFaultDoesNotStrike(t *testing.T) {
	b := newBed(t)
	ends := b.pair()
	a := b.p.Arm(Fault{Kind: Cut, After: 3})
	b.p.Disarm()
	say(t, ends[0], ends[1], "12345")
	require.False(t, a.Struck())
}

func TestAdmissions(t *testing.T) {
	b := newBed(t)
	ends := b.pair()
	a := b.p.Arm(Fault{Kind: Cut, Way: ToClient, After: 1, Then: Refuse})
	say(t, ends[1], ends[0], "x")
	<-a.Fired()
	_, err := net.Dial("tcp", b.p.Addr())
	require.ErrorIs(t, err, syscall.ECONNREFUSED)

	require.NoError(t, b.p.Admit(Swallow))
	accepted := b.p.Accepted()
	swallowed, err := net.Dial("tcp", b.p.Addr())
	require.NoError(t, err)
	defer swallowed.Close()
	_, err = swallowed.Write([]byte("hello?"))
	require.NoError(t, err)
	silent(t, swallowed)
	require.Equal(t, accepted, b.p.Accepted())

	require.NoError(t, b.p.Admit(Accept))
	ends = b.pair()
	say(t, ends[0], ends[1], "well again")
}

func TestPassedCountsAndKeepsEveryOctet(t *testing.T) {
	b := newBed(t)
	ends := b.pair()
	before := b.p.Passed()
	sent := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	go func() { _, _ = ends[0].Write(sent); _ = ends[0].CloseWrite() }()
	got, err := io.ReadAll(ends[1])
	require.NoError(t, err)
	require.True(t, bytes.Equal(sent, got))
	after := b.p.Passed()
	require.EqualValues(t, len(sent), after[ToTarget]-before[ToTarget])
	require.Equal(t, before[ToClient], after[ToClient])
}

func TestClosedProxyLeavesNothing(t *testing.T) {
	b := newBed(t)
	ends := b.pair()
	b.p.Arm(Fault{Kind: Stall})
	_, err := ends[0].Write([]byte("held"))
	require.NoError(t, err)
	b.p.Close()
	for _, end := range ends {
		_, err := end.Read(make([]byte, 1))
		require.Error(t, err)
		require.False(t, errors.Is(err, os.ErrDeadlineExceeded))
	}
	require.NoError(t, b.p.Admit(Accept))
	_, err = net.Dial("tcp", b.p.Addr())
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
}

// TestRefusingProxyKeepsItsPort: while the proxy does not listen, no other listener and no outgoing connection gets its
// port.
func TestRefusingProxyKeepsItsPort(t *testing.T) {
	b := newBed(t)
	require.NoError(t, b.p.Admit(Refuse))
	_, err := net.Dial("tcp", b.p.Addr())
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
	at, err := net.ResolveTCPAddr("tcp", b.p.Addr())
	require.NoError(t, err)
	_, err = net.DialTCP("tcp", at, b.server.Addr().(*net.TCPAddr))
	require.ErrorIs(t, err, syscall.EADDRINUSE)
	require.NoError(t, b.p.Admit(Accept))
	b.pair()
}

func TestPlanRepeats(t *testing.T) {
	shape := Shape{Kinds: []Kind{Cut, Cut, HalfOpen, Stall}, Octets: [2]int{90, 70}, Stall: time.Second,
		Thens: []Admission{Accept, Refuse}}
	one, same, other := NewPlan(7, shape), NewPlan(7, shape), NewPlan(8, shape)
	differ := false
	for range 100 {
		f := one.Next()
		require.Equal(t, f, same.Next())
		differ = differ || f != other.Next()
		require.Positive(t, f.After)
		require.LessOrEqual(t, f.After, shape.Octets[f.Way])
		require.Equal(t, f.Kind == Stall, f.For > 0)
	}
	require.True(t, differ)
	require.Regexp(t, `^seed 7, 100 faults, \d+ cut, \d+ stall, \d+ half-open$`, one.String())
}

// TestLongHellosAreDropped: a hello that is longer than the limit does not come through, others do.
func TestLongHellosAreDropped(t *testing.T) {
	record := func(n int) string {
		return "\x16\x03\x01" + string([]byte{byte((n - 5) >> 8), byte(n - 5)}) + string(make([]byte, n-5))
	}
	for _, kind := range []Kind{Reset, HalfOpen} {
		t.Run(kind.String(), func(t *testing.T) {
			b := newBed(t)
			b.p.LimitHello(1000, kind)
			for _, c := range []struct {
				size   int
				passes bool
			}{{267, true}, {1000, true}, {1001, false}, {1489, false}} {
				client, err := net.Dial("tcp", b.p.Addr())
				require.NoError(t, err)
				defer client.Close()
				server, err := b.server.Accept()
				require.NoError(t, err)
				defer server.Close()
				require.NoError(t, client.SetDeadline(time.Now().Add(patience)))
				require.NoError(t, server.SetDeadline(time.Now().Add(patience)))
				switch {
				case c.passes:
					say(t, client, server, record(c.size))
				case kind == Reset:
					_, err := client.Write([]byte(record(c.size)))
					require.NoError(t, err)
					_, err = client.Read(make([]byte, 1))
					require.ErrorIs(t, err, syscall.ECONNRESET)
				default:
					_, err := client.Write([]byte(record(c.size)))
					require.NoError(t, err)
					silent(t, server)
				}
			}
		})
	}
}
