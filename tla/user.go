package tla

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"time"

	"tlagate/session"
	"tlagate/session/link"
	"tlagate/session/proof"
	"tlagate/tla/cards"
	"tlagate/tla/cardsign"
)

// CodeUser says that the user was not authenticated by their card (C2); Reason is one of UserReasons.
const CodeUser Code = "user"

// Why a user was not authenticated, or could not be: reasons of CodeUser, and of what a gateway answered without proof
// (Why.Cause).
const (
	UserNoCard        = "no_card"        // no CPS card is in
	UserNoApplication = "no_application" // the card policy knows no way for this card
	UserCardBusy      = "card_busy"      // another program has it
	UserReaderStuck   = "reader_stuck"   // the reader does not answer
	UserCardFailed    = "card_failed"    // the card did not do what the card policy says that it does
	UserUnfitKey      = "unfit_key"      // its key is not one for authentication
	UserLong          = "too_long"       // its certificate is too long to be sent
	UserCardOut       = "card_out"       // it was taken out meanwhile
	UserBlocked       = "blocked"        // its code is blocked
	UserDeclined      = "declined"       // the user did not want to enter the code
	UserNoAnswer      = "no_answer"      // nobody entered it in time
)

// UserReasons are all of them.
var UserReasons = []string{UserNoCard, UserNoApplication, UserCardBusy, UserReaderStuck, UserCardFailed, UserUnfitKey,
	UserLong, UserCardOut, UserBlocked, UserDeclined, UserNoAnswer}

// user has the person at the terminal prove who they are (C2), once for each start, on the lease that then serves the
// session. It also knows whether the card stays: a session ends with the presence of whoever began it (SA4).
type user struct {
	live *live
	card *presenter // of the CPS card

	// Owned by connect, until the session is up.
	until time.Time     // when the user's time for this start is over; zero = nothing was asked yet
	key   *cardsign.Key // whose code is verified
	asked bool          // the user was asked for their code
	again bool          // so they were before, in this start: it began again with a newer bundle
	lack  string        // why there is no proof: one of UserReasons; "" = there is one, or none was wanted

	mu      sync.Mutex    // protects the rest
	lease   *cards.Lease  // the one that is known to be of the person's card
	person  []byte        // certificate that the session's proof was made with; nil = there was no proof
	out     time.Time     // since when the card is out; zero = it is in
	changed chan struct{} // capacity 1: out may have changed
}

func newUser(l *live) *user {
	return &user{live: l, card: l.presenters[session.SlotCPS], changed: make(chan struct{}, 1)}
}

// failed returns why a start ends for which the user was asked.
func (u *user) failed(reason string) *Why { return &Why{Code: CodeUser, Reason: reason} }

// lacks records and logs why there is no proof. Whether the session begins without one is for the gateway to say.
func (u *user) lacks(reason string, err error) error {
	u.lack = reason
	u.live.log.Warn("no proof of the user can be given", "reason", reason, "error", err)
	return link.ErrNoProof
}

// ready has the user's code verified, unless it is already: gateways that are tried one after the other are one start.
// Nobody is asked for a code whose card has a certificate that does not fit.
func (u *user) ready(ctx context.Context, fits func(*x509.Certificate) error) error {
	if u.until.IsZero() {
		u.until = time.Now().Add(u.live.cfg.Timers.User)
	}
	if u.key != nil && !isClosed(u.lease.Over()) {
		return nil
	}
	u.key, u.lack = nil, ""
	ctx, cancel := context.WithDeadline(ctx, u.until)
	defer cancel()
	lease, err := u.held(ctx)
	if err != nil {
		return err
	}
	card := &timely{lease, ctx}
	key, err := u.find(card, lease.ATR, fits)
	if err != nil {
		return u.unable(err)
	}
	if err := u.verify(ctx, lease, key); err != nil {
		return err
	}
	u.key, card.within = key, u.live.ctx
	u.set(func() { u.lease = lease })
	return nil
}

// find returns the key of a card that is to sign, whose application is selected anew.
func (u *user) find(card cardsign.Card, atr []byte, fits func(*x509.Certificate) error) (*cardsign.Key, error) {
	key, err := cardsign.Find(card, u.live.cfg.Policy.Applications(atr))
	if err == nil {
		err = fits(key.Certificate)
	}
	if err == nil {
		err = key.Select()
	}
	return key, err
}

// timely is a card that is asked nothing any more when a time is over: one that answers slowly, again and again, is to
// hold up neither a start nor the end of a session.
type timely struct {
	*cards.Lease
	within context.Context
}

// Exchange implements cardsign.Card.
func (t *timely) Exchange(apdu []byte) ([]byte, error) {
	if err := t.within.Err(); err != nil {
		return nil, err
	}
	return t.Lease.Exchange(apdu)
}

// held returns the lease of the CPS card, once the session has it. A card that has just come in is waited for.
func (u *user) held(ctx context.Context) (*cards.Lease, error) {
	ctx, cancel := context.WithTimeout(ctx, u.live.cfg.Timers.Take)
	defer cancel()
	for {
		occupants, moved := u.live.readers.Now()
		out := occupants[session.SlotCPS] == nil
		if u.live.readers.Lack(session.SlotCPS) {
			return nil, u.lacks(UserNoCard, nil)
		}
		state, changed := u.card.state.get()
		if state != nil && state.lease != nil && !isClosed(state.lease.Over()) {
			return state.lease, nil
		}
		select {
		case <-moved:
		case <-changed:
		case <-ctx.Done():
			if out {
				return nil, u.lacks(UserNoCard, ctx.Err())
			}
			return nil, u.lacks(reasonOf(state), ctx.Err())
		}
	}
}

