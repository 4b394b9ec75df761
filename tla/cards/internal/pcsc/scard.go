package pcsc

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/ebfe/scard"

	"tlagate/session"
)

// System is the machine's PC/SC service.
type System struct{}

type systemContext struct{ ctx *scard.Context }

type systemCard struct {
	card *scard.Card
	buf  []byte // for answers, which are wiped in it; nil = none came yet
}

// meanings maps PC/SC errors to ours. An error which says that the card, the reader, the handle or the service is not
// what it was leaves the outcome of a command unknown.
var meanings = map[scard.Error]error{
	scard.ErrTimeout:           ErrTimeout,
	scard.ErrCancelled:         ErrTimeout,
	scard.ErrUnknownReader:     ErrUnknownReader,
	scard.ErrSharingViolation:  ErrBusy,
	scard.ErrRemovedCard:       session.ErrCardLost,
	scard.ErrResetCard:         session.ErrCardLost,
	scard.ErrUnpoweredCard:     session.ErrCardLost,
	scard.ErrUnresponsiveCard:  session.ErrCardLost,
	scard.ErrNoSmartcard:       session.ErrCardLost,
	scard.ErrReaderUnavailable: session.ErrCardLost,
	scard.ErrInvalidHandle:     session.ErrCardLost,
	scard.ErrNoService:         session.ErrCardLost,
	scard.ErrServiceStopped:    session.ErrCardLost,
	scard.ErrShutdown:          session.ErrCardLost,
	scard.ErrSystemCancelled:   session.ErrCardLost,
	scard.ErrCommError:         ErrDeclined,
	scard.ErrNotTransacted:     ErrDeclined,
}

// pcscError is a PC/SC error and what it means.
type pcscError struct {
	code    scard.Error
	meaning error // nil: no caller branches on it
}

func (e *pcscError) Error() string { return fmt.Sprintf("%v (%#08x)", e.code, uint32(e.code)) }
func (e *pcscError) Unwrap() error { return e.meaning }

func meant(err error) error {
	var code scard.Error
	if !errors.As(err, &code) {
		return err
	}
	return &pcscError{code, meanings[code]}
}

// Establish implements Service.
func (System) Establish() (Context, error) {
	ctx, err := scard.EstablishContext()
	if err != nil {
		return nil, meant(err)
	}
	return &systemContext{ctx}, nil
}

func (c *systemContext) Readers() ([]string, error) {
	names, err := c.ctx.ListReaders()
	if errors.Is(err, scard.ErrNoReadersAvailable) {
		return nil, nil
	}
	return names, meant(err)
}

// Wait returns what two looks in a row agree on. One look alone can mix old and new: pcscd fills a reader's entry in
// several steps, and libpcsclite keeps one table of readers for all contexts of a process (seen with 1.9.9: a card
// that was in already, present without ATR and with its counter at 0).
func (c *systemContext) Wait(looks []Look, timeout time.Duration) error {
	if err := c.look(looks, timeout); err != nil {
		return err
	}
	for range maxLooks {
		before := slices.Clone(looks)
		if err := c.lookNow(looks); err != nil {
			return err
		}
		if slices.EqualFunc(before, looks, Look.same) {
			return nil
		}
	}
	return ErrTimeout // no two looks agreed
}

// maxLooks is how many looks are made until two in a row agree.
const maxLooks = 5

// same reports whether two looks at a reader saw the same.
func (l Look) same(other Look) bool {
	const changed = uint32(scard.StateChanged)
	return l.Event&^changed == other.Event&^changed && bytes.Equal(l.ATR, other.ATR)
}

// lookNow fills looks without waiting for a change.
func (c *systemContext) lookNow(looks []Look) error {
	now := make([]Look, len(looks))
	for i, l := range looks {
		now[i].Reader = l.Reader // Seen: nothing
	}
	err := c.look(now, 0)
	for i := range now {
		looks[i].Event, looks[i].ATR = now[i].Event, now[i].ATR
	}
	return err
}

// look uses fresh structures each time: scard does not clear the ATR of a removed card.
func (c *systemContext) look(looks []Look, timeout time.Duration) error {
	states := make([]scard.ReaderState, len(looks))
	for i, l := range looks {
		states[i] = scard.ReaderState{Reader: l.Reader, CurrentState: scard.StateFlag(l.Seen) &^ scard.StateChanged}
	}
	if err := c.ctx.GetStatusChange(states, timeout); err != nil {
		return meant(err)
	}
	for i, s := range states {
		looks[i].Event, looks[i].ATR = uint32(s.EventState), s.Atr
	}
	return nil
}

// Connect offers both protocols: pcscd prefers T=1, at the PdT as here.
func (c *systemContext) Connect(reader string) (Card, error) {
	card, err := c.ctx.Connect(reader, scard.ShareExclusive, scard.ProtocolAny)
	if err != nil {
		return nil, meant(err)
	}
	return &systemCard{card: card}, nil
}

func (c *systemContext) Cancel()  { _ = c.ctx.Cancel() }
func (c *systemContext) Release() { _ = c.ctx.Release() }

func (c *systemCard) Status() ([]byte, session.Protocol, error) {
	s, err := c.card.Status()
	if err != nil {
		return nil, 0, meant(err)
	}
	p, err := protocolOf(c.card.ActiveProtocol())
	return s.Atr, p, err
}

func protocolOf(p scard.Protocol) (session.Protocol, error) {
	switch p {
	case scard.ProtocolT0:
		return session.T0, nil
	case scard.ProtocolT1:
		return session.T1, nil
	}
	return 0, fmt.Errorf("cannot use the card: transmission protocol %d is neither T=0 nor T=1", p)
}

// Transmit checks first what would make scard panic.
func (c *systemCard) Transmit(apdu []byte) ([]byte, error) {
	if len(apdu) < session.MinCommand {
		return nil, fmt.Errorf("cannot send a command of %d octets: want at least %d", len(apdu), session.MinCommand)
	}
	if _, err := protocolOf(c.card.ActiveProtocol()); err != nil {
		return nil, err
	}
	answer, err := c.transmit(apdu)
	return answer, meant(err)
}

func (c *systemCard) Reset(kind session.ResetKind) error {
	disposition := scard.Disposition(scard.UnpowerCard)
	if kind == session.ResetWarm {
		disposition = scard.ResetCard
	}
	return meant(c.card.Reconnect(scard.ShareExclusive, scard.ProtocolAny, disposition))
}

// getFeatures is GET_FEATURE_REQUEST.
const getFeatures = 3400

func (c *systemCard) Features() []byte {
	answer, err := c.card.Control(scard.CtlCode(getFeatures), nil)
	if err != nil {
		return nil // most readers know no such request
	}
	return answer
}

func (c *systemCard) Control(code uint32, in []byte) ([]byte, error) {
	answer, err := c.card.Control(code, in)
	return answer, meant(err)
}

func (c *systemCard) PowerDown() error { return meant(c.card.Disconnect(scard.UnpowerCard)) }
