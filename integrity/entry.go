package integrity

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Kind is what is at a path.
type Kind string

// The kinds.
const (
	File   Kind = "file"
	Link   Kind = "link"
	Dir    Kind = "directory" // with exactly what the manifest lists below it
	Absent Kind = "absent"    // nothing may be there
	Any    Kind = "any"       // whatever is there, or nothing; it may be in a directory that is listed
)

// Entry is a line of a manifest.
type Entry struct {
	Path   string `json:"path"`
	Kind   Kind   `json:"kind"`
	SHA256 string `json:"sha256,omitempty"` // of a file, hexadecimal
	Size   int64  `json:"size,omitzero"`    // of a file, octets
	To     string `json:"to,omitempty"`     // where a link leads
	Mode   string `json:"mode,omitempty"`   // of a file or directory, octal; "" = any
	Owner  string `json:"owner,omitempty"`  // USER:GROUP; "" = any
}

// maxPath is the longest path, in octets.
const maxPath = 1024

func (e Entry) check() error {
	if !goodPath(e.Path) || !filepath.IsAbs(e.Path) || filepath.Clean(e.Path) != e.Path {
		return errors.New("its path is not absolute and clean")
	}
	_, err := modeOf(e.Mode)
	switch {
	case err != nil:
		return err
	case len(e.Owner) > 64 || e.Owner != "" && strings.Count(e.Owner, ":") != 1:
		return errors.New("its owner is not USER:GROUP")
	}
	return e.checkKind()
}

// checkKind refuses members that do not belong to the kind.
func (e Entry) checkKind() error {
	sum, err := hex.DecodeString(e.SHA256)
	isSum := err == nil && len(sum) == 32 && strings.ToLower(e.SHA256) == e.SHA256
	plain := e.SHA256 == "" && e.Size == 0
	bare := plain && e.To == ""
	good := false
	switch e.Kind {
	case File:
		good = isSum && e.Size >= 0 && e.To == ""
	case Link:
		good = plain && goodPath(e.To) && e.Mode == ""
	case Dir:
		good = bare
	case Absent, Any:
		good = bare && e.Mode == "" && e.Owner == ""
	}
	if !good {
		return fmt.Errorf("it lacks what belongs to the kind %q, has what does not, or there is no such kind", e.Kind)
	}
	return nil
}

// goodPath refuses what would not be printed as it is.
func goodPath(path string) bool {
	return path != "" && len(path) <= maxPath && utf8.ValidString(path) &&
		strings.IndexFunc(path, func(r rune) bool { return r != ' ' && !unicode.IsGraphic(r) }) < 0
}

// modeOf reads a mode; "" = any.
func modeOf(text string) (uint64, error) {
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(text, 8, 12)
	if err != nil || text != octal(n) {
		return 0, fmt.Errorf("its mode is %q, want four octal digits", text)
	}
	return n, nil
}

func octal(mode uint64) string { return fmt.Sprintf("%04o", mode) }

var special = map[fs.FileMode]uint64{fs.ModeSetuid: 0o4000, fs.ModeSetgid: 0o2000, fs.ModeSticky: 0o1000}

// modeText returns a mode as chmod(1) takes it.
func modeText(m fs.FileMode) string {
	mode := uint64(m.Perm())
	for bit, octal := range special {
		if m&bit != 0 {
			mode |= octal
		}
	}
	return octal(mode)
}
