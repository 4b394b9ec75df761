package keys

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// credentialStores is where systemd looks for LoadCredentialEncrypted=NAME (systemd.exec(5)).
var credentialStores = []string{"/etc/credstore.encrypted", "/run/credstore.encrypted",
	"/usr/local/lib/credstore.encrypted", "/usr/lib/credstore.encrypted"}

// Erase destroys a key: in its token; or its file, and the wrapping key under which it is encrypted. The wrapping key
// is what counts: overwriting flash proves nothing, but without the wrapping key what is left on it cannot be read.
// Every other key under the same wrapping key is lost as well. Of a TPM's key it destroys the blob; a copy of that
// works only in the same TPM, until that is cleared.
//
// What is gone already is no error. Config.Event is called for each thing destroyed, and for a wrapping key that is not
// found.
func Erase(s Spec, c Config) error {
	at, err := s.location(c)
	if err != nil {
		return err
	}
	about, err := at.erase()
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("cannot erase the key %s: %w", at, err)
	}
	if err == nil {
		c.tell(Erased, about, "")
	}
	if s.Hardware() || c.WrappingKey == "" {
		return nil
	}
	return c.eraseWrapping(about)
}

// eraseWrapping destroys the wrapping key, wherever it is stored.
func (c Config) eraseWrapping(about Description) error {
	found := false
	for _, file := range c.wrappingFiles() {
		err := destroyFile(file)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			return fmt.Errorf("cannot erase the wrapping key %s: %w", file, err)
		}
		found = true
		c.tell(WrappingErased, about, file)
	}
	if !found {
		c.tell(WrappingAbsent, about, c.WrappingKey)
	}
	return nil
}

func (c Config) wrappingFiles() []string {
	name, ok := credential(c.WrappingKey)
	if !ok {
		return []string{c.WrappingKey}
	}
	if checkCredential(name) != nil {
		return nil
	}
	stores := c.CredentialStores
	if stores == nil {
		stores = credentialStores
	}
	var files []string
	for _, store := range stores {
		for _, file := range []string{name, name + ".cred"} {
			if _, err := os.Lstat(filepath.Join(store, file)); err == nil {
				files = append(files, filepath.Join(store, file))
			}
		}
	}
	return files
}
