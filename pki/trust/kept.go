package trust

import (
	"crypto/x509"
	"time"

	"tlagate/pki"
)

// kept is how a chain is judged that passed before, when what it signed was accepted and kept.
type kept struct {
	at         time.Time // when it was accepted
	revocation bool      // revocation data at hand can refuse it, if they revoke
}

// VerifyKept judges again the chain of something that was accepted after Verify, at an earlier time, and kept: dates
// are judged at that time. Revocation data at hand that revoke are reason to refuse it; that there are none is not. It
// never waits.
func (t *Trust) VerifyKept(chain []*x509.Certificate, want Want, at time.Time) (*Verdict, error) {
	return t.verify(chain, want, circumstances{kept: &kept{at, true}})
}

// VerifyOwn is VerifyKept for what we signed ourselves at that time. Revocation is not checked: that our certificate
// was replaced since says nothing about what its key signed.
func (t *Trust) VerifyOwn(chain []*x509.Certificate, want Want, at time.Time) (*Verdict, error) {
	return t.verify(chain, want, circumstances{kept: &kept{at: at}})
}

func (k *kept) moment(t *Trust) time.Time {
	if k == nil {
		return t.moment()
	}
	return k.at
}

// overlooks reports whether a refusal for revocation is to be ignored.
func (k *kept) overlooks(r *pki.Refusal) bool {
	return k != nil && r != nil && !(k.revocation && r.Revokes())
}
