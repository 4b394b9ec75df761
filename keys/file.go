package keys

import (
	"crypto"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"tlagate/pemfile"
)

// The PEM blocks of a key file (RFC 7468, 10 and 11).
const (
	plainBlock     = "PRIVATE KEY"
	encryptedBlock = "ENCRYPTED PRIVATE KEY"
)

// filePlace is a key file.
type fileLocation struct {
	file string
	c    Config
}

// fileKey is a key that was read from a file, in the form of crypto/ecdsa or crypto/rsa.
type fileKey struct {
	crypto.Signer
	about Description
}

func (k *fileKey) Describe() Description { return k.about }

// Close does nothing.
func (k *fileKey) Close() error { return nil }

func (p fileLocation) String() string { return p.file }

func (p fileLocation) open() (Key, error) {
	block, err := p.read()
	if err != nil {
		return nil, err
	}
	defer wipe(block.Bytes)
	der := block.Bytes
	switch {
	case block.Type == plainBlock && p.c.WrappingKey != "":
		return nil, errNotEncrypted
	case block.Type == encryptedBlock:
		if der, err = p.unwrap(block.Bytes); err != nil {
			return nil, err
		}
		defer wipe(der)
	}
	key, err := parse(der)
	if err != nil {
		return nil, err
	}
	return &fileKey{key, p.describe(block.Type, kindOf(key.Public()))}, nil
}

var errNotEncrypted = errors.New("it is not encrypted, though wrapping_key is set, and may have been copied. " +
	"Best: erase it and enrol again, which makes a new one. Else encrypt it: openssl pkcs8 -topk8 -v2 aes-256-cbc " +
	"-v2prf hmacWithSHA256 " +
	"-in OLD -passout file:WRAPPINGKEY -out NEW")

// unwrap decrypts a key under the wrapping key.
func (p fileLocation) unwrap(der []byte) ([]byte, error) {
	if p.c.WrappingKey == "" {
		return nil, errors.New("it is encrypted: wrapping_key must name the secret it is encrypted under")
	}
	wrapping, err := p.c.wrappingKey()
	if err != nil {
		return nil, err
	}
	defer wipe(wrapping)
	return decrypt(der, wrapping)
}

// read returns the file's only PEM block. The caller wipes its Bytes.
func (p fileLocation) read() (*pem.Block, error) {
	raw, err := readPrivate(p.file, 0)
	if err != nil {
		return nil, err
	}
	defer wipe(raw)
	return onlyBlock(raw)
}

func onlyBlock(raw []byte) (*pem.Block, error) {
	blocks, err := pemfile.Blocks(raw)
	switch {
	case err != nil:
		return nil, err
	case len(blocks) == 0:
		return nil, fmt.Errorf("it is not a PEM %s or %s", encryptedBlock, plainBlock)
	case len(blocks) > 1:
		pemfile.Wipe(blocks)
		return nil, blocks[1].At(errors.New("it holds more than one PEM block: want the key alone"))
	case blocks[0].Type != plainBlock && blocks[0].Type != encryptedBlock:
		pemfile.Wipe(blocks)
		return nil, fmt.Errorf("it is a PEM %.40q, want a %s (PKCS#8): openssl pkcs8 -topk8 converts it",
			blocks[0].Type, encryptedBlock)
	}
	return blocks[0].Block, nil
}

func (p fileLocation) generate(kind string) (Key, error) {
	if _, err := os.Lstat(p.file); !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %w", ErrExists, fs.ErrExist)
	}
	var wrapping []byte
	if p.c.WrappingKey != "" {
		var err error
		if wrapping, err = p.c.wrappingKey(); err != nil {
			return nil, err
		}
		defer wipe(wrapping)
	}
	key, err := New(kind)
	if err != nil {
		return nil, err
	}
	text, err := marshal(key, wrapping)
	if err != nil {
		return nil, err
	}
	defer wipe(text)
	if err := writeNew(p.file, text); err != nil {
		return nil, err
	}
	return p.open() // which proves that it can be read
}

func (p fileLocation) inspect() (Description, error) {
	block, err := p.read()
	if err != nil {
		return Description{Where: p.file}, err
	}
	defer wipe(block.Bytes)
	kind := ""
	if block.Type == plainBlock {
		key, err := parse(block.Bytes)
		if err != nil {
			return Description{Where: p.file}, err
		}
		kind = kindOf(key.Public())
	}
	return p.describe(block.Type, kind), nil
}

func (p fileLocation) describe(block, kind string) Description {
	d := Description{Where: p.file, Kind: kind, Protection: PlainFile, Exportable: true}
	if block == encryptedBlock {
		d.Protection = EncryptedFile
	}
	return d
}

// erase destroys the file even when it can no longer be read as a key.
func (p fileLocation) erase() (Description, error) {
	about, err := p.inspect()
	if errors.Is(err, fs.ErrNotExist) {
		return about, err
	}
	return about, destroyFile(p.file)
}
