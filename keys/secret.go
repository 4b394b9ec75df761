package keys

import (
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"

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
	block, err := secretBlock(file)
	if err != nil {
		return nil, err
	}
	switch encrypted := block.Type == encryptedSecret; {
	case encrypted:
		defer wipe(block.Bytes)
		return fileLocation{file, c}.unwrap(block.Bytes)
	case c.WrappingKey != "":
		wipe(block.Bytes)
		return nil, errors.New("it is not encrypted, though wrapping_key is set, and may have been copied: make a " +
			"new one")
	}
	return block.Bytes, nil
}

// secretBlock returns the one block of a secret's file. The caller wipes its Bytes.
func secretBlock(file string) (*pem.Block, error) {
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
	return blocks[0].Block, nil
}

// InspectSecret describes a secret that WriteSecret wrote, without decrypting it.
func InspectSecret(file string) (Description, error) {
	d := Description{Where: file, Protection: PlainFile, Exportable: true}
	block, err := secretBlock(file)
	if err != nil {
		return Description{Where: file}, fmt.Errorf("cannot use the secret %s: %w", file, err)
	}
	defer wipe(block.Bytes)
	if block.Type == encryptedSecret {
		d.Protection = EncryptedFile
	}
	return d, nil
}

// EraseSecret destroys a secret, and the wrapping key under which it is encrypted, as Erase does with a key. What is
// gone already is no error.
func (c Config) EraseSecret(file string) error {
	about, _ := InspectSecret(file)
	switch err := destroyFile(file); {
	case err == nil:
		c.tell(Erased, about, "")
	case !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("cannot erase the secret %s: %w", file, err)
	}
	if c.WrappingKey == "" {
		return nil
	}
	return c.eraseWrapping(about)
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
