package revocation

import (
	"crypto/x509"
)

// Denials gives a channel that is closed when Deny next says something new; call again for the next. Take it before
// looking, as with Changed.
func (t *denyList) Denials() <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.told == nil {
		t.told = make(chan struct{})
	}
	return t.told
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
func (t *denyList) Denies(path []*x509.Certificate) bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if len(t.pushed) == 0 {
		return false
	}
	for i := 0; i+1 < len(path); i++ {
		if _, denied := t.pushed[keyOfDenied(path[i+1].SubjectKeyId, path[i].SerialNumber)]; denied {
			return true
		}
	}
	return false
}

// DenyListSize gives the number of certificates denied by what the PKI pushed, and of lines in the operator's file.
func (t *denyList) DenyListSize() (pushed, file int) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return len(t.pushed), len(t.file.serials) + len(t.file.identities)
}
