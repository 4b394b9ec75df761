package revocation

import (
	"crypto/x509"
	"fmt"
	"slices"
	"time"

	"tlagate/pki"
	"tlagate/pki/internal/describe"
)

// Question asks for the status of one certificate of a path, whose signature is known to be good.
type Question struct {
	Issuer, Cert *x509.Certificate
	CA           bool // Cert is a CA's
	Now          time.Time
	Staple       []byte              // what the peer stapled for Cert in this handshake
	Online       bool                // responders may be asked, and waited for
	OtherKeys    []*x509.Certificate // with which the issuer may sign its CRL too, from the path above it
}

func (q Question) about() about { return aboutCert(q.Issuer, q.Cert) }

// revoked returns the refusal of a certificate that is revoked.
func (q Question) revoked(format string, args ...any) *pki.Refusal {
	reason := pki.Revoked
	if q.CA {
		reason = pki.CARevoked
	}
	return &pki.Refusal{Reason: reason, Detail: fmt.Sprintf(format, args...)}
}

// Status returns whether a certificate is good, and from what source. What revokes wins over everything else: the deny
// list and the CRLs are at hand and come first. Of the sources that say "good", the first in the order staple, cache,
// OCSP, answers from before a restart, CRL decides. It fails closed: if nothing acceptable is at hand, the certificate
// is refused.
func (t *Store) Status(q Question) (pki.Revocation, *pki.Refusal) {
	t.use(q)
	if refusal := t.denied(q); refusal != nil {
		return pki.Revocation{}, refusal
	}
	list := t.fromCRL(q)
	if list.revoked != nil {
		return pki.Revocation{}, list.revoked
	}
	var tried []*pki.Refusal
	for _, source := range []func(Question) (*answer, string, *pki.Refusal){t.fromStaple, t.fromMemory,
		t.fromResponders, t.fromKept} {
		a, kind, refusal := source(q)
		switch {
		case a != nil:
			return a.judge(q, kind)
		case refusal != nil:
			tried = append(tried, refusal)
		}
	}
	if list.used != nil {
		return goodBy(list.used, q.Cert), nil
	}
	return pki.Revocation{}, nothingFound(tried, list.refusal)
}

// nothingFound returns a refusal that says why each source would not do. Its reason is that of the best source there
// was: a CRL of that CA, else an OCSP answer that is not good enough, else the failure to get one.
func nothingFound(tried []*pki.Refusal, list *pki.Refusal) *pki.Refusal {
	if len(tried) == 0 {
		return list
	}
	chosen := *list
	if list.Reason == pki.CRLMissing {
		chosen = *tried[len(tried)-1]
		if i := slices.IndexFunc(tried, func(r *pki.Refusal) bool {
			return r.Reason != pki.OCSPMissing && r.Reason != pki.OCSPError
		}); i >= 0 {
			chosen = *tried[i]
		}
	}
	for _, other := range append(tried, list) {
		if other.Error() != chosen.Error() {
			chosen.Detail += "; " + describe.Cut(other.Error(), 300)
		}
	}
	return &chosen
}
