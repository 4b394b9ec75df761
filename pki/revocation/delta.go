package revocation

import (
	"bytes"

	"tlagate/pki"
)

const reasonRemove = 8

// onDelta looks for a certificate on the delta CRLs of its issuer (profile RFC5280). They only ever revoke here: one
// that takes an entry of its base back is not believed.
func (t *crlStore) onDelta(q Question) *pki.Refusal {
	if !t.cfg.RFC5280 {
		return nil
	}
	for _, c := range t.snap.Load().crls {
		if !c.isDelta() || !bytes.Equal(c.list.RawIssuer, q.Issuer.RawSubject) || c.signedBy(q.Issuer) != nil || c.checkFuture(q.Now) != nil {
			continue
		}
		if found, on := c.find(trimZeros(q.Cert.SerialNumber.Bytes())); on && found.reason != reasonRemove {
			return q.revoked("%v, says delta %v", found, c)
		}
	}
	return nil
}

func (c *crl) isDelta() bool {
	for _, e := range c.list.Extensions {
		if e.Id.Equal(oidDeltaCRL) {
			return true
		}
	}
	return false
}
