package gateway

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"tlagate/audit"
	"tlagate/pki"
	"tlagate/session/consent"
	"tlagate/session/link"
)

// consents sees to it that the user of a TLA asked for the session with this PdT, just now (C4): over a nonce of ours,
// which the TLA signs in the consent. The PdT verifies the consent again.
type consents struct {
	life time.Duration // of a nonce
	log  *slog.Logger
}

const nonceSize = 32 // octets

// challenge answers with a nonce for this connection; prove asks for a proof of the user too.
func (cs *consents) challenge(c *client, w http.ResponseWriter, prove bool) {
	raw := make([]byte, nonceSize)
	_, _ = rand.Read(raw) // never fails (crypto/rand)
	c.nonce, c.nonceAt = base64.RawURLEncoding.EncodeToString(raw), time.Now()
	w.Header().Set("WWW-Authenticate", link.Challenge(c.nonce, prove))
	p := &link.Problem{Code: link.ProblemConsentRequired,
		Detail: "Repeat the request over this nonce, on this connection."}
	p.WriteTo(w)
}

// check consumes the nonce of the connection and verifies the consent over it. It returns what is to be recorded of it.
func (cs *consents) check(c *client, pdt pki.Identity, auth link.Authorization) ([]audit.Event, *link.Problem) {
	if p := cs.spendNonce(c, auth); p != nil {
		return nil, p
	}
	s, err := consent.Verify(auth.Consent, c.peer.Chain[0].PublicKey, consent.Want{
		TLA: c.identity(), PdT: pdt.String(), Session: auth.Session, Nonce: auth.Nonce, Now: time.Now(),
	})
	if errors.Is(err, consent.ErrClock) {
		return nil, &link.Problem{Code: link.ProblemClockWrong, Detail: err.Error() + ".",
			Action: "Set the terminal's clock."}
	}
	if err != nil {
		return nil, &link.Problem{Code: link.ProblemBadConsent, Detail: err.Error() + ".",
			Action: "Start at the terminal, with a relay of the same release."}
	}
	cs.log.Info("consent of the user", "session", auth.Session, "peer", c.identity(),
		"pdt", s.PdT, "act", string(s.Act), "by", s.By, "at", s.At)
	return []audit.Event{consented(s, auth.Consent, c)}, nil
}

// spendNonce consumes the nonce of the connection: it serves once, whatever comes of it.
func (cs *consents) spendNonce(c *client, auth link.Authorization) *link.Problem {
	issued, fresh := c.nonce, time.Since(c.nonceAt) < cs.life
	c.nonce = ""
	if issued == "" || !fresh || subtle.ConstantTimeCompare([]byte(auth.Nonce), []byte(issued)) != 1 {
		return &link.Problem{Code: link.ProblemBadAuthorization,
			Detail: "The nonce is not one this gateway issued on this connection, or it is too old.",
			Action: "Start again."}
	}
	return nil
}
