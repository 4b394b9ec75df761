package ifd

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"tlagate/internal/logtest"
	"tlagate/internal/nettest"
	"tlagate/pdt"
	"tlagate/session"
)

func TestMain(m *testing.M) {
	if path := os.Getenv(strangerEnv); path != "" {
		os.Exit(beStranger(path))
	}
	goleak.VerifyTestMain(m)
}

// patience is the time for what must happen, however slow the machine is.
const patience = 2 * time.Minute

var (
	vitaleATR  = []byte{0x3B, 0x75, 0x13, 0, 0, 0x40, 9, 0xEA, 0x90, 0}
	renewedATR = []byte{0x3B, 0x75, 0x13, 0, 0, 0x41, 9, 0xEA, 0x90, 0}
	selectMF   = []byte{0, 0xA4, 0, 0, 2, 0x3F, 0}
	okay       = []byte{0x90, 0}
)

// bed is a Driver, and a session whose cards it shows.
type bed struct {
	t        *testing.T
	log      *logtest.Buffer
	socket   string
	driver   *Driver
	terminal *session.Terminal
	w        *session.Workstation

	shows  sync.WaitGroup
	turn   [session.Slots]sync.Mutex // one Show at a time
	remove [session.Slots]context.CancelFunc
}

func newBed(t *testing.T) *bed {
	t.Helper()
	b := &bed{t: t, log: new(logtest.Buffer), socket: filepath.Join(t.TempDir(), "run", "readers.sock")}
	var err error
	b.driver, err = New(Config{Socket: b.socket, Peers: []uint32{uint32(os.Getuid())}, PowerOff: 20 * time.Millisecond,
		Log: slog.New(slog.NewTextHandler(b.log, nil))})
	require.NoError(t, err)
	b.driver.working = time.Millisecond
	ctx, stop := context.WithCancel(context.Background())
	var runs sync.WaitGroup
	runs.Go(func() { b.driver.Run(ctx) })
	b.open(ctx, &runs)
	t.Cleanup(func() { stop(); runs.Wait(); b.shows.Wait() })
	return b
}

// open opens the session, over loopback.
func (b *bed) open(ctx context.Context, runs *sync.WaitGroup) {
	here, there := nettest.Pair(b.t)
	unhurried := session.Timers{Heartbeat: time.Hour}
	id := session.NewID()
	opened := make(chan error, 1)
	go func() {
		var err error
		b.terminal, err = session.OpenTerminal(here, session.TerminalConfig{ID: id, Timers: unhurried})
		opened <- err
	}()
	var err error
	b.w, err = session.OpenWorkstation(there, session.WorkstationConfig{Session: id.String(), Timers: unhurried,
		Inserted: b.inserted, Removed: b.removed, Shows: true})
	require.NoError(b.t, errors.Join(err, <-opened))
	runs.Go(func() { _ = b.terminal.Run(ctx) })
	runs.Go(func() { _ = b.w.Run(ctx); b.removed(session.SlotVitale); b.removed(session.SlotCPS) })
}

func (b *bed) inserted(slot session.Slot, in session.Inserted) {
	ctx, cancel := context.WithCancel(context.Background())
	b.remove[slot] = cancel
	card := pdt.NewCard(ctx, slot, in, b.w)
	b.shows.Go(func() {
		b.turn[slot].Lock()
		defer b.turn[slot].Unlock()
		b.driver.Readers()[slot].Show(ctx, card)
	})
}

func (b *bed) removed(slot session.Slot) {
	if b.remove[slot] != nil {
		b.remove[slot]()
	}
}

func (b *bed) insert(slot session.Slot, c *fakeCard) {
	b.t.Helper()
	require.NoError(b.t, b.terminal.Insert(slot, vitaleATR, session.T0, c))
}

func (b *bed) state(slot session.Slot) pdt.DriverState { return b.driver.State()[slot] }

func (b *bed) eventually(f func() bool, what string) {
	b.t.Helper()
	require.Eventually(b.t, f, patience, time.Millisecond, what)
}

// dial connects once the socket is there.
func (b *bed) dial() *net.UnixConn {
	b.t.Helper()
	var c net.Conn
	b.eventually(func() (is bool) {
		var err error
		c, err = net.Dial("unix", b.socket)
		return err == nil
	}, "nobody listens")
	b.t.Cleanup(func() { c.Close() })
	require.NoError(b.t, c.SetReadDeadline(time.Now().Add(patience)))
	return c.(*net.UnixConn)
}

// fakeHandler is the driver's end of one reader.
type fakeHandler struct {
	b                *bed
	events, requests *net.UnixConn
	news, answers    *frames
	number           uint32
}

func helloFrame(c connection, slot session.Slot, id linkID) []byte {
	return appendFrame(nil, frameHello, 0, []byte{protocolVersion, byte(c), byte(slot)}, id[:], []byte("test"))
}

