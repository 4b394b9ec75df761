package keys

import (
	"encoding/pem"
	"errors"
	"fmt"

	"tlagate/internal/files"
	"tlagate/pemfile"
)

// The PEM blocks of a secret that is no key pair, whatever form its owner gives it.
const (
	plainSecret     = "TLAGATE SECRET"
	encryptedSecret = "ENCRYPTED TLAGATE SECRET"
)

// ReadSecret reads a secret that WriteSecret wrote. The caller wipes it.
func (c Config) ReadSecret(file string) ([]byte, error) {
	secret, err := c.readSecret(file)
	if err != nil {
		return nil, fmt.Errorf("cannot read the secret %s: %w", file, err)
	}
	return secret, nil
}

func (c Config) readSecret(file string) ([]byte, error) {
	raw, err := readPrivate(file, 0)
	if err != nil {
		return nil, err
	}
	defer wipe(raw)
	blocks, err := pemfile.Blocks(raw)
	if err != nil {
		return nil, err
	}
	if len(blocks) != 1 || blocks[0].Type != plainSecret && blocks[0].Type != encryptedSecret {
		pemfile.Wipe(blocks)
		return nil, fmt.Errorf("it is not one PEM %s", encryptedSecret)
	}
	switch encrypted := blocks[0].Type == encryptedSecret; {
	case encrypted:
		defer pemfile.Wipe(blocks)
		return fileLocation{file, c}.unwrap(blocks[0].Bytes)
	case c.WrappingKey != "":
		pemfile.Wipe(blocks)
		return nil, errors.New("it is not encrypted, though wrapping_key is set, and may have been copied: make a " +
			"new one")
	}
	return blocks[0].Bytes, nil
}

// WriteSecret writes a secret, in place of an old one if there is one, encrypted as a private key would be.
func (c Config) WriteSecret(file string, secret []byte) error {
	block := &pem.Block{Type: plainSecret, Bytes: secret}
	if c.WrappingKey != "" {
		wrapping, err := c.wrappingKey()
		if err != nil {
			return err
		}
		defer wipe(wrapping)
		if block.Bytes, err = encrypt(secret, wrapping); err != nil {
			return err
		}
		block.Type = encryptedSecret
	}
	text := pem.EncodeToMemory(block)
	defer wipe(text)
	if err := files.ReplaceSecret(file, text); err != nil {
		return fmt.Errorf("cannot write the secret %s: %w", file, err)
	}
	return nil
}
