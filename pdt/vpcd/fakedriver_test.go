package vpcd

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/pdt"
	"tlagate/session"
)

// patience is the time for what must happen, however slow the machine is.
const patience = 2 * time.Minute

func eventually(t *testing.T, f func() bool, what string) {
	t.Helper()
	require.Eventually(t, f, patience, time.Millisecond, what)
}

// fakeDriver is the driver's end of one slot, after the sources of vpcd 3.3.
type fakeDriver struct {
	t *testing.T
	l *net.TCPListener
}

func newFakeDriver(t *testing.T) *fakeDriver {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	return &fakeDriver{t, l.(*net.TCPListener)}
}

// config returns a configuration whose waits are short.
func (d *fakeDriver) config() Config {
	return Config{Port: d.l.Addr().(*net.TCPAddr).Port, Gap: 30 * time.Millisecond,
		PowerOff: 20 * time.Millisecond, Retry: 5 * time.Millisecond}
}

// inserted waits for a card.
func (d *fakeDriver) inserted() *fakePlug {
	d.t.Helper()
	require.NoError(d.t, d.l.SetDeadline(time.Now().Add(patience)))
	c, err := d.l.AcceptTCP()
	require.NoError(d.t, err)
	require.NoError(d.t, c.SetNoDelay(false))
	d.t.Cleanup(func() { c.Close() })
	return &fakePlug{d.t, c}
}

// absent reports whether nobody has connected.
func (d *fakeDriver) absent(during time.Duration) {
	d.t.Helper()
	require.NoError(d.t, d.l.SetDeadline(time.Now().Add(during)))
	_, err := d.l.Accept()
	require.ErrorIs(d.t, err, os.ErrDeadlineExceeded)
}

// fakePlug is a card as the driver sees it.
type fakePlug struct {
	t *testing.T
	c *net.TCPConn
}

// send writes length and body in two calls, as vpcd does.
func (p *fakePlug) send(payload ...byte) {
	p.t.Helper()
	require.NoError(p.t, p.write(payload))
}

func (p *fakePlug) write(payload []byte) error {
	if _, err := p.c.Write(binary.BigEndian.AppendUint16(nil, uint16(len(payload)))); err != nil {
		return err
	}
	_, err := p.c.Write(payload)
	return err
}

// receive returns a reply; ok is false when the card is gone. A reset connection fails the test.
func (p *fakePlug) receive() (reply []byte, ok bool) {
	p.t.Helper()
	require.NoError(p.t, p.c.SetReadDeadline(time.Now().Add(patience)))
	reply, err := readFrame(p.c)
	if err != nil {
		require.ErrorIs(p.t, err, io.EOF)
		p.c.Close()
		return nil, false
	}
	return reply, true
}

func (p *fakePlug) powerOff() { p.send(powerOff) }
func (p *fakePlug) powerOn()  { p.send(powerOn) }
func (p *fakePlug) reset()    { p.send(warmReset) }

func (p *fakePlug) atr() []byte {
	p.t.Helper()
	p.send(getATR)
	reply, ok := p.receive()
	require.True(p.t, ok, "card is gone")
	return reply
}

// gone polls as pcscd does until the card is absent. The PdT may close the connection between the two calls of a poll.
func (p *fakePlug) gone() {
	p.t.Helper()
	eventually(p.t, func() bool {
		if err := p.write([]byte{getATR}); errors.Is(err, syscall.EPIPE) {
			p.c.Close()
			return true
		}
		_, ok := p.receive()
		return !ok
	}, "card is still shown")
}

func (p *fakePlug) transmit(apdu ...byte) []byte {
	p.t.Helper()
	p.send(apdu...)
	reply, ok := p.receive()
	require.True(p.t, ok, "an empty response would look like success")
	return reply
}

var (
	vitaleATR  = []byte{0x3B, 0x75, 0x13, 0, 0, 0x40, 9, 0xEA, 0x90, 0}
	renewedATR = []byte{0x3B, 0x75, 0x13, 0, 0, 0x41, 9, 0xEA, 0x90, 0}
	selectMF   = []byte{0, 0xA4, 0, 0, 2, 0x3F, 0}
	errEnded   = errors.New("session ended")
)

