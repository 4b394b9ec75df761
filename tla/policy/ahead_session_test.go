package policy_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"math/big"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"tlagate/internal/nettest"
	"tlagate/session"
	"tlagate/session/ahead"
	"tlagate/tla/policy"
)

// patience is the time for what must happen, however slow the machine is.
const patience = 2 * time.Minute

// everything is a policy that hides nothing from the card.
var everything = func() *policy.Policy {
	p, err := policy.Compile(policy.Table{Version: 1, Profiles: []policy.Profile{{Name: "all", Cards: []string{"3B*"},
		Ahead: policy.Ahead{EOF: policy.Probe},
		Rules: []policy.Rule{{Name: "all", Secure: true, Extended: true, Action: policy.Allow}}}}})
	if err != nil {
		panic(err)
	}
	return p
}()

// step is one thing that programs, users or the network do.
type step struct {
	do   string // "command", "reset", "card", "cut", "power"
	apdu []byte
	slot session.Slot
	way  int // of the octets that a cut lets through
	n    int // how many
}

// steps draws what two programs do: mostly they read files part by part, as programs do.
func steps(t *rapid.T) (list []step) {
	var at [session.Slots]int
	for range rapid.IntRange(1, 30).Draw(t, "turns") {
		slot := session.Slot(rapid.IntRange(0, 1).Draw(t, "slot"))
		one := func(text string) { list = append(list, step{do: "command", apdu: octets(text), slot: slot}) }
		file := rapid.IntRange(0, 5).Draw(t, "file")
		pause := rapid.IntRange(0, 2).Draw(t, "pause") // a program elsewhere, while predictions are on their way
		switch rapid.SampledFrom([]string{"read", "read", "read", "read", "on", "select", "sfi", "record", "challenge",
			"permission", "object", "fetch", "secure", "odd", "reset", "card", "cut", "cut", "power"}).Draw(t, "turn") {
		case "select":
			one(fmt.Sprintf("00A400%02X02D0%02X", rapid.SampledFrom([]int{0, 12}).Draw(t, "p2"), file))
			at[slot] = 0
		case "read":
			one(fmt.Sprintf("00A400%02X02D0%02X", rapid.SampledFrom([]int{0, 12}).Draw(t, "p2"), 1+file%4))
			at[slot] = 0
			fallthrough
		case "on":
			le := rapid.SampledFrom([]int{8, 16, 40}).Draw(t, "le")
			for range rapid.IntRange(1, 9).Draw(t, "parts") {
				one(fmt.Sprintf("00B0%04X%02X", at[slot], le))
				at[slot] += le
				for range pause {
					list = append(list, step{do: "command", apdu: octets("00CA010006"), slot: 1 - slot})
				}
			}
		case "sfi":
			one(fmt.Sprintf("00B0%02X0010", 0x80|file))
			at[slot] = 16
		case "record":
			one("00B2000403")
		case "challenge":
			one("0084000002")
			if rapid.Bool().Draw(t, "at once") {
				one("0082000000")
			}
		case "permission":
			one("00220000")
			one("002A000000")
		case "object":
			one("00CA010000")
			one("00CA010006")
		case "fetch":
			one("00C0000006")
		case "secure":
			one("0CB0000008")
		case "odd":
			one("00D10000")
		case "cut":
			list = append(list, step{do: "cut", way: rapid.IntRange(0, 1).Draw(t, "way"),
				n: rapid.IntRange(0, 600).Draw(t, "octets")})
		default:
			act := rapid.SampledFrom([]string{"reset", "card", "power"}).Draw(t, "act")
			list = append(list, step{do: act, slot: slot})
		}
	}
	return list
}

func octets(text string) []byte {
	b, err := hex.DecodeString(text)
	if err != nil {
		panic(err)
	}
	return b
}

// TestAheadIsTheSameAsWithout: whatever programs, users and the network do, each response is that of a card at hand;
// each command reaches the card once, in order; and what reaches it besides is the next part of what was being read.
func TestAheadIsTheSameAsWithout(t *testing.T) {
	var sum ahead.Counts
	rapid.Check(t, func(rt *rapid.T) {
		list := steps(rt)
		far := newFar(t)
		defer far.close()
		near := newNear()
		for i, s := range list {
			want, got := near.take(s), far.take(rt, s)
			require.Equal(rt, fmt.Sprintf("%X", want), fmt.Sprintf("%X", got), "step %d: %s %X", i, s.do, s.apdu)
		}
		sum = sum.Plus(far.term.Ahead())
		far.close()
		for i := range near.cards {
			checkLogs(rt, near.cards[i].executed(), far.cards[i].executed())
		}
	})
	t.Logf("%+v", sum)
	require.NotZero(t, sum.Taken)
	require.NotZero(t, sum.Dropped)
}

