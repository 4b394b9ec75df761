package revocation

import (
	"crypto/x509"
)

// Denials returns a channel that is closed when Deny next denies a certificate; call it again for the one after. Call
// it before reading the data, as with Changed.
func (t *denyList) Denials() <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.news == nil {
		t.news = make(chan struct{})
	}
	return t.news
}

// announceDenial closes the channel of Denials; l.mu is locked.
func (l *denyList) announceDenial() {
	if l.news != nil {
		close(l.news)
		l.news = nil
	}
}

// Denies reports whether Deny has denied a certificate of a path that was verified (Verdict.Path). It takes well under
// a microsecond, so that thousands of live peers can be compared when one is revoked; Recheck then judges.
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

// DenyListSize returns the number of certificates that the PKI pushed, and of lines in the operator's file.
func (t *denyList) DenyListSize() (pushed, file int) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return len(t.pushed), len(t.file.serials) + len(t.file.identities)
}
