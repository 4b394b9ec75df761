package gateway

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"tlagate/audit"
	"tlagate/pki"
	"tlagate/pki/trust"
	"tlagate/session/link"
	"tlagate/session/proof"
	"tlagate/session/user"
)

// Users says which persons may use TLAs, and how they prove who they are (C2, SA1).
type Users struct {
	Rule    user.Rule    // what is demanded in each practice
	Persons *trust.Trust // of persons (trust.Persons), which the caller runs; nil = no proof is asked for or looked at

	// SendCRLs has PdTs sent the CRLs by which persons pass, beside OCSP answers (docs/protocol.md, section 2.1).
	SendCRLs bool

	// Mark returns by what the trace names a person, whose national identifier it is given. nil = it names none.
	Mark func(identifier string) []audit.Attr
}

// users sees to it that the user of a TLA has proved who they are, where that is demanded. The PdT verifies the proof
// again. It never changes: SetUsers puts another in its place.
type users struct {
	Users
	g   *Gateway
	log *slog.Logger
}

// sessionUser is who uses the TLA of a session.
type sessionUser struct {
	der    []byte        // their certificate; nil = none was verified
	person *trust.Person // nil = nobody whom this gateway verified
	mode   user.Mode     // for the session
	proof  string        // what came of the proof, as the trace has it; "" = no question
}

// proofPassed is what came of a proof that is good.
const proofPassed = "passed"

// mode returns what is demanded of the users of a TLA with a PdT: a rule of the access table that names persons demands
// a proof, whatever the practice's mode.
func (us *users) mode(tla, pdt pki.Identity) user.Mode {
	if us.g.access.Load().personal(tla, pdt) {
		return user.Require
	}
	return us.Rule.Of(tla.Practice)
}

// wanted reports whether a TLA that asks for a nonce is asked for a proof too. One that must give one and cannot is
// told at once.
func (us *users) wanted(c *client, pdt pki.Identity, h http.Header) (bool, *link.Problem) {
	mode := us.mode(c.peer.Identity, pdt)
	if mode == user.Require && (us.Persons == nil || !link.CanProve(h)) {
		p := us.required()
		if us.Persons != nil {
			p = unable()
		}
		us.count(p)
		return false, p
	}
	return mode != user.Off && us.Persons != nil && link.CanProve(h), nil
}

func (us *users) required() *link.Problem {
	if us.Persons == nil {
		return &link.Problem{Code: link.ProblemUserRequired,
			Detail: "This gateway demands a proof of who uses the terminal, and is not configured to verify one.",
			Action: "Have the operator name the persons' CAs in the gateway's configuration (persons)."}
	}
	return &link.Problem{Code: link.ProblemUserRequired,
		Detail: "This gateway demands a proof of who uses the terminal, and got none.",
		Action: "Insert the user's card (CPS), and start again with a relay that can prove its user."}
}

// unable is for a relay that does not say that it can make a proof: one of a release before there were any.
func unable() *link.Problem {
	return &link.Problem{Code: link.ProblemUserRequired,
		Detail: "This gateway demands a proof of who uses the terminal, and the terminal's relay can make none.",
		Action: "Install the present release of the relay at the terminal."}
}

// check judges the proof that came with a consent, as far as one is demanded, and returns who the user is.
func (us *users) check(c *client, pdt pki.Identity, auth link.Authorization) (u sessionUser, p *link.Problem) {
	u.mode = us.mode(c.peer.Identity, pdt)
	if u.mode == user.Off {
		return u, nil
	}
	u.person, p = us.verify(c, pdt, auth)
	us.count(p)
	if u.proof = outcomeOf(p); p == nil {
		u.der = u.person.Certificate.Raw
		us.log.Info("proof of the user", "session", auth.Session, "peer", c.identity())
		return u, nil
	}
	if u.mode == user.Require {
		return u, p
	}
	us.log.Info("the session begins without a proof of its user that passes", "session", auth.Session,
		"peer", c.identity(), "reason", u.proof)
	return u, nil
}

// verify makes the checks that cost little first: what the proof says, whether its key signed it, then whether that is
// the key of a person whom we know, and who may.
func (us *users) verify(c *client, pdt pki.Identity, auth link.Authorization) (*trust.Person, *link.Problem) {
	if auth.Proof == "" || us.Persons == nil {
		return nil, us.required()
	}
	said, err := proof.Parse(auth.Proof)
	if err == nil {
		err = us.fits(said, c, pdt, auth)
	}
	if err != nil {
		return nil, badProof(err)
	}
	return us.who(c, pdt, said.Certificate)
}

