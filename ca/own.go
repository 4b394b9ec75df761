package ca

import (
	"crypto/x509"
	"errors"
	"fmt"
	"slices"

	"tlagate/ca/store"
	"tlagate/pki"
)

// ownProfiles are those of the PKI's own certificates and its gateways': when one of these ends, devices can neither
// renew nor connect. Only the operator renews those of the first three.
var ownProfiles = []string{"pki", "ocsp", "bundle", "gateway-client", "gateway-server"}

// Own are the PKI's own certificates, which it renews itself.
type Own struct {
	*core
	certificates *Certificates
}

func newOwn(k *core, certificates *Certificates) *Own { return &Own{k, certificates} }

// List returns the CAs' certificates and, for the PKI itself and its gateways, the last of each identity and profile
// that is not revoked. One that ended more than a third of its life ago is taken for no longer in use.
func (o *Own) List() ([]store.Record, error) {
	all, err := o.store.GoodOf(ownProfiles...)
	if err != nil {
		return nil, err
	}
	own := []store.Record{recordOfCA(profileRoot, o.root.cert), recordOfCA(store.ProfileIssuing, o.issuing.cert)}
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

func recordOfCA(profile string, cert *x509.Certificate) store.Record {
	return store.Record{Serial: store.FormatSerial(cert.SerialNumber), Profile: profile,
		Identity: cert.Subject.CommonName, Status: store.Good, NotBefore: cert.NotBefore, NotAfter: cert.NotAfter}
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
