package ca

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"

	"tlagate/audit"
	"tlagate/pemfile"
)

// Selection names certificates to revoke or release; exactly one field is set.
type Selection struct {
	Serial      string            // hexadecimal
	Certificate *x509.Certificate // one of ours
	Identity    string            // URN: every certificate of that component that still runs
}

// Revoke revokes, for good unless the reason is Hold; with an identity, its open invitations are withdrawn too. It changes the books only: publish a CRL next, or, when one of
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
	chosen, err := c.choose(which, func(r Record) bool { return r.Status != Revoked || r.Held() && reason != Hold })
	if err != nil {
		return nil, fmt.Errorf("cannot revoke: %w", err)
	}
	if which.Identity != "" { // an open code must not bring back whom we put out
		if err := c.store.withdrawOpen(which.Identity, c.now()); err != nil {
			return nil, fmt.Errorf("cannot withdraw the invitations of %s: %w", which.Identity, err)
		}
	}
	revoked, err := c.each("revoke", chosen, func(r Record) error { return c.revokeOne(r, reason) })
	for _, r := range revoked { // a trace that cannot be written holds up no revocation
		err = errors.Join(err, c.traceRecord(audit.CertificateRevoked, r, reason.String()))
	}
	return revoked, err
}

// Release makes certificates on hold good again. It changes the books only: publish a CRL next.
func (c *CA) Release(which Selection) (released []Record, err error) {
	err = c.locked(func() error {
		chosen, err := c.choose(which, Record.Held)
		if err != nil {
			return fmt.Errorf("cannot release: %w", err)
		}
		released, err = c.each("release", chosen, c.releaseOne)
		return err
	})
	return released, err
}

// each changes the records and reads them again.
func (c *CA) each(verb string, chosen []Record, change func(Record) error) (done []Record, err error) {
	for _, r := range chosen {
		if err := change(r); err != nil {
			return done, fmt.Errorf("cannot %s certificate %s of %s: %w", verb, r.Serial, r.Identity, err)
		}
		now, err := c.store.find("serial_number = ? AND authority_key_identifier = ?", r.serial.String(), r.Issuer)
		if err != nil {
			return done, err
		}
		done = append(done, now...)
	}
	return done, nil
}

func (c *CA) releaseOne(r Record) error {
	switch {
	case r.Status != Revoked:
		return errNotHeld
	case !r.Held():
		return fmt.Errorf("it was revoked at %s for good (%s); issue a new one", r.RevokedAt.Format("2006-01-02 15:04:05 MST"), r.Reason)
	}
	if err := c.traceRecord(audit.CertificateReleased, r, ""); err != nil {
		return err
	}
	return c.store.release(r)
}

func (c *CA) revokeOne(r Record, reason Reason) error {
	if r.Status == Revoked && (!r.Held() || reason == Hold) {
		return fmt.Errorf("%w: %s (%s)", errAlreadyRevoked, r.RevokedAt.Format("2006-01-02 15:04:05 MST"), r.Reason)
	}
	if r.IsCA() {
		if reason == Hold {
			return errors.New("a CA is not put on hold; revoke it for good")
		}
		if _, err := c.rootKey(); err != nil {
			return err // a revocation that no ARL can announce would deceive
		}
	}
	return c.store.revoke(r, reason, c.now())
}

// choose gives what is selected; of an identity, what still runs and is fit.
func (c *CA) choose(which Selection, fit func(Record) bool) ([]Record, error) {
	switch {
	case which.Identity != "" && which.Serial == "" && which.Certificate == nil:
		return c.running(which.Identity, fit)
	case which.Serial != "" && which.Identity == "" && which.Certificate == nil:
		if strings.HasPrefix(which.Serial, "urn:") {
			return nil, fmt.Errorf("%q is no serial number", which.Serial)
		}
		return c.Find(which.Serial)
	case which.Certificate != nil && which.Identity == "" && which.Serial == "":
		return c.ours(which.Certificate)
	}
	return nil, errors.New("name one of a serial number, a certificate or an identity")
}

// running gives the certificates of an identity that are not past their end and fit.
func (c *CA) running(identity string, fit func(Record) bool) ([]Record, error) {
	all, err := c.Find(identity)
	if err != nil {
		return nil, err
	}
	var out []Record
	for _, r := range all {
		if fit(r) && !r.Expired(c.now()) {
			out = append(out, r)
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("none of the %d certificates of %s is still valid and open to that", len(all), identity)
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
		if der, err := pemfile.One([]byte(r.PEM), pemfile.Certificate); err == nil && bytes.Equal(der, cert.Raw) {
			return []Record{r}, nil
		}
	}
	return nil, fmt.Errorf("this CA did not issue it, though it issued another with serial number %s", all[0].Serial)
}
