package ca

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"tlagate/audit"
	"tlagate/ca/store"
	"tlagate/internal/files"
	"tlagate/keys"
)

// A CA whose issuing CA is about to end, or was revoked, has a successor below the same root, in a directory of its
// own with its own key, lists and place. It is made in the root's ceremony (Succeed), from a copy of the books, and
// serves once two officers of the CA before it want it (ApproveSuccessor, Begin). docs/ca.md, section 10.

// Files of a successor, in its directory.
const (
	predecessorFile = "predecessor.crt" // the issuing CA whose officers must approve
	approvalFile    = "approval.json"   // that they have
	maxApproval     = 64 << 10          // octets
)

// Successor says what CA comes next.
type Successor struct {
	Name       string    // of the CA, other than the one before
	URL        string    // where its public files are served, another place than that of the one before
	OCSPURL    string    // of its responder; "" = URL/ocsp
	IssuingKey KeyKind   // "" = P256
	Where      keys.Spec // of that key; "" = a file in the directory
}

// Succeed makes the CA that comes after this one in dir, which must not exist or be empty. It needs the root's key.
func (c *CA) Succeed(dir string, next Successor) error {
	settings := c.Settings
	settings.Name, settings.URL, settings.OCSPURL, settings.IssuingKey = next.Name, next.URL, next.OCSPURL, next.Where
	settings = settings.withDefaults()
	err := errors.Join(settings.check(), settings.checkLab())
	switch {
	case err != nil:
	case settings.Name == c.Settings.Name || settings.URL == c.Settings.URL || settings.OCSPURL == c.Settings.OCSPURL:
		err = errors.New("it needs a name, a URL and a responder other than those of the CA before it")
	default:
		err = c.lastOfRoot()
	}
	if err != nil {
		return fmt.Errorf("cannot make a successor: %w", err)
	}
	made := new([]keys.Spec)
	err = Beside(dir, func(draft string) error { return c.buildSuccessor(draft, settings, next.IssuingKey, made) })
	if err != nil {
		return errors.Join(fmt.Errorf("cannot make a successor: %w", err), undo(*made, c.ring.config))
	}
	return nil
}

func (c *CA) buildSuccessor(dir string, settings Settings, kind KeyKind, made *[]keys.Spec) error {
	rootKey, err := c.root.key()
	if err != nil {
		return err
	}
	if err := c.copyFor(dir); err != nil {
		return err
	}
	ring := newKeyring(settings, dir, "", c.ring.config)
	defer ring.close()
	key, err := ring.generate(ring.issuing, or(kind, P256), made)
	if err != nil {
		return err
	}
	issuing, err := makeIssuing(InitConfig{Settings: settings}, authority{c.root.cert, rootKey}, key,
		c.now().Add(-backdate))
	if err != nil {
		return err
	}
	if err := errors.Join(issuing.write(dir, "issuing"), settings.save(dir),
		c.booksFor(dir, issuing.cert)); err != nil {
		return err
	}
	return c.firstCRLFor(dir, settings, ring)
}

// copyFor copies what the two CAs have in common: the root's certificate and list. Officers of a revoked CA are none
// any more: then the ceremony's witnesses stand for them.
func (c *CA) copyFor(dir string) error {
	for _, sub := range []string{"issuing", "public"} {
		if err := os.Mkdir(filepath.Join(dir, sub), modeDir); err != nil {
			return err
		}
	}
	for _, name := range []string{"root.crt", "root.cer", "arl.der", "arl.pem"} {
		data, err := os.ReadFile(c.public(name))
		if err != nil {
			return err
		}
		if err := WriteNew(filepath.Join(dir, "public", name), data, modePublic); err != nil {
			return err
		}
	}
	own, err := c.issuingRecord()
	if err != nil || own.Status == store.Revoked {
		return err
	}
	return WriteNew(filepath.Join(dir, predecessorFile), PEM(c.Issuing), modePublic)
}

// booksFor gives the successor a copy of our books: who has a certificate of ours is known there, and renews there. Our
// open codes stay ours.
func (c *CA) booksFor(dir string, issuing *x509.Certificate) error {
	if _, err := c.CopyBooks(databaseIn(dir)); err != nil {
		return err
	}
	if err := os.Chmod(databaseIn(dir), modeSecret); err != nil {
		return err
	}
	books, err := store.Open(databaseIn(dir))
	if err != nil {
		return err
	}
	defer books.Close()
	open, err := books.Invitations().Unused()
	for _, i := range open {
		err = errors.Join(err, books.Invitations().Withdraw(i.ID, c.now()))
	}
	return errors.Join(err, enterIssuing(books, issuing))
}

func (c *CA) firstCRLFor(dir string, settings Settings, ring *keyring) error {
	next, err := open(dir, settings, Options{Clock: c.time}, ring)
	if err != nil {
		return err
	}
	defer next.store.Close()
	if err := next.trail.created(next.issuing); err != nil {
		return err
	}
	_, err = next.Lists.PublishCRL()
	return err
}

// lastOfRoot returns an error unless this is the last CA below the root: its books alone know all of them.
func (k *core) lastOfRoot() error {
	good, err := k.store.GoodOf(store.ProfileIssuing)
	if err != nil {
		return err
	}
	own := store.FormatSerial(k.issuing.cert.SerialNumber)
	i := slices.IndexFunc(good, func(r store.Record) bool { return r.Serial == own })
	if i >= 0 && i < len(good)-1 {
		return fmt.Errorf("%q has taken this CA's place: the root's list and the next CA are made there",
			good[len(good)-1].Identity)
	}
	return nil
}

