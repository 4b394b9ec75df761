package pki

import (
	"crypto/x509"
	"maps"
	"slices"
)

// Denials gives a channel that is closed when Deny next says something new; call again for the next. Take it before
// looking, as with Changed.
func (t *Trust) Denials() <-chan struct{} {
	t.deny.mu.Lock()
	defer t.deny.mu.Unlock()
	if t.deny.told == nil {
		t.deny.told = make(chan struct{})
	}
	return t.deny.told
}

// tell wakes who waits for Denials; l.mu is held.
func (l *denyList) tell() {
	if l.told != nil {
		close(l.told)
		l.told = nil
	}
}

// Denies says whether Deny named a certificate of a path that was verified (Verdict.Path). It takes well under a
// microsecond, so that thousands of live peers can be looked at when one is revoked; Recheck then judges.
func (t *Trust) Denies(path []*x509.Certificate) bool {
	t.deny.mu.RLock()
	defer t.deny.mu.RUnlock()
	if len(t.deny.pushed) == 0 {
		return false
	}
	for i := 0; i+1 < len(path); i++ {
		if _, denied := t.deny.pushed[keyOfDenied(path[i+1].SubjectKeyId, path[i].SerialNumber)]; denied {
			return true
		}
	}
	return false
}

// tellDenial wakes who waits for Changed.
func (t *Trust) tellDenial() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.notifyChanged()
}

// forgetListed takes off the deny list what a good CRL says by now, so that the list does not grow for ever. CRL numbers
// do not go back, so a later one says it too, until the certificate ends or is released from hold.
func (t *Trust) forgetListed() {
	lists := slices.DeleteFunc(slices.Clone(t.snap.Load().crls), func(c *crl) bool { return !t.reliable(c) })
	t.deny.mu.Lock()
	defer t.deny.mu.Unlock()
	before := len(t.deny.pushed)
	maps.DeleteFunc(t.deny.pushed, func(k deniedKey, d Denied) bool {
		return slices.ContainsFunc(lists, func(c *crl) bool {
			_, listed := c.find([]byte(k.serial))
			return listed && string(c.list.AuthorityKeyId) == k.issuer
		})
	})
	if len(t.deny.pushed) != before {
		t.deny.altered()
	}
}

// reliable says whether a CRL is complete, in date, and of a CA known to be good.
func (t *Trust) reliable(c *crl) bool {
	now := t.now()
	return len(c.scope.raw) == 0 && t.knowsCA(c.list.RawIssuer) && t.standing(c) == nil &&
		c.checkFuture(now) == nil && c.checkStale(now) == nil
}
