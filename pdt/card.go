package pdt

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"tlagate/internal/retry"
	"tlagate/session"
)

// Exchanger is what a card needs of its session: a *session.Workstation.
type Exchanger interface {
	Transmit(ctx context.Context, slot session.Slot, epoch uint32, apdu []byte) ([]byte, error)
	Verify(ctx context.Context, slot session.Slot, epoch uint32, header [session.MinCommand]byte) ([]byte, error)
	Reset(ctx context.Context, slot session.Slot, epoch uint32, kind session.ResetKind) (uint32, []byte, error)
	Shown(slot session.Slot, epoch uint32)
	DropAhead(slot session.Slot)
}

// Card is a card in a terminal, from one insertion to its removal. The next card in the same slot is another Card: what
// is sent to the first can never reach the second. One goroutine at a time may use it.
type Card struct {
	slot     session.Slot
	protocol session.Protocol
	since    uint32 // the epoch in which it came in
	via      Exchanger
	count    *counts

	here   context.Context // ends when the card is removed or the session is over
	remove context.CancelFunc
	seen   sync.Once
	failed atomic.Int64 // commands in a row that the terminal's reader did not execute

	mu    sync.Mutex // protects the rest, which the status reads at any time
	epoch uint32
	atr   []byte
}

const slowRecovery = 30 * time.Second // longest pause between two resets of a card that fails

// counts counts what was asked of a session's cards.
type counts struct{ commands, answered, resets atomic.Uint64 }

// NewCard returns the card that a session announced as inserted, for programs that run a card session of their own. It
// is gone when ctx ends. With session.WorkstationConfig.Shows, Seen must be called.
func NewCard(ctx context.Context, slot session.Slot, in session.Inserted, via Exchanger) *Card {
	return newCard(ctx, slot, in, via, new(counts))
}

// newCard returns the card of an inserted frame; it is gone when ctx ends.
func newCard(ctx context.Context, slot session.Slot, in session.Inserted, via Exchanger, count *counts) *Card {
	c := &Card{slot: slot, protocol: in.Protocol, since: in.Epoch, via: via, count: count, epoch: in.Epoch, atr: in.ATR}
	c.here, c.remove = context.WithCancel(ctx)
	return c
}

// Slot returns the slot that the card is in.
func (c *Card) Slot() session.Slot { return c.slot }

// Protocol returns the transmission protocol that the terminal speaks with the card.
func (c *Card) Protocol() session.Protocol { return c.protocol }

// ATR returns the card's last answer to reset, 2..33 octets.
func (c *Card) ATR() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.atr)
}

// Transmit has the card execute a command APDU (4..65 544 octets) and returns its response APDU (2..65 538). When
// ctx ends meanwhile the response is dropped. The error is a session.Outcome, that of ctx, or why the session ended.
func (c *Card) Transmit(ctx context.Context, apdu []byte) ([]byte, error) {
	c.count.commands.Add(1)
	response, err := c.via.Transmit(ctx, c.slot, c.current(), apdu)
	c.note(err)
	return response, err
}

// Verify has the terminal's user enter a PIN, the card verify it, and returns the status word, or one of ISO 7816-4
// that says why nothing was verified (SP4). header is CLA INS P1 P2 of a VERIFY. The errors are those of Transmit.
func (c *Card) Verify(ctx context.Context, header [session.MinCommand]byte) (sw [2]byte, err error) {
	c.count.commands.Add(1)
	response, err := c.via.Verify(ctx, c.slot, c.current(), header)
	c.note(err)
	if err == nil && len(response) != len(sw) {
		return sw, fmt.Errorf("cannot take a response of %d octets for a status word", len(response))
	}
	copy(sw[:], response)
	return sw, err
}

// note counts how a command ended.
func (c *Card) note(err error) {
	switch {
	case err == nil:
		c.count.answered.Add(1)
		c.failed.Store(0)
	case errors.Is(err, session.Failed):
		c.failed.Add(1)
	}
}

// Reset resets the card or powers it off. Only the card's removal or the session's end interrupts it, since its
// response alone tells how to address the card from then on. The errors are those of Transmit.
func (c *Card) Reset(kind session.ResetKind) error {
	c.count.resets.Add(1)
	epoch, atr, err := c.via.Reset(c.here, c.slot, c.current(), kind)
	if err == nil || errors.Is(err, session.Failed) {
		c.renew(epoch, atr)
	}
	return err
}

// Unpower is called when a driver takes the card's power away, whether the terminal is told or not: what was read ahead
// for one program is not for the next.
func (c *Card) Unpower() { c.via.DropAhead(c.slot) }

// Recover makes a card that programs do not see any more, because of err, fit to be shown again: it resets it, cold, so
// that no program finds the security state of another's session. It tries until that succeeds, after pauses that begin
// with first, and reports whether it did; if not, the card is of no more use.
func (c *Card) Recover(ctx context.Context, err error, first time.Duration) bool {
	for again := (retry.Backoff{First: first, Most: slowRecovery}); !isGone(err); {
		if err = c.Reset(session.ResetCold); err == nil {
			return true
		}
		if isGone(err) || !retry.Sleep(ctx, again.Next()) {
			return false
		}
	}
	return false
}

// isGone reports whether an error means that the card has gone, and that news of its slot is on its way.
func isGone(err error) bool {
	return errors.Is(err, session.StaleEpoch) || errors.Is(err, session.NoCard)
}

// Seen tells the terminal, whose user may be waiting, that programs see the card. A [Reader] calls it, once or more
// often, as soon as they do. It does not wait for the network: a driver's poll must not.
func (c *Card) Seen() {
	c.seen.Do(func() { go c.via.Shown(c.slot, c.since) })
}

func (c *Card) current() uint32 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.epoch
}

// renew stores the epoch after a reset, and the ATR if there is one.
func (c *Card) renew(epoch uint32, atr []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.epoch = epoch
	if len(atr) >= session.MinATR && len(atr) <= session.MaxATR {
		c.atr = atr
	}
}
