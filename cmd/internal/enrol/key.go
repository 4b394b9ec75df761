package enrol

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"tlagate/internal/files"
	"tlagate/keys"
)

// This file has all that this package knows of how keys are kept. A key in a file is replaced along with its
// certificate; one in a token or TPM is made once, and stays.

func (p Pair) hasKey() bool { return p.Files.Key != "" }

// nextPlace returns where the key of the next certificate is.
func (p Pair) nextPlace() keys.Spec {
	if p.Files.Key.Hardware() {
		return p.Files.Key
	}
	return p.Files.Key + ".next"
}

func (p Pair) keyConfig() keys.Config { return keys.Config{WrappingKey: string(p.Files.WrappingKey)} }

// nextKey returns the key of the next certificate. It makes the key, which never leaves this machine, unless it did so
// before and no certificate came. The caller closes it.
func (p Pair) nextKey() (keys.Key, error) {
	if p.Files.Key.Hardware() {
		key, err := keys.Generate(p.Files.Key, newKind, p.keyConfig())
		if errors.Is(err, keys.ErrExists) {
			return keys.Open(p.Files.Key, p.keyConfig())
		}
		return key, err
	}
	key, err := keys.Open(p.nextPlace(), p.keyConfig())
	if !errors.Is(err, fs.ErrNotExist) {
		return key, err
	}
	if err := p.makeNext(); err != nil {
		return nil, err
	}
	return keys.Open(p.nextPlace(), p.keyConfig())
}

const newKind = "p256"

// makeNext makes the next key's file in one step: half a file would be in the way for ever.
func (p Pair) makeNext() error {
	making := p.nextPlace() + ".new"
	if err := os.Remove(string(making)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	key, err := keys.Generate(making, newKind, p.keyConfig())
	if err != nil {
		return err
	}
	return errors.Join(key.Close(), files.Rename(string(making), string(p.nextPlace())))
}

// promoteKey puts the key of leaf in its place, if it is not there yet; errNoKey = there is no such key.
func (p Pair) promoteKey(leaf *x509.Certificate) error {
	if !p.Files.Key.Hardware() {
		switch is, err := p.isKeyOf(p.nextPlace(), leaf); {
		case is:
			if err := files.Rename(string(p.nextPlace()), string(p.Files.Key)); err != nil {
				return fmt.Errorf("cannot put the new key in its place: %w", err)
			}
			return nil
		case err != nil && !errors.Is(err, fs.ErrNotExist):
			return err
		}
	}
	if is, _ := p.isKeyOf(p.Files.Key, leaf); is {
		return nil
	}
	return errNoKey
}

func (p Pair) isKeyOf(at keys.Spec, leaf *x509.Certificate) (bool, error) {
	key, err := keys.Open(at, p.keyConfig())
	if err != nil {
		return false, err
	}
	defer key.Close()
	return keys.SamePublic(leaf.PublicKey, key.Public()), nil
}
