package keys

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// credentialStores is where systemd looks for LoadCredentialEncrypted=NAME (systemd.exec(5)).
var credentialStores = []string{"/etc/credstore.encrypted", "/run/credstore.encrypted", "/usr/local/lib/credstore.encrypted", "/usr/lib/credstore.encrypted"}

// Erase destroys a key: in its token; or its file, and the wrapping key it is encrypted under, which is what counts: overwriting
// flash proves nothing, but what is left on it cannot be read any more. Every other key under the same wrapping key is
// lost with it. A TPM's blob is taken away; a copy of it works in the same TPM only, until that is cleared.
// What is gone already is no error. Config.Event is told of each thing destroyed, and of a wrapping key that is not found.
func Erase(s Spec, c Config) error {
	at, err := s.place(c)
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

// eraseWrapping destroys the wrapping key wherever it is kept.
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
