package ca

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"fmt"

	"tlagate/ca/store"
	"tlagate/pemfile"
	"tlagate/pki"
)

// Enrolment is what devices ask for over EST, with a code or with a certificate. Errors that are no *Denied are
// failures of the CA.
type Enrolment struct {
	*core
	certificates *Certificates
}

func newEnrolment(k *core, certificates *Certificates) *Enrolment { return &Enrolment{k, certificates} }

// enrolProfile returns the profile that a label of EST names, for a role: "" is the role's client profile. What signs
// bundles is not enrolled: an administrator alone must not be able to speak to every device. The error is a *Denied.
func enrolProfile(role pki.Role, label string) (profile, error) {
	for _, p := range profiles {
		if p.Role == role && p.Usage != codeSigning && (p.Name == label || label == "" && p.Usage == clientAuth) {
			return p, nil
		}
	}
	return profile{}, denyf(WrongProfile, "a %s has no profile %q", role, label)
}

// CheckCode returns the identity that a code is for, if it may still be used. The code is known by the hash of its
// secret. CheckCode changes nothing.
func (c *Enrolment) CheckCode(hash [sha256.Size]byte) (pki.Identity, error) {
	i, err := c.invitationOf(hash)
	if err != nil {
		return pki.Identity{}, err
	}
	return pki.ParseIdentity(i.Identity)
}

func (c *Enrolment) invitationOf(hash [sha256.Size]byte) (store.Invitation, error) {
	found, err := c.store.Invitations().WithHash(hash)
	switch {
	case err != nil:
		return store.Invitation{}, err
	case len(found) == 0:
		return store.Invitation{}, denyf(CodeUnknown, "there is no such code, or it was withdrawn: ask for another")
	case c.now().After(found[0].Expiry):
		return found[0], denyf(CodeExpired, "the code ended at %s: ask for another",
			found[0].Expiry.Format("2006-01-02 15:04 MST"))
	}
	return found[0], nil
}

// Enrol certifies the key of a request (PKCS#10) for the identity that a code, known by the hash of its secret,
// invites. A code is used once, by one key for one profile, across all programs that have the CA open. The same key
// gets the same certificate again while the code lasts.
func (c *Enrolment) Enrol(hash [sha256.Size]byte, label string, csr []byte) (issued *Issued, err error) {
	// a guessed code never waits for the lock, nor makes others wait
	if _, err := c.invitationOf(hash); err != nil {
		return nil, err
	}
	err = c.locks.books(func() error {
		issued, err = c.enrol(hash, label, csr)
		return err
	})
	return issued, err
}

func (c *Enrolment) enrol(hash [sha256.Size]byte, label string, csr []byte) (*Issued, error) {
	i, err := c.invitationOf(hash)
	if err != nil {
		return nil, err
	}
	o, err := c.orderOf(i, label, csr)
	if err != nil {
		return nil, err
	}
	if i.UsedAt != nil {
		if again, err := c.again(i, o); again != nil || err != nil {
			return again, err
		}
	}
	o.claim = func(o *order) error { return c.claim(i, o) }
	return c.certificates.deliver(o)
}

func (c *Enrolment) claim(i store.Invitation, o *order) error {
	use := store.Claim{Key: hex.EncodeToString(o.ski), Profile: o.profile.Name, Serial: o.serial}
	return c.store.Invitations().Claim(i.ID, use, c.now(), denyf(CodeUsed, "the code was used meanwhile"))
}

func (c *Enrolment) orderOf(i store.Invitation, label string, csr []byte) (*order, error) {
	id, err := pki.ParseIdentity(i.Identity)
	if err != nil {
		return nil, err
	}
	p, err := enrolProfile(id.Role, label)
	if err != nil {
		return nil, err
	}
	request := Request{Profile: p.Name, Identity: id, CSR: csr}
	if p.Server {
		request.DNS = i.DNS
	}
	return c.certificates.prepare(request)
}

