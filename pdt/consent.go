package pdt

import (
	"errors"
	"sync"
	"time"

	"tlagate/pki"
	"tlagate/session/consent"
	"tlagate/session/link"
)

var errConsentUsed = errors.New("this consent has been used for a session before")

// checkConsent verifies, independently of the gateway, that the user of the TLA asked for this session (C4), and that
// no session has been opened with the consent before.
func (s *Service) checkConsent(c *cardSession, tla *pki.Peer, j *link.Joined) error {
	now := time.Now()
	said, err := consent.Verify(j.Consent, tla.Chain[0].PublicKey, consent.Want{
		TLA: tla.Identity.String(), PdT: s.us.String(), Session: j.Session, Nonce: j.Nonce, Now: now,
	})
	if err != nil {
		return err
	}
	if !s.consents.use(j.Nonce+j.Session, now) {
		return errConsentUsed
	}
	if s.cfg.Consented != nil {
		s.cfg.Consented(said, j.Consent, tla.Chain[0])
	}
	c.log.Info("consent of the user", "act", string(said.Act), "by", said.By, "at", said.At)
	return nil
}

// consents remembers the consents that were used, until their age alone refuses them.
type consents struct {
	mu   sync.Mutex
	used map[string]time.Time
}

// use reports whether a consent was not used before.
func (c *consents) use(id string, now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for known, at := range c.used {
		if now.Sub(at) > 2*consent.Skew {
			delete(c.used, known)
		}
	}
	if _, known := c.used[id]; known {
		return false
	}
	if c.used == nil {
		c.used = map[string]time.Time{}
	}
	c.used[id] = now
	return true
}
