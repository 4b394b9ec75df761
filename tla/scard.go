package tla

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/ebfe/scard"

	"tlagate/session"
)

// system is the machine's PC/SC service.
type system struct{}

type systemContext struct{ ctx *scard.Context }

type systemCard struct{ card *scard.Card }

// meanings maps PC/SC errors to ours. Whatever says that the card, the reader, the handle or the service
// is not what it was leaves the outcome of a command unknown.
var meanings = map[scard.Error]error{
	scard.ErrTimeout:           errTimeout,
	scard.ErrCancelled:         errTimeout,
	scard.ErrUnknownReader:     errUnknownReader,
	scard.ErrSharingViolation:  errHeldByOther,
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
	scard.ErrCommError:         errDeclined,
	scard.ErrNotTransacted:     errDeclined,
}

// pcscError is a PC/SC error and what it means.
type pcscError struct {
	code    scard.Error
	meaning error // nil: nothing a caller branches on
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

func (system) establish() (pcscContext, error) {
	ctx, err := scard.EstablishContext()
	if err != nil {
		return nil, meant(err)
	}
	return &systemContext{ctx}, nil
}

func (c *systemContext) readers() ([]string, error) {
	names, err := c.ctx.ListReaders()
	if errors.Is(err, scard.ErrNoReadersAvailable) {
		return nil, nil
	}
	return names, meant(err)
}

// wait returns what several looks in a row agree on. One alone can mix old and new: pcscd fills a reader's entry in
// several steps, and libpcsclite keeps one table of readers for all contexts of a process (seen with 1.9.9: a card
// that is present without ATR and with its counter at 0, for a card that had come in before).
func (c *systemContext) wait(looks []look, timeout time.Duration) error {
	if err := c.look(looks, timeout); err != nil {
		return err
	}
	for range maxLooks {
		before := slices.Clone(looks)
		if err := c.lookNow(looks); err != nil {
			return err
		}
		if slices.EqualFunc(before, looks, look.same) {
			return nil
		}
	}
	return errTimeout // nothing to believe in now
}

// maxLooks bounds how often readers are looked at until two looks agree.
const maxLooks = 5

// same tells whether two looks at a reader saw the same.
func (l look) same(other look) bool {
	const changed = uint32(scard.StateChanged)
	return l.event&^changed == other.event&^changed && bytes.Equal(l.atr, other.atr)
}

// lookNow fills looks without waiting for a change.
func (c *systemContext) lookNow(looks []look) error {
	now := make([]look, len(looks))
	for i, l := range looks {
		now[i].reader = l.reader // seen: nothing
	}
	err := c.look(now, 0)
	for i := range now {
		looks[i].event, looks[i].atr = now[i].event, now[i].atr
	}
	return err
}

// look starts from fresh structures: scard does not clear the ATR of a removed card.
func (c *systemContext) look(looks []look, timeout time.Duration) error {
	states := make([]scard.ReaderState, len(looks))
	for i, l := range looks {
		states[i] = scard.ReaderState{Reader: l.reader, CurrentState: scard.StateFlag(l.seen) &^ scard.StateChanged}
	}
	if err := c.ctx.GetStatusChange(states, timeout); err != nil {
		return meant(err)
	}
	for i, s := range states {
		looks[i].event, looks[i].atr = uint32(s.EventState), s.Atr
	}
	return nil
}

// connect offers both protocols: pcscd prefers T=1, at the PdT as here.
func (c *systemContext) connect(reader string) (pcscCard, error) {
	card, err := c.ctx.Connect(reader, scard.ShareExclusive, scard.ProtocolAny)
	if err != nil {
		return nil, meant(err)
	}
	return &systemCard{card}, nil
}

func (c *systemContext) cancel()  { _ = c.ctx.Cancel() }
func (c *systemContext) release() { _ = c.ctx.Release() }

func (c *systemCard) status() ([]byte, session.Protocol, error) {
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

// transmit checks what scard would panic on.
func (c *systemCard) transmit(apdu []byte) ([]byte, error) {
	if len(apdu) < session.MinCommand {
		return nil, fmt.Errorf("cannot send a command of %d octets: want at least %d", len(apdu), session.MinCommand)
	}
	if _, err := protocolOf(c.card.ActiveProtocol()); err != nil {
		return nil, err
	}
	r, err := c.card.Transmit(apdu)
	return slices.Clip(r), meant(err) // of 64 KiB, which whoever wipes it need not touch
}

func (c *systemCard) reset(kind session.ResetKind) error {
	disposition := scard.Disposition(scard.UnpowerCard)
	if kind == session.ResetWarm {
		disposition = scard.ResetCard
	}
	return meant(c.card.Reconnect(scard.ShareExclusive, scard.ProtocolAny, disposition))
}

// getFeatures is GET_FEATURE_REQUEST.
const getFeatures = 3400

func (c *systemCard) features() []byte {
	answer, err := c.card.Control(scard.CtlCode(getFeatures), nil)
	if err != nil {
		return nil // most readers know no such request
	}
	return answer
}

func (c *systemCard) control(code uint32, in []byte) ([]byte, error) {
	answer, err := c.card.Control(code, in)
	return answer, meant(err)
}

func (c *systemCard) powerDown() error { return meant(c.card.Disconnect(scard.UnpowerCard)) }
