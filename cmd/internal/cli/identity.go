package cli

import (
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"tlagate/keys"
	"tlagate/pki"
)

// Identity is the YAML section that says who we are:
//
//	identity: {cert: gateway.crt, key: gateway.key, wrapping_key: "credential:tlagate-wrap"}
type Identity struct {
	Cert Path      `yaml:"cert"` // PEM: our certificate, then its issuing CA
	Key  keys.Spec `yaml:"key"`  // a file (mode 0600), "pkcs11:…" or "tpm:FILE"; docs/keys.md
	// what a key file is encrypted under: a file or "credential:NAME"; empty: the key is not encrypted
	WrappingKey Path `yaml:"wrapping_key"`
}

// Keys is a certificate with its key, read again on demand.
type Keys struct {
	from   Identity
	config keys.Config

	now atomic.Pointer[tls.Certificate]

	mu      sync.Mutex        // one reading at a time; protects key, blob and failure
	key     keys.Key          // of the last reload
	blob    [sha256.Size]byte // of the key's file when key was opened; nothing for one in a token
	failure string            // of the last follow
	observer
}

// Open reads certificate and key. What is wrong with the files is said as package keys says it.
func (i Identity) Open() (*Keys, error) { return i.OpenWith(keys.Config{}) }

// OpenWith is like Open, with a key configuration that may have callbacks for the key's events and its PIN; the
// wrapping key is that of the section.
func (i Identity) OpenWith(c keys.Config) (*Keys, error) {
	if i.Cert == "" || i.Key == "" {
		return nil, errors.New("cannot use the configuration: identity.cert and identity.key must both name a file")
	}
	c.WrappingKey = string(i.WrappingKey)
	k := &Keys{from: i, config: c}
	if err := k.Reload(); err != nil {
		return nil, i.advise(err)
	}
	return k, nil
}

// advise adds to an error how to get a file of the identity that is not there.
func (i Identity) advise(err error) error {
	missing := func(file string) bool {
		_, err := os.Stat(file)
		return file != "" && errors.Is(err, fs.ErrNotExist)
	}
	if !errors.Is(err, fs.ErrNotExist) || !missing(string(i.Cert)) && !missing(i.Key.File()) {
		return err
	}
	return fmt.Errorf("%w: run the command enroll, which makes key and certificate (tla-ocsp, tla-pki and operators "+
		"have none: tla-pki issue)", err)
}

// OpenOrAll is like Open, but if neither key nor certificate can be read, its error names both.
func (i Identity) OpenOrAll() (*Keys, error) {
	k, err := i.Open()
	if err == nil || i.Cert == "" || i.Key == "" {
		return k, err
	}
	_, noKey := keys.Inspect(i.Key, keys.Config{WrappingKey: string(i.WrappingKey)})
	_, noCert := pki.ReadCertificates(string(i.Cert))
	if noKey != nil && noCert != nil {
		err = errors.Join(i.advise(noKey), i.advise(noCert))
	}
	return nil, err
}

// Certificate returns the pair that was read last, as trust.Party.Certificate wants it.
func (k *Keys) Certificate() *tls.Certificate { return k.now.Load() }

// Close closes the key; one in hardware is released. Nothing may sign with k afterwards.
func (k *Keys) Close() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.key.Close()
}

// Reload reads the files again. After an error the old pair stays in use. A key in hardware stays open as long as it
// can sign and is the certificate's.
func (k *Keys) Reload() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	_, err := k.reload()
	return err
}

// reload is called with k.mu held.
func (k *Keys) reload() (changed bool, err error) {
	key, blob := k.key, k.fingerprint()
	pair, err := k.withOpenKey(blob)
	if err != nil {
		if key, err = keys.Open(k.from.Key, k.config); err != nil {
			return false, err
		}
		if pair, err = keys.LoadCertificate(string(k.from.Cert), key); err != nil {
			return false, errors.Join(err, key.Close())
		}
	}
	if err := k.ask(k.now.Load(), pair); err != nil {
		if key != k.key {
			err = errors.Join(err, key.Close())
		}
		return false, err
	}
	k.blob = blob
	k.key = key // the one that it replaces is not closed: it may still sign in a handshake
	old := k.now.Swap(pair)
	return old == nil || !slices.EqualFunc(old.Certificate, pair.Certificate, slices.Equal), nil
}

// withOpenKey reads the certificate for a key in hardware that is open and works; it is an error if there is none.
func (k *Keys) withOpenKey(blob [sha256.Size]byte) (*tls.Certificate, error) {
	if k.key == nil || !k.from.Key.Hardware() || blob != k.blob {
		return nil, errors.New("no key to keep")
	}
	digest := make([]byte, crypto.SHA256.Size())
	rand.Read(digest)
	if _, err := k.key.Sign(rand.Reader, digest, crypto.SHA256); err != nil {
		return nil, errors.Join(err, k.key.Close()) // a module may need that before it finds its token again
	}
	return keys.LoadCertificate(string(k.from.Cert), k.key)
}

// fingerprint returns a hash that tells one blob of a key in the TPM from another.
func (k *Keys) fingerprint() (sum [sha256.Size]byte) {
	if !k.from.Key.Hardware() || k.from.Key.File() == "" {
		return sum
	}
	raw, _ := os.ReadFile(k.from.Key.File()) // if it cannot be read, opening the key will say so
	return sha256.Sum256(raw)
}

// files returns the files that are watched for changes.
func (k *Keys) files() []string {
	files := []string{string(k.from.Cert)}
	if file := k.from.Key.File(); file != "" {
		files = append(files, file)
	}
	return files
}

// follow reads the files again after they have changed. If the pair is half written or broken, the old one stays in
// use.
func (k *Keys) follow(log *slog.Logger) {
	k.mu.Lock()
	defer k.mu.Unlock()
	changed, err := k.reload()
	switch {
	case err != nil && err.Error() != k.failure:
		log.Error("the old certificate stays in use", "error", err)
	case changed:
		log.Info("certificate and key read again", "cert", string(k.from.Cert))
	}
	if k.failure = ""; err != nil {
		k.failure = err.Error()
	}
}

// ReloadOrLog is like Reload, for a SIGHUP: it logs what went wrong.
func (k *Keys) ReloadOrLog(log *slog.Logger) {
	if err := k.Reload(); err != nil {
		log.Error("the old certificate stays in use", "error", err)
		return
	}
	log.Info("certificate and key read again", "cert", string(k.from.Cert))
}

// WholeURN returns an identity, or a pattern of several, with the beginning that all have. People may leave it out, as
// tables do: cabinet-a:tla:valise.
func WholeURN(name string) string {
	if strings.HasPrefix(name, "urn:") || !strings.Contains(name, ":") {
		return name
	}
	return "urn:tlagate:" + name
}
