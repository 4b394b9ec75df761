package cli

import (
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"log/slog"
	"os"
	"slices"
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
	// what a key file is encrypted under: a file or "credential:NAME"; empty: it is not
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

// Open reads certificate and key. What is wrong with the files is told as package keys tells it.
func (i Identity) Open() (*Keys, error) { return i.OpenWith(keys.Config{}) }

// OpenWith is Open for who wants to be told of the key's events, or asks for its PIN; the section names the wrapping
// key.
func (i Identity) OpenWith(c keys.Config) (*Keys, error) {
	if i.Cert == "" || i.Key == "" {
		return nil, errors.New("cannot use the configuration: identity.cert and identity.key must both name a file")
	}
	c.WrappingKey = string(i.WrappingKey)
	k := &Keys{from: i, config: c}
	if err := k.Reload(); err != nil {
		return nil, err
	}
	return k, nil
}

// OpenOrAll is Open for who says all that is wrong: the error names key and certificate when neither can be read.
func (i Identity) OpenOrAll() (*Keys, error) {
	k, err := i.Open()
	if err == nil || i.Cert == "" || i.Key == "" {
		return k, err
	}
	_, noKey := keys.Inspect(i.Key, keys.Config{WrappingKey: string(i.WrappingKey)})
	_, noCert := pki.ReadCertificates(string(i.Cert))
	if noKey != nil && noCert != nil {
		err = errors.Join(noKey, noCert)
	}
	return nil, err
}

// Certificate gives what was read last; it fits trust.Party.Certificate.
func (k *Keys) Certificate() *tls.Certificate { return k.now.Load() }

// Close gives a key in hardware back. Nothing signs with k any more.
func (k *Keys) Close() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.key.Close()
}

// Reload reads the files again. On an error the old pair stays. A key in hardware stays open as long as it signs and
// is the certificate's.
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
	k.key = key // one that it replaces may still sign in a handshake, and is left to it
	old := k.now.Swap(pair)
	return old == nil || !slices.EqualFunc(old.Certificate, pair.Certificate, slices.Equal), nil
}

// withOpenKey reads the certificate for a key in hardware that is open and works.
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

// fingerprint tells one blob of a key in the TPM from another.
func (k *Keys) fingerprint() (sum [sha256.Size]byte) {
	if !k.from.Key.Hardware() || k.from.Key.File() == "" {
		return sum
	}
	raw, _ := os.ReadFile(k.from.Key.File()) // one that cannot be read is told of when the key is opened
	return sha256.Sum256(raw)
}

// files gives what a change is to be looked for in.
func (k *Keys) files() []string {
	files := []string{string(k.from.Cert)}
	if file := k.from.Key.File(); file != "" {
		files = append(files, file)
	}
	return files
}

// follow reads the files again when they have changed. A pair half written, or broken, keeps the old.
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

// ReloadOrLog is Reload for a SIGHUP: what went wrong goes to log.
func (k *Keys) ReloadOrLog(log *slog.Logger) {
	if err := k.Reload(); err != nil {
		log.Error("the old certificate stays in use", "error", err)
		return
	}
	log.Info("certificate and key read again", "cert", string(k.from.Cert))
}
