package tla

import (
	"errors"
	"slices"
	"sync"
	"time"

	"tlagate/session"
)

// fakePCSC is a PC/SC service with readers and cards, which counts what happens to them.
type fakePCSC struct {
	mu      sync.Mutex // protects the rest, readers and cards included
	changed chan struct{}
	down    bool
	slots   []*fakeReader
	open    int // contexts
	holds   int // cards connected
	block   chan struct{}

	whenWaiting func() // called once, when somebody begins to wait
}

type fakeReader struct {
	name    string
	counter uint32
	card    *fakeCard
	taken   bool // exclusively, by us or another
	shared  bool // by another, in a transaction: who connects waits (see block)

	features, padAnswer []byte // of its PIN pad
	controls            [][]byte
}

// fakeCard answers a command with its serial and 9000. Its power and what it allowed are watched.
type fakeCard struct {
	f          *fakePCSC
	atr        []byte
	serial     byte
	powered    bool
	unlocked   bool
	colds      int
	warms      int
	powerDowns int
	commands   int
	last       []byte        // command
	gate       chan struct{} // not nil: a command waits for it
	err        error         // not nil: what commands give
	verify     func(apdu []byte) []byte
}

var (
	vitaleATR  = []byte{0x3B, 0x75, 0x13, 0x00, 0x00, 0x45, 0x09, 0xEA, 0x90, 0x00}
	cpsATR     = []byte{0x3B, 0x9B, 0x18, 0x80, 0x01, 0x00, 0x12, 0x25, 0x00, 0x64, 0x80, 0x04, 0x01, 0x00, 0x00, 0x90, 0x44}
	strangeATR = []byte{0x3B, 0x00}

	errDown = errors.New("fake service is down")
)

func newFake(names ...string) *fakePCSC {
	f := &fakePCSC{changed: make(chan struct{})}
	for _, n := range names {
		f.slots = append(f.slots, &fakeReader{name: n})
	}
	return f
}

// do changes something and wakes who waits.
func (f *fakePCSC) do(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
	close(f.changed)
	f.changed = make(chan struct{})
}

func (f *fakePCSC) reader(name string) *fakeReader {
	i := slices.IndexFunc(f.slots, func(r *fakeReader) bool { return r.name == name })
	if i < 0 {
		return nil
	}
	return f.slots[i]
}

func (f *fakePCSC) plug(name string) {
	f.do(func() { f.slots = append(f.slots, &fakeReader{name: name}) })
}

func (f *fakePCSC) unplug(name string) {
	f.do(func() {
		f.slots = slices.DeleteFunc(f.slots, func(r *fakeReader) bool { return r.name == name })
	})
}

func (f *fakePCSC) insert(reader string, atr []byte, serial byte) *fakeCard {
	c := &fakeCard{f: f, atr: atr, serial: serial}
	f.do(func() { f.put(f.reader(reader), c) })
	return c
}

func (f *fakePCSC) remove(reader string) { f.do(func() { f.put(f.reader(reader), nil) }) }

// swap takes a card out and puts another in between two looks.
func (f *fakePCSC) swap(reader string, atr []byte, serial byte) *fakeCard {
	c := &fakeCard{f: f, atr: atr, serial: serial}
	f.do(func() {
		f.put(f.reader(reader), nil)
		f.put(f.reader(reader), c)
	})
	return c
}

func (f *fakePCSC) put(r *fakeReader, c *fakeCard) {
	if r.card != nil {
		r.card.powered, r.card.unlocked = false, false
	}
	r.card = c
	r.counter++
}

func (f *fakePCSC) setDown(down bool) {
	f.do(func() {
		f.down = down
		for _, r := range f.slots {
			r.taken, r.counter = false, 0
		}
	})
}

// get reads something under the lock.
func get[T any](f *fakePCSC, what func() T) T {
	f.mu.Lock()
	defer f.mu.Unlock()
	return what()
}

func (f *fakePCSC) establish() (pcscContext, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.down {
		return nil, errDown
	}
	f.open++
	return &fakeContext{f: f, cancelled: make(chan struct{})}, nil
}

type fakeContext struct {
	f         *fakePCSC
	once      sync.Once
	cancelled chan struct{}
}

func (c *fakeContext) readers() (names []string, err error) {
	c.f.mu.Lock()
	defer c.f.mu.Unlock()
	if c.f.down {
		return nil, errDown
	}
	for _, r := range c.f.slots {
		names = append(names, r.name)
	}
	return names, nil
}

