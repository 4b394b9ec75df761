package ca

import (
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"

	"tlagate/ca/certify"
	"tlagate/ca/store"
	"tlagate/keys"
)

// issuer is one of the two CAs: what it signs with.
type issuer struct {
	use   string // "root" or "issuing", as the trace names its key
	cert  *x509.Certificate
	where keys.Spec
	ring  *keyring
	trail *trail
}

// id returns the issuer's name in the books.
func (i *issuer) id() string { return store.KeyID(i.cert) }

// key opens its key.
func (i *issuer) key() (crypto.Signer, error) {
	key, err := i.ring.open(i.where, i.cert)
	if err == nil {
		return key, nil
	}
	// A root's key that is kept elsewhere is no failure.
	if i.use == "root" && errors.Is(err, fs.ErrNotExist) {
		if i.where.Hardware() {
			return nil, err
		}
		return nil, fmt.Errorf("the root's key %s is not here: bring the root's directory back for this, "+
			"or name it with --root", i.where)
	}
	return nil, errors.Join(err, i.trail.keyFailed(i.use))
}

// certifier returns what signs certificates with its key.
func (i *issuer) certifier() (certify.Certifier, error) {
	key, err := i.key()
	if err != nil {
		return nil, err
	}
	return certify.New(key, i.cert), nil
}

// warm opens a key in hardware before the CA is locked: typing a PIN must not keep others waiting.
func (i *issuer) warm() error {
	if !i.where.Hardware() {
		return nil
	}
	_, err := i.ring.open(i.where, i.cert)
	return err
}

// KeyInfo is one of the CA's own keys, for the inventory (G2).
type KeyInfo struct {
	Use         string            // "root CA" or "issuing CA"
	Certificate *x509.Certificate // its own
	Key         keys.Description
	Err         error // why nothing can be said about the key: an offline root's is not there
}

func (i *issuer) describe(use string) (info KeyInfo) {
	info.Use, info.Certificate = use, i.cert
	info.Key, info.Err = keys.Inspect(i.where, i.ring.config)
	return info
}
