package session_test

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/integration/cardsim"
	"tlagate/integration/faults"
	"tlagate/pki/pkitest"
	"tlagate/session"
	"tlagate/session/link"
)

// lossy is a card session over both TLS layers and a proxy that breaks them. The terminal dials again and again until
// the session is over.
type lossy struct {
	t        *testing.T
	proxy    *faults.Proxy
	listener net.Listener
	timers   session.Timers
	client   *tls.Config
	server   *tls.Config
	id       session.ID
	card     *cardsim.Counter
	serial   uint32

	ctx      context.Context
	all      sync.WaitGroup
	inserted chan session.Inserted
	work     *session.Workstation // after newLossy
	resumes  int                  // of the PdT; under mu
	mu       sync.Mutex
}

// readAhead is how many promises both ends agree on; make slow runs these tests with some.
var readAhead, _ = strconv.Atoi(os.Getenv("READ_AHEAD"))

// enough is the time for what must happen, however slow the machine is.
const enough = 2 * time.Minute

// newLossy returns a session that is up, with a counting card.
func newLossy(t *testing.T, heartbeat time.Duration) *lossy {
	ca := pkitest.New(t)
	ours := func(urn string, use x509.ExtKeyUsage) *tls.Config {
		return &tls.Config{Certificates: []tls.Certificate{ca.Issue(urn, use)}, MinVersion: tls.VersionTLS13,
			SessionTicketsDisabled: true,
			// Identities do not matter here.
			InsecureSkipVerify: true, ClientAuth: tls.RequireAnyClientCert, CurvePreferences: []tls.CurveID{tls.X25519}}
	}
	l := &lossy{t: t, timers: session.Timers{Heartbeat: heartbeat}, id: session.NewID(),
		card:     cardsim.NewCounter(cardsim.VitaleConfig{}),
		client:   ours("urn:tlagate:c:tla:t", x509.ExtKeyUsageClientAuth),
		server:   ours("urn:tlagate:c:pdt:w", x509.ExtKeyUsageServerAuth),
		inserted: make(chan session.Inserted, 9)}
	var err error
	l.listener, err = net.Listen("tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	l.proxy, err = faults.NewProxy(l.listener.Addr().String())
	require.NoError(t, err)
	ctx, stop := context.WithCancel(context.Background())
	l.ctx = ctx
	up := make(chan *session.Workstation, 2)
	l.all.Go(func() { l.accept(up) })
	l.all.Go(func() { l.terminal(up) })
	t.Cleanup(func() {
		stop()
		l.listener.Close()
		l.proxy.Close()
		if l.work != nil {
			l.work.Close(context.Canceled)
		}
		l.all.Wait()
	})
	for range 2 { // each end has the other's hello
		select {
		case w := <-up:
			l.work = cmp.Or(l.work, w)
		case <-time.After(enough):
			t.Fatal("the session does not begin")
		}
	}
	return l
}

// terminal is the TLA: it serves one link after another.
func (l *lossy) terminal(up chan<- *session.Workstation) {
	generation := uint32(1)
	conn, err := l.dial(generation)
	if err != nil {
		return
	}
	term, err := session.OpenTerminal(conn, session.TerminalConfig{ID: l.id, Timers: l.timers, Ahead: readAhead})
	if err != nil {
		return
	}
	defer term.Close()
	l.all.Go(func() {
		select {
		case <-term.Up():
			up <- nil
		case <-l.ctx.Done():
		}
	})
	_ = term.Insert(session.SlotVitale, l.card.ATR(), session.T0, simulated{l.card})
	for {
		err := term.Serve(l.ctx)
		if l.ctx.Err() != nil {
			return
		}
		if !session.Resumable(err) {
			l.t.Errorf("the terminal gives up: %v", err)
			return
		}
		for err != nil && l.ctx.Err() == nil {
			generation++
			err = l.again(term, generation)
		}
	}
}

// again tries once to go on over another link.
func (l *lossy) again(term *session.Terminal, generation uint32) error {
	conn, err := l.dial(generation)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(l.ctx, enough)
	defer cancel()
	return term.Resume(ctx, conn, generation)
}

// dial makes both layers of a link. It first sends the generation, which a gateway would tell the PdT.
func (l *lossy) dial(generation uint32) (net.Conn, error) {
	raw, err := net.Dial("tcp", l.proxy.Addr())
	if err != nil {
		return nil, err
	}
	return l.layers(raw, tls.Client, l.client, func(outer net.Conn) error {
		_, err := outer.Write(binary.BigEndian.AppendUint32(nil, generation))
		return err
	})
}

// layers makes the outer TLS, calls first on it, and makes the records and the inner TLS.
func (l *lossy) layers(raw net.Conn, side func(net.Conn, *tls.Config) *tls.Conn, cfg *tls.Config,
	first func(net.Conn) error) (net.Conn, error) {
	_ = raw.SetDeadline(time.Now().Add(enough))
	ctx, cancel := context.WithTimeout(l.ctx, enough)
	defer cancel()
	outer := side(raw, cfg)
	err := outer.HandshakeContext(ctx)
	if err == nil {
		err = first(outer)
	}
	if err != nil {
		raw.Close()
		return nil, err
	}
	_ = raw.SetDeadline(time.Time{})
	inner := side(link.New(outer, nil, link.Config{Heartbeat: l.timers.Heartbeat}), cfg)
	if err := inner.HandshakeContext(ctx); err != nil {
		inner.Close()
		return nil, err
	}
	return inner, nil
}

// accept is the PdT.
func (l *lossy) accept(up chan<- *session.Workstation) {
	for {
		raw, err := l.listener.Accept()
		if err != nil {
			return
		}
		l.all.Go(func() { l.serve(raw, up) })
	}
}

func (l *lossy) serve(raw net.Conn, up chan<- *session.Workstation) {
	var generation [4]byte
	conn, err := l.layers(raw, tls.Server, l.server, func(outer net.Conn) error {
		_, err := io.ReadFull(outer, generation[:])
		return err
	})
	if err != nil {
		return
	}
	defer conn.Close()
	if n := binary.BigEndian.Uint32(generation[:]); n > 1 {
		l.check(l.work.Resume(l.ctx, conn, n, l.resumed))
		return
	}
	w, err := session.OpenWorkstation(conn, session.WorkstationConfig{Session: l.id.String(), Timers: l.timers,
		Ahead:    readAhead,
		Inserted: func(_ session.Slot, in session.Inserted) { l.inserted <- in },
		Removed:  func(session.Slot) { l.t.Error("card shown as removed") }})
	if err != nil {
		l.t.Errorf("no session: %v", err)
		return
	}
	up <- w
	l.check(w.Serve(l.ctx))
}

// check requires that a link ended, and not the session.
func (l *lossy) check(err error) {
	bye, ok := err.(*session.Bye)
	late := ok && bye.Code == session.ByeGone // for a link that came after a newer one; the session is as it was
	if l.ctx.Err() == nil && !session.Resumable(err) && !late {
		l.t.Errorf("the session ends: %v", err)
	}
}

func (l *lossy) resumed() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.resumes++
}

