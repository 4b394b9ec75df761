package ca

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"tlagate/pemfile"
	"tlagate/pki"
)

// EnrolProfile gives the profile a label of EST names, for a role: "" is the role's client profile. The error is a *Denied.
func EnrolProfile(role pki.Role, label string) (Profile, error) {
	for _, p := range Profiles {
		if p.Role == role && (p.Name == label || label == "" && p.Usage == clientAuth) {
			return p, nil
		}
	}
	return Profile{}, denyf(WrongProfile, "a %s has no profile %q", role, label)
}

// CheckCode says whose a code is, by the hash of its secret, if it still enrols somebody or something; it changes nothing.
// The error is a *Denied, or a failure.
func (c *CA) CheckCode(hash [sha256.Size]byte) (pki.Identity, error) {
	i, err := c.invitationOf(hash)
	if err != nil {
		return pki.Identity{}, err
	}
	return pki.ParseIdentity(i.Identity)
}

func (c *CA) invitationOf(hash [sha256.Size]byte) (Invitation, error) {
	found, err := c.store.invitations("secret_hash = ? AND withdrawn_at IS NULL", hash[:])
	switch {
	case err != nil:
		return Invitation{}, err
	case len(found) == 0:
		return Invitation{}, denyf(CodeUnknown, "there is no such code, or it was withdrawn: ask for another")
	case c.now().After(found[0].Expiry):
		return found[0], denyf(CodeExpired, "the code ended at %s: ask for another", found[0].Expiry.Format("2006-01-02 15:04 MST"))
	}
	return found[0], nil
}

// Enrol certifies the key of a request (PKCS#10) for whom a code invites, known by the hash of its secret. A code is used once:
// by one key for one profile, over all programs that have the CA open. The same key gets the same certificate again while
// the code lasts. Errors that are no *Denied are failures of the CA.
func (c *CA) Enrol(hash [sha256.Size]byte, label string, csr []byte) (issued *Issued, err error) {
	if _, err := c.invitationOf(hash); err != nil { // who only guesses never waits for the lock, nor makes others wait
		return nil, err
	}
	err = c.locked(func() error {
		issued, err = c.enrol(hash, label, csr)
		return err
	})
	return issued, err
}

func (c *CA) enrol(hash [sha256.Size]byte, label string, csr []byte) (*Issued, error) {
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
	o.claim = func(o *order) error { return c.store.claim(i.ID, o, hex.EncodeToString(o.ski), c.now()) }
	return c.deliver(o)
}

func (c *CA) orderOf(i Invitation, label string, csr []byte) (*order, error) {
	id, err := pki.ParseIdentity(i.Identity)
	if err != nil {
		return nil, err
	}
	p, err := EnrolProfile(id.Role, label)
	if err != nil {
		return nil, err
	}
	request := Request{Profile: p.Name, Identity: id, CSR: csr}
	if p.Server {
		request.DNS = i.DNS
	}
	return c.prepare(request)
}

// again gives the certificate that a used code brought, to the same key. Nothing and no error: the program died before it
// was there.
func (c *CA) again(i Invitation, o *order) (*Issued, error) {
	if i.Key != hex.EncodeToString(o.ski) || i.Profile != o.profile.Name {
		return nil, denyf(CodeUsed, "the code was used at %s: ask for another", i.UsedAt.Format("2006-01-02 15:04 MST"))
	}
	found, err := c.store.find("serial_number = ? AND authority_key_identifier = ?", i.serial, keyID(c.Issuing))
	if err != nil || len(found) == 0 || found[0].Status == Intent {
		return nil, err
	}
	if found[0].Status != Good || found[0].Expired(c.now()) {
		return nil, denyf(CodeUsed, "the code was used, and its certificate is no longer good: ask for another")
	}
	return c.reissue(found[0])
}

