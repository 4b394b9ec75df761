package pkitest

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"sync"
	"testing"
)

// Person is who a card is made out to, as IGC-Santé's certificates name them.
type Person struct {
	ID         string // national identifier: 8 and the RPPS number
	Surname    string
	GivenName  string
	Profession string
}

// Doctor is a person who does not exist.
var Doctor = Person{ID: "899700000017", Surname: "SPECIMEN", GivenName: "CAMILLE", Profession: "Médecin"}

// The URLs that a person's certificate names, of which only the second can be fetched.
const (
	PersonsLDAP = "ldap://annuaire.example/cn=TEST%20persons,o=tests,c=FR?certificateRevocationList;binary?base"
	PersonsHTTP = "http://igc.example/CRL/persons.crl"
)

// NewPersons makes a PKI of the shape of IGC-Santé: a root, an intermediate CA, keys of RSA-2048 (IGC-Santé's CAs have
// longer ones, which take long to make).
func NewPersons(t testing.TB) *PKI {
	t.Helper()
	root := NewRoot(t, "TEST AC RACINE persons", rsaKeyOf("root"))
	return &PKI{Root: root, Issuing: root.Sub("TEST AC persons", rsaKeyOf("issuing")), t: t}
}

// IssuePerson makes the certificate of authentication of a card. The chain is the leaf alone: issuers are configured.
func (ca *CA) IssuePerson(p Person, opts ...Option) tls.Certificate {
	ca.t.Helper()
	s := baseSpec("", 3*year)
	s.tmpl.KeyUsage = x509.KeyUsageDigitalSignature
	s.tmpl.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	s.tmpl.UnknownExtKeyUsage = []asn1.ObjectIdentifier{smartcardLogon}
	s.tmpl.CRLDistributionPoints = []string{PersonsLDAP, PersonsHTTP}
	cert, key := s.make(ca.t, ca, append([]Option{rsaKeyOf("person " + p.ID), p.Named()}, opts...))
	return tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key, Leaf: cert}
}

var smartcardLogon = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 20, 2, 2}

// The attributes of a person's subject.
var (
	oidCountry   = asn1.ObjectIdentifier{2, 5, 4, 6}
	OIDTitle     = asn1.ObjectIdentifier{2, 5, 4, 12}
	oidSurname   = asn1.ObjectIdentifier{2, 5, 4, 4}
	oidGivenName = asn1.ObjectIdentifier{2, 5, 4, 42}
	OIDName      = asn1.ObjectIdentifier{2, 5, 4, 3}
)

// subject returns C, title, and the rest in one relative name of several values.
func (p Person) subject() []pkix.RelativeDistinguishedNameSET {
	one := func(id asn1.ObjectIdentifier, value string) pkix.AttributeTypeAndValue {
		return pkix.AttributeTypeAndValue{Type: id, Value: value}
	}
	return []pkix.RelativeDistinguishedNameSET{{one(oidCountry, "FR")}, {one(OIDTitle, p.Profession)},
		{one(oidSurname, p.Surname), one(OIDName, p.ID), one(oidGivenName, p.GivenName)}}
}

// Subject replaces the subject.
func Subject(names ...pkix.RelativeDistinguishedNameSET) Option {
	return func(t testing.TB, s *spec) { s.tmpl.RawSubject = marshal(t, pkix.RDNSequence(names)) }
}

// Named names another person.
func (p Person) Named() Option { return Subject(p.subject()...) }

// AlsoNamed puts another attribute behind a person's subject.
func (p Person) AlsoNamed(id asn1.ObjectIdentifier, value any) Option {
	return Subject(append(p.subject(), pkix.RelativeDistinguishedNameSET{{Type: id, Value: value}})...)
}

// EKUOID replaces the extended key usages that crypto/x509 has no name for.
func EKUOID(usages ...asn1.ObjectIdentifier) Option {
	return Template(func(c *x509.Certificate) { c.UnknownExtKeyUsage = usages })
}

// rsaKeys are the keys of persons' chains, by what they are for: they take long to make, and no test needs two alike.
var rsaKeys struct {
	sync.Mutex
	of map[string]crypto.Signer
}

func rsaKeyOf(use string) Option {
	return func(t testing.TB, s *spec) {
		rsaKeys.Lock()
		defer rsaKeys.Unlock()
		if rsaKeys.of == nil {
			rsaKeys.of = map[string]crypto.Signer{}
		}
		if rsaKeys.of[use] == nil {
			rsaKeys.of[use] = newRSA(t, 2048)
		}
		s.key = rsaKeys.of[use]
	}
}
