package cardsim

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"time"
)

// object is a PIV data object as GET DATA returns it.
type object struct {
	content  []byte
	needsPIN bool
}

// personalise makes keys, certificates and objects.
func (c *CPS) personalise(cfg CPSConfig) error {
	keys, err := newKeys(cfg.Key)
	if err != nil {
		return fmt.Errorf("cannot make the keys of a simulated CPS: %w", err)
	}
	c.keys = keys
	if err := c.certify(cfg); err != nil {
		return fmt.Errorf("cannot make the certificates of a simulated CPS: %w", err)
	}
	c.objects = pivObjects(cfg.Serial, keys)
	return nil
}

// Issuer returns the throw-away CA of this card's certificates, but for one that [CPSConfig] has another issue.
func (c *CPS) Issuer() *x509.Certificate { return c.issuer }

// Certificate returns a key's (KeyAuthentication …); nil when there is none.
func (c *CPS) Certificate(ref byte) *x509.Certificate {
	if k := c.keys[ref]; k != nil {
		return k.cert
	}
	return nil
}

func (c *CPS) certify(cfg CPSConfig) (err error) {
	ca, err := newIssuer(cfg.Serial)
	if err != nil {
		return err
	}
	c.issuer = ca.cert
	for ref, k := range c.keys {
		if ref == KeyAuthentication && cfg.Certify != nil {
			k.cert, err = cfg.Certify(k.key.Public())
		} else {
			k.cert, err = ca.issue("SPECIMEN "+cfg.Serial+" "+k.name, int64(ref), usageOf(ref), k.key.Public())
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func usageOf(ref byte) x509.KeyUsage {
	if ref == KeyManagement {
		return x509.KeyUsageKeyAgreement
	}
	return x509.KeyUsageDigitalSignature
}

// issuer is the throw-away CA of one card.
type issuer struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newIssuer(serial string) (*issuer, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := certTemplate("TEST AC FICTIVE "+serial, 1)
	template.IsCA, template.BasicConstraintsValid, template.KeyUsage = true, true, x509.KeyUsageCertSign
	cert, err := sign(template, template, key.Public(), key)
	return &issuer{cert, key}, err
}

func (ca *issuer) issue(name string, number int64, usage x509.KeyUsage, key any) (*x509.Certificate, error) {
	leaf := certTemplate(name, number)
	leaf.KeyUsage = usage
	return sign(leaf, ca.cert, key, ca.key)
}

func certTemplate(name string, number int64) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(number),
		Subject:      pkix.Name{CommonName: name, Organization: []string{"Carte fictive, ne designe personne"}},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().AddDate(1, 0, 0),
	}
}

func sign(leaf, parent *x509.Certificate, pub any, key *ecdsa.PrivateKey) (*x509.Certificate, error) {
	der, err := x509.CreateCertificate(rand.Reader, leaf, parent, pub, key)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

func pivObjects(serial string, keys map[byte]*pivKey) map[string]object {
	id := sha256.Sum256([]byte("tlagate cardsim " + serial))
	objects := map[string]object{
		string(unhex("7E")):     {content: discovery()},
		string(unhex("5FC102")): {content: chuid(id[:16])},
		string(unhex("5FC107")): {content: capabilities(id[16:30])},
		string(unhex("5FC109")): {content: printed(serial), needsPIN: true},
	}
	for _, k := range keys {
		objects[string(unhex(k.object))] = object{content: certObject(k.cert)}
	}
	return objects
}

// discovery returns the discovery object: PIV application, application PIN only.
func discovery() []byte {
	return tlv(0x7E, tlv(0x4F, unhex(AIDPIV)), tlv(0x5F2F, []byte{0x40, 0x00}))
}

// chuid returns the CHUID with the card's GUID, unsigned.
func chuid(guid []byte) []byte {
	return tlv(0x53,
		tlv(0x30, fascN("9999", "9999", "999999", "0", "1", "0000000000", "3", "0000", "1")),
		tlv(0x34, guid),
		tlv(0x35, []byte("20991231")),
		tlv(0x3E),
		tlv(0xFE))
}

// capabilities returns the CCC: a card identifier, and that there is nothing more.
func capabilities(id []byte) []byte {
	out := tlv(0xF0, unhex("A000000116FF02"), id)
	for _, entry := range []string{"F10121", "F20121", "F300", "F40100", "F50110", "F600", "F700", "FA00", "FB00",
		"FC00", "FD00", "FE00"} {
		out = append(out, unhex(entry)...)
	}
	return tlv(0x53, out)
}

func printed(serial string) []byte {
	return tlv(0x53, tlv(0x01, []byte("SPECIMEN "+serial)), tlv(0x02, []byte("FICTIF")), tlv(0xFE))
}

func certObject(cert *x509.Certificate) []byte {
	return tlv(0x53, tlv(0x70, cert.Raw), tlv(0x71, []byte{0x00}), tlv(0xFE))
}

// fascN packs agency, system, credential, CS, ICI, PI, OC, OI and POA in the 5-bit code of the FASC-N: each digit low
// bit first, then odd parity; LRC last.
func fascN(f ...string) []byte {
	const start, separator, end = 0xB, 0xD, 0xF
	symbols := []byte{start}
	for i, field := range f {
		for _, digit := range []byte(field) {
			symbols = append(symbols, digit-'0')
		}
		if i < 5 {
			symbols = append(symbols, separator)
		}
	}
	symbols = append(symbols, end)
	return packSymbols(append(symbols, longitudinal(symbols)))
}

func longitudinal(symbols []byte) (lrc byte) {
	for _, s := range symbols {
		lrc ^= s
	}
	return lrc
}

func packSymbols(symbols []byte) []byte {
	bits := new(big.Int)
	for _, s := range symbols {
		parity := uint(1)
		for i := range 4 {
			bit := uint(s>>i) & 1
			parity ^= bit
			bits.Or(bits.Lsh(bits, 1), new(big.Int).SetUint64(uint64(bit)))
		}
		bits.Or(bits.Lsh(bits, 1), new(big.Int).SetUint64(uint64(parity)))
	}
	return bits.FillBytes(make([]byte, (5*len(symbols)+7)/8))
}
