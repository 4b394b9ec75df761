package ocsp

import (
	"bytes"
	"sync/atomic"
)

// tally counts what a responder has answered since it was opened.
type tally struct {
	Plain        uint64 // signed, without nonce
	Unchanged    uint64 // of these, those that the client had already (304)
	Nonces       uint64 // signed, with nonce
	Malformed    uint64
	Unauthorized uint64 // about certificates of another issuer
	TryLater     uint64 // the books cannot be read, or the delegated certificate is over
	Failed       uint64 // internalError
	HTTP         uint64 // refused before OCSP: method, type, size
	Signed       uint64 // signatures made
}

type counts struct {
	plain, unchanged, nonces, malformed, unauthorized, tryLater, failed, http, signed atomic.Uint64
}

func (c *counts) count(no *refusal) {
	switch {
	case bytes.Equal(no.der, malformedRequest):
		c.malformed.Add(1)
	case bytes.Equal(no.der, unauthorized):
		c.unauthorized.Add(1)
	case bytes.Equal(no.der, tryLater):
		c.tryLater.Add(1)
	default:
		c.failed.Add(1)
	}
}

// tally returns what has been answered so far.
func (r *Responder) tally() tally {
	c := &r.counts
	return tally{
		Plain: c.plain.Load(), Unchanged: c.unchanged.Load(), Nonces: c.nonces.Load(), Malformed: c.malformed.Load(),
		Unauthorized: c.unauthorized.Load(), TryLater: c.tryLater.Load(), Failed: c.failed.Load(), HTTP: c.http.Load(),
		Signed: c.signed.Load(),
	}
}
