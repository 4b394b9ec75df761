package backup

import (
	"errors"
	"fmt"
	"os"

	"filippo.io/age"

	"tlagate/ca"
)

// Identities reads age identities (AGE-SECRET-KEY-…) from a file that only its owner may read.
func Identities(file string) ([]age.Identity, error) {
	in, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("cannot read the identity: %w", err)
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return nil, fmt.Errorf("cannot read the identity: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("cannot use the identity %s: others can read it (mode %04o); it may be compromised; "+
			"if not, chmod 600 it", file, info.Mode().Perm())
	}
	ids, err := age.ParseIdentities(in)
	if err != nil {
		return nil, fmt.Errorf("cannot read the identity %s: %w", file, err) // age's error does not quote what it read
	}
	return ids, nil
}

// NewKey makes an identity (ML-KEM-768 + X25519) in file and the recipient that belongs to it in file.pub. Neither may
// exist.
func NewKey(file string) error {
	id, err := age.GenerateHybridIdentity()
	if err != nil {
		return fmt.Errorf("cannot make a key: %w", err)
	}
	if err := ca.WriteNew(file, []byte(id.String()+"\n"), 0o600); err != nil {
		return err
	}
	return ca.WriteNew(file+".pub", []byte(id.Recipient().String()+"\n"), 0o644)
}

// minPassphrase is how many characters a passphrase must have: about six words from a list.
const minPassphrase = 20

// Passphrase returns the recipient that a passphrase makes (scrypt, N = 2^18).
func Passphrase(text string) (age.Recipient, error) {
	if len(text) < minPassphrase {
		return nil, fmt.Errorf("cannot use the passphrase: it has %d characters, want %d or more: take six words or "+
			"more by dice", len(text), minPassphrase)
	}
	return age.NewScryptRecipient(text)
}

// PassphraseIdentity returns the identity that a passphrase makes.
func PassphraseIdentity(text string) (age.Identity, error) {
	if text == "" {
		return nil, errors.New("cannot use the passphrase: it is empty")
	}
	return age.NewScryptIdentity(text)
}