// CheckSuccessor returns an error unless cert is of an issuing CA that our root has signed, and that we do not know.
func (c *CA) CheckSuccessor(cert *x509.Certificate) error {
	if err := CheckPair(c.Root, cert); err != nil {
		return err
	}
	known, err := c.store.Signed(cert.SerialNumber, c.root.id())
	switch {
	case err != nil:
		return err
	case len(known) > 0:
		return fmt.Errorf("the books have %q already", cert.Subject.CommonName)
	case store.KeyID(cert) == c.root.id() || samePublic(cert.PublicKey, c.Issuing.PublicKey):
		return fmt.Errorf("%q has a key that is in use", cert.Subject.CommonName)
	case !cert.MaxPathLenZero || c.now().After(cert.NotAfter):
		return fmt.Errorf("%q is no issuing CA that is valid now", cert.Subject.CommonName)
	}
	return checkKey(cert.PublicKey)
}

// approval is the statement of an issuing CA that two of its officers want another.
type approval struct {
	Successor string    `json:"successor"` // SHA-256 of its certificate, hexadecimal
	Asked     string    `json:"asked"`     // identities of the two
	Approved  string    `json:"approved"`
	At        time.Time `json:"at"`
}

// signedApproval is an approval as it is kept.
type signedApproval struct {
	Statement []byte `json:"statement"`
	Signature []byte `json:"signature"`
}

// approvalOf comes before the JSON of a statement, so that it is mistaken for no other that we vouch for.
const approvalOf = "successor "

// ApproveSuccessor enters the successor into our books, so that the root can revoke it, and returns the statement by
// which it begins.
func (c *CA) ApproveSuccessor(cert *x509.Certificate, asked, approved string) (statement []byte, err error) {
	if asked == approved {
		return nil, errors.New("cannot approve a successor: one officer is not two")
	}
	text, err := json.Marshal(approval{Fingerprint(cert), asked, approved, c.now()})
	if err != nil {
		return nil, err
	}
	text = append([]byte(approvalOf), text...)
	err = c.locks.books(func() error {
		if err := c.CheckSuccessor(cert); err != nil {
			return err
		}
		signature, err := c.Vouch(text)
		if err != nil {
			return err
		}
		if statement, err = json.Marshal(signedApproval{text, signature}); err != nil {
			return err
		}
		about := append(audit.Certificate(cert), audit.Use("successor"))
		if err := c.trail.record(audit.CACreated, about...); err != nil {
			return err
		}
		return enterIssuing(c.store, cert)
	})
	if err != nil {
		return nil, fmt.Errorf("cannot approve a successor: %w", err)
	}
	return append(statement, '\n'), nil
}

// Intermediates returns the certificate files of the issuing CAs whose certificates are known here: ours, and the one
// before.
func (c *CA) Intermediates() []string {
	list := []string{c.public("issuing.crt")}
	if before := filepath.Join(c.dir, predecessorFile); exists(before) {
		list = append(list, before)
	}
	return list
}

// exists reports whether there is a file; what cannot be seen counts as one.
func exists(file string) bool {
	_, err := os.Lstat(file)
	return !errors.Is(err, fs.ErrNotExist)
}

// Fingerprint returns the SHA-256 of a certificate, hexadecimal, as openssl prints it without colons.
func Fingerprint(cert *x509.Certificate) string {
	sum := sha256.Sum256(cert.Raw)
	return hex.EncodeToString(sum[:])
}

// Begin has a successor serve, by what the CA before it said (ApproveSuccessor).
func (c *CA) Begin(statement []byte) error {
	if !exists(filepath.Join(c.dir, predecessorFile)) {
		return errors.New("cannot begin: this CA waits for nobody's approval")
	}
	by, err := c.judgeApproval(statement)
	if err != nil {
		return fmt.Errorf("cannot begin: %w", err)
	}
	if err := c.trail.record(audit.OperatorAct, audit.Act("begin"), audit.Peer(by.Approved),
		audit.From(by.Asked)); err != nil {
		return err
	}
	return WriteNew(filepath.Join(c.dir, approvalFile), statement, modeSecret)
}

// approved returns an error unless this CA needs no approval or has it.
func (k *core) approved() error {
	if !exists(filepath.Join(k.dir, predecessorFile)) {
		return nil
	}
	statement, err := files.Read(filepath.Join(k.dir, approvalFile), maxApproval)
	if err == nil {
		_, err = k.judgeApproval(statement)
	}
	if err != nil {
		return fmt.Errorf("this CA waits for the approval of two officers of the one before it "+
			"(docs/ca.md, section 10): %w", err)
	}
	return nil
}

func (k *core) judgeApproval(text []byte) (said approval, err error) {
	before, err := loadCertificate(filepath.Join(k.dir, predecessorFile))
	if err != nil {
		return said, err
	}
	if err := CheckPair(k.root.cert, before); err != nil {
		return said, err
	}
	var signed signedApproval
	if err := json.Unmarshal(text, &signed); err != nil {
		return said, fmt.Errorf("the approval cannot be read: %w", err)
	}
	if err := CheckVouched(before, signed.Statement, signed.Signature); err != nil {
		return said, fmt.Errorf("the approval is not of %q: %w", before.Subject.CommonName, err)
	}
	content, ok := bytes.CutPrefix(signed.Statement, []byte(approvalOf))
	if !ok || json.Unmarshal(content, &said) != nil || said.Asked == said.Approved ||
		said.Successor != Fingerprint(k.issuing.cert) {
		return said, errors.New("the approval is of another CA")
	}
	return said, nil
}

// enterIssuing enters an issuing CA's own certificate into the books.
func enterIssuing(books *store.DB, cert *x509.Certificate) error {
	about := store.About{Profile: store.ProfileIssuing, Identity: cert.Subject.CommonName, Key: store.KeyID(cert)}
	return books.Enter(cert, hex.EncodeToString(cert.AuthorityKeyId), about, false)
}