// checkLogs requires that what the card executed far away is what the other one did at hand, and predictions.
func checkLogs(t *rapid.T, near, far []executed) {
	at := map[int]bool{0: true} // how much of near the log may be, so far
	for i, e := range far {
		next := map[int]bool{}
		for n := range at {
			if e.ahead {
				next[n] = true // nobody took it
			}
			if n < len(near) && near[n].apdu == e.apdu && near[n].response == e.response {
				next[n+1] = true
			}
		}
		at = next
		if e.ahead {
			require.True(t, follows(far[:i], e), "prediction %s after %+v", e.apdu, far[:i])
		}
	}
	require.True(t, at[len(near)], "at hand the card executed\n%+v\nand far away\n%+v", near, far)
}

// follows reports whether a prediction is one that docs/policy.md allows after what was executed: the part after two
// others, or what the card wants to be asked instead.
func follows(before []executed, e executed) bool {
	if len(before) == 0 || hidden(before) {
		return false
	}
	last := before[len(before)-1]
	if sw := last.response; strings.HasPrefix(sw, "6C") && len(sw) == 4 {
		return e.apdu == last.apdu[:8]+sw[2:]
	}
	if !joins(last, e) {
		return false
	}
	return slices.ContainsFunc(before[:len(before)-1], func(first executed) bool { return joins(first, last) })
}

// hidden reports whether there was secure messaging, an ENVELOPE or an odd instruction since the last reset.
func hidden(before []executed) bool {
	for _, e := range slices.Backward(before) {
		if e.apdu == "reset" {
			break
		}
		if o := octets(e.apdu); o[0]&0x0C != 0 || o[1]&1 == 1 || o[1] == 0xC2 {
			return true
		}
	}
	return false
}

// joins reports whether b reads the part after a, which was read to its end.
func joins(a, b executed) bool {
	reads := func(e executed) bool { return len(e.apdu) == 10 && e.apdu[:4] == "00B0" }
	if !reads(a) || !reads(b) || a.apdu[8:] != b.apdu[8:] {
		return false
	}
	from, to, le := octets(a.apdu), octets(b.apdu), int(octets(a.apdu)[4])
	at := int(from[2])<<8 | int(from[3])
	if from[2]&0x80 != 0 {
		at = int(from[3])
	}
	return strings.HasSuffix(a.response, "9000") && len(a.response)/2 == le+2 && to[2]&0x80 == 0 &&
		int(to[2])<<8|int(to[3]) == at+le
}

// near has the cards at hand: each behind its guard, without a session.
type near struct {
	guards [session.Slots]*policy.Guard
	cards  []*modelCard
}

func newNear() *near {
	n := new(near)
	for slot := range n.guards {
		n.take(step{do: "card", slot: session.Slot(slot)})
	}
	return n
}

func (n *near) put(slot session.Slot) {
	c := &modelCard{id: byte(len(n.cards))}
	n.cards = append(n.cards, c)
	n.guards[slot] = everything.Guard(c, []byte{0x3B, 0x75}, policy.Hooks{})
}

func (n *near) take(s step) (response []byte) {
	switch s.do {
	case "command":
		response, _ = n.guards[s.slot].Transmit(s.apdu)
	case "reset":
		response, _ = n.guards[s.slot].Reset(session.ResetWarm)
	case "card":
		n.put(s.slot)
		_, _ = n.guards[s.slot].Transmit(first)
	}
	return response
}

// first is the first command that a card gets.
var first = octets("00CA010006")

// far is a session whose link is cut again and again.
type far struct {
	near
	t        testing.TB
	term     *session.Terminal
	work     *session.Workstation
	epochs   [session.Slots]uint32
	inserted [session.Slots]chan uint32
	over     context.CancelFunc
	ctx      context.Context
	all      sync.WaitGroup

	mu   sync.Mutex
	link *link
}

func newFar(t testing.TB) *far {
	f := &far{t: t}
	f.ctx, f.over = context.WithCancel(context.Background())
	f.link = newLink(t)
	id, timers := session.NewID(), session.Timers{Heartbeat: time.Hour}
	var err error
	f.term, err = session.OpenTerminal(f.link.a, session.TerminalConfig{ID: id, Timers: timers, Ahead: 8})
	require.NoError(t, err)
	f.work, err = session.OpenWorkstation(f.link.b, session.WorkstationConfig{Session: id.String(), Timers: timers,
		Ahead:    8,
		Inserted: func(s session.Slot, in session.Inserted) { f.inserted[s] <- in.Epoch },
		Removed:  func(session.Slot) {}})
	require.NoError(t, err)
	for slot := range f.inserted {
		f.inserted[slot] = make(chan uint32, 99)
	}
	f.all.Go(f.keep)
	for slot := range f.inserted {
		f.put(session.Slot(slot))
	}
	return f
}

