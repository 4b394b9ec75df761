package revocation

import (
	"sync/atomic"

	"tlagate/pki"
)

// ocspClient is the OCSP answers at hand, and how more are had and judged.
type ocspClient struct {
	*shared
	lists *crlStore // what signs answers is on none
	deny  *denyList

	answers       answers
	responders    responders
	statusRefused atomic.Int64 // pieces of status records refused
}

// use notes that somebody relies on a certificate.
func (t *ocspClient) use(q Question) { t.answers.use(q, t.respondersOf(q.Cert)) }

// CheckStaple says what is wrong with the answer that a peer stapled.
func (t *ocspClient) CheckStaple(q Question) *pki.Refusal {
	_, _, refusal := t.fromStaple(q)
	return refusal
}
