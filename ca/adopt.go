package ca

import (
	"bytes"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"slices"

	"github.com/jmoiron/sqlx"

	"tlagate/pemfile"
	"tlagate/pki"
)

// Adopt enters a certificate that this CA signed and that its books have lost, as restored books do what was issued since they
// were copied: only then can it be listed and revoked. One whose serial number the books have as revoked stays revoked.
func (c *CA) Adopt(cert *x509.Certificate) (adopted Record, err error) {
	err = c.locked(func() error {
		adopted, err = c.adopt(cert)
		return err
	})
	if err != nil {
		return adopted, fmt.Errorf("cannot adopt certificate %s: %w", hexSerial(cert.SerialNumber), err)
	}
	return adopted, nil
}

func (c *CA) adopt(cert *x509.Certificate) (Record, error) {
	if cert.IsCA || cert.CheckSignatureFrom(c.Issuing) != nil {
		return Record{}, errors.New("it is not one that this issuing CA signed")
	}
	a, err := aboutOf(cert)
	if err != nil {
		return Record{}, err
	}
	known, err := c.store.find("serial_number = ? AND authority_key_identifier = ?", cert.SerialNumber.String(), keyID(c.Issuing))
	if err != nil {
		return Record{}, err
	}
	if len(known) > 0 && known[0].PEM != "" {
		return Record{}, sameOr(known[0], cert)
	}
	if err := c.store.enter(cert, keyID(c.Issuing), a, len(known) > 0); err != nil {
		return Record{}, err
	}
	known, err = c.store.find("serial_number = ? AND authority_key_identifier = ?", cert.SerialNumber.String(), keyID(c.Issuing))
	if err != nil {
		return Record{}, err
	}
	return known[0], nil
}

func sameOr(r Record, cert *x509.Certificate) error {
	if der, err := pemfile.One([]byte(r.PEM), pemfile.Certificate); err == nil && bytes.Equal(der, cert.Raw) {
		return errors.New("the books have it")
	}
	return errors.New("the books have another with its serial number: the key has signed what it never should; treat it as compromised")
}

// aboutOf reads from a certificate what the books would have of it.
func aboutOf(cert *x509.Certificate) (a about, err error) {
	id, err := identityOf(cert)
	if err != nil {
		return a, err
	}
	usages := map[string]x509.ExtKeyUsage{clientAuth: x509.ExtKeyUsageClientAuth, serverAuth: x509.ExtKeyUsageServerAuth, ocspSigning: x509.ExtKeyUsageOCSPSigning}
	for _, p := range Profiles {
		if p.Role == id.Role && slices.Equal(cert.ExtKeyUsage, []x509.ExtKeyUsage{usages[p.Usage]}) {
			return about{Profile: p.Name, Identity: id.String(), Key: hex.EncodeToString(cert.SubjectKeyId)}, nil
		}
	}
	return a, fmt.Errorf("it is of no profile that a %s has", id.Role)
}

// identityOf gives the URN; an OCSP responder's certificate has its parts in the subject alone.
func identityOf(cert *x509.Certificate) (pki.Identity, error) {
	if len(cert.URIs) > 0 {
		return pki.ParseIdentity(cert.URIs[0].String())
	}
	s := cert.Subject
	if len(s.Organization) != 1 || len(s.OrganizationalUnit) != 1 {
		return pki.Identity{}, errors.New("it names no identity")
	}
	return pki.ParseIdentity(pki.Identity{Practice: s.Organization[0], Role: pki.Role(s.OrganizationalUnit[0]), Name: s.CommonName}.String())
}

// enter records a certificate; where there is a bare serial number already, its status stays.
func (s *store) enter(cert *x509.Certificate, issuer string, a about, there bool) error {
	names := slices.Clone(cert.DNSNames)
	for _, u := range cert.URIs {
		names = append(names, u.String())
	}
	row, err := newRow(cert.SerialNumber, issuer, cert.NotBefore, cert.NotAfter, a, names)
	if err != nil {
		return err
	}
	row.Status, row.PEM = string(Good), string(pemOf(pemfile.Certificate, cert.Raw))
	if !there {
		return s.Accessor.InsertCertificate(row)
	}
	return s.change(errors.New("the books changed meanwhile"), `UPDATE certificates SET pem = ?, metadata = ?, sans = ?, common_name = ?, expiry = ?, not_before = ?,
		status = CASE WHEN status = ? THEN ? ELSE status END WHERE serial_number = ? AND authority_key_identifier = ? AND pem = ''`,
		row.PEM, row.MetadataJSON, row.SANsJSON, row.CommonName, row.Expiry.UTC(), cert.NotBefore.UTC(), Intent, Good, row.Serial, issuer)
}

// RevokeLost revokes a serial number that the books may not know, as a gateway's log has it, when the certificate is not
// at hand. The CRL says so until the issuing CA's own end. Publish a CRL next.
func (c *CA) RevokeLost(serial string, reason Reason) error {
	number, err := parseSerial(serial)
	if err == nil && reason.String() == "" {
		err = fmt.Errorf("%d is no reason", int(reason))
	}
	if err == nil {
		err = c.locked(func() error { return c.revokeLost(number, reason) })
	}
	if err != nil {
		return fmt.Errorf("cannot revoke %s: %w", serial, err)
	}
	return nil
}

func (c *CA) revokeLost(serial *big.Int, reason Reason) error {
	l := &worldList{issuer: c.Issuing, source: "by hand", entries: []x509.RevocationListEntry{
		{SerialNumber: serial, ReasonCode: int(reason), RevocationTime: c.now()},
	}}
	var caught Caught
	err := c.inTx(func(tx *sqlx.Tx) error { return l.revokeAll(tx, &caught) })
	if err == nil && caught.Revoked+caught.Lost == 0 {
		err = errAlreadyRevoked
	}
	return err
}

// inTx changes the books, all or nothing.
func (c *CA) inTx(f func(*sqlx.Tx) error) error {
	tx, err := c.store.db.Beginx()
	if err != nil {
		return err
	}
	if err := f(tx); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}