func (c *fakeContext) wait(looks []look, timeout time.Duration) error {
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
			return errTimeout
		case <-c.cancelled:
			return errTimeout
		}
	}
}

// waiting gives what is to happen now that somebody waits.
func (f *fakePCSC) waiting() func() {
	f.mu.Lock()
	defer f.mu.Unlock()
	begun := f.whenWaiting
	f.whenWaiting = nil
	return begun
}

func (c *fakeContext) fill(looks []look) (wake chan struct{}, differs bool, err error) {
	c.f.mu.Lock()
	defer c.f.mu.Unlock()
	if c.f.down {
		return nil, false, errDown
	}
	for i := range looks {
		r := c.f.reader(looks[i].reader)
		if r == nil {
			return nil, false, errUnknownReader
		}
		looks[i].event, looks[i].atr = r.counter<<counterShift|0x10, nil
		if r.card != nil {
			looks[i].event = r.counter<<counterShift | statePresent
			looks[i].atr = r.card.atr
		}
		if r.shared {
			looks[i].event |= stateInUse
		}
		differs = differs || looks[i].event != looks[i].seen
	}
	return c.f.changed, differs, nil
}

func (c *fakeContext) connect(reader string) (pcscCard, error) {
	if block := get(c.f, func() chan struct{} { return c.f.block }); block != nil {
		<-block
	}
	c.f.mu.Lock()
	defer c.f.mu.Unlock()
	r := c.f.reader(reader)
	switch {
	case c.f.down:
		return nil, errDown
	case r == nil:
		return nil, errUnknownReader
	case r.taken:
		return nil, errHeldByOther
	case r.card == nil:
		return nil, session.ErrCardLost
	}
	r.taken = true
	r.card.powered = true
	c.f.holds++
	return &fakeHandle{f: c.f, r: r, card: r.card}, nil
}

func (c *fakeContext) cancel() { c.once.Do(func() { close(c.cancelled) }) }

func (c *fakeContext) release() {
	c.f.mu.Lock()
	defer c.f.mu.Unlock()
	c.f.open--
}

// fakeHandle is dead once its card is out, until a reset revives it for whatever is there: as in PC/SC.
type fakeHandle struct {
	f    *fakePCSC
	r    *fakeReader
	card *fakeCard
}

func (h *fakeHandle) lost() error {
	if h.f.down || h.r.card != h.card || h.f.reader(h.r.name) != h.r {
		return session.ErrCardLost
	}
	return nil
}

func (h *fakeHandle) status() ([]byte, session.Protocol, error) {
	h.f.mu.Lock()
	defer h.f.mu.Unlock()
	return slices.Clone(h.card.atr), session.T0, h.lost()
}

func (h *fakeHandle) transmit(apdu []byte) ([]byte, error) {
	if gate := get(h.f, func() chan struct{} { h.card.commands++; return h.card.gate }); gate != nil {
		<-gate
	}
	h.f.mu.Lock()
	defer h.f.mu.Unlock()
	if err := errors.Join(h.lost(), h.card.err); err != nil {
		return nil, err
	}
	h.card.unlocked, h.card.last = true, slices.Clone(apdu)
	if h.card.verify != nil && apdu[1] == 0x20 {
		return h.card.verify(slices.Clone(apdu)), nil
	}
	return []byte{h.card.serial, 0x90, 0x00}, nil
}

func (h *fakeHandle) reset(kind session.ResetKind) error {
	h.f.mu.Lock()
	defer h.f.mu.Unlock()
	if h.r.card == nil || h.f.down {
		return session.ErrCardLost
	}
	h.card = h.r.card
	h.card.unlocked, h.card.powered = false, true
	if kind == session.ResetWarm {
		h.card.warms++
	} else {
		h.card.colds++
	}
	return nil
}

func (h *fakeHandle) features() []byte {
	return get(h.f, func() []byte { return h.r.features })
}

func (h *fakeHandle) control(code uint32, in []byte) ([]byte, error) {
	return get(h.f, func() []byte { h.r.controls = append(h.r.controls, in); return h.r.padAnswer }), nil
}

func (h *fakeHandle) powerDown() error {
	h.f.mu.Lock()
	defer h.f.mu.Unlock()
	h.f.holds--
	h.r.taken = false
	err := h.lost()
	if err == nil {
		h.card.powered, h.card.unlocked = false, false
		h.card.powerDowns++
	}
	return err
}
