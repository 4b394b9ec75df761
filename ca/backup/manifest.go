package backup

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"tlagate/ca/store"
	"tlagate/internal/files"
)

// format is the version of a backup; another is refused.
const format = 1

// Where the issuing CA's key is.
const (
	KeyInside    = "inside"    // in the backup
	KeyElsewhere = "elsewhere" // in hardware: at most its place is in the backup
)

// Manifest says what is in a backup.
type Manifest struct {
	Format   int       `json:"format"` // 1
	Made     time.Time `json:"made"`   // UTC
	Name     string    `json:"name"`   // of the CA
	Root     string    `json:"root"`   // SHA-256 of the root's certificate, hexadecimal
	Key      string    `json:"key"`    // of the issuing CA: inside or elsewhere
	WithRoot bool      `json:"with_root"`
	store.Standing
	Files []File `json:"files"` // in the order of the archive
}

// File is one file of the CA's directory.
type File struct {
	Path   string `json:"path"` // below the CA's directory
	Size   int64  `json:"size"` // octets
	SHA256 string `json:"sha256"`
}

// parseManifest reads a manifest strictly: what is not understood is not restored.
func parseManifest(text []byte) (m Manifest, err error) {
	if err := files.DecodeJSON(text, &m); err != nil {
		return m, fmt.Errorf("cannot read its manifest: %w", err)
	}
	switch {
	case m.Format != format:
		return m, fmt.Errorf("its format is %d, this program knows %d", m.Format, format)
	case m.Key != KeyInside && m.Key != KeyElsewhere:
		return m, errors.New("its manifest does not say where the key is")
	}
	return m, nil
}

// compare checks that the files found are those of the manifest, in its order.
func (m Manifest) compare(found []File) error {
	if len(found) != len(m.Files) {
		return fmt.Errorf("it holds %d files and its manifest names %d", len(found), len(m.Files))
	}
	for i, want := range m.Files {
		if found[i] != want {
			return fmt.Errorf("its file %q is not the one that its manifest names", found[i].Path)
		}
	}
	return nil
}

// Bounds of what is read, because a backup may be hostile.
const (
	maxFiles    = 4096
	maxManifest = 4 << 20
	maxPath     = 200
)

// checkPath accepts a plain relative path, without names that begin with a dot.
func checkPath(path string) error {
	if len(path) > maxPath || !fs.ValidPath(path) || path == "." || strings.ContainsFunc(path, odd) {
		return errors.New("it holds a file whose path is not plain")
	}
	for _, name := range strings.Split(path, "/") {
		if strings.HasPrefix(name, ".") {
			return errors.New("it holds a file whose name begins with a dot")
		}
	}
	return nil
}

func odd(r rune) bool { return r <= ' ' || r > '~' || r == '\\' || r == ':' }

func hexOf(sum []byte) string { return hex.EncodeToString(sum) }
