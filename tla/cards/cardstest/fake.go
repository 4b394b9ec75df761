// Package cardstest has a PC/SC service for tests, which choose its readers and cards.
package cardstest

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"tlagate/session"
	"tlagate/tla/cards/internal/pcsc"
)

// Service is a PC/SC service with readers and cards, which counts what happens to them.
type Service struct {
	mu      sync.Mutex // protects the rest, readers and cards included
	changed chan struct{}
	down    bool
	readers []*Reader

	Contexts    int           // open
	Connected   int           // cards
	Block       chan struct{} // not nil: Connect waits for it
	WhenWaiting func()        // called once, when a Wait begins
}

// Reader is a reader of the service.
type Reader struct {
	name    string
	counter uint32
	card    *Card

	Taken  bool // exclusively, by us or another
	Shared bool // by another, in a transaction: Connect waits (see Service.Block)

	Features, PadAnswer []byte // of its PIN pad
	Controls            [][]byte
}

// Card answers a command with its serial and 9000. It records its power and whether it was unlocked.
type Card struct {
	atr    []byte
	serial byte

	Powered, Unlocked        bool
	Colds, Warms, PowerDowns int
	Commands                 int
	Last                     []byte        // command
	Gate                     chan struct{} // not nil: a command waits for it
	Err                      error         // not nil: what commands return
	Verify                   func(apdu []byte) []byte
	Process                  func(apdu []byte) []byte // not nil: it answers all commands, and
	OnReset                  func()                   // learns of each reset and loss of power
}

// ErrDeclined is the error of a reader that did not do what was asked.
var ErrDeclined = pcsc.ErrDeclined

// The ATRs of cards.
var (
	VitaleATR = []byte{0x3B, 0x75, 0x13, 0x00, 0x00, 0x45, 0x09, 0xEA, 0x90, 0x00}
	CPSATR    = []byte{0x3B, 0x9B, 0x18, 0x80, 0x01, 0x00, 0x12, 0x25, 0x00, 0x64, 0x80, 0x04, 0x01, 0x00, 0x00, 0x90,
		0x44}
	StrangeATR = []byte{0x3B, 0x00}
)

var errDown = errors.New("fake service is down")

// New returns a service with empty readers.
func New(names ...string) *Service {
	f := &Service{changed: make(chan struct{})}
	for _, n := range names {
		f.readers = append(f.readers, &Reader{name: n})
	}
	return f
}

// During runs a watcher of the readers for the time of the test, and fails the test if it leaves anything open.
func (f *Service) During(t testing.TB, run func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		f.Do(func() {
			if f.Contexts != 0 || f.Connected != 0 {
				t.Errorf("%d PC/SC contexts are left open, %d cards are left connected", f.Contexts, f.Connected)
			}
		})
	})
}

// Do changes something and wakes every Wait.
func (f *Service) Do(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
	close(f.changed)
	f.changed = make(chan struct{})
}

// Reader returns the reader of that name; nil = there is none.
func (f *Service) Reader(name string) *Reader {
	i := slices.IndexFunc(f.readers, func(r *Reader) bool { return r.name == name })
	if i < 0 {
		return nil
	}
	return f.readers[i]
}

// Plug adds a reader.
func (f *Service) Plug(name string) {
	f.Do(func() { f.readers = append(f.readers, &Reader{name: name}) })
}

// Unplug takes a reader away.
func (f *Service) Unplug(name string) {
	f.Do(func() {
		f.readers = slices.DeleteFunc(f.readers, func(r *Reader) bool { return r.name == name })
	})
}

// Insert puts a card into a reader.
func (f *Service) Insert(reader string, atr []byte, serial byte) *Card {
	c := &Card{atr: atr, serial: serial}
	f.Do(func() { f.put(f.Reader(reader), c) })
	return c
}

// Remove takes the card out.
func (f *Service) Remove(reader string) { f.Do(func() { f.put(f.Reader(reader), nil) }) }

// Swap takes a card out and puts another in, both between two looks.
func (f *Service) Swap(reader string, atr []byte, serial byte) *Card {
	c := &Card{atr: atr, serial: serial}
	f.Do(func() {
		f.put(f.Reader(reader), nil)
		f.put(f.Reader(reader), c)
	})
	return c
}

func (f *Service) put(r *Reader, c *Card) {
	if r.card != nil {
		r.card.lock(false)
	}
	r.card = c
	r.counter++
}

// lock does what a reset, or a loss of power, does to a card.
func (c *Card) lock(powered bool) {
	c.Powered, c.Unlocked = powered, false
	if c.OnReset != nil {
		c.OnReset()
	}
}

// Put puts a card back into a reader.
func (f *Service) Put(reader string, c *Card) { f.Do(func() { f.put(f.Reader(reader), c) }) }

// SetDown stops the service, or starts it again.
func (f *Service) SetDown(down bool) {
	f.Do(func() {
		f.down = down
		for _, r := range f.readers {
			r.Taken, r.counter = false, 0
		}
	})
}

// Count returns a number of f, or of a reader or card in it, read under the lock.
func (f *Service) Count(n *int) int { return Get(f, func() int { return *n }) }

// Get returns what the function returns, called under the lock.
func Get[T any](f *Service, what func() T) T {
	f.mu.Lock()
	defer f.mu.Unlock()
	return what()
}

