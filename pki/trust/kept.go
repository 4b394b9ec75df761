package trust

import (
	"crypto/x509"
	"time"

	"tlagate/pki"
)

// kept is how a chain is judged that passed before, when what it signed was taken in.
type kept struct {
	at         time.Time // of the taking in
	revocation bool      // what is at hand counts where it revokes
}

// VerifyKept judges again the chain of what was taken in at a time before, after Verify: dates are judged at that time.
// Of the revocation data at hand what revokes counts, now as then; that there is none is no reason to refuse. It never
// waits.
func (t *Trust) VerifyKept(chain []*x509.Certificate, want Want, at time.Time) (*Verdict, error) {
	return t.verify(chain, want, circumstances{kept: &kept{at, true}})
}

// VerifyOwn is VerifyKept for what we signed ourselves at that time. Revocation is not looked at: whether our
// certificate was replaced since says nothing about what its key signed.
func (t *Trust) VerifyOwn(chain []*x509.Certificate, want Want, at time.Time) (*Verdict, error) {
	return t.verify(chain, want, circumstances{kept: &kept{at: at}})
}

func (k *kept) moment(t *Trust) time.Time {
	if k == nil {
		return t.moment()
	}
	return k.at
}

// overlooks says whether a refusal for revocation does not count.
func (k *kept) overlooks(r *pki.Refusal) bool {
	return k != nil && r != nil && !(k.revocation && r.Revokes())
}