// again returns the certificate that a used code brought, if the key is the same. It returns nil without an error if
// the program died before there was a certificate.
func (c *Enrolment) again(i store.Invitation, o *order) (*Issued, error) {
	if i.Key != hex.EncodeToString(o.ski) || i.Profile != o.profile.Name {
		return nil, denyf(CodeUsed, "the code was used at %s: ask for another", i.UsedAt.Format("2006-01-02 15:04 MST"))
	}
	found, err := c.store.Invitations().Certificate(i, c.issuing.id())
	if err != nil || len(found) == 0 || found[0].Status == store.Intent {
		return nil, err
	}
	if found[0].Status != store.Good || found[0].Expired(c.now()) {
		return nil, denyf(CodeUsed, "the code was used, and its certificate is no longer good: ask for another")
	}
	return c.reissue(found[0])
}

func (c *Enrolment) reissue(r store.Record) (*Issued, error) {
	cert, err := ParseCertificate([]byte(r.PEM))
	if err != nil {
		return nil, fmt.Errorf("cannot read certificate %s in the books: %w", r.Serial, err)
	}
	chain := append([]byte(r.PEM), pemOf(pemfile.Certificate, c.issuing.cert.Raw)...)
	return &Issued{Record: r, Certificate: cert, Chain: chain}, nil
}

// Reenrol certifies the key of a request for the identity of one of our client certificates, whose owner has proved
// that it has the key. label "" is the certificate's own profile; a server keeps its names (see serverNames).
func (c *Enrolment) Reenrol(cert *x509.Certificate, label string, csr []byte) (issued *Issued, err error) {
	err = c.locks.books(func() error {
		issued, err = c.reenrol(cert, label, csr)
		return err
	})
	return issued, err
}

func (c *Enrolment) reenrol(cert *x509.Certificate, label string, csr []byte) (*Issued, error) {
	by, err := c.entitled(cert)
	if err != nil {
		return nil, err
	}
	id, err := pki.ParseIdentity(by.Identity)
	if err != nil {
		return nil, err
	}
	p, err := enrolProfile(id.Role, or(label, by.Profile))
	if err != nil {
		return nil, err
	}
	request := Request{Profile: p.Name, Identity: id, CSR: csr}
	if p.Server {
		if request.DNS, err = c.serverNames(id, p); err != nil {
			return nil, err
		}
	}
	o, err := c.certificates.prepare(request)
	if err != nil {
		return nil, err
	}
	return c.certificates.deliver(o)
}

// entitled looks in the books for the certificate that renews: they have a revocation before any list has.
func (c *Enrolment) entitled(cert *x509.Certificate) (store.Record, error) {
	r, err := c.ours(cert)
	if err != nil {
		return r, deny(CertificateRefused, err)
	}
	now := c.now()
	p, err := profileNamed(r.Profile)
	switch {
	case err != nil || p.Usage != clientAuth: // it may be of the CA before ours
		return r, denyf(CertificateRefused, "certificate %s is not a client certificate of this CA", r.Serial)
	case r.Status == store.Revoked:
		return r, denyf(CertificateRefused, "certificate %s was revoked on %s (%s)",
			r.Serial, r.RevokedAt.Format("2006-01-02"), r.Reason)
	case now.Before(r.NotBefore) || r.Expired(now):
		return r, denyf(CertificateRefused, "certificate %s is valid from %s to %s", r.Serial, r.NotBefore, r.NotAfter)
	}
	return r, nil
}

// serverNames returns the DNS names of a server's next certificate. While the last one is on hold there are none: that
// would be a way around the hold.
func (c *Enrolment) serverNames(id pki.Identity, p profile) ([]string, error) {
	last, names, err := c.lastNames(id, p)
	switch {
	case err != nil:
		return nil, err
	case last != nil && last.Held():
		return nil, denyf(CertificateRefused, "%s certificate %s is on hold", p.Name, last.Serial)
	case len(names) == 0:
		return nil, denyf(WrongProfile, "no DNS name of %s is known: "+
			"invite it with one, or issue its first %s certificate", id, p.Name)
	}
	return names, nil
}
