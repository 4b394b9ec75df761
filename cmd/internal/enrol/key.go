package enrol

import (
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"

	"tlagate/keys"
)

// This file is all that is known here of how keys are kept. A key file is replaced by a new one with each certificate; a key in hardware stays.

func (p Pair) hasKey() bool { return p.Files.Key != "" }

func (p Pair) keyConfig() keys.Config { return keys.Config{WrappingKey: string(p.Files.WrappingKey)} }

// nextPlace is where the key of the next certificate is.
func (p Pair) nextPlace() keys.Spec {
	if p.Files.Key.Hardware() {
		return p.Files.Key
	}
	return p.Files.Key + ".next"
}

// nextKey gives the key of the next certificate: it is made here, and never leaves; or it was, and no certificate came.
func (p Pair) nextKey() (crypto.Signer, error) {
	key, err := keys.Open(p.nextPlace(), p.keyConfig())
	if errors.Is(err, fs.ErrNotExist) {
		key, err = keys.Generate(p.nextPlace(), "p256", p.keyConfig())
	}
	if err != nil {
		return nil, err
	}
	return key, nil
}

// promoteKey puts the key of leaf in its place, if it is not there yet.
func (p Pair) promoteKey(leaf *x509.Certificate) error {
	if !p.Files.Key.Hardware() {
		next, err := keys.Open(p.nextPlace(), p.keyConfig())
		switch {
		case err == nil && fits(leaf, next):
			if err := rename(p.nextPlace().File(), p.Files.Key.File()); err != nil {
				return fmt.Errorf("cannot put the new key in its place: %w", err)
			}
			return nil
		case err != nil && !errors.Is(err, fs.ErrNotExist):
			return err
		}
	}
	now, err := keys.Open(p.Files.Key, p.keyConfig())
	if err != nil {
		return errNoKey
	}
	defer now.Close()
	if !fits(leaf, now) {
		return errNoKey
	}
	return nil
}
