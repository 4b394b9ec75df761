package revocation

import (
	"crypto/x509"

	"tlagate/pki"
)

// TakeStatus takes in what a status record brought; what it refuses, it logs.
func (t *Store) TakeStatus(s pki.Status) {
	take := t.AddStatus
	if s.ARL {
		take = t.AddARL
	}
	if err := take(s.DER); err != nil {
		t.refusedStatus(err)
	}
}

// StatusFor gives what an end needs to verify the certificates of these paths (leaf first, anchor last) without asking anybody:
// the OCSP answers in date, and the ARLs of the anchors. Never a CRL of leaves: it would be large.
func (t *Store) StatusFor(paths ...[]*x509.Certificate) []pki.Status {
	var list []pki.Status
	seen := map[string]bool{}
	add := func(arl bool, der []byte) {
		if !seen[string(der)] {
			seen[string(der)] = true
			list = append(list, pki.Status{ARL: arl, DER: der})
		}
	}
	for _, path := range paths {
		if arl := t.arlOf(path); arl != nil {
			add(true, arl)
		}
		for i := 0; i+1 < len(path); i++ {
			if a := t.answerOf(path[i+1], path[i]); a != nil {
				add(false, a.der)
			}
		}
	}
	return list
}

func (t *crlStore) arlOf(path []*x509.Certificate) []byte {
	n := len(path)
	if n < 3 {
		return nil // the anchor issues leaves: its list is no ARL
	}
	c, refusal := t.bestCRL(path[n-1], path[n-2], true, t.now())
	if refusal != nil || len(c.der) > maxARL {
		return nil
	}
	return c.der
}

func (t *ocspClient) answerOf(issuer, cert *x509.Certificate) *answer {
	a := t.answers.get(aboutCert(issuer, cert))
	if a == nil || t.checkDates(a, issuer, t.now()) != nil {
		return nil
	}
	return a
}
