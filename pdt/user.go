package pdt

import (
	"context"
	"errors"
	"time"

	"tlagate/pki"
	"tlagate/pki/trust"
	"tlagate/session"
	"tlagate/session/link"
	"tlagate/session/proof"
	"tlagate/session/user"
)

// Users says which persons may use TLAs in sessions with us, and how they prove who they are (C2, SA1).
type Users struct {
	Rule    user.Rule    // what is demanded, by the practice of the TLA
	Persons *trust.Trust // of persons (trust.Persons), which the caller runs; nil = no proof is looked at
	Who     user.Who     // the persons who may, which demands a proof; zero = every one whose certificate passes
}

// mode returns what is demanded of the users of a practice's TLAs: who names persons demands a proof, whatever the
// rule.
func (u Users) mode(practice string) user.Mode {
	if !u.Who.Empty() {
		return user.Require
	}
	return u.Rule.Of(practice)
}

// Why the user of a TLA has no session.
var (
	errNoProof    = errors.New("the gateway brought no proof of who uses the terminal")
	errNoPersons  = errors.New("no CA of persons is configured here (persons)")
	errUserDenied = errors.New("the terminal's user may not use this Poste de Travail")
)

// person is who uses the TLA of a session; the zero person is nobody whom we verified.
type person struct {
	*trust.Person
	at      time.Time // when they proved it, by our clock
	mode    user.Mode
	outcome string // what came of the proof: proofPassed, or a word for why not; "" = none was looked at
}

// proofPassed is what came of a proof that is good.
const proofPassed = "passed"

// checkUser verifies, independently of the gateway, who uses the TLA, as far as that is demanded. The consent of the
// session has passed before, and can be used once; so can the proof, which is over it.
func (s *Service) checkUser(c *cardSession, gateway pki.Identity, j *link.Joined) *session.Bye {
	users := s.users.Load()
	c.user.mode = users.mode(c.tla.Practice)
	if c.user.mode == user.Off {
		return nil
	}
	who, err := s.verifyUser(users, c, gateway, j)
	if c.user.outcome = outcomeOf(err); err == nil {
		c.user.Person, c.user.at = who, time.Now()
		c.log.Info("proof of the user")
		return nil
	}
	if c.user.mode == user.Require {
		c.log.Warn("session refused: no proof of the terminal's user that passes", "reason", c.user.outcome)
		return &session.Bye{Code: session.ByeUser,
			Text: "The proof of who uses the terminal does not pass at this Poste de Travail: " + c.user.outcome + "."}
	}
	c.log.Info("the session begins without a proof of its user that passes", "reason", c.user.outcome)
	return nil
}

// whyRefused returns the one word for why a session is refused.
func (c *cardSession) whyRefused(bye *session.Bye) string {
	if bye.Code == session.ByeUser {
		return c.user.outcome
	}
	return string(bye.Code)
}

// verifyUser verifies all of a proof but the exporter of the TLA's outer link, which only the gateway knows.
func (s *Service) verifyUser(users *Users, c *cardSession, gateway pki.Identity, j *link.Joined) (*trust.Person,
	error) {
	if j.Proof == "" {
		return nil, errNoProof
	}
	if users.Persons == nil {
		return nil, errNoPersons
	}
	said, err := proof.Parse(j.Proof)
	if err != nil {
		return nil, err
	}
	err = said.Verify(proof.Want{Gateway: gateway.String(), PdT: s.us.String(), TLA: c.tla.String(), Session: j.Session,
		Nonce: j.Nonce, Consent: j.Consent, Now: time.Now()})
	if err != nil {
		return nil, err
	}
	who, err := users.Persons.VerifyPerson(said.Certificate)
	if err == nil && !users.Who.Empty() && !users.Who.Has(who.ID, who.Profession) {
		err = errUserDenied
	}
	return who, err
}

// outcomeOf returns what came of a proof, in one word, which never names the person.
func outcomeOf(err error) string {
	switch {
	case err == nil:
		return proofPassed
	case pki.ReasonOf(err) != "":
		return string(pki.ReasonOf(err))
	case errors.Is(err, errNoProof) || errors.Is(err, errNoPersons):
		return string(link.ProblemUserRequired)
	case errors.Is(err, errUserDenied):
		return string(link.ProblemUserDenied)
	case errors.Is(err, proof.ErrClock):
		return string(link.ProblemClockWrong)
	}
	return string(link.ProblemBadProof)
}

// userError is why a session ends because of its user. It says so by a word: what is beneath names the person.
type userError struct{ reason pki.Reason }

func (e *userError) Error() string {
	return "the certificate of the terminal's user no longer passes: " + string(e.reason)
}

// recheckUser returns why the user of a session no longer passes, if that ends it.
func (c *cardSession) recheckUser() error {
	u := &c.user
	if u.Person == nil || c.userTold.Load() {
		return nil
	}
	err := trust.RecheckPerson(c.s.users.Load().Persons, u.Person)
	if err == nil {
		return nil
	}
	cut := &userError{pki.ReasonOf(err)}
	if u.mode == user.Require {
		return cut
	}
	if c.userTold.CompareAndSwap(false, true) {
		c.log.Warn("the session goes on, and its user's certificate no longer passes", "reason", string(cut.reason))
	}
	return nil
}

// watchUser checks the user of a session again as long as a link of it lives, and has cut end it.
func (c *cardSession) watchUser(ctx context.Context, cut func(error)) {
	if u := c.user; u.Person != nil {
		watch(ctx, watched{c.s.personsChanged, c.recheckUser, u.NotAfter}, c.s.cfg.Recheck, cut)
	}
}

// personsChanged returns a channel that is closed when revocation data of persons change; nil = there are none.
func (s *Service) personsChanged() <-chan struct{} {
	if u := s.users.Load(); u.Persons != nil {
		return u.Persons.Changed()
	}
	return nil
}
