package ca

import (
	"crypto/x509"
	"encoding/hex"
	"fmt"

	"tlagate/ca/certify"
	"tlagate/ca/store"
	"tlagate/pemfile"
)

// Certificates issues certificates.
type Certificates struct {
	*core
	clock *Clock
}

func newCertificates(k *core, clock *Clock) *Certificates { return &Certificates{k, clock} }

// Issued is a new certificate.
type Issued struct {
	store.Record
	Certificate *x509.Certificate
	Chain       []byte   // PEM: the certificate, then the issuing CA's
	Notes       []string // what the request asked for and did not get
}

// Issue certifies a key. When it fails after signing, the record of the intent stays.
func (c *Certificates) Issue(request Request) (*Issued, error) {
	order, err := c.prepare(request)
	if err != nil {
		return nil, fmt.Errorf("cannot issue a %s certificate to %s: %w", request.Profile, request.Identity, err)
	}
	if err := c.issuing.warm(); err != nil {
		return nil, err
	}
	var cert *x509.Certificate
	err = c.locks.books(func() error {
		cert, err = c.fulfil(order)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("cannot issue a %s certificate to %s: %w", request.Profile, request.Identity, err)
	}
	return c.issued(order, cert)
}

// Check returns what Issue would refuse before it signs, and the subject key identifier of the request's key,
// hexadecimal. It changes nothing.
func (c *Certificates) Check(request Request) (key string, err error) {
	o, err := c.prepare(request)
	if err == nil {
		err = c.mayIssue(o)
	}
	if err != nil {
		return "", fmt.Errorf("cannot issue a %s certificate to %s: %w", request.Profile, request.Identity, err)
	}
	return hex.EncodeToString(o.ski), nil
}

func (c *Certificates) issued(o *order, cert *x509.Certificate) (*Issued, error) {
	records, err := c.find(store.FormatSerial(o.serial))
	if err != nil {
		return nil, err
	}
	chain := append(pemOf(pemfile.Certificate, cert.Raw), pemOf(pemfile.Certificate, c.issuing.cert.Raw)...)
	return &Issued{Record: records[0], Certificate: cert, Chain: chain, Notes: o.notes}, nil
}

// deliver is Issue for a caller that has the lock.
func (c *Certificates) deliver(o *order) (*Issued, error) {
	cert, err := c.fulfil(o)
	if err != nil {
		return nil, err
	}
	return c.issued(o, cert)
}

// fulfil records the intent, in the books and in the trace, signs, and completes the record.
func (c *Certificates) fulfil(o *order) (*x509.Certificate, error) {
	if err := c.mayIssue(o); err != nil {
		return nil, err
	}
	certifier, err := c.issuing.certifier()
	if err != nil {
		return nil, err
	}
	if o.claim != nil {
		if err := o.claim(o); err != nil {
			return nil, err
		}
		c.reach("claimed")
	}
	if err := c.intend(o); err != nil {
		return nil, err
	}
	if err := c.trail.order(o); err != nil {
		return nil, err
	}
	c.reach("intended")
	cert, err := certifier.Certify(o.certificate(c.settings))
	if err != nil {
		return nil, err
	}
	c.reach("signed")
	return cert, c.store.Complete(cert, c.issuing.id(), c.time())
}

func (c *Certificates) intend(o *order) error {
	return c.store.Intend(store.Entry{
		About:     store.About{Profile: o.profile.Name, Identity: o.identity.String(), Key: hex.EncodeToString(o.ski)},
		Serial:    o.serial,
		Issuer:    c.issuing.id(),
		Names:     o.names,
		NotBefore: o.notBefore,
		NotAfter:  o.notAfter,
	})
}

// certificate returns the order as it is signed.
func (o *order) certificate(s Settings) certify.Order {
	return certify.Order{
		Profile:   s.leafProfile(o.profile),
		Request:   o.csr.Raw,
		Names:     o.names,
		Subject:   subject(o.identity.Name, o.identity.Practice, string(o.identity.Role)),
		Serial:    o.serial,
		NotBefore: o.notBefore,
		NotAfter:  o.notAfter,
	}
}

// mayIssue looks into the books: a revoked issuing CA issues nothing, one key serves one identity, and a key that was
// compromised serves none.
func (c *Certificates) mayIssue(o *order) error {
	if err := c.mayServe(); err != nil {
		return err
	}
	return c.keyIsFree(o)
}

func (c *Certificates) keyIsFree(o *order) error {
	same, err := c.store.WithKey(hex.EncodeToString(o.ski))
	if err != nil {
		return err
	}
	for _, r := range same {
		if r.Identity != o.identity.String() {
			return denyf(KeyTaken, "its key is in certificate %s of %s: one key serves one identity", r.Serial,
				r.Identity)
		}
		if r.Compromised() {
			return denyf(KeyTaken, "its key was in certificate %s, revoked for %s: make a new key", r.Serial, r.Reason)
		}
	}
	return nil
}
