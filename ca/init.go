package ca

import (
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"database/sql"
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"time"

	"github.com/cloudflare/cfssl/certdb"
	"github.com/cloudflare/cfssl/config"
	"github.com/cloudflare/cfssl/csr"
	"github.com/cloudflare/cfssl/signer"
	"github.com/cloudflare/cfssl/signer/local"

	"tlagate/internal/der"
	"tlagate/internal/files"
	"tlagate/keys"
	"tlagate/pemfile"
)

// InitConfig says what CA to make.
type InitConfig struct {
	Settings   Settings         // the zero value gives a lab CA
	RootKey    KeyKind          // "" = P384
	IssuingKey KeyKind          // "" = P256
	Clock      func() time.Time // nil = time.Now
	Keys       keys.Config      // how keys in tokens are reached
}

// Init makes a CA in dir, which must not exist or be empty: root, issuing CA, first CRL and
// first ARL. It is built beside dir and moved there when complete, so half a CA never looks like one.
func Init(dir string, cfg InitConfig) error {
	cfg.Settings = cfg.Settings.withDefaults()
	err := cfg.Settings.check()
	if err == nil {
		err = cfg.Settings.checkLab()
	}
	if err != nil {
		return fmt.Errorf("cannot make a CA: %w", err)
	}
	made := new([]keys.Spec)
	err = Beside(dir, func(draft string) error { return build(draft, cfg, made) })
	if err != nil {
		return errors.Join(err, undo(*made, cfg.Keys))
	}
	return nil
}

// undo destroys the keys of a CA that did not come to be; those in files go with the draft.
func undo(made []keys.Spec, c keys.Config) (err error) {
	for _, where := range made {
		if where.Hardware() {
			err = errors.Join(err, keys.Erase(where, c))
		}
	}
	return err
}

// settle moves the finished CA to its place. Remove takes away an empty directory only, and
// Rename refuses one that has appeared since: whoever comes second overwrites nothing.
func settle(draft, dir string) error {
	if err := os.Remove(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("cannot move the new CA to its place: %w", err)
	}
	if err := os.Rename(draft, dir); err != nil {
		return fmt.Errorf("cannot move the new CA to its place: %w", err)
	}
	return files.SyncDir(filepath.Dir(dir))
}

func mustBeFree(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("cannot make a CA in %s: %w", dir, err)
	}
	if len(entries) > 0 {
		return fmt.Errorf("cannot make a CA in %s: it exists and is not empty; nothing is overwritten", dir)
	}
	return nil
}

// build makes the CA in dir. The keys that it makes are in made, also when it fails.
func build(dir string, cfg InitConfig, made *[]keys.Spec) error {
	for _, sub := range []string{"root", "issuing", "public"} {
		if err := os.Mkdir(filepath.Join(dir, sub), modeDir); err != nil {
			return fmt.Errorf("cannot make a CA: %w", err)
		}
	}
	if cfg.Clock == nil {
		cfg.Clock = time.Now
	}
	ring := newKeyring(cfg.Settings, dir, filepath.Join(dir, "root"), cfg.Keys)
	defer ring.close()
	start := cfg.Clock().UTC().Truncate(time.Second).Add(-backdate)
	rootKey, err := ring.generate(ring.root, or(cfg.RootKey, P384), made)
	if err != nil {
		return fmt.Errorf("cannot make the root: %w", err)
	}
	root, err := makeRoot(cfg, rootKey, start)
	if err != nil {
		return fmt.Errorf("cannot make the root: %w", err)
	}
	issuingKey, err := ring.generate(ring.issuing, or(cfg.IssuingKey, P256), made)
	if err != nil {
		return fmt.Errorf("cannot make the issuing CA: %w", err)
	}
	issuing, err := makeIssuing(cfg, root, issuingKey, start)
	if err != nil {
		return fmt.Errorf("cannot make the issuing CA: %w", err)
	}
	return errors.Join(
		root.write(dir, "root"),
		issuing.write(dir, "issuing"),
		recordIssuing(dir, issuing),
		cfg.Settings.save(dir),
		publishFirst(dir, cfg.Clock, ring),
	)
}

// authority is a CA in the making.
type authority struct {
	cert *x509.Certificate
	key  crypto.Signer
}

func makeRoot(cfg InitConfig, key crypto.Signer, start time.Time) (authority, error) {
	aki, err := authorityKeyID(key.Public())
	if err != nil {
		return authority{}, err
	}
	sign, err := local.NewSigner(key, nil, signer.DefaultSigAlgo(key), cfg.Settings.rootSigning())
	if err != nil {
		return authority{}, err
	}
	return signAuthority(sign, key, signer.SignRequest{
		Profile:    profileRoot,
		Subject:    subject(cfg.Settings.Name+" root CA", cfg.Settings.Name),
		NotBefore:  start,
		NotAfter:   start.AddDate(rootYears, 0, 0).Add(-time.Second),
		Extensions: []signer.Extension{aki},
	})
}

