package revocation

import (
	"sync/atomic"

	"tlagate/pki"
)

// ocspClient has the OCSP answers at hand, and fetches and judges more.
type ocspClient struct {
	*shared
	lists *crlStore // lists and deny list must not have the signer of an answer
	deny  *denyList

	answers       answers
	responders    responders
	statusRefused atomic.Int64 // how many pieces of status records were refused
}

// use notes that a certificate is in use.
func (t *ocspClient) use(q Question) { t.answers.use(q, t.respondersOf(q.Cert)) }

// CheckStaple returns a refusal that says what is wrong with the answer that a peer stapled, or nil.
func (t *ocspClient) CheckStaple(q Question) *pki.Refusal {
	_, _, refusal := t.fromStaple(q)
	return refusal
}