// keep serves one link after another.
func (f *far) keep() {
	serve := func() error { return f.work.Serve(context.Background()) }
	for generation := uint32(2); ; generation++ {
		l := f.present()
		var both sync.WaitGroup
		both.Go(func() {
			_ = serve()
			l.close()
		})
		if err := f.resume(l, generation-1); err == nil {
			_ = f.term.Serve(context.Background())
		}
		l.close()
		both.Wait()
		if f.ctx.Err() != nil {
			return
		}
		next := newLink(f.t)
		f.mu.Lock()
		f.link = next
		f.mu.Unlock()
		serve = func() error { return f.work.Resume(context.Background(), next.b, generation, nil) }
	}
}

func (f *far) resume(l *link, generation uint32) error {
	if generation == 1 {
		return nil
	}
	return f.term.Resume(f.ctx, l.a, generation)
}

func (f *far) present() *link {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.link
}

func (f *far) put(slot session.Slot) {
	f.near.put(slot)
	require.NoError(f.t, ignoreCut(f.term.Remove(slot)))
	require.NoError(f.t, ignoreCut(f.term.Insert(slot, []byte{0x3B, 0x75}, session.T0, f.guards[slot])))
	f.epochs[slot] = f.arrived(slot)
}

// ignoreCut drops the error of a link that was cut: the next one tells the same.
func ignoreCut(err error) error {
	if _, ok := errors.AsType[*net.OpError](err); ok || errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// arrived waits until the PdT knows of the present card.
func (f *far) arrived(slot session.Slot) (epoch uint32) {
	limit := time.After(patience)
	for {
		select {
		case epoch = <-f.inserted[slot]:
			if _, err := f.work.Transmit(f.ctx, slot, epoch, slices.Clone(first)); err == nil {
				return epoch
			}
		case <-limit:
			f.t.Fatal("the card is not shown")
		}
	}
}

func (f *far) take(t *rapid.T, s step) (response []byte) {
	ctx, cancel := context.WithTimeout(f.ctx, patience)
	defer cancel()
	var err error
	switch s.do {
	case "command":
		response, err = f.work.Transmit(ctx, s.slot, f.epochs[s.slot], slices.Clone(s.apdu))
	case "reset":
		f.epochs[s.slot], response, err = f.work.Reset(ctx, s.slot, f.epochs[s.slot], session.ResetWarm)
	case "card":
		f.put(s.slot)
	case "power":
		f.work.DropAhead(s.slot)
	case "cut":
		f.present().cut(s.way, s.n)
	}
	require.NoError(t, err, "%s %X", s.do, s.apdu)
	return response
}

func (f *far) close() {
	f.over()
	f.term.Close()
	f.work.Close(context.Canceled)
	f.present().close()
	f.all.Wait()
}

// link is a TLS connection over loopback that breaks after so many more octets.
type link struct {
	a, b net.Conn
	raw  [2]*limited
}

type limited struct {
	net.Conn
	left atomic.Int64
}

func (l *limited) Write(b []byte) (int, error) {
	left := l.left.Add(-int64(len(b)))
	if left >= 0 {
		return l.Conn.Write(b)
	}
	if pass := left + int64(len(b)); pass > 0 {
		_, _ = l.Conn.Write(b[:pass])
	}
	return 0, errors.Join(net.ErrClosed, l.Close())
}

func newLink(t testing.TB) *link {
	a, b := nettest.Pair(t)
	l := &link{raw: [2]*limited{{Conn: a}, {Conn: b}}}
	for _, raw := range l.raw {
		raw.left.Store(math.MaxInt64)
	}
	client := tls.Client(l.raw[0], &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13})
	server := tls.Server(l.raw[1], &tls.Config{Certificates: []tls.Certificate{selfSigned()},
		MinVersion: tls.VersionTLS13, SessionTicketsDisabled: true})
	done := make(chan error, 1)
	go func() { done <- server.Handshake() }()
	_ = client.Handshake()
	<-done
	l.a, l.b = client, server
	return l
}

// cut lets so many more octets pass in one direction.
func (l *link) cut(way, n int) { l.raw[way].left.Store(int64(n)) }

func (l *link) close() {
	for _, raw := range l.raw {
		_ = raw.Close()
	}
}

var selfSigned = sync.OnceValue(func() tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
})
