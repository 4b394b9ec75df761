package ca

import (
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"

	"tlagate/ca/store"
	"tlagate/pki"
)

// Adopt enters a certificate that this CA signed into books that have lost it, as restored books have lost what was
// issued after they were copied: only then can it be listed and revoked. If the books have its serial number as
// revoked, it stays revoked.
func (c *Recovery) Adopt(cert *x509.Certificate) (adopted store.Record, err error) {
	err = c.locks.books(func() error {
		adopted, err = c.adopt(cert)
		return err
	})
	if err != nil {
		return adopted, fmt.Errorf("cannot adopt certificate %s: %w", store.FormatSerial(cert.SerialNumber), err)
	}
	return adopted, nil
}

func (c *Recovery) adopt(cert *x509.Certificate) (store.Record, error) {
	if cert.IsCA || cert.CheckSignatureFrom(c.issuing.cert) != nil {
		return store.Record{}, errors.New("it is not one that this issuing CA signed")
	}
	a, err := aboutOf(cert)
	if err != nil {
		return store.Record{}, err
	}
	known, err := c.store.Signed(cert.SerialNumber, c.issuing.id())
	if err != nil {
		return store.Record{}, err
	}
	if len(known) > 0 && known[0].PEM != "" {
		return store.Record{}, sameOr(known[0], cert)
	}
	if err := c.store.Enter(cert, c.issuing.id(), a, len(known) > 0); err != nil {
		return store.Record{}, err
	}
	known, err = c.store.Signed(cert.SerialNumber, c.issuing.id())
	if err != nil {
		return store.Record{}, err
	}
	return known[0], nil
}

func sameOr(r store.Record, cert *x509.Certificate) error {
	if isCertificate(r, cert) {
		return errors.New("the books have it")
	}
	return errors.New("the books have another with its serial number: the key has signed what it never should; " +
		"treat it as compromised")
}

// aboutOf returns what the books record of a certificate.
func aboutOf(cert *x509.Certificate) (a store.About, err error) {
	id, err := identityOf(cert)
	if err != nil {
		return a, err
	}
	usages := map[string]x509.ExtKeyUsage{clientAuth: x509.ExtKeyUsageClientAuth,
		serverAuth: x509.ExtKeyUsageServerAuth, ocspSigning: x509.ExtKeyUsageOCSPSigning}
	for _, p := range profiles {
		if p.Role == id.Role && slices.Equal(cert.ExtKeyUsage, []x509.ExtKeyUsage{usages[p.Usage]}) {
			return store.About{Profile: p.Name, Identity: id.String(), Key: hex.EncodeToString(cert.SubjectKeyId)}, nil
		}
	}
	return a, fmt.Errorf("it is of no profile that a %s has", id.Role)
}

// identityOf returns the identity in the certificate's URN; an OCSP responder's certificate has its parts in the
// subject alone.
func identityOf(cert *x509.Certificate) (pki.Identity, error) {
	if len(cert.URIs) > 0 {
		return pki.ParseIdentity(cert.URIs[0].String())
	}
	s := cert.Subject
	if len(s.Organization) != 1 || len(s.OrganizationalUnit) != 1 {
		return pki.Identity{}, errors.New("it names no identity")
	}
	id := pki.Identity{Practice: s.Organization[0], Role: pki.Role(s.OrganizationalUnit[0]), Name: s.CommonName}
	return pki.ParseIdentity(id.String())
}

// RevokeLost revokes a serial number, as it is in a gateway's log, that the books may not know, when the certificate
// itself is not available. It stays on the CRL until the issuing CA's own end. Publish a CRL next.
func (c *Recovery) RevokeLost(serial string, reason store.Reason) error {
	number, err := store.ParseSerial(serial)
	if err == nil && reason.String() == "" {
		err = fmt.Errorf("%d is no reason", int(reason))
	}
	if err == nil {
		err = c.locks.books(func() error {
			return c.store.RevokeUnknown(c.issuing.cert, x509.RevocationListEntry{
				SerialNumber: number, ReasonCode: int(reason), RevocationTime: c.now(),
			})
		})
	}
	if err != nil {
		return fmt.Errorf("cannot revoke %s: %w", serial, err)
	}
	return nil
}
