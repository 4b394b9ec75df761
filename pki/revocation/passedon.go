package revocation

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"

	"tlagate/pki"
	"tlagate/pki/crl"
	"tlagate/pki/internal/describe"
)

// This file is about the data on persons, in stores of their own, that a gateway passes on to a PdT beside what both
// ends of a session get: they may be whole CRLs, short ones.

// CRLsFor returns the CRLs by which the certificates of a path (leaf first, anchor last) pass, for a status record;
// those of its anchor are ARLs, which StatusFor has. The error names those that are longer than longest octets, and are
// left out.
func (t *Store) CRLsFor(path []*x509.Certificate, longest int) (list []pki.Status, err error) {
	for i := 0; i+1 < len(path) && (i == 0 || i+2 < len(path)); i++ {
		c, refusal := t.bestCRL(path[i+1], path[i], i > 0, t.now())
		if refusal != nil {
			continue // it passes by an OCSP answer
		}
		if len(c.DER) > longest {
			err = errors.Join(err, fmt.Errorf("cannot pass on the CRL of %s: it has %d octets, a status record "+
				"takes %d; have PdTs get it themselves, or name an OCSP responder",
				describe.CA(path[i+1]), len(c.DER), longest))
			continue
		}
		list = append(list, pki.Status{CRL: true, DER: c.DER})
	}
	return list, err
}

// Concerns reports whether a piece of a status record is about certificates of the CAs that t knows.
func (t *Store) Concerns(s pki.Status) bool {
	if s.ARL || s.CRL {
		c, err := crl.ReadFrom(context.Background(), "status record", s.DER)
		return err == nil && t.knowsCA(c.Head.RawIssuer)
	}
	read, err := parseAnswer(bytes.Clone(s.DER))
	return err == nil && len(t.speaksOf(read)) > 0
}

// TakePassedOn is TakeStatus for a store that takes CRLs of its CAs from a status record, too.
func (t *Store) TakePassedOn(s pki.Status) {
	if !s.CRL {
		t.TakeStatus(s)
		return
	}
	if err := t.addList(s.DER, t.allCAs(), "CRL of a status record"); err != nil {
		t.refusedStatus(err)
	}
}
