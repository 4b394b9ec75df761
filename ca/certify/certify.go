// Package certify makes certificates with cfssl's local signer. It is the only package that knows cfssl; its caller
// decides what a certificate may contain.
package certify

import (
	"crypto"
	"crypto/x509"
	"encoding/asn1"
	"encoding/hex"
	"encoding/pem"
	"math/big"
	"time"

	"github.com/cloudflare/cfssl/config"
	"github.com/cloudflare/cfssl/csr"
	"github.com/cloudflare/cfssl/log"
	"github.com/cloudflare/cfssl/signer"
	"github.com/cloudflare/cfssl/signer/local"

	"tlagate/internal/der"
	"tlagate/pemfile"
)

// Certifier signs certificates with the key of one CA.
type Certifier interface {
	Certify(Order) (*x509.Certificate, error)
}

// Order says what certificate to make. Nothing but the key identifiers is added to what it says.
type Order struct {
	Profile   Profile
	Request   []byte // PKCS#10, DER; only its public key is used
	Subject   Subject
	Names     []string // subject alternative names: DNS names in the preferred syntax, URIs
	Serial    *big.Int
	NotBefore time.Time
	NotAfter  time.Time
}

// Subject is a certificate's subject.
type Subject struct {
	CommonName   string
	Organisation string
	Units        []string
}

// Profile is what certificates of one kind have in common.
type Profile struct {
	Usages   []string // key usages and extended ones, as cfssl names them
	CA       bool
	PathLen  int // of a CA: how many CAs may follow it
	Policies []asn1.ObjectIdentifier
	CRL      string // URL; "" = not named, and so below
	OCSP     string
	Issuer   string // of the issuer's certificate
	NoCheck  bool   // for a responder: nobody need ask for the certificate's own status
}

// New returns a certifier for the key and certificate of a CA. Without a certificate it makes the key's own, a root's.
func New(key crypto.Signer, cert *x509.Certificate) Certifier { return certifier{key, cert} }

type certifier struct {
	key  crypto.Signer
	cert *x509.Certificate
}

// Certify signs a certificate.
func (c certifier) Certify(o Order) (*x509.Certificate, error) {
	request := o.request()
	profile := o.Profile.cfssl()
	if c.cert == nil {
		if err := nameItself(c.key.Public(), profile, &request); err != nil {
			return nil, err
		}
	}
	// The default profile is empty on purpose: cfssl fills what a profile leaves out from there.
	policy := &config.Signing{Default: &config.SigningProfile{Expiry: time.Hour},
		Profiles: map[string]*config.SigningProfile{request.Profile: profile}}
	sign, err := local.NewSigner(c.key, c.cert, signer.DefaultSigAlgo(c.key), policy)
	if err != nil {
		return nil, err
	}
	text, err := sign.Sign(request)
	if err != nil {
		return nil, err
	}
	der, err := pemfile.One(text, pemfile.Certificate)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

func (o Order) request() signer.SignRequest {
	names := []csr.Name{{O: o.Subject.Organisation}}
	for _, unit := range o.Subject.Units {
		names = append(names, csr.Name{OU: unit})
	}
	return signer.SignRequest{
		Profile:   "ordered",
		Request:   string(pem.EncodeToMemory(&pem.Block{Type: pemfile.Request, Bytes: o.Request})),
		Subject:   &signer.Subject{CN: o.Subject.CommonName, Names: names},
		Hosts:     o.Names,
		Serial:    o.Serial,
		NotBefore: o.NotBefore,
		NotAfter:  o.NotAfter,
	}
}

func (p Profile) cfssl() *config.SigningProfile {
	out := &config.SigningProfile{
		Usage: p.Usages,
		CRL:   p.CRL,
		OCSP:  p.OCSP,
		// What a request may decide. (The signature algorithm is cfssl's word for the signer's own.)
		CSRWhitelist: &config.CSRWhitelist{PublicKey: true, PublicKeyAlgorithm: true, SignatureAlgorithm: true},
		OCSPNoCheck:  p.NoCheck,
		CAConstraint: config.CAConstraint{IsCA: p.CA, MaxPathLen: p.PathLen, MaxPathLenZero: p.CA && p.PathLen == 0},

		ClientProvidesSerialNumbers: true,
	}
	for _, oid := range p.Policies {
		out.Policies = append(out.Policies, config.CertificatePolicy{ID: config.OID(oid)})
	}
	if p.Issuer != "" {
		out.IssuerURL = []string{p.Issuer}
	}
	return out
}

// nameItself returns a root an authority key identifier of its own key (RFC 5280, 4.2.1.1), which is not cfssl's to
// fill in.
func nameItself(pub crypto.PublicKey, profile *config.SigningProfile, request *signer.SignRequest) error {
	ski, err := KeyID(pub)
	if err != nil {
		return err
	}
	value, err := asn1.Marshal(struct {
		KeyID []byte `asn1:"tag:0"`
	}{ski})
	profile.ExtensionWhitelist = map[string]bool{der.AuthorityKeyIdentifier.String(): true}
	request.Extensions = []signer.Extension{{ID: config.OID(der.AuthorityKeyIdentifier),
		Value: hex.EncodeToString(value)}}
	return err
}

// KeyID returns the subject key identifier that a certificate of this key has.
func KeyID(pub crypto.PublicKey) ([]byte, error) {
	return signer.ComputeSKI(&x509.Certificate{PublicKey: pub})
}

// cfssl logs to stderr by itself. What matters of that is also in the errors that it returns, and its debug level names
// key material, which must not be written anywhere.
func init() {
	log.Level = log.LevelFatal
	log.SetLogger(silence{})
}

type silence struct{}

func (silence) Debug(string)   {}
func (silence) Info(string)    {}
func (silence) Warning(string) {}
func (silence) Err(string)     {}
func (silence) Crit(string)    {}
func (silence) Emerg(string)   {}
