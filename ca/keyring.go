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

// keyring is where the CA's keys are. A key file is read each time it is needed, and not kept; a key in hardware is
// opened at the first need, so that its PIN is asked for once, and stays open until the CA is closed.
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

// open returns the key of a CA's certificate.
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
		err := fmt.Errorf("cannot use the key %s: it is not the key of %q", key.Describe().Where,
			cert.Subject.CommonName)
		return nil, errors.Join(err, key.Close())
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

func (r *keyring) close() (err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for where, key := range r.held {
		err = errors.Join(err, key.Close())
		delete(r.held, where)
	}
	return err
}
