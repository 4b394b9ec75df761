package ca

import (
	"bytes"
	"crypto/rand"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"math/big"
	"net"
	"slices"
	"strings"
	"time"

	"tlagate/ca/certify"
	"tlagate/pemfile"
	"tlagate/pki"
)

// Request says what certificate is wanted.
type Request struct {
	Profile  string       // a name of Profiles
	Identity pki.Identity // of the profile's role
	DNS      []string     // names of a server; a client has none
	CSR      []byte       // PEM or DER; only its public key is used
	Days     int          // lifetime; 0 = the profile's default
}

// order is a request that has been checked.
type order struct {
	profile   profile
	identity  pki.Identity
	names     []string // subject alternative names: DNS, then the identity
	csr       *x509.CertificateRequest
	ski       []byte
	serial    *big.Int
	notBefore time.Time
	notAfter  time.Time
	notes     []string
	// called when all checks have passed, before the intent is recorded; nil = nothing to do
	claim func(*order) error
}

// prepare checks a request and returns it as an order, with a serial number and dates.
func (c *Certificates) prepare(r Request) (*order, error) {
	o := &order{identity: r.Identity}
	steps := []func(Request) error{o.checkProfile, o.checkNames, o.checkCSR, c.notOurKey(o), c.setDates(o)}
	for _, step := range steps {
		if err := step(r); err != nil {
			return nil, err
		}
	}
	err := c.clock.notAhead()
	if err != nil {
		return nil, err
	}
	o.serial, err = newSerial()
	return o, err
}

func (o *order) checkProfile(r Request) (err error) {
	if o.profile, err = profileNamed(r.Profile); err != nil {
		return deny(WrongProfile, err)
	}
	if r.Identity.Role != o.profile.Role {
		return denyf(WrongProfile, "the identity's role is %s, profile %s is for %s", r.Identity.Role, o.profile.Name,
			o.profile.Role)
	}
	_, err = pki.ParseIdentity(r.Identity.String())
	return err
}

func (o *order) checkNames(r Request) error {
	switch {
	case o.profile.Server && len(r.DNS) == 0:
		return fmt.Errorf("a server needs at least one DNS name")
	case !o.profile.Server && len(r.DNS) > 0:
		return fmt.Errorf("profile %s has no DNS names, only a server has", o.profile.Name)
	}
	for _, name := range r.DNS {
		if err := checkDNS(name); err != nil {
			return err
		}
	}
	if !o.profile.isOCSP() {
		o.names = append(slices.Clone(r.DNS), r.Identity.String())
	}
	return nil
}

// checkDNS accepts a host name in the preferred syntax (RFC 1123), in lower case and without wildcards. It matters:
// cfssl takes anything else for an address, a mail address or a URI.
func checkDNS(name string) error {
	if len(name) == 0 || len(name) > 253 || net.ParseIP(name) != nil {
		return fmt.Errorf("%q is not a DNS name", name)
	}
	for _, label := range strings.Split(name, ".") {
		if len(label) == 0 || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' ||
			strings.ContainsFunc(label, notLDH) {
			return fmt.Errorf("%q is not a DNS name: %q is not 1 to 63 of a-z 0-9 -, nor - at an end", name, label)
		}
	}
	return nil
}

func notLDH(r rune) bool {
	return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-'
}

func (o *order) checkCSR(r Request) (err error) {
	if o.csr, err = parseCSR(r.CSR); err != nil {
		return deny(BadRequest, err)
	}
	if !slices.Contains(csrSignatures, o.csr.SignatureAlgorithm) {
		return denyf(BadRequest, "the certificate request is signed with %s, which is not allowed",
			o.csr.SignatureAlgorithm)
	}
	if err := o.csr.CheckSignature(); err != nil {
		return denyf(BadRequest, "the certificate request is not signed by its own key: %w", err)
	}
	if err := checkKey(o.csr.PublicKey); err != nil {
		return deny(BadKey, err)
	}
	if o.ski, err = certify.KeyID(o.csr.PublicKey); err != nil {
		return err
	}
	return o.compareWishes()
}

var csrSignatures = []x509.SignatureAlgorithm{
	x509.ECDSAWithSHA256, x509.ECDSAWithSHA384, x509.ECDSAWithSHA512,
	x509.SHA256WithRSA, x509.SHA384WithRSA, x509.SHA512WithRSA,
	x509.SHA256WithRSAPSS, x509.SHA384WithRSAPSS, x509.SHA512WithRSAPSS,
}

// KeyOf returns the subject key identifier of a certificate request's key, hexadecimal, as Check does.
func KeyOf(csr []byte) (string, error) {
	request, err := parseCSR(csr)
	if err != nil {
		return "", err
	}
	id, err := certify.KeyID(request.PublicKey)
	return hex.EncodeToString(id), err
}

func parseCSR(raw []byte) (*x509.CertificateRequest, error) {
	der, err := pemfile.One(raw, pemfile.Request, "NEW CERTIFICATE REQUEST")
	if err != nil {
		return nil, fmt.Errorf("the certificate request cannot be read: %w", err)
	}
	csr, err := x509.ParseCertificateRequest(der)
	if err != nil {
		return nil, fmt.Errorf("the certificate request cannot be read: %w", err)
	}
	return csr, nil
}

// compareWishes refuses a request that names another component: it is most likely
// the wrong file. Other wishes are noted and not granted.
func (o *order) compareWishes() error {
	for _, u := range o.csr.URIs {
		if wish := u.String(); strings.HasPrefix(wish, "urn:tlagate:") && wish != o.identity.String() {
			return denyf(BadRequest, "the certificate request is of %q: is it the right file?", wish)
		}
	}
	for _, name := range o.csr.DNSNames {
		if !slices.Contains(o.names, name) {
			o.notes = append(o.notes,
				fmt.Sprintf("the certificate request asks for the DNS name %q; it is not in the certificate", name))
		}
	}
	if n := len(o.csr.IPAddresses) + len(o.csr.EmailAddresses); n > 0 {
		o.notes = append(o.notes,
			fmt.Sprintf("the certificate request asks for %d IP or mail addresses; they are not in the certificate", n))
	}
	return nil
}

func (c *Certificates) notOurKey(o *order) func(Request) error {
	return func(Request) error {
		if bytes.Equal(o.ski, c.root.cert.SubjectKeyId) || bytes.Equal(o.ski, c.issuing.cert.SubjectKeyId) {
			return denyf(KeyTaken, "the key is the CA's own")
		}
		return nil
	}
}

func (c *Certificates) setDates(o *order) func(Request) error {
	return func(r Request) error {
		days, err := o.profile.days(r.Days)
		if err != nil {
			return err
		}
		o.notBefore = c.now().Add(-backdate)
		// notAfter belongs to the validity (RFC 5280, 4.1.2.5): without the second less it were longer than days.
		o.notAfter = o.notBefore.AddDate(0, 0, days).Add(-time.Second)
		if end := c.issuing.cert.NotAfter; o.notAfter.After(end) {
			return fmt.Errorf("it would end after the issuing CA, which ends on %s: "+
				"ask for fewer --days, or renew the issuing CA", end.Format(time.DateOnly))
		}
		return nil
	}
}

const serialSize = 16 // octets of a serial number

// newSerial returns a positive number whose bits are all random but the first two.
func newSerial() (*big.Int, error) {
	octets := make([]byte, serialSize)
	if _, err := rand.Read(octets); err != nil {
		return nil, err
	}
	octets[0] = octets[0]&0x7f | 0x40
	return new(big.Int).SetBytes(octets), nil
}
