package cards

import (
	"fmt"

	"tlagate/session"
)

// Exchange sends a short command of the relay itself, not of a program, and returns the whole answer: it does what both
// protocols leave to their user, fetches what 61xx says is waiting, and repeats after 6Cxx.
func (l *Lease) Exchange(apdu []byte) ([]byte, error) {
	l.used.Store(true)
	own := append([]byte(nil), apdu...)
	return l.do(func() ([]byte, error) { return whole(l.card.Transmit, own, l.Protocol == session.T0) })
}

// maxWhole bounds a whole answer, in octets: no card has longer certificates.
const maxWhole = 16 << 10

func whole(send func([]byte) ([]byte, error), apdu []byte, t0 bool) ([]byte, error) {
	ne := wanted(apdu)
	if t0 && ne > 0 && len(apdu) > session.MinCommand+1 { // case 4: T=0 has no Le beside data
		apdu = apdu[:len(apdu)-1]
	}
	answer, err := exactly(send, apdu, max(ne, 256))
	for err == nil && len(answer) >= session.MinResponse && waiting(answer) > 0 {
		have := len(answer) - session.MinResponse
		if have > maxWhole {
			return nil, fmt.Errorf("cannot read the card's answer: it has more than %d octets", maxWhole)
		}
		var rest []byte
		rest, err = exactly(send, fetch(apdu[0], waiting(answer)), 256)
		if len(rest) <= session.MinResponse { // no data came: its status word is that of the whole answer
			return append(answer[:have], rest...), short(rest, err)
		}
		answer = joined(answer[:have], rest)
	}
	return answer, short(answer, err)
}

// short returns err, or that the card has gone: its reader returned not even a status word.
func short(answer []byte, err error) error {
	if err == nil && len(answer) < session.MinResponse {
		return session.ErrCardLost
	}
	return err
}

// Used reports whether the relay itself has sent the card commands since it was taken or reset.
func (l *Lease) Used() bool { return l.used.Load() }
