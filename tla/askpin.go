package tla

import (
	"context"
	"encoding/hex"
	"errors"
	"io"
	"sync"
	"time"

	"tlagate/session"
	"tlagate/tla/pin"
)

// PINRequest tells the user what PIN is asked for, and by whom (SP4).
type PINRequest struct {
	Number uint64     `json:"number"`          // of this question, which tells it from others
	For    PINPurpose `json:"for,omitempty"`   // "" = a program's demand
	Again  bool       `json:"again,omitempty"` // of a start that began again, since a newer bundle was fetched

	Slot  string    `json:"slot"`  // role of the card
	PdT   string    `json:"pdt"`   // whose program wants it, or with which the session is to be
	Min   int       `json:"min"`   // digits
	Max   int       `json:"max"`   // digits
	Tries int       `json:"tries"` // left; -1 = the card does not say
	Until time.Time `json:"until"` // when asking ends
	Pad   bool      `json:"pad"`   // to be entered on the reader's own keypad
}

// PINPurpose is what a PIN is asked for.
type PINPurpose string

// PINForStart is a start, for which the user proves who they are (C2).
const PINForStart PINPurpose = "start"

// Why no PIN came.
var (
	errPINCancelled = errors.New("the user entered no PIN")
	errPINTimeout   = errors.New("nobody entered a PIN in time")
)

// desk asks the user for PINs, one question at a time.
type desk struct {
	turn chan struct{} // capacity 1: the caller that took its token may ask

	mu     sync.Mutex // protects the rest
	last   uint64     // number of the last question
	open   *question
	opened chan struct{} // closed and replaced when a question is put or taken back
}

// question is one request for a PIN.
type question struct {
	PINRequest
	command *pin.Command
	asking  context.Context // ends when the PIN is no longer wanted
	token   chan struct{}   // capacity 1: the client that took its token may answer
	answer  chan error      // capacity 1: nil = command has the PIN
	result  chan []byte     // capacity 1: the card's status word
}

func newDesk() *desk {
	d := &desk{turn: make(chan struct{}, 1), opened: make(chan struct{})}
	d.turn <- struct{}{}
	return d
}

// number returns the number of the next question.
func (d *desk) number() uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.last++
	return d.last
}

// ask puts a question and waits for its answer. When the error is nil, command has the PIN. Unless q is nil, the caller
// sends the card's answer to q.result; nil = there is none.
func (d *desk) ask(ctx context.Context, r PINRequest, command *pin.Command) (q *question, err error) {
	select {
	case <-d.turn:
	case <-ctx.Done():
		return nil, errPINTimeout
	}
	defer func() { d.turn <- struct{}{} }()
	q = &question{PINRequest: r, command: command, asking: ctx, token: make(chan struct{}, 1),
		answer: make(chan error, 1), result: make(chan []byte, 1)}
	q.token <- struct{}{}
	d.put(q)
	defer d.put(nil)
	select {
	case err = <-q.answer:
		return q, err
	case <-ctx.Done():
	}
	select {
	case <-q.token: // nobody will write into command any more
		return q, errPINTimeout
	case err = <-q.answer: // the same context ends the client that is reading a PIN
		return q, cancelled(err, errPINTimeout)
	}
}

// cancelled returns err, or late when a PIN came after all.
func cancelled(err, late error) error {
	if err == nil {
		return late
	}
	return err
}

func (d *desk) put(q *question) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.open = q
	close(d.opened)
	d.opened = make(chan struct{})
}

// show puts a question into the status that is answered elsewhere, at the reader's pad. It stays there until hide.
func (d *desk) show(r PINRequest) (hide func()) {
	d.put(&question{PINRequest: r, token: make(chan struct{})})
	return func() { d.put(nil) }
}

// pending returns the question that waits for an answer, for the status.
func (d *desk) pending() *PINRequest {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.open == nil {
		return nil
	}
	r := d.open.PINRequest
	return &r
}

// take waits for a question and takes its token.
func (d *desk) take(ctx context.Context) *question {
	for {
		d.mu.Lock()
		q, opened := d.open, d.opened
		d.mu.Unlock()
		if q != nil {
			select {
			case <-q.token:
				return q
			default: // another client is answering it
			}
		}
		select {
		case <-opened:
		case <-ctx.Done():
			return nil
		}
	}
}

// PINAnswer is the relay's answer to a client that enters PINs: first which PIN is wanted, then what became of it.
type PINAnswer struct {
	Version int         `json:"version"`
	OK      bool        `json:"ok"`
	Error   *Why        `json:"error,omitempty"`
	PIN     *PINRequest `json:"pin,omitempty"`    // wanted: enter it now
	Result  string      `json:"result,omitempty"` // status word of the card, hexadecimal
}

// The codes of a PINAnswer's error.
const (
	CodeNoPIN     Code = "no_pin_wanted" // none is asked for now
	CodeLastTry   Code = "last_try"      // the card has one try left, and the user did not insist
	CodeBadPIN    Code = "bad_pin"       // not digits, or not as many as wanted
	CodePINFailed Code = "pin_failed"    // it could not be sent to the card
)

// pinWait is how long a client waits for a PIN to be wanted before it has to ask again.
const pinWait = 30 * time.Second

// EnterPIN serves a client that enters PINs (docs/control.md): it says which PIN is wanted, reads it, and returns how
// the card answered. With insist it reads a PIN even if the card has one try left. The PIN goes from entry into locked
// memory and nowhere else; an empty line declines.
func (r *Relay) EnterPIN(ctx context.Context, insist bool, say func(any) error, entry io.Reader,
	limit func(time.Time)) any {
	waiting, cancel := context.WithTimeout(ctx, pinWait)
	defer cancel()
	q := r.desk.take(waiting)
	if q == nil {
		return PINAnswer{Version: Version, Error: &Why{Code: CodeNoPIN}}
	}
	if q.Tries == 1 && !insist {
		q.token <- struct{}{}
		return PINAnswer{Version: Version, Error: &Why{Code: CodeLastTry}, PIN: &q.PINRequest}
	}
	if say(PINAnswer{Version: Version, OK: true, PIN: &q.PINRequest}) != nil {
		q.token <- struct{}{} // the client is gone: another may answer
		return nil
	}
	limit(q.Until)
	stop := context.AfterFunc(q.asking, func() { limit(time.Unix(1, 0)) })
	n, err := q.command.ReadFrom(entry)
	stop()
	switch {
	case err == nil:
		q.answer <- nil
		return q.concluded(ctx)
	case n == 1 && errors.Is(err, pin.ErrLength): // an empty line
		q.answer <- errPINCancelled
		return PINAnswer{Version: Version, Error: &Why{Code: CodeCancelled}}
	}
	q.token <- struct{}{}
	if q.asking.Err() != nil {
		return PINAnswer{Version: Version, Error: &Why{Code: CodeNoPIN}}
	}
	return PINAnswer{Version: Version, Error: &Why{Code: CodeBadPIN}, PIN: &q.PINRequest}
}

// concluded waits for the card's answer.
func (q *question) concluded(ctx context.Context) any {
	select {
	case sw := <-q.result:
		if len(sw) == session.MinResponse {
			return PINAnswer{Version: Version, OK: true, Result: hex.EncodeToString(sw)}
		}
	case <-ctx.Done():
	}
	return PINAnswer{Version: Version, Error: &Why{Code: CodePINFailed}}
}
