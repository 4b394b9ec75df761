package ca

import (
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"tlagate/pki"
)

// ownProfiles are the PKI's own certificates and its gateways': when one of them ends, devices can neither renew nor connect. Nobody but
// the operator renews those of the first three.
var ownProfiles = []string{"pki", "ocsp", "bundle", "gateway-client", "gateway-server"}

// RenewalDue says when a certificate should be renewed: a third of its life is left then.
func (r Record) RenewalDue() time.Time { return r.NotAfter.Add(-r.NotAfter.Sub(r.NotBefore) / 3) }

// Own returns the PKI's own certificates and its gateways': the last of each identity and profile that is not revoked, and of the CAs. One that
// ended more than a third of its life ago is of somebody who is gone.
func (c *CA) Own() ([]Record, error) {
	names := "'" + strings.Join(ownProfiles, "', '") + "'"
	all, err := c.store.find(`status = ? AND json_extract(CAST(metadata AS TEXT), '$.profile') IN (`+names+`)`, Good)
	if err != nil {
		return nil, err
	}
	own := []Record{recordOfCA(profileRoot, c.Root), recordOfCA(profileIssuing, c.Issuing)}
	for _, r := range all {
		i := slices.IndexFunc(own, func(o Record) bool { return o.Profile == r.Profile && o.Identity == r.Identity })
		switch {
		case c.now().After(r.NotAfter.Add(r.NotAfter.Sub(r.NotBefore) / 3)):
		case i < 0:
			own = append(own, r)
		case r.NotAfter.After(own[i].NotAfter):
			own[i] = r
		}
	}
	return own, nil
}

func recordOfCA(profile string, cert *x509.Certificate) Record {
	return Record{Serial: hexSerial(cert.SerialNumber), Profile: profile, Identity: cert.Subject.CommonName, Status: Good,
		NotBefore: cert.NotBefore, NotAfter: cert.NotAfter}
}

// Due is the record of one of the PKI's own certificates; due says that it should be renewed now. A revoked one never is.
func (c *CA) Due(cert *x509.Certificate) (r Record, due bool, err error) {
	found, err := c.ours(cert)
	if err != nil {
		return Record{}, false, err
	}
	r = found[0]
	if !slices.Contains(ownProfiles[:3], r.Profile) {
		return r, false, fmt.Errorf("certificate %s is a %s's, which renews its own", r.Serial, r.Profile)
	}
	if r.Status == Revoked {
		return r, false, fmt.Errorf("certificate %s was revoked (%s)", r.Serial, r.Reason)
	}
	return r, !c.now().Before(r.RenewalDue()), nil
}

// Renew issues what one of the PKI's own certificates says once more. The request must be of that certificate's key: another would not fit
// what lies beside it.
func (c *CA) Renew(cert *x509.Certificate, csr []byte) (*Issued, error) {
	r, _, err := c.Due(cert)
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
	return c.Issue(Request{Profile: r.Profile, Identity: id, DNS: dnsOf(r.Names), CSR: csr})
}