// who returns the person of a certificate, if they may use a TLA with a PdT.
func (us *users) who(c *client, pdt pki.Identity, leaf *x509.Certificate) (*trust.Person, *link.Problem) {
	person, err := us.Persons.VerifyPerson(leaf) // may ask a responder, and wait
	if err != nil {
		return nil, refusedUser(err)
	}
	if !us.g.access.Load().allowsPerson(c.peer.Identity, pdt, person) {
		return nil, &link.Problem{Code: link.ProblemUserDenied,
			Detail: fmt.Sprintf("The terminal's user may not open %s.", pdt),
			Action: "Ask the operator for a line in the access table."}
	}
	return person, nil
}

// fits verifies that a proof is for this very open, on this very connection.
func (us *users) fits(said *proof.Proof, c *client, pdt pki.Identity, auth link.Authorization) error {
	exporter, err := exporterOf(c)
	if err != nil {
		return err
	}
	return said.Verify(proof.Want{Gateway: us.g.identity(), PdT: pdt.String(), TLA: c.identity(), Session: auth.Session,
		Nonce: auth.Nonce, Consent: auth.Consent, Exporter: exporter, Now: time.Now()})
}

// exporterOf returns what only the two ends of a connection know of it (RFC 9266).
func exporterOf(c *client) (string, error) {
	conn, ok := c.conn.(interface{ ConnectionState() tls.ConnectionState })
	if !ok {
		return "", errors.New("cannot tell one connection from another: it has no TLS")
	}
	state := conn.ConnectionState()
	value, err := state.ExportKeyingMaterial(proof.ExporterLabel, nil, proof.ExporterLen)
	return hex.EncodeToString(value), err
}

func badProof(err error) *link.Problem {
	if errors.Is(err, proof.ErrClock) {
		return &link.Problem{Code: link.ProblemClockWrong, Detail: err.Error() + ".",
			Action: "Set the terminal's clock."}
	}
	return &link.Problem{Code: link.ProblemBadProof, Detail: err.Error() + ".",
		Action: "Start again at the terminal, with a relay of the same release."}
}

// refusedUser says by its word alone why a certificate does not pass: the rest names the person.
func refusedUser(err error) *link.Problem {
	reason := string(pki.ReasonOf(err))
	return &link.Problem{Code: link.ProblemUserRefused, Reason: reason,
		Detail: "The certificate of the terminal's user does not pass: " + reason + ".",
		Action: "Look the word up in docs/troubleshooting.md; the user's card may have to be replaced."}
}

// outcomeOf returns what came of a proof, in one word.
func outcomeOf(p *link.Problem) string {
	switch {
	case p == nil:
		return proofPassed
	case p.Reason != "":
		return p.Reason
	}
	return string(p.Code)
}

func (us *users) count(p *link.Problem) {
	outcome := proofPassed
	if p != nil {
		outcome = string(p.Code)
	}
	us.g.meters.proofs.WithLabelValues(outcome).Inc()
}

// again verifies the user of a session that goes on over a further link, whose certificate another link's proof was
// verified by: the ticket says so. What is demanded now counts: another gateway may have begun the session, by a rule
// of its own.
func (us *users) again(c *client, pdt pki.Identity, der []byte) (u sessionUser, p *link.Problem) {
	u.mode, u.der = us.mode(c.peer.Identity, pdt), der
	if u.person, p = us.known(c, pdt, der); p != nil && u.mode == user.Require {
		return u, p
	}
	return u, nil
}

// known returns the person of a certificate that proved who they are before.
func (us *users) known(c *client, pdt pki.Identity, der []byte) (*trust.Person, *link.Problem) {
	if us.Persons == nil || len(der) == 0 {
		return nil, us.required()
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, refusedUser(err)
	}
	return us.who(c, pdt, leaf)
}

// mark returns by what the trace names the user of a session, and what came of their proof.
func (us *users) mark(u sessionUser) []audit.Attr {
	attrs := []audit.Attr{audit.Proof(u.proof)}
	if u.person != nil && us.Mark != nil {
		attrs = append(attrs, us.Mark(u.person.ID)...)
	}
	return attrs
}

// recheck returns why the user of a session no longer passes, if that ends it.
func (us *users) recheck(s *session) error {
	u := s.user
	if u.person == nil || s.userTold.Load() {
		return nil
	}
	err := trust.RecheckPerson(us.Persons, u.person)
	if err == nil || u.mode == user.Require {
		return err
	}
	if s.userTold.CompareAndSwap(false, true) {
		us.log.Warn("the session goes on, and its user's certificate no longer passes", "session", s.id,
			"peer", s.tla.client.identity(), "reason", string(pki.ReasonOf(err)))
		us.g.meters.proofs.WithLabelValues(string(link.CodeUserRevoked)).Inc()
	}
	return nil
}

// changed returns a channel that is closed when revocation data of persons change; nil = there are none.
func (us *users) changed() <-chan struct{} {
	if us.Persons == nil {
		return nil
	}
	return us.Persons.Changed()
}
