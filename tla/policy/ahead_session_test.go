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

// everything is a policy that hides nothing from the card, and has all read ahead that can be.
var everything = reading(listed)

// reading returns such a policy that lists files.
func reading(files []policy.File) *policy.Policy {
	p, err := policy.Compile(policy.Table{Version: 1, Profiles: []policy.Profile{{Name: "all", Cards: []string{"3B*"},
		Ahead: policy.Ahead{EOF: policy.Probe, Responses: policy.On, Files: files},
		Rules: []policy.Rule{{Name: "all", Secure: true, Extended: true, Action: policy.Allow}}}}})
	if err != nil {
		panic(err)
	}
	return p
}

// listed are the files of which more is read.
var listed = []policy.File{{File: "D001", Read: 16}, {File: "D002", Read: 40}, {File: "D003", Read: 16},
	{File: "D004", Read: 8}, {File: "D006", Records: 5}}

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
		after := rapid.IntRange(0, 3).Draw(t, "after") // SELECT or a command whose response waits
		elsewhere := func() {
			for range pause {
				list = append(list, step{do: "command", apdu: octets("00CA010006"), slot: 1 - slot})
			}
		}
		switch rapid.SampledFrom([]string{"read", "read", "read", "read", "on", "select", "sfi", "record", "challenge",
			"permission", "object", "fetch", "secure", "odd", "reset", "card", "cut", "cut", "power", "answer",
			"answer", "records", "records", "guarded"}).Draw(t, "turn") {
		case "answer":
			one("00880000")
			elsewhere()
			list = append(list, fetches(after, slot, "06")...)
			list = append(list, fetches(rapid.IntRange(0, 3).Draw(t, "the rest"), slot, "04")...)
		case "records":
			one(fmt.Sprintf("00A400%02X02D006", rapid.SampledFrom([]int{0, 12}).Draw(t, "p2")))
			list = append(list, fetches(after, slot, "06")...)
			for number := range rapid.IntRange(1, 6).Draw(t, "records") {
				one(fmt.Sprintf("00B2%02X0403", 1+number))
				elsewhere()
			}
			one("00B2000203")
		case "guarded":
			one("0022000" + rapid.SampledFrom([]string{"0", "1"}).Draw(t, "grant"))
			one("00A4000002D007")
			list = append(list, fetches(after, slot, "06")...)
			one("00B0000010")
		case "select":
			one(fmt.Sprintf("00A400%02X02D0%02X", rapid.SampledFrom([]int{0, 12}).Draw(t, "p2"), file))
			at[slot] = 0
		case "read":
			one(fmt.Sprintf("00A400%02X02D0%02X", rapid.SampledFrom([]int{0, 12}).Draw(t, "p2"), 1+file%4))
			elsewhere()
			list = append(list, fetches(after, slot, "06")...)
			at[slot] = 0
			fallthrough
		case "on":
			le := rapid.SampledFrom([]int{8, 16, 40}).Draw(t, "le")
			for range rapid.IntRange(1, 9).Draw(t, "parts") {
				one(fmt.Sprintf("00B0%04X%02X", at[slot], le))
				at[slot] += le
				elsewhere()
			}
		case "sfi":
			one(fmt.Sprintf("00B0%02X0010", 0x80|file))
			at[slot] = 16
		case "record":
			one("00B2000203")
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

// fetches is what a program does after a command whose response waits: nothing, or it fetches it, perhaps with another
// length first, or after another command or a loss of power, by which it may be lost.
func fetches(how int, slot session.Slot, length string) (list []step) {
	one := func(text string) { list = append(list, step{do: "command", apdu: octets(text), slot: slot}) }
	switch how {
	case 0:
		return nil
	case 1:
		one("00C0000009")
		one("00C0000000")
	case 2:
		list = append(list, step{do: "power", slot: slot})
	}
	one("00C00000" + length)
	if how == 3 {
		one("00C00000" + length)
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
// each command reaches the card once, in order; and what reaches it besides is what docs/policy.md says.
func TestAheadIsTheSameAsWithout(t *testing.T) {
	var sum ahead.Counts
	predicted := map[string]int{}
	rapid.Check(t, func(rt *rapid.T) {
		counts, err := compare(t, steps(rt), twist{}, predicted)
		require.NoError(rt, err)
		sum = sum.Plus(counts)
	})
	t.Logf("%+v, by instruction %v", sum, predicted)
	require.NotZero(t, sum.Taken)
	require.NotZero(t, sum.Dropped)
	for _, ins := range []string{"B0", "B2", "C0", "CA"} {
		require.NotZero(t, predicted[ins], ins)
	}
}

// compare has programs do the same with cards at hand and far away, and returns how these differ. It counts the
// predictions by instruction.
func compare(t testing.TB, list []step, how twist, predicted map[string]int) (ahead.Counts, error) {
	far := newFar(t, how)
	defer far.close()
	near := newNear(how)
	for i, s := range list {
		want, _ := near.take(s)
		got, err := far.take(s)
		if err != nil || string(want) != string(got) {
			return far.term.Ahead(), fmt.Errorf("step %d, %s %X: %X at hand and %X far away, %v", i, s.do, s.apdu, want,
				got, err)
		}
	}
	far.close()
	for i := range near.cards {
		if err := compareLogs(near.cards[i].executed(), far.cards[i].executed(), predicted); err != nil {
			return far.term.Ahead(), err
		}
	}
	return far.term.Ahead(), nil
}

// compareLogs returns an error unless what the card executed far away is what the other one did at hand, and
// predictions.
func compareLogs(near, far []executed, predicted map[string]int) error {
	at := map[int]bool{0: true} // how much of near the log may be, so far
	pass := func() {
		for n := 0; n < len(near); n++ {
			if at[n] && near[n].isRefusedFetch() { // far away, this may not have reached the card
				at[n+1] = true
			}
		}
	}
	for i, e := range far {
		pass()
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
			predicted[e.apdu[2:4]]++
		}
		if e.ahead && !follows(far[:i], e) {
			return fmt.Errorf("prediction %s after %+v", e.apdu, far[:i])
		}
	}
	if pass(); !at[len(near)] {
		return fmt.Errorf("at hand the card executed\n%+v\nand far away\n%+v", near, far)
	}
	return nil
}

// isRefusedFetch reports a GET RESPONSE of a length other than that of what waits.
func (e executed) isRefusedFetch() bool {
	return strings.HasPrefix(e.apdu, "00C0") && strings.HasPrefix(e.response, "6C")
}

// follows reports whether a prediction is one that docs/policy.md allows after what was executed.
func follows(before []executed, e executed) bool {
	if len(before) == 0 || hidden(before) {
		return false
	}
	last := before[len(before)-1]
	switch sw := last.response[max(0, len(last.response)-4):]; {
	case sw[:2] == "61": // what waits is fetched
		return e.apdu == "00C00000"+sw[2:]
	case sw[:2] == "6C" && len(last.response) == 4: // what the card wants to be asked instead
		return e.apdu == last.apdu[:8]+sw[2:]
	case e.apdu[:4] == "00B2":
		return nextRecord(before, e)
	case e.apdu[:8] == "00B00000":
		return beginning(before, e)
	}
	return joins(last, e) && slices.ContainsFunc(before[:len(before)-1], func(first executed) bool {
		return joins(first, last)
	})
}

// nextRecord reports whether the last file selected is one with records, and the record before has been read.
func nextRecord(before []executed, e executed) bool {
	number := octets(e.apdu)[2]
	for _, b := range slices.Backward(before) {
		switch {
		case b.apdu == "reset" || b.apdu[:4] == "00B0":
			return false
		case b.apdu[:4] == "00A4":
			return false
		case b.apdu == fmt.Sprintf("00B2%02X%s", number-1, e.apdu[6:]) && strings.HasSuffix(b.response, "9000"):
			return number <= 5 && e.apdu[6:8] == "04"
		}
	}
	return false
}

// beginning reports whether a read is that of a listed file that was selected, and whose response, if there was one,
// was fetched.
func beginning(before []executed, e executed) bool {
	for len(before) > 0 && before[len(before)-1].ahead && before[len(before)-1].apdu[:4] == "00B0" {
		before = before[:len(before)-1] // nobody took these
	}
	last := before[len(before)-1]
	if fetched := len(before) > 1 && last.apdu[:4] == "00C0"; fetched {
		before = before[:len(before)-1]
		for len(before) > 1 && before[len(before)-1].apdu[:4] == "00C0" {
			before = before[:len(before)-1] // of another length, and so without effect
		}
	}
	selected := before[len(before)-1]
	return selected.apdu[:4] == "00A4" && strings.HasSuffix(last.response, "9000") &&
		slices.ContainsFunc(listed, func(f policy.File) bool {
			return strings.HasSuffix(selected.apdu, "02"+f.File) && e.apdu[8:] == fmt.Sprintf("%02X", f.Read)
		})
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
	guards [session.Slots]session.AheadCard
	cards  []*modelCard
	how    twist
}

func newNear(how twist) *near {
	n := &near{how: twist{card: how.card}}
	for slot := range n.guards {
		_, _ = n.take(step{do: "card", slot: session.Slot(slot)})
	}
	return n
}

func (n *near) put(slot session.Slot) {
	c := &modelCard{id: byte(len(n.cards))}
	n.cards = append(n.cards, c)
	n.guards[slot] = n.how.guard(c)
}

func (n *near) take(s step) (response []byte, err error) {
	switch s.do {
	case "command":
		response, err = n.guards[s.slot].Transmit(s.apdu)
	case "reset":
		response, err = n.guards[s.slot].Reset(session.ResetWarm)
	case "card":
		n.put(s.slot)
		_, err = n.guards[s.slot].Transmit(first)
	}
	return response, err
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

func newFar(t testing.TB, how twist) *far {
	f := &far{t: t, near: near{how: how}}
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

func (f *far) take(s step) (response []byte, err error) {
	ctx, cancel := context.WithTimeout(f.ctx, patience)
	defer cancel()
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
	return response, err
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
