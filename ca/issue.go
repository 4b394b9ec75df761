package ca

import (
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"math/big"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/cloudflare/cfssl/certdb"
	"github.com/cloudflare/cfssl/signer"
	"github.com/cloudflare/cfssl/signer/local"

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

// Issued is a new certificate.
type Issued struct {
	Record
	Certificate *x509.Certificate
	Chain       []byte   // PEM: the certificate, then the issuing CA's
	Notes       []string // what the request asked for and did not get
}

// Issue certifies a key. When it fails after signing, the record of the intent stays.
func (c *CA) Issue(request Request) (*Issued, error) {
	order, err := c.prepare(request)
	if err != nil {
		return nil, fmt.Errorf("cannot issue a %s certificate to %s: %w", request.Profile, request.Identity, err)
	}
	if err := c.keys.warm(c.keys.issuing, c.Issuing); err != nil {
		return nil, err
	}
	var cert *x509.Certificate
	err = c.locked(func() error {
		cert, err = c.fulfil(order)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("cannot issue a %s certificate to %s: %w", request.Profile, request.Identity, err)
	}
	return c.issued(order, cert)
}

func (c *CA) issued(o *order, cert *x509.Certificate) (*Issued, error) {
	records, err := c.Find(hexSerial(o.serial))
	if err != nil {
		return nil, err
	}
	chain := append(pemOf(pemfile.Certificate, cert.Raw), pemOf(pemfile.Certificate, c.Issuing.Raw)...)
	return &Issued{Record: records[0], Certificate: cert, Chain: chain, Notes: o.notes}, nil
}

// order is a request that has been checked.
type order struct {
	profile   Profile
	identity  pki.Identity
	names     []string // subject alternative names: DNS, then the identity
	csr       *x509.CertificateRequest
	ski       []byte
	serial    *big.Int
	notBefore time.Time
	notAfter  time.Time
	notes     []string
	claim     func(*order) error // called once nothing stands against it, before the intent is recorded; nil = nothing to do
}

func (c *CA) prepare(r Request) (*order, error) {
	o := &order{identity: r.Identity}
	for _, step := range []func(Request) error{o.checkProfile, o.checkNames, o.checkCSR, c.notOurKey(o), c.setDates(o)} {
		if err := step(r); err != nil {
			return nil, err
		}
	}
	err := c.clockAheadNow()
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
		return denyf(WrongProfile, "the identity's role is %s, profile %s is for %s", r.Identity.Role, o.profile.Name, o.profile.Role)
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

// checkDNS accepts a host name in the preferred syntax (RFC 1123), lower case, no
// wildcard. It matters: cfssl takes anything else for an address, a mail address or a URI.
func checkDNS(name string) error {
	if len(name) == 0 || len(name) > 253 || net.ParseIP(name) != nil {
		return fmt.Errorf("%q is not a DNS name", name)
	}
	for _, label := range strings.Split(name, ".") {
		if len(label) == 0 || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' || strings.ContainsFunc(label, notLDH) {
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
		return denyf(BadRequest, "the certificate request is signed with %s, which is not allowed", o.csr.SignatureAlgorithm)
	}
	if err := o.csr.CheckSignature(); err != nil {
		return denyf(BadRequest, "the certificate request is not signed by its own key: %w", err)
	}
	if err := checkKey(o.csr.PublicKey); err != nil {
		return deny(BadKey, err)
	}
	if o.ski, err = signer.ComputeSKI(&x509.Certificate{PublicKey: o.csr.PublicKey}); err != nil {
		return err
	}
	return o.compareWishes()
}

var csrSignatures = []x509.SignatureAlgorithm{
	x509.ECDSAWithSHA256, x509.ECDSAWithSHA384, x509.ECDSAWithSHA512,
	x509.SHA256WithRSA, x509.SHA384WithRSA, x509.SHA512WithRSA,
	x509.SHA256WithRSAPSS, x509.SHA384WithRSAPSS, x509.SHA512WithRSAPSS,
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
			o.notes = append(o.notes, fmt.Sprintf("the certificate request asks for the DNS name %q; it is not in the certificate", name))
		}
	}
	if n := len(o.csr.IPAddresses) + len(o.csr.EmailAddresses); n > 0 {
		o.notes = append(o.notes, fmt.Sprintf("the certificate request asks for %d IP or mail addresses; they are not in the certificate", n))
	}
	return nil
}

func (c *CA) notOurKey(o *order) func(Request) error {
	return func(Request) error {
		if c.isKeyOfCA(o.ski) {
			return denyf(KeyTaken, "the key is the CA's own")
		}
		return nil
	}
}

func (c *CA) setDates(o *order) func(Request) error {
	return func(r Request) error {
		days, err := o.profile.days(r.Days)
		if err != nil {
			return err
		}
		o.notBefore = c.now().Add(-backdate)
		// notAfter belongs to the validity (RFC 5280, 4.1.2.5): without the second less it were longer than days.
		o.notAfter = o.notBefore.AddDate(0, 0, days).Add(-time.Second)
		if o.notAfter.After(c.Issuing.NotAfter) {
			return fmt.Errorf("it would end after the issuing CA, which ends on %s: ask for fewer --days, or renew the issuing CA", c.Issuing.NotAfter.Format(time.DateOnly))
		}
		return nil
	}
}

// fulfil records the intent, in the books and in the trace, signs, and lets cfssl complete the record.
func (c *CA) fulfil(o *order) (*x509.Certificate, error) {
	if err := c.mayIssue(o); err != nil {
		return nil, err
	}
	key, err := c.issuingKey()
	if err != nil {
		return nil, err
	}
	sign, err := local.NewSigner(key, c.Issuing, signer.DefaultSigAlgo(key), c.Settings.signing())
	if err != nil {
		return nil, err
	}
	row, err := newRow(o.serial, keyID(c.Issuing), o.notBefore, o.notAfter,
		about{Profile: o.profile.Name, Identity: o.identity.String(), Key: hex.EncodeToString(o.ski)}, o.names)
	if err != nil {
		return nil, err
	}
	if o.claim != nil {
		if err := o.claim(o); err != nil {
			return nil, err
		}
		c.reach("claimed")
	}
	if err := c.store.intend(row); err != nil {
		return nil, err
	}
	if err := c.traceOrder(o); err != nil {
		return nil, err
	}
	c.reach("intended")
	sign.SetDBAccessor(recorder{c.store, c.reach})
	return c.sign(sign, o)
}

// recorder is the store as cfssl sees it while it signs.
type recorder struct {
	*store
	reach func(string)
}

func (r recorder) InsertCertificate(row certdb.CertificateRecord) error {
	r.reach("signed")
	return r.store.InsertCertificate(row)
}

func (c *CA) sign(sign *local.Signer, o *order) (*x509.Certificate, error) {
	text, err := sign.Sign(signer.SignRequest{
		Profile:   o.profile.Name,
		Request:   string(pemOf(pemfile.Request, o.csr.Raw)),
		Hosts:     o.names,
		Subject:   subject(o.identity.Name, o.identity.Practice, string(o.identity.Role)),
		Serial:    o.serial,
		NotBefore: o.notBefore,
		NotAfter:  o.notAfter,
	})
	if err != nil {
		return nil, err
	}
	der, err := pemfile.One(text, pemfile.Certificate)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

// mayIssue asks the books: a revoked issuing CA issues nothing, one key serves one
// identity, and a key once compromised serves none.
func (c *CA) mayIssue(o *order) error {
	own, err := c.store.find("serial_number = ?", c.Issuing.SerialNumber.String())
	if err != nil {
		return err
	}
	for _, r := range own {
		if r.IsCA() && r.Status == Revoked {
			return fmt.Errorf("the issuing CA was revoked on %s (%s)", r.RevokedAt.Format(time.DateOnly), r.Reason)
		}
	}
	return c.keyIsFree(o)
}

func (c *CA) keyIsFree(o *order) error {
	same, err := c.store.find(`json_extract(CAST(metadata AS TEXT), '$.key') = ?`, hex.EncodeToString(o.ski))
	if err != nil {
		return err
	}
	for _, r := range same {
		if r.Identity != o.identity.String() {
			return denyf(KeyTaken, "its key is in certificate %s of %s: one key serves one identity", r.Serial, r.Identity)
		}
		if r.Status == Revoked && (r.reason == KeyCompromise || r.reason == CACompromise) {
			return denyf(KeyTaken, "its key was in certificate %s, revoked for %s: make a new key", r.Serial, r.Reason)
		}
	}
	return nil
}