func (l *lossy) resumedSoFar() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.resumes
}

// simulated makes a simulated card a Card of a terminal.
type simulated struct{ *cardsim.Counter }

func (s simulated) Transmit(apdu []byte) ([]byte, error) { return s.Process(apdu), nil }

func (s simulated) Reset(session.ResetKind) ([]byte, error) {
	s.Counter.Reset()
	return s.ATR(), nil
}

// count has the card execute the next command, and requires that it does so once, however long it takes.
func (l *lossy) count(epoch uint32) {
	l.t.Helper()
	l.serial++
	ctx, cancel := context.WithTimeout(l.ctx, enough)
	defer cancel()
	answer, err := l.work.Transmit(ctx, session.SlotVitale, epoch, cardsim.CountCommand(l.serial, 0))
	require.NoError(l.t, err, "command %d", l.serial)
	require.Equal(l.t, fmt.Sprintf("%08X%08X9000", l.serial, 1), fmt.Sprintf("%X", answer))
}

// inOrder requires that the card executed every command once, in order.
func (l *lossy) inOrder() {
	l.t.Helper()
	ran := l.card.Ran()
	require.Len(l.t, ran, int(l.serial))
	for i, serial := range ran {
		require.EqualValues(l.t, i+1, serial)
	}
}

// octets measures one exchange, by direction: the shortest of several, since a ping may come between.
func (l *lossy) octets(epoch uint32) (least [2]int) {
	for range 9 {
		n := l.passed(func() { l.count(epoch) })
		if least[0] == 0 || n[0]+n[1] < least[0]+least[1] {
			least = n
		}
	}
	return least
}

