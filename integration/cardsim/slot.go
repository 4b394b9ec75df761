package cardsim

import (
	"context"
	"errors"
	"time"
)

// SlotPause is how long a slot must stay empty for pcscd to see that the card has gone; after a shorter pause it takes
// the next card for the same one.
const SlotPause = 1100 * time.Millisecond

// ErrOccupied means that the slot still has a card.
var ErrOccupied = errors.New("cannot insert a card: the slot has one, remove it first")

// Slot is a slot of vpcd into which cards are put. Not for concurrent use.
type Slot struct {
	addr    string
	emptied time.Time
	pull    context.CancelFunc // nil: empty
	gone    chan struct{}      // closed when the card is no longer served
}

// NewSlot returns the slot that listens on addr ("127.0.0.1:port"), empty.
func NewSlot(addr string) *Slot { return &Slot{addr: addr} }

// Insert puts card in and returns once it is connected. After a removal it first waits until [SlotPause] is over.
func (s *Slot) Insert(card Card) error {
	time.Sleep(time.Until(s.emptied.Add(SlotPause)))
	return s.InsertNow(card)
}

// InsertNow is Insert without the pause: a swap too quick for pcscd to see.
func (s *Slot) InsertNow(card Card) error {
	if s.pull != nil {
		return ErrOccupied
	}
	ctx, cancel := context.WithCancel(context.Background())
	conn, err := dial(ctx, s.addr)
	if err != nil {
		cancel()
		return err
	}
	gone := make(chan struct{})
	s.pull, s.gone = cancel, gone
	go func() {
		defer close(gone)
		_ = serve(ctx, conn, card) // its only error is that vpcd went away: see Gone
	}()
	return nil
}

// Gone returns a channel that is closed once the driver has dropped the card (because its pcscd ended, for example);
// Remove must still be called. It is nil when the slot is empty.
func (s *Slot) Gone() <-chan struct{} { return s.gone }

// Remove pulls the card and waits until it is out. An exchange under way is finished first. Remove does nothing to an
// empty slot.
func (s *Slot) Remove() {
	if s.pull == nil {
		return
	}
	s.pull()
	<-s.gone
	s.pull, s.gone, s.emptied = nil, nil, time.Now()
}
