package gateway

import (
	"errors"
	"time"

	"tlagate/pki"
	"tlagate/session/consent"
	"tlagate/session/link"
)

// checkConsent sees to it that the user of this TLA asked for this session with this PdT, just now (C4). The PdT checks again.
func (g *Gateway) checkConsent(c *client, pdt pki.Identity, auth link.Authorization) *link.Problem {
	s, err := consent.Verify(auth.Consent, c.peer.Chain[0].PublicKey, consent.Want{
		TLA: c.identity(), PdT: pdt.String(), Session: auth.Session, Nonce: auth.Nonce, Now: time.Now(),
	})
	if errors.Is(err, consent.ErrClock) {
		return &link.Problem{Code: link.ProblemClockWrong, Detail: err.Error() + ".", Action: "Set the terminal's clock."}
	}
	if err != nil {
		return &link.Problem{Code: link.ProblemBadConsent, Detail: err.Error() + ".", Action: "Start at the terminal, with a relay of the same release."}
	}
	if g.consented != nil {
		g.consented(s, auth.Consent, c.peer.Chain[0])
	}
	g.log.Info("consent of the user", "session", auth.Session, "peer", c.identity(), "pdt", s.PdT, "act", string(s.Act), "by", s.By, "at", s.At)
	return nil
}
