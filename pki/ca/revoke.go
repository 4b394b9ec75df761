package ca

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
)

// Selection names certificates to revoke; exactly one field is set.
type Selection struct {
	Serial      string            // hexadecimal
	Certificate *x509.Certificate // one of ours
	Identity    string            // URN: every certificate of that component that still runs
}

// Revoke revokes, for good. It changes the books only: publish a CRL next, or, when one of
// the returned records IsCA, an ARL. Revoking the issuing CA needs the root's key.
func (c *CA) Revoke(which Selection, reason Reason) (revoked []Record, err error) {
	if reason.String() == "" {
		return nil, fmt.Errorf("cannot revoke for reason %d: it is none of %s", int(reason), strings.Join(ReasonNames(), ", "))
	}
	err = c.locked(func() error {
		revoked, err = c.revoke(which, reason)
		return err
	})
	return revoked, err
}

func (c *CA) revoke(which Selection, reason Reason) ([]Record, error) {
	chosen, err := c.choose(which)
	if err != nil {
		return nil, err
	}
	var done []Record
	for _, r := range chosen {
		if err := c.revokeOne(r, reason); err != nil {
			return done, fmt.Errorf("cannot revoke certificate %s of %s: %w", r.Serial, r.Identity, err)
		}
		now, err := c.store.find("serial_number = ? AND authority_key_identifier = ?", r.serial.String(), r.Issuer)
		if err != nil {
			return done, err
		}
		done = append(done, now...)
	}
	return done, nil
}

func (c *CA) revokeOne(r Record, reason Reason) error {
	if r.Status == Revoked {
		return fmt.Errorf("%w: %s (%s)", errAlreadyRevoked, r.RevokedAt.Format("2006-01-02 15:04:05 MST"), r.Reason)
	}
	if r.IsCA() {
		if _, err := c.rootKey(); err != nil {
			return err // a revocation that no ARL can announce would deceive
		}
	}
	return c.store.revoke(r, reason, c.now())
}

func (c *CA) choose(which Selection) ([]Record, error) {
	switch {
	case which.Identity != "" && which.Serial == "" && which.Certificate == nil:
		return c.running(which.Identity)
	case which.Serial != "" && which.Identity == "" && which.Certificate == nil:
		if strings.HasPrefix(which.Serial, "urn:") {
			return nil, fmt.Errorf("cannot revoke: %q is no serial number", which.Serial)
		}
		return c.Find(which.Serial)
	case which.Certificate != nil && which.Identity == "" && which.Serial == "":
		return c.ours(which.Certificate)
	}
	return nil, errors.New("cannot revoke: name one of a serial number, a certificate or an identity")
}

// running gives what is left to revoke of an identity.
func (c *CA) running(identity string) ([]Record, error) {
	all, err := c.Find(identity)
	if err != nil {
		return nil, err
	}
	var out []Record
	for _, r := range all {
		if r.Status != Revoked && !r.Expired(c.now()) {
			out = append(out, r)
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("cannot revoke %s: none of its %d certificates is still valid", identity, len(all))
	}
	return out, nil
}

// ours gives the record of a certificate. One with our names and numbers that we did not sign is not ours.
func (c *CA) ours(cert *x509.Certificate) ([]Record, error) {
	all, err := c.Find(hexSerial(cert.SerialNumber))
	if err != nil {
		return nil, err
	}
	for _, r := range all {
		if r.PEM == "" && cert.CheckSignatureFrom(c.Issuing) == nil {
			return []Record{r}, nil
		}
		if der, err := onePEM([]byte(r.PEM), "CERTIFICATE"); err == nil && bytes.Equal(der, cert.Raw) {
			return []Record{r}, nil
		}
	}
	return nil, fmt.Errorf("cannot revoke the certificate: this CA did not issue it, though it issued another with serial number %s", all[0].Serial)
}