func makeIssuing(cfg InitConfig, root authority, key crypto.Signer, start time.Time) (authority, error) {
	sign, err := local.NewSigner(root.key, root.cert, signer.DefaultSigAlgo(root.key), cfg.Settings.issuingSigning())
	if err != nil {
		return authority{}, err
	}
	return signAuthority(sign, key, signer.SignRequest{
		Profile:   profileIssuing,
		Subject:   subject(cfg.Settings.Name+" issuing CA", cfg.Settings.Name),
		NotBefore: start,
		NotAfter:  start.AddDate(issuingYears, 0, 0).Add(-time.Second),
	})
}

func signAuthority(sign *local.Signer, key crypto.Signer, request signer.SignRequest) (authority, error) {
	csr, err := NewCSR(key)
	if err != nil {
		return authority{}, err
	}
	request.Request = string(csr)
	if request.Serial, err = newSerial(); err != nil {
		return authority{}, err
	}
	pem, err := sign.Sign(request)
	if err != nil {
		return authority{}, err
	}
	der, err := pemfile.One(pem, pemfile.Certificate)
	if err != nil {
		return authority{}, err
	}
	cert, err := x509.ParseCertificate(der)
	return authority{cert: cert, key: key}, err
}

// NewCSR makes a certificate request for a key, PEM. It asks for nothing but that key be certified.
func NewCSR(key crypto.Signer) ([]byte, error) {
	pem, err := csr.Generate(key, &csr.CertificateRequest{CN: "key"})
	if err != nil {
		return nil, fmt.Errorf("cannot make a certificate request: %w", err)
	}
	return pem, nil
}

func subject(commonName, organisation string, units ...string) *signer.Subject {
	names := []csr.Name{{O: organisation}}
	for _, unit := range units {
		names = append(names, csr.Name{OU: unit})
	}
	return &signer.Subject{CN: commonName, Names: names}
}

const serialSize = 16 // octets

// newSerial gives a positive number, all its bits random but the first two.
func newSerial() (*big.Int, error) {
	octets := make([]byte, serialSize)
	if _, err := rand.Read(octets); err != nil {
		return nil, err
	}
	octets[0] = octets[0]&0x7f | 0x40
	return new(big.Int).SetBytes(octets), nil
}

// authorityKeyID is the extension of a root, which is its own authority (RFC 5280, 4.2.1.1).
func authorityKeyID(pub crypto.PublicKey) (signer.Extension, error) {
	ski, err := signer.ComputeSKI(&x509.Certificate{PublicKey: pub})
	if err != nil {
		return signer.Extension{}, err
	}
	value, err := asn1.Marshal(struct {
		KeyID []byte `asn1:"tag:0"`
	}{ski})
	return signer.Extension{ID: config.OID(der.AuthorityKeyIdentifier), Value: hex.EncodeToString(value)}, err
}

// write puts the certificate beside its key, and among the published.
func (a authority) write(dir, name string) error {
	text := pemOf(pemfile.Certificate, a.cert.Raw)
	return errors.Join(
		WriteNew(filepath.Join(dir, name, name+".crt"), text, modePublic),
		WriteNew(filepath.Join(dir, "public", name+".crt"), text, modePublic),
		WriteNew(filepath.Join(dir, "public", name+".cer"), a.cert.Raw, modePublic),
	)
}

func recordIssuing(dir string, issuing authority) error {
	store, err := createStore(dir)
	if err != nil {
		return err
	}
	defer store.db.Close()
	row, err := newRow(issuing.cert.SerialNumber, hex.EncodeToString(issuing.cert.AuthorityKeyId), issuing.cert.NotBefore, issuing.cert.NotAfter,
		about{Profile: profileIssuing, Identity: issuing.cert.Subject.CommonName, Key: keyID(issuing.cert)}, nil)
	if err != nil {
		return err
	}
	row.Status, row.PEM = string(Good), string(pemOf(pemfile.Certificate, issuing.cert.Raw))
	return store.Accessor.InsertCertificate(row)
}

func newRow(serial *big.Int, issuer string, notBefore, notAfter time.Time, a about, sans []string) (certdb.CertificateRecord, error) {
	row := certdb.CertificateRecord{
		Serial: serial.String(), AKI: issuer, NotBefore: &notBefore, IssuedAt: &notBefore, Expiry: notAfter,
		CommonName: sql.NullString{String: a.Identity, Valid: true},
	}
	err := row.SetMetadata(map[string]any{"profile": a.Profile, "identity": a.Identity, "key": a.Key})
	return row, errors.Join(err, row.SetSANs(append([]string{}, sans...)))
}

func publishFirst(dir string, clock func() time.Time, ring *keyring) error {
	c, err := Open(dir, Options{Clock: clock})
	if err != nil {
		return err
	}
	c.keys = ring // the PIN has been asked for
	defer c.Close()
	if err := c.traceCreated(); err != nil {
		return err
	}
	if _, err := c.PublishARL(); err != nil {
		return err
	}
	_, err = c.PublishCRL()
	return err
}