// reasonOf returns why a session does not have a card.
func reasonOf(s *cardState) string {
	switch {
	case s != nil && s.hold == cards.HoldBusy:
		return UserCardBusy
	case s != nil && s.hold == cards.HoldFailed:
		return UserCardFailed
	}
	return UserReaderStuck
}

// unable returns what an error of the card means for the start.
func (u *user) unable(err error) error {
	switch {
	case errors.Is(err, session.ErrCardLost):
		return u.failed(UserCardOut)
	case errors.Is(err, cardsign.ErrNoApplication):
		return u.lacks(UserNoApplication, err)
	case errors.Is(err, cardsign.ErrUnfitKey):
		return u.lacks(UserUnfitKey, err)
	case errors.Is(err, proof.ErrTooLong):
		return u.lacks(UserLong, err)
	}
	return u.lacks(UserCardFailed, err)
}

// verify asks the user for the code of their card until the card accepts one.
func (u *user) verify(ctx context.Context, lease *cards.Lease, key *cardsign.Key) error {
	header, format := key.PIN()
	v := &pinVerifier{card: lease, desk: u.live.desk, slot: session.SlotCPS, pdt: u.live.pdt.String(),
		purpose: PINForStart, again: u.again, time: u.live.cfg.Timers.User, used: u.live.acted, within: ctx}
	for u.asked = true; ; {
		sw, err := v.verify(header, format)
		switch {
		case err != nil:
			return u.unable(err)
		case isClosed(lease.Over()):
			return u.failed(UserCardOut)
		case isWrongPIN(sw):
		case bytes.Equal(sw, []byte{0x90, 0x00}):
			return nil
		default:
			return u.refused(sw)
		}
	}
}

// isWrongPIN reports whether the card has refused a PIN and lets another be tried.
func isWrongPIN(sw []byte) bool { return sw[0] == 0x63 && sw[1]&0xF0 == 0xC0 && sw[1] != 0xC0 }

// refused returns what a status word of VERIFY means for the start.
func (u *user) refused(sw []byte) error {
	switch [2]byte(sw) {
	case swPINBlocked, [2]byte{0x63, 0xC0}:
		return u.failed(UserBlocked)
	case swPINCancelled:
		return u.failed(UserDeclined)
	case swPINTimeout:
		return u.failed(UserNoAnswer)
	}
	return u.lacks(UserCardFailed, fmt.Errorf("the card answered %s to the VERIFY", hex.EncodeToString(sw)))
}

// prove returns the proof that make makes with the user's key, and remembers whose it is.
func (u *user) prove(make func(*cardsign.Key) (string, error)) (string, error) {
	text, err := make(u.key)
	if err != nil {
		u.key = nil
		return "", u.unable(err)
	}
	var lease *cards.Lease
	u.set(func() { u.person, lease = u.key.Certificate.Raw, u.lease })
	if isClosed(lease.Over()) { // which gone did not know to be that of a person
		return "", u.failed(UserCardOut)
	}
	return text, nil
}

// begin forgets what another gateway was told.
func (u *user) begin() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.person = nil
}

// Cards of the session, after its proof.

// admits reports whether a lease of the CPS card may be shown: it is still that of whoever began the session. The error
// says that this cannot be found out now. Another person's card ends the session.
func (u *user) admits(lease *cards.Lease) (bool, error) {
	u.mu.Lock()
	person, known := u.person, u.lease == lease
	u.mu.Unlock()
	if person != nil && !known {
		key, err := cardsign.Find(&timely{lease, u.live.ctx}, u.live.cfg.Policy.Applications(lease.ATR))
		if err != nil {
			return false, fmt.Errorf("cannot tell whether this is the card that the session began with: %w", err)
		}
		if !bytes.Equal(key.Certificate.Raw, person) {
			u.live.end(&Why{Code: CodeOtherCard})
			return false, nil
		}
	}
	u.set(func() { u.lease, u.out = lease, time.Time{} })
	return true, nil
}

// gone records that a lease of the CPS card is over.
func (u *user) gone(lease *cards.Lease) {
	u.set(func() {
		if u.person != nil && u.out.IsZero() && (u.lease == nil || u.lease == lease) {
			u.out = time.Now()
		}
	})
}

func (u *user) set(change func()) {
	u.mu.Lock()
	change()
	u.mu.Unlock()
	select {
	case u.changed <- struct{}{}:
	default:
	}
}

// absence returns since when the card of the person is out; ok is false while it is in, or if it does not matter.
func (u *user) absence() (since time.Time, ok bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.out, u.person != nil && !u.out.IsZero()
}

// proven reports whether the session began with a proof.
func (u *user) proven() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.person != nil
}

// Ends of a session whose user was authenticated by their card (SA4).
const (
	CodeCardOut   Code = "card_out"   // it was out too long
	CodeOtherCard Code = "other_card" // another person's was put in
)

// outTime returns how long the card may be out: longer if there is one reader, in which the Vitale card takes its
// place.
func (u *user) outTime() time.Duration {
	if len(u.live.readers.View().Readers) == 1 {
		return u.live.cfg.Timers.CardOutSingle
	}
	return u.live.cfg.Timers.CardOut
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