func (c *CA) reissue(r Record) (*Issued, error) {
	der, err := pemfile.One([]byte(r.PEM), pemfile.Certificate)
	if err != nil {
		return nil, fmt.Errorf("cannot read certificate %s in the books: %w", r.Serial, err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("cannot read certificate %s in the books: %w", r.Serial, err)
	}
	chain := append([]byte(r.PEM), pemOf(pemfile.Certificate, c.Issuing.Raw)...)
	return &Issued{Record: r, Certificate: cert, Chain: chain}, nil
}

func (c *CA) deliver(o *order) (*Issued, error) {
	cert, err := c.fulfil(o)
	if err != nil {
		return nil, err
	}
	return c.issued(o, cert)
}

// Reenrol certifies the key of a request for the identity of one of our client certificates, whose owner has proved that it
// holds its key. label "" is the certificate's own profile; a server's names are those it has (see serverNames). Errors that are no *Denied
// are failures of the CA.
func (c *CA) Reenrol(cert *x509.Certificate, label string, csr []byte) (issued *Issued, err error) {
	err = c.locked(func() error {
		issued, err = c.reenrol(cert, label, csr)
		return err
	})
	return issued, err
}

func (c *CA) reenrol(cert *x509.Certificate, label string, csr []byte) (*Issued, error) {
	by, err := c.entitled(cert)
	if err != nil {
		return nil, err
	}
	id, err := pki.ParseIdentity(by.Identity)
	if err != nil {
		return nil, err
	}
	p, err := EnrolProfile(id.Role, or(label, by.Profile))
	if err != nil {
		return nil, err
	}
	request := Request{Profile: p.Name, Identity: id, CSR: csr}
	if p.Server {
		if request.DNS, err = c.serverNames(id, p); err != nil {
			return nil, err
		}
	}
	o, err := c.prepare(request)
	if err != nil {
		return nil, err
	}
	return c.deliver(o)
}

// entitled asks the books about the certificate that renews: they know a revocation before any list does.
func (c *CA) entitled(cert *x509.Certificate) (Record, error) {
	found, err := c.ours(cert)
	if err != nil {
		return Record{}, deny(CertificateRefused, err)
	}
	r, now := found[0], c.now()
	p, err := profileNamed(r.Profile)
	switch {
	case r.Issuer != keyID(c.Issuing) || err != nil || p.Usage != clientAuth:
		return r, denyf(CertificateRefused, "certificate %s is not a client certificate of this CA", r.Serial)
	case r.Status == Revoked:
		return r, denyf(CertificateRefused, "certificate %s was revoked on %s (%s)", r.Serial, r.RevokedAt.Format("2006-01-02"), r.Reason)
	case now.Before(r.NotBefore) || r.Expired(now):
		return r, denyf(CertificateRefused, "certificate %s is valid from %s to %s", r.Serial, r.NotBefore, r.NotAfter)
	}
	return r, nil
}

// serverNames gives the DNS names of a server's next certificate. While the last one is on hold there are none: that would be
// a way around the hold.
func (c *CA) serverNames(id pki.Identity, p Profile) ([]string, error) {
	last, names, err := c.lastNames(id, p)
	switch {
	case err != nil:
		return nil, err
	case last != nil && last.Held():
		return nil, denyf(CertificateRefused, "%s certificate %s is on hold", p.Name, last.Serial)
	case len(names) == 0:
		return nil, denyf(WrongProfile, "no DNS name of %s is known: invite it with one, or issue its first %s certificate", id, p.Name)
	}
	return names, nil
}

// lastNames gives the last certificate of a server profile, if there is one, and the identity's DNS names: that certificate's, or
// those of the last invitation that was used, whichever is newer.
func (c *CA) lastNames(id pki.Identity, p Profile) (last *Record, names []string, err error) {
	all, err := c.lookup(id.String())
	if err != nil {
		return nil, nil, err
	}
	used, err := c.store.invitations("identity = ? AND used_at IS NOT NULL AND dns <> '[]'", id.String())
	if err != nil {
		return nil, nil, err
	}
	var since time.Time
	for _, r := range all {
		if r.Profile == p.Name {
			last, names, since = &r, dnsOf(r.Names), r.NotBefore.Add(backdate)
		}
	}
	if n := len(used); n > 0 && used[n-1].UsedAt.After(since) {
		names = used[n-1].DNS
	}
	return last, names, nil
}

// dnsOf leaves out the identity.
func dnsOf(names []string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(n string) bool { return strings.HasPrefix(n, "urn:") })
}

// DeniedFor gives the word of a *Denied, "" of any other error.
func DeniedFor(err error) Word {
	if d, ok := errors.AsType[*Denied](err); ok {
		return d.Word
	}
	return ""
}