// connect makes a driver's two connections, as soon as the slot is free.
func (b *bed) connect(slot session.Slot) *fakeHandler {
	b.t.Helper()
	h := &fakeHandler{b: b}
	var id linkID
	b.eventually(func() bool {
		var w welcome
		h.events, h.news, w, id = b.greet(helloFrame(connEvents, slot, linkID{}))
		return w == welcomed
	}, "the slot is not free")
	var w welcome
	h.requests, h.answers, w, _ = b.greet(helloFrame(connRequests, slot, id))
	require.Equal(b.t, welcomed, w)
	return h
}

// greet says something, and returns the answer.
func (b *bed) greet(said []byte) (*net.UnixConn, *frames, welcome, linkID) {
	b.t.Helper()
	c := b.dial()
	_, err := c.Write(said)
	require.NoError(b.t, err)
	in := &frames{r: c}
	f, err := in.next()
	require.NoError(b.t, err)
	require.Equal(b.t, frameWelcome, f.typ)
	require.Len(b.t, f.payload, 2+linkLen)
	return c, in, welcome(f.payload[0]), linkID(f.payload[2:])
}

// event returns the next event.
func (h *fakeHandler) event() frame {
	h.b.t.Helper()
	f, err := h.news.next()
	require.NoError(h.b.t, err)
	return f
}

// inserted returns the insertion that is told next.
func (h *fakeHandler) inserted() uint32 {
	h.b.t.Helper()
	f := h.event()
	for f.typ == frameRemoved {
		f = h.event()
	}
	require.Equal(h.b.t, frameInserted, f.typ)
	return f.number
}

// send sends a request.
func (h *fakeHandler) send(t frameType, insertion uint32, data ...byte) {
	h.b.t.Helper()
	h.number++
	_, err := h.requests.Write(appendFrame(nil, t, h.number, binary.BigEndian.AppendUint32(nil, insertion), data))
	require.NoError(h.b.t, err)
}

// answer returns the answer to the last request, and how often the driver was told to wait.
func (h *fakeHandler) answer() (o outcome, body []byte, waits int) {
	h.b.t.Helper()
	for ; ; waits++ {
		f, err := h.answers.next()
		require.NoError(h.b.t, err)
		require.Equal(h.b.t, h.number, f.number)
		if f.typ != frameWorking {
			require.Equal(h.b.t, frameAnswer, f.typ)
			return outcome(f.payload[0]), append([]byte{}, f.payload[1:]...), waits
		}
	}
}

func (h *fakeHandler) ask(t frameType, insertion uint32, data ...byte) (outcome, []byte) {
	h.b.t.Helper()
	h.send(t, insertion, data...)
	o, body, _ := h.answer()
	return o, body
}

// ends waits until a connection ends.
func (b *bed) ends(in *frames) {
	b.t.Helper()
	for {
		if _, err := in.next(); err != nil {
			require.NotErrorIs(b.t, err, os.ErrDeadlineExceeded)
			return
		}
	}
}

// fakeCard is a card at the terminal.
type fakeCard struct {
	mu        sync.Mutex
	log       []string
	result    error         // of commands
	fails     []error       // of the next resets
	hold      chan struct{} // not nil = commands wait for it
	holdReset chan struct{} // not nil = so do resets
	busy      chan struct{} // a command has begun
}

func newFakeCard() *fakeCard { return &fakeCard{busy: make(chan struct{}, 99)} }

func (c *fakeCard) note(what string) (hold chan struct{}, result error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.log = append(c.log, what)
	return c.hold, c.result
}

func (c *fakeCard) execute(what string) error {
	hold, result := c.note(what)
	c.busy <- struct{}{}
	if hold != nil {
		<-hold
	}
	return result
}

func (c *fakeCard) Transmit(apdu []byte) ([]byte, error) {
	return bytes.Clone(okay), c.execute("command")
}

func (c *fakeCard) VerifyPIN(header [session.MinCommand]byte) ([]byte, error) {
	return []byte{0x63, 0xC0 + header[3]}, c.execute("verify")
}

func (c *fakeCard) Reset(kind session.ResetKind) ([]byte, error) {
	c.note(map[session.ResetKind]string{session.ResetWarm: "warm", session.ResetCold: "cold",
		session.PowerOff: "off"}[kind])
	c.mu.Lock()
	hold := c.holdReset
	c.mu.Unlock()
	if hold != nil {
		<-hold
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.fails) > 0 {
		err := c.fails[0]
		c.fails = c.fails[1:]
		return nil, err
	}
	if kind == session.PowerOff {
		return nil, nil
	}
	return bytes.Clone(renewedATR), nil
}

func (c *fakeCard) asked() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]string{}, c.log...)
}

func (c *fakeCard) set(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f()
}
