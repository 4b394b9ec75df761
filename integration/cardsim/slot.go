package cardsim

import (
	"context"
	"errors"
	"time"
)

// SlotPause is how long a slot must stay empty for pcscd to see that the card
// has gone; with less, the next card is taken for the same one.
const SlotPause = 1100 * time.Millisecond

// ErrOccupied means that the slot still holds a card.
var ErrOccupied = errors.New("cannot insert a card: the slot holds one, remove it first")

// Slot is a vpcd slot that cards go in and out of. Not for concurrent use.
type Slot struct {
	addr    string
	emptied time.Time
	pull    context.CancelFunc // nil: empty
	gone    chan struct{}      // closed when the card is no longer served
}

// NewSlot is the empty slot listening on addr ("127.0.0.1:port").
func NewSlot(addr string) *Slot { return &Slot{addr: addr} }

// Insert puts card in and returns once it is connected. After a removal it
// first waits until [SlotPause] is over.
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
		_ = serve(ctx, conn, card) // its only error is vpcd going away: Gone tells
	}()
	return nil
}

// Gone is closed once the driver has dropped the card (its pcscd ended, for
// example); Remove must still be called. nil when the slot is empty.
func (s *Slot) Gone() <-chan struct{} { return s.gone }

// Remove pulls the card and waits until it is out. An exchange under way is
// finished first. It does nothing on an empty slot.
func (s *Slot) Remove() {
	if s.pull == nil {
		return
	}
	s.pull()
	<-s.gone
	s.pull, s.gone, s.emptied = nil, nil, time.Now()
}
