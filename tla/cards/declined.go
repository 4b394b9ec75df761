package cards

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"tlagate/session"
	"tlagate/tla/cards/internal/pcsc"
)

// settleTime is longer than the pause between two questions of pcscd to a reader (400 ms).
const settleTime = 600 * time.Millisecond

// judged tells a reader that cannot do what was asked, an extended length for instance, from one whose card has gone:
// both return the same errors (SCARD_E_NOT_TRANSACTED, SCARD_F_COMM_ERROR). If the card is still there, only the
// command has failed, and the lease goes on.
func (l *Lease) judged(body []byte, err error) ([]byte, error) {
	switch {
	case !errors.Is(err, pcsc.ErrDeclined):
	case l.stays():
		l.declines.more(err)
	default:
		err = fmt.Errorf("%w: %w", session.ErrCardLost, err)
	}
	return body, err
}

// ManyDeclined is how many commands in a row a reader may decline before people are told: the reader or its card is
// failing.
const ManyDeclined = 3

// declines counts the commands that a reader declined in a row.
type declines struct {
	row  atomic.Int64
	many func(row int64, err error) // as in Taker.Take
}

func (d *declines) more(err error) {
	if n := d.row.Add(1); d.many != nil && (n == ManyDeclined || n%1000 == 0) {
		d.many(n, err)
	}
}

// none records that a command was executed.
func (d *declines) none() {
	if n := d.row.Swap(0); d.many != nil && n >= ManyDeclined {
		d.many(0, nil)
	}
}

// Declined returns how many commands in a row the reader has declined, from ManyDeclined on; below that it is 0.
func (l *Lease) Declined() int64 {
	if n := l.declines.row.Load(); n >= ManyDeclined {
		return n
	}
	return 0
}

// stays reports whether the card of the lease is still in. PC/SC learns of a removal when it next asks the reader, so a
// look at once would come too early.
func (l *Lease) stays() bool {
	looks := []pcsc.Look{{Reader: l.Of.Reader}}
	err := l.ctx.Wait(looks, 0)
	if looks[0].Seen = looks[0].Event; err == nil && l.same(looks[0]) {
		err = l.ctx.Wait(looks, settleTime)
	}
	return (err == nil || errors.Is(err, pcsc.ErrTimeout)) && l.same(looks[0])
}
