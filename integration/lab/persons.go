package lab

import (
	"cmp"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"time"
)

// Person is who a simulated card is made out to. None of them exists.
type Person struct{ ID, Surname, GivenName, Profession string }

// The persons of a lab.
var (
	Doctor = Person{"899700000017", "SPECIMEN", "CAMILLE", "Médecin"}
	Locum  = Person{"899700000025", "SPECIMEN", "DOMINIQUE", "Médecin"}
)

// Persons is the PKI by which the users of terminals prove who they are, of the shape of IGC-Santé's: a root, an
// issuing CA, certificates for cards, which name their person in the subject. It is nobody's but the lab's.
type Persons struct {
	l             *Lab
	root, issuing *personsCA
	serial        int64
}

type personsCA struct {
	cert    *x509.Certificate
	key     crypto.Signer
	number  int64 // of the last list
	revoked []x509.RevocationListEntry
}

// AddPersons lays out the PKI of persons. The gateway and the PdT that are started from then on verify proofs by it.
func (l *Lab) AddPersons() error {
	p := &Persons{l: l, serial: 100}
	var err error
	if p.root, err = newPersonsCA("TEST AC RACINE personnes", nil); err != nil {
		return err
	}
	if p.issuing, err = newPersonsCA("TEST AC personnes", p.root); err != nil {
		return err
	}
	l.Persons = p
	for name, ca := range map[string]*personsCA{"root": p.root, "issuing": p.issuing} {
		if err := p.write(name+".crt", "CERTIFICATE", ca.cert.Raw); err != nil {
			return err
		}
	}
	return p.Publish()
}

var personsPolicy, _ = x509.OIDFromInts([]uint64{1, 3, 6, 1, 4, 1, 32473, 2})

func personsTemplate(serial int64, name string, years int) *x509.Certificate {
	return &x509.Certificate{SerialNumber: big.NewInt(serial), Subject: pkix.Name{Country: []string{"FR"},
		CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(years, 0, 0),
		BasicConstraintsValid: true, Policies: []x509.OID{personsPolicy}}
}

func newPersonsCA(name string, above *personsCA) (*personsCA, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	ca := &personsCA{key: key}
	t := personsTemplate(1, name, 10)
	t.IsCA, t.KeyUsage = true, x509.KeyUsageCertSign|x509.KeyUsageCRLSign
	sum := sha256.Sum256([]byte(name))
	t.SubjectKeyId = sum[:20]
	ca.cert = t
	ca.cert, err = cmp.Or(above, ca).sign(t, key.Public())
	return ca, err
}

func (ca *personsCA) sign(t *x509.Certificate, public crypto.PublicKey) (*x509.Certificate, error) {
	der, err := x509.CreateCertificate(rand.Reader, t, ca.cert, public, ca.key)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

// Certify returns what issues the certificate of authentication of a person's card; changes, unless nil, spoils it.
func (p *Persons) Certify(who Person, changes func(*x509.Certificate)) func(crypto.PublicKey) (*x509.Certificate,
	error) {
	return func(public crypto.PublicKey) (*x509.Certificate, error) {
		p.serial++
		t := personsTemplate(p.serial, "", 3)
		subject, err := asn1.Marshal(who.subject())
		if err != nil {
			return nil, err
		}
		t.RawSubject, t.KeyUsage = subject, x509.KeyUsageDigitalSignature
		t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
		t.UnknownExtKeyUsage = []asn1.ObjectIdentifier{{1, 3, 6, 1, 4, 1, 311, 20, 2, 2}} // smartcardLogon
		if changes != nil {
			changes(t)
		}
		return p.issuing.sign(t, public)
	}
}

// subject returns C, title, and the rest in one relative name of several values, as IGC-Santé has it.
func (who Person) subject() pkix.RDNSequence {
	one := func(last int, value string) pkix.AttributeTypeAndValue {
		return pkix.AttributeTypeAndValue{Type: asn1.ObjectIdentifier{2, 5, 4, last}, Value: value}
	}
	return pkix.RDNSequence{{one(6, "FR")}, {one(12, who.Profession)},
		{one(4, who.Surname), one(3, who.ID), one(42, who.GivenName)}}
}

// Revoke revokes the certificate of a card. Programs know it once they have read the list again.
func (p *Persons) Revoke(cert *x509.Certificate) error {
	p.issuing.revoked = append(p.issuing.revoked, x509.RevocationListEntry{SerialNumber: cert.SerialNumber,
		RevocationTime: time.Now().Add(-time.Minute), ReasonCode: 1})
	return p.Publish()
}

// Publish writes the lists of both CAs.
func (p *Persons) Publish() error {
	err := p.publish("root", p.root, 24*time.Hour)
	if err == nil {
		err = p.PublishFor(24 * time.Hour)
	}
	return err
}

// PublishFor writes the list of the issuing CA, which ends after that time; it may have ended already.
func (p *Persons) PublishFor(d time.Duration) error { return p.publish("issuing", p.issuing, d) }

func (p *Persons) publish(name string, ca *personsCA, d time.Duration) error {
	ca.number++
	der, err := x509.CreateRevocationList(rand.Reader, &x509.RevocationList{Number: big.NewInt(ca.number),
		ThisUpdate: time.Now().Add(-time.Minute), NextUpdate: time.Now().Add(d),
		RevokedCertificateEntries: ca.revoked}, ca.cert, ca.key)
	if err != nil {
		return err
	}
	return p.write(name+".crl", "X509 CRL", der)
}

func (p *Persons) path(name string) string { return p.l.Path("persons-" + name) }

// write replaces a file in one step: a program may read it at any moment.
func (p *Persons) write(name, kind string, der []byte) error {
	path := p.path(name)
	if err := os.WriteFile(path+".new", pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o644); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// Section returns the section persons of a configuration.
func (p *Persons) Section() string {
	return fmt.Sprintf(`persons:
  anchors: [{file: %s}]
  intermediates: [%s]
  crls: [%s, %s]
  mapping: {identifier: CN, form: "8[0-9]{11}", profession: title}
`, p.path("root.crt"), p.path("issuing.crt"), p.path("issuing.crl"), p.path("root.crl"))
}