// Establish implements pcsc.Service.
func (f *Service) Establish() (pcsc.Context, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.down {
		return nil, errDown
	}
	f.Contexts++
	return &contextOf{f: f, cancelled: make(chan struct{})}, nil
}

type contextOf struct {
	f         *Service
	once      sync.Once
	cancelled chan struct{}
}

func (c *contextOf) Readers() (names []string, err error) {
	c.f.mu.Lock()
	defer c.f.mu.Unlock()
	if c.f.down {
		return nil, errDown
	}
	for _, r := range c.f.readers {
		names = append(names, r.name)
	}
	return names, nil
}

func (c *contextOf) Wait(looks []pcsc.Look, timeout time.Duration) error {
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	for {
		wake, differs, err := c.fill(looks)
		if differs || err != nil {
			return err
		}
		if begun := c.f.waiting(); begun != nil {
			begun()
		}
		select {
		case <-wake:
		case <-timer.C:
			return pcsc.ErrTimeout
		case <-c.cancelled:
			return pcsc.ErrTimeout
		}
	}
}

// waiting returns what to call now that a Wait has begun.
func (f *Service) waiting() func() {
	f.mu.Lock()
	defer f.mu.Unlock()
	begun := f.WhenWaiting
	f.WhenWaiting = nil
	return begun
}

func (c *contextOf) fill(looks []pcsc.Look) (wake chan struct{}, differs bool, err error) {
	c.f.mu.Lock()
	defer c.f.mu.Unlock()
	if c.f.down {
		return nil, false, errDown
	}
	for i := range looks {
		r := c.f.Reader(looks[i].Reader)
		if r == nil {
			return nil, false, pcsc.ErrUnknownReader
		}
		looks[i].Event, looks[i].ATR = r.counter<<pcsc.CounterShift|0x10, nil
		if r.card != nil {
			looks[i].Event = r.counter<<pcsc.CounterShift | pcsc.Present
			looks[i].ATR = r.card.atr
		}
		if r.Shared {
			looks[i].Event |= pcsc.InUse
		}
		differs = differs || looks[i].Event != looks[i].Seen
	}
	return c.f.changed, differs, nil
}

func (c *contextOf) Connect(reader string) (pcsc.Card, error) {
	if block := Get(c.f, func() chan struct{} { return c.f.Block }); block != nil {
		<-block
	}
	c.f.mu.Lock()
	defer c.f.mu.Unlock()
	r := c.f.Reader(reader)
	switch {
	case c.f.down:
		return nil, errDown
	case r == nil:
		return nil, pcsc.ErrUnknownReader
	case r.Taken:
		return nil, pcsc.ErrBusy
	case r.card == nil:
		return nil, session.ErrCardLost
	}
	r.Taken = true
	r.card.Powered = true
	c.f.Connected++
	return &handle{f: c.f, r: r, card: r.card}, nil
}

func (c *contextOf) Cancel() { c.once.Do(func() { close(c.cancelled) }) }

func (c *contextOf) Release() {
	c.f.mu.Lock()
	defer c.f.mu.Unlock()
	c.f.Contexts--
}

// handle is dead once its card is out, until a reset revives it for whichever card is in, as in PC/SC.
type handle struct {
	f    *Service
	r    *Reader
	card *Card
}

func (h *handle) lost() error {
	if h.f.down || h.r.card != h.card || h.f.Reader(h.r.name) != h.r {
		return session.ErrCardLost
	}
	return nil
}

func (h *handle) Status() ([]byte, session.Protocol, error) {
	h.f.mu.Lock()
	defer h.f.mu.Unlock()
	return slices.Clone(h.card.atr), session.T0, h.lost()
}

func (h *handle) Transmit(apdu []byte) ([]byte, error) {
	if gate := Get(h.f, func() chan struct{} { h.card.Commands++; return h.card.Gate }); gate != nil {
		<-gate
	}
	h.f.mu.Lock()
	defer h.f.mu.Unlock()
	if err := errors.Join(h.lost(), h.card.Err); err != nil {
		return nil, err
	}
	h.card.Unlocked, h.card.Last = true, slices.Clone(apdu)
	if h.card.Process != nil {
		return h.card.Process(slices.Clone(apdu)), nil
	}
	if h.card.Verify != nil && apdu[1] == 0x20 {
		return h.card.Verify(slices.Clone(apdu)), nil
	}
	return []byte{h.card.serial, 0x90, 0x00}, nil
}

func (h *handle) Reset(kind session.ResetKind) error {
	h.f.mu.Lock()
	defer h.f.mu.Unlock()
	if h.r.card == nil || h.f.down {
		return session.ErrCardLost
	}
	h.card = h.r.card
	h.card.lock(true)
	if kind == session.ResetWarm {
		h.card.Warms++
	} else {
		h.card.Colds++
	}
	return nil
}

func (h *handle) Features() []byte {
	return Get(h.f, func() []byte { return h.r.Features })
}

func (h *handle) Control(code uint32, in []byte) ([]byte, error) {
	return Get(h.f, func() []byte { h.r.Controls = append(h.r.Controls, in); return h.r.PadAnswer }), nil
}

func (h *handle) PowerDown() error {
	h.f.mu.Lock()
	defer h.f.mu.Unlock()
	h.f.Connected--
	h.r.Taken = false
	err := h.lost()
	if err == nil {
		h.card.lock(false)
		h.card.PowerDowns++
	}
	return err
}