// fakeCard is a session with one card, epoch after epoch.
type fakeCard struct {
	mu     sync.Mutex
	epoch  uint32
	log    []string      // what was asked of it
	fails  []error       // of the next resets
	result error         // of a command
	hold   chan struct{} // not nil = a command waits for it, or for its ctx
	busy   chan struct{} // a command has begun
	name   byte          // second octet of its response
	shown  chan uint32   // what the terminal was told
}

func newFakeCard() *fakeCard {
	return &fakeCard{epoch: 1, busy: make(chan struct{}, 99), shown: make(chan uint32, 9)}
}

func (c *fakeCard) Shown(_ session.Slot, epoch uint32) { c.shown <- epoch }
func (c *fakeCard) DropAhead(session.Slot)             {}

func (c *fakeCard) Transmit(ctx context.Context, _ session.Slot, epoch uint32, apdu []byte) ([]byte, error) {
	c.mu.Lock()
	hold, result := c.hold, c.result
	c.log = append(c.log, "command")
	stale := epoch != c.epoch
	c.mu.Unlock()
	c.busy <- struct{}{}
	if stale {
		return nil, session.StaleEpoch
	}
	if hold != nil {
		select {
		case <-hold:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	if result != nil {
		return nil, result
	}
	return []byte{apdu[1], c.name, 0x90, 0}, nil
}

func (c *fakeCard) Verify(ctx context.Context, slot session.Slot, epoch uint32,
	header [session.MinCommand]byte) ([]byte, error) {
	response, err := c.Transmit(ctx, slot, epoch, header[:])
	return response[max(0, len(response)-2):], err
}

func (c *fakeCard) Reset(_ context.Context, _ session.Slot, epoch uint32,
	kind session.ResetKind) (uint32, []byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.log = append(c.log, map[session.ResetKind]string{session.ResetWarm: "warm", session.ResetCold: "cold",
		session.PowerOff: "off"}[kind])
	if epoch != c.epoch {
		return c.epoch, nil, session.StaleEpoch
	}
	c.epoch++
	if len(c.fails) > 0 {
		err := c.fails[0]
		if c.fails = c.fails[1:]; err != nil {
			return c.epoch, nil, err
		}
	}
	if kind == session.PowerOff {
		return c.epoch, nil, nil
	}
	return c.epoch, renewedATR, nil
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

// bench is one slot with a driver, running: it shows its cards one after the other.
type bench struct {
	*fakeDriver
	reader pdt.Reader
	remove context.CancelFunc // of the card that is in
	turn   sync.Mutex         // of the card that is shown
	shows  sync.WaitGroup
}

func newBench(t *testing.T) *bench {
	d := newFakeDriver(t)
	return newBenchWith(t, d, d.config())
}

func newBenchWith(t *testing.T, d *fakeDriver, cfg Config) *bench {
	readers, err := New(cfg)
	require.NoError(t, err)
	b := &bench{fakeDriver: d, reader: readers[session.SlotVitale], remove: func() {}}
	t.Cleanup(func() { b.clear(); b.shows.Wait() })
	return b
}

// insert shows a card once the one before is gone.
func (b *bench) insert(c *fakeCard) {
	b.clear()
	var here context.Context
	here, b.remove = context.WithCancel(context.Background())
	card := pdt.NewCard(here, session.SlotVitale, session.Inserted{Epoch: c.epoch, ATR: vitaleATR}, c)
	b.shows.Go(func() {
		b.turn.Lock()
		defer b.turn.Unlock()
		b.reader.Show(here, card)
	})
}

// clear removes the card.
func (b *bench) clear() { b.remove() }

func listenAgain(t *testing.T, addr string) *net.TCPListener {
	l, err := net.Listen("tcp", addr)
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	return l.(*net.TCPListener)
}
