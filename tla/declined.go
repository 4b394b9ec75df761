package tla

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"tlagate/session"
)

// settleTime is longer than pcscd leaves a reader unasked (400 ms).
const settleTime = 600 * time.Millisecond

// judged tells a reader that cannot do what was asked, an extended length for instance, from one whose card has gone: both say the
// same (SCARD_E_NOT_TRANSACTED, SCARD_F_COMM_ERROR). Of a card that is still there the command has failed, and it stays.
func (h *held) judged(body []byte, err error) ([]byte, error) {
	switch {
	case !errors.Is(err, errDeclined):
	case h.stays():
		h.used.declines.more(err)
	default:
		err = fmt.Errorf("%w: %w", session.ErrCardLost, err)
	}
	return body, err
}

// ManyDeclined is how many commands in a row a reader may decline before people are told: it fails, or its card does.
const ManyDeclined = 3

// declines counts what a reader declined in a row.
type declines struct {
	row  atomic.Int64
	many func(row int64, err error) // told when they are many, and when a command was executed after that (0, nil); nil = nobody asks
}

func (d *declines) more(err error) {
	if n := d.row.Add(1); d.many != nil && (n == ManyDeclined || n%1000 == 0) {
		d.many(n, err)
	}
}

// none: a command was executed.
func (d *declines) none() {
	if n := d.row.Swap(0); d.many != nil && n >= ManyDeclined {
		d.many(0, nil)
	}
}

// now is how many there are, when they are many.
func (d *declines) now() int64 {
	if n := d.row.Load(); n >= ManyDeclined {
		return n
	}
	return 0
}

// noteDeclines logs how a reader fares with its card.
func (k *keeper) noteDeclines(s *seat) func(int64, error) {
	return func(row int64, err error) {
		if row == 0 {
			k.log.Info("the reader executes commands again", "slot", k.slot.String(), "reader", s.reader)
			return
		}
		k.log.Warn("the reader declines command after command; the card is still in", "slot", k.slot.String(), "reader", s.reader,
			"in_a_row", row, "error", err)
	}
}

// stays reports whether the card that is held is still in. PC/SC learns of a removal when it next asks the reader, so a look at
// once would come too early.
func (h *held) stays() bool {
	looks := []look{{reader: h.seat.reader}}
	err := h.ctx.wait(looks, 0)
	if looks[0].seen = looks[0].event; err == nil && h.same(looks[0]) {
		err = h.ctx.wait(looks, settleTime)
	}
	return (err == nil || errors.Is(err, errTimeout)) && h.same(looks[0])
}
