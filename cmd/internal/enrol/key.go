package enrol

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// This file is all that is known here of how keys are kept.

func (p Pair) hasKey() bool { return p.Files.Key != "" }

func (p Pair) nextKeyFile() string { return string(p.Files.Key) + ".next" }

// nextKey gives the key of the next certificate: it is made here, and never leaves; or it was, and no certificate came.
func (p Pair) nextKey() (crypto.Signer, error) {
	key, err := readKey(p.nextKeyFile())
	if !errors.Is(err, fs.ErrNotExist) {
		return key, err
	}
	made, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(made)
	if err != nil {
		return nil, err
	}
	return made, write(p.nextKeyFile(), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600)
}

// promoteKey puts the key of leaf in its place, if it is not there yet.
func (p Pair) promoteKey(leaf *x509.Certificate) error {
	next, err := readKey(p.nextKeyFile())
	switch {
	case err == nil && fits(leaf, next):
		if err := rename(p.nextKeyFile(), string(p.Files.Key)); err != nil {
			return fmt.Errorf("cannot put the new key in its place: %w", err)
		}
		return nil
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return err
	}
	if now, err := readKey(string(p.Files.Key)); err == nil && fits(leaf, now) {
		return nil
	}
	return errNoKey
}

func readKey(file string) (crypto.Signer, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("cannot read the key: %w", err)
	}
	block, _ := pem.Decode(data)
	if block == nil || block.Type != "PRIVATE KEY" {
		return nil, fmt.Errorf("cannot read the key %s: it holds no PEM block PRIVATE KEY", file)
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	signer, ok := key.(crypto.Signer)
	if err != nil || !ok {
		return nil, fmt.Errorf("cannot read the key %s: it is no PKCS#8 key that signs", file)
	}
	return signer, nil
}
