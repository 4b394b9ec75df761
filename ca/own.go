package ca

import (
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"

	"tlagate/ca/store"
	"tlagate/pki"
)

// ownProfiles are those of the PKI's own certificates, its gateways' and its people's: when one of these ends, devices
// can neither renew nor connect, or nobody can act. Only the operator renews those of the first three and the last.
var ownProfiles = []string{"pki", "ocsp", "bundle", "gateway-client", "gateway-server", "admin"}

// Own are the PKI's own certificates, which it renews itself.
type Own struct {
	*core
	certificates *Certificates
}

func newOwn(k *core, certificates *Certificates) *Own { return &Own{k, certificates} }

// List returns the PKI's own certificates, its gateways' and its people's: the last of each identity and profile that
// is not revoked, and of the CAs, revoked or not. One that ended more than a third of its life ago is no longer in use.
func (o *Own) List() ([]store.Record, error) {
	all, err := o.store.GoodOf(ownProfiles...)
	if err != nil {
		return nil, err
	}
	issuing, err := o.issuingRecord()
	if err != nil {
		return nil, err
	}
	own := []store.Record{rootRecord(o.root.cert), issuing}
	for _, r := range all {
		i := slices.IndexFunc(own, func(o store.Record) bool {
			return o.Profile == r.Profile && o.Identity == r.Identity
		})
		switch {
		case o.now().After(r.NotAfter.Add(r.NotAfter.Sub(r.NotBefore) / 3)):
		case i < 0:
			own = append(own, r)
		case r.NotAfter.After(own[i].NotAfter):
			own[i] = r
		}
	}
	return own, nil
}

// rootRecord makes a record of the root, of which the books have none: nothing can revoke it.
func rootRecord(cert *x509.Certificate) store.Record {
	return store.Record{Serial: store.FormatSerial(cert.SerialNumber), Profile: profileRoot,
		Identity: cert.Subject.CommonName, Status: store.Good, NotBefore: cert.NotBefore, NotAfter: cert.NotAfter}
}

// issuingRecord returns what the books say of the issuing CA's own certificate.
func (k *core) issuingRecord() (store.Record, error) {
	own, err := k.store.Signed(k.issuing.cert.SerialNumber, k.root.id())
	if err != nil {
		return store.Record{}, err
	}
	if len(own) == 0 {
		return store.Record{}, errors.New("cannot find the issuing CA's own certificate in the books: " +
			"restore them from a backup (docs/ca.md, section 4)")
	}
	return own[0], nil
}

// mayServe returns an error when the books say that the issuing CA is revoked: nobody accepts what it would sign; or
// when its approval is missing.
func (k *core) mayServe() error {
	r, err := k.issuingRecord()
	if err == nil {
		err = k.approved()
	}
	if err == nil && r.Status == store.Revoked {
		err = fmt.Errorf("the issuing CA was revoked on %s (%s): make a new CA (docs/ca.md, section 5)",
			r.RevokedAt.Format(time.DateOnly), r.Reason)
	}
	return err
}

// Due returns the record of one of the PKI's own certificates, and reports whether it should be renewed now. A revoked
// one is an error.
func (o *Own) Due(cert *x509.Certificate) (r store.Record, due bool, err error) {
	if r, err = o.ours(cert); err != nil {
		return r, false, err
	}
	if !slices.Contains(ownProfiles[:3], r.Profile) {
		return r, false, fmt.Errorf("certificate %s is a %s's, which renews its own", r.Serial, r.Profile)
	}
	if r.Status == store.Revoked {
		return r, false, fmt.Errorf("certificate %s was revoked (%s)", r.Serial, r.Reason)
	}
	return r, !o.now().Before(r.RenewalDue()), nil
}

// Renew issues one of the PKI's own certificates again. The request must be of the same key: a certificate of another
// would not fit the key file beside it.
func (o *Own) Renew(cert *x509.Certificate, csr []byte) (*Issued, error) {
	r, _, err := o.Due(cert)
	if err != nil {
		return nil, err
	}
	request, err := parseCSR(csr)
	if err != nil {
		return nil, err
	}
	if !samePublic(request.PublicKey, cert.PublicKey) {
		return nil, errors.New("cannot renew: the certificate request is of another key than the certificate")
	}
	id, err := pki.ParseIdentity(r.Identity)
	if err != nil {
		return nil, err
	}
	return o.certificates.Issue(Request{Profile: r.Profile, Identity: id, DNS: dnsOf(r.Names), CSR: csr})
}
