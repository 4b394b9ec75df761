package pki

import "bytes"

const reasonRemove = 8

// onDelta looks for a certificate on the delta CRLs of its issuer (profile RFC5280). They only ever revoke here: one
// that takes an entry of its base back is not believed.
func (t *Trust) onDelta(q question) *Refusal {
	if t.cfg.Profile != RFC5280 {
		return nil
	}
	for _, c := range t.snap.Load().crls {
		if !c.isDelta() || !bytes.Equal(c.list.RawIssuer, q.issuer.RawSubject) || c.signedBy(q.issuer) != nil || c.checkFuture(q.now) != nil {
			continue
		}
		if found, on := c.find(trimZeros(q.cert.SerialNumber.Bytes())); on && found.reason != reasonRemove {
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