func (l *lossy) passed(meanwhile func()) (n [2]int) {
	before := l.proxy.Passed()
	meanwhile()
	after := l.proxy.Passed()
	for way := range n {
		n[way] = int(after[way] - before[way])
	}
	return n
}

// slow is a heartbeat that plays no part.
const slow = 10 * time.Minute

// quick returns a heartbeat that finds a dead link soon, and takes no working link for dead at this machine's present
// speed.
func quick(t *testing.T) time.Duration {
	l := newLossy(t, slow)
	epoch := (<-l.inserted).Epoch
	const links = 4
	begun := time.Now()
	for range links {
		l.proxy.Arm(faults.Fault{Kind: faults.Cut})
		l.count(epoch)
	}
	return max(15*time.Millisecond, 2*time.Since(begun)/links)
}

// ways are the ways to break a link, and how many octets apart each is tried: those that a heartbeat must find cost
// time.
var ways = map[faults.Kind]struct {
	heartbeat func(*testing.T) time.Duration
	step      int
}{
	faults.Cut: {never, 1}, faults.Reset: {never, 1}, faults.HalfOpen: {quick, 1},
	faults.Deaf: {quick, 3}, faults.Stall: {quick, 3},
}

func never(*testing.T) time.Duration { return slow }

// TestC2LinkLostAtEveryOctet breaks the link at each octet of an exchange, in both directions: the command is executed
// once, and its program gets its response and nothing else.
func TestC2LinkLostAtEveryOctet(t *testing.T) {
	for kind, way := range ways {
		t.Run(kind.String(), func(t *testing.T) {
			t.Parallel()
			l := newLossy(t, way.heartbeat(t))
			epoch := (<-l.inserted).Epoch
			length := l.octets(epoch)
			tried := 0
			for _, to := range []faults.Direction{faults.ToClient, faults.ToTarget} {
				require.Greater(t, length[to], 60, "both layers are there")
				for n := 0; n <= length[to]; n += way.step {
					tried++
					a := l.proxy.Arm(faults.Fault{Kind: kind, Way: to, After: n})
					l.count(epoch)
					<-a.Fired()
					l.count(epoch)
					a.Release() // what was on a stalled link comes late
				}
			}
			l.inOrder()
			require.GreaterOrEqual(t, l.resumedSoFar(), tried)
			t.Logf("%v octets, %d commands, %d resumes", length, l.serial, l.resumedSoFar())
		})
	}
}

// TestC2LinkLostWhileItIsResumed breaks the further link at points throughout its handshakes and hellos.
func TestC2LinkLostWhileItIsResumed(t *testing.T) {
	for _, kind := range []faults.Kind{faults.Cut, faults.Reset} {
		t.Run(kind.String(), func(t *testing.T) {
			t.Parallel()
			l := newLossy(t, slow)
			epoch := (<-l.inserted).Epoch
			whole := l.passed(func() {
				l.proxy.Arm(faults.Fault{Kind: kind})
				l.count(epoch)
			})
			for _, way := range []faults.Direction{faults.ToClient, faults.ToTarget} {
				for n := 1; n <= whole[way]; n += 1 + whole[way]/60 {
					l.proxy.Arm(faults.Fault{Kind: kind})
					l.proxy.Arm(faults.Fault{Kind: kind, Way: way, After: n})
					l.count(epoch)
					l.count(epoch)
				}
			}
			l.inOrder()
			t.Logf("%v octets, %d commands, %d resumes", whole, l.serial, l.resumedSoFar())
		})
	}
}
