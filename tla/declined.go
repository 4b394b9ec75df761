package tla

import (
	"errors"
	"fmt"
	"time"

	"tlagate/session"
)

// settleTime is longer than pcscd leaves a reader unasked (400 ms).
const settleTime = 600 * time.Millisecond

// judged tells a reader that cannot do what was asked, an extended length for instance, from one whose card has gone: both say the
// same (SCARD_E_NOT_TRANSACTED, SCARD_F_COMM_ERROR). Of a card that is still there the command has failed, and it stays.
func (h *held) judged(body []byte, err error) ([]byte, error) {
	if errors.Is(err, errDeclined) && !h.stays() {
		err = fmt.Errorf("%w: %w", session.ErrCardLost, err)
	}
	return body, err
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
