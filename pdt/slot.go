package pdt

import (
	"context"
	"sync"

	"tlagate/session"
)

// Reader shows the cards of one slot to programs.
type Reader interface {
	// Show makes card visible until ctx ends, because the card was removed or the session is over. It returns when
	// programs no longer see the card. Calls come one at a time; programs must see a removal between two of them. It
	// calls card.Seen as soon as programs see the card: the terminal's user may be waiting for that.
	Show(ctx context.Context, card *Card)
}

// DriverState says how one slot stands with the driver of its reader.
type DriverState struct {
	Address string `json:"address"`         // host:port, or the path of a socket
	Shown   bool   `json:"shown"`           // programs see a card
	Error   string `json:"error,omitempty"` // why a card cannot be; of a connected driver: why another is turned away

	// Connected, Asked, Version and the foreign peers are known of the driver for Linux alone (package ifd).
	Connected bool   `json:"connected,omitempty"`
	Asked     bool   `json:"asked,omitempty"`         // a program has asked for the card that is shown
	Version   string `json:"version,omitempty"`       // of the driver that is connected, or was last
	Foreign   uint64 `json:"foreign_peers,omitempty"` // connections of accounts that may not be the driver, of all slots
	Stranger  string `json:"last_foreign,omitempty"`  // the account of the last one
}

// slot passes its cards to its reader, one after the other, as long as the service runs.
type slot struct {
	number session.Slot
	reader Reader
	wake   chan struct{} // capacity 1: there is a new card

	mu   sync.Mutex // protects card
	card *Card      // the one in the terminal now, or nil
}

func newSlot(n session.Slot, r Reader) *slot {
	return &slot{number: n, reader: r, wake: make(chan struct{}, 1)}
}

// insert replaces the card; it does not block.
func (s *slot) insert(c *Card) {
	s.put(c)
	nudge(s.wake)
}

// clear removes the card, if there is one; it does not block.
func (s *slot) clear() { s.put(nil) }

func (s *slot) put(c *Card) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.card != nil {
		s.card.remove()
	}
	s.card = c
}

// present returns the card in the terminal now, or nil.
func (s *slot) present() *Card {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.card
}

// run shows cards until ctx ends.
func (s *slot) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.wake:
			if card := s.present(); card != nil {
				s.reader.Show(card.here, card)
			}
		}
	}
}

// nudge wakes the goroutine that waits on c, a channel of capacity 1.
func nudge(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
