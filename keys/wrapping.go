package keys

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// minWrapping is the shortest wrapping key, in octets. It should come from a random generator: openssl rand -base64 48.
const minWrapping = 32

const credentialScheme = "credential:"

// credential returns the NAME of "credential:NAME".
func credential(text string) (name string, ok bool) { return strings.CutPrefix(text, credentialScheme) }

// wrappingKey reads the wrapping key. The caller wipes it. It is one line of text, so that openssl's -passin file:
// reads the same.
func (c Config) wrappingKey() ([]byte, error) {
	secret, err := c.Secret(c.WrappingKey)
	if err != nil {
		return nil, fmt.Errorf("cannot read the wrapping key %s: %w", c.WrappingKey, err)
	}
	if err := checkWrapping(secret); err != nil {
		wipe(secret)
		return nil, fmt.Errorf("cannot use the wrapping key %s: %w", c.WrappingKey, err)
	}
	return secret, nil
}

func checkWrapping(secret []byte) error {
	if len(secret) < minWrapping {
		return fmt.Errorf("it is shorter than %d octets: make one with openssl rand -base64 48", minWrapping)
	}
	if bytes.ContainsFunc(secret, func(r rune) bool { return r < ' ' || r > '~' }) {
		return errors.New("it is not one line of printable ASCII: make one with openssl rand -base64 48")
	}
	return nil
}

// Secret reads what a configuration names as FILE (mode 0600), or as "credential:NAME" for a credential that systemd
// has loaded. It leaves out the last line feed.
func (c Config) Secret(from string) ([]byte, error) {
	file, tolerated := from, fs.FileMode(0)
	if name, ok := credential(from); ok {
		dir, err := c.credentials(name)
		if err != nil {
			return nil, err
		}
		// systemd lets the unit's user read by an ACL, where the file system has them, and the ACL's mask shows as the
		// group's right to read. Nobody but the unit may enter the directory.
		file, tolerated = filepath.Join(dir, name), 0o040
	}
	raw, err := readPrivate(file, tolerated)
	return bytes.TrimSuffix(bytes.TrimSuffix(raw, []byte("\n")), []byte("\r")), err
}

// credentials returns the directory of systemd's credentials.
func (c Config) credentials(name string) (string, error) {
	if err := checkCredential(name); err != nil {
		return "", err
	}
	dir := c.Credentials
	if dir == "" {
		dir = os.Getenv("CREDENTIALS_DIRECTORY")
	}
	if dir == "" {
		return "", fmt.Errorf("no credential was given to this program: its unit needs LoadCredentialEncrypted=%[1]s, "+
			"and outside of the unit systemd-run -P -p LoadCredentialEncrypted=%[1]s runs it", name)
	}
	return dir, nil
}

func checkCredential(name string) error {
	if name == "" || name == "." || name == ".." || strings.ContainsAny(name, `/\`) ||
		strings.ContainsFunc(name, func(r rune) bool { return r < '!' || r > '~' }) {
		return errors.New("a credential has a name without / or blanks")
	}
	return nil
}
