package ca

import (
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"path/filepath"
	"sync"

	"tlagate/keys"
)

// keyring is where the CA's keys are. A key file is read each time it is needed, and not kept; a key in hardware is opened at the first
// need, so that its PIN is asked for once, and stays open until the CA is closed.
type keyring struct {
	root, issuing keys.Spec
	config        keys.Config

	mu   sync.Mutex // guards open
	held map[keys.Spec]keys.Key
}

func newKeyring(s Settings, dir, rootDir string, config keys.Config) *keyring {
	config.WrappingKey = or(s.WrappingKey, config.WrappingKey)
	return &keyring{
		root:    or(s.RootKey.In(dir), keys.Spec(filepath.Join(rootDir, "root.key"))),
		issuing: or(s.IssuingKey.In(dir), keys.Spec(filepath.Join(dir, "issuing", "issuing.key"))),
		config:  config,
		held:    map[keys.Spec]keys.Key{},
	}
}

// open gives the key of a CA's certificate.
func (r *keyring) open(where keys.Spec, cert *x509.Certificate) (crypto.Signer, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if key := r.held[where]; key != nil {
		return key, nil
	}
	key, err := keys.Open(where, r.config)
	if err != nil {
		return nil, err
	}
	if !samePublic(key.Public(), cert.PublicKey) {
		return nil, errors.Join(fmt.Errorf("cannot use the key %s: it is not the key of %q", key.Describe().Where, cert.Subject.CommonName), key.Close())
	}
	if where.Hardware() {
		r.held[where] = key
	}
	return key, nil
}

// generate makes a key for a new CA.
func (r *keyring) generate(where keys.Spec, kind KeyKind, made *[]keys.Spec) (crypto.Signer, error) {
	key, err := keys.Generate(where, string(kind), r.config)
	if err != nil {
		return nil, err
	}
	*made = append(*made, where)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.held[where] = key
	return key, nil
}

// warm opens a key in hardware before the CA is locked: whoever types a PIN must not keep others waiting.
func (r *keyring) warm(where keys.Spec, cert *x509.Certificate) error {
	if !where.Hardware() {
		return nil
	}
	_, err := r.open(where, cert)
	return err
}

func (r *keyring) close() (err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for where, key := range r.held {
		err = errors.Join(err, key.Close())
		delete(r.held, where)
	}
	return err
}

// KeyInfo is one of the CA's own keys, for the inventory (G2).
type KeyInfo struct {
	Use         string            // "root CA" or "issuing CA"
	Certificate *x509.Certificate // its own
	Key         keys.Description
	Err         error // why nothing can be told of the key: an offline root's is not there
}

// Keys tells where the CA's keys are and how they are protected, without opening them.
func (c *CA) Keys() []KeyInfo {
	list := []KeyInfo{{Use: "root CA", Certificate: c.Root}, {Use: "issuing CA", Certificate: c.Issuing}}
	for i, where := range []keys.Spec{c.keys.root, c.keys.issuing} {
		list[i].Key, list[i].Err = keys.Inspect(where, c.keys.config)
	}
	return list
}
