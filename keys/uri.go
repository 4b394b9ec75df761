package keys

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"unicode/utf8"
)

// URI is a PKCS#11 URI (RFC 7512) as far as it is used here: one attribute that names the token, object or id or both,
// the module's file, and where the PIN is. It never has a PIN.
type URI struct {
	Token  string // label
	Serial string
	Slot   *int

	Object string // label
	ID     []byte

	Module    string // absolute file name of the module
	PINSource string // "file:/…" or "credential:NAME"; "" = a person is asked
}

// maxURI is the longest URI, in octets.
const maxURI = 4096

// ParseURI reads a PKCS#11 URI. Its errors name attributes and quote no value, which could be a PIN.
func ParseURI(text string) (*URI, error) {
	rest, ok := strings.CutPrefix(text, "pkcs11:")
	if !ok || len(text) > maxURI {
		return nil, errors.New("it is not a URI of the form pkcs11:token=…;object=…?module-path=/…")
	}
	u := new(URI)
	path, query, _ := strings.Cut(rest, "?")
	if err := each(path, ";", u.path()); err != nil {
		return nil, err
	}
	if err := each(query, "&", u.query()); err != nil {
		return nil, err
	}
	return u, u.check()
}

// each calls the function of every attribute with its decoded value. RFC 7512 allows each attribute once.
func each(text, separator string, known map[string]func(string) error) error {
	seen := map[string]bool{}
	for part := range strings.SplitSeq(text, separator) {
		if part == "" {
			continue
		}
		name, raw, _ := strings.Cut(part, "=")
		set, ok := known[name]
		if !ok {
			return fmt.Errorf("its attribute %.40q is not used here: leave it out", name)
		}
		value, err := url.PathUnescape(raw)
		if err != nil || seen[name] || value == "" {
			return fmt.Errorf("its attribute %s is empty, given twice, or has a %% that is not followed by two "+
				"hexadecimal digits", name)
		}
		seen[name] = true
		if err := set(value); err != nil {
			return err
		}
	}
	return nil
}

func text(into *string, name string) func(string) error {
	return func(value string) error {
		if !utf8.ValidString(value) || strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			return fmt.Errorf("its attribute %s is not printable text", name)
		}
		*into = value
		return nil
	}
}

func (u *URI) path() map[string]func(string) error {
	return map[string]func(string) error{
		"token":   text(&u.Token, "token"),
		"serial":  text(&u.Serial, "serial"),
		"object":  text(&u.Object, "object"),
		"slot-id": u.setSlot,
		"id":      func(value string) error { u.ID = []byte(value); return nil },
		"type":    wantPrivate,
	}
}

func (u *URI) query() map[string]func(string) error {
	return map[string]func(string) error{
		"module-path": text(&u.Module, "module-path"),
		"pin-source":  text(&u.PINSource, "pin-source"),
		"pin-value": func(string) error {
			return errors.New("it has a pin-value: a PIN does not belong in a configuration; use " +
				"pin-source=credential:NAME, " +
				"pin-source=file:/…, or neither, to be asked. That PIN has been on disk: change it")
		},
	}
}

func (u *URI) setSlot(value string) error {
	slot, err := strconv.Atoi(value)
	if err != nil || slot < 0 {
		return errors.New("its slot-id is not a number")
	}
	u.Slot = &slot
	return nil
}

func wantPrivate(value string) error {
	if value != "private" {
		return errors.New("its type is not private: it must name a private key")
	}
	return nil
}

func (u *URI) check() error {
	tokens := 0
	for _, given := range []bool{u.Token != "", u.Serial != "", u.Slot != nil} {
		if given {
			tokens++
		}
	}
	switch {
	case tokens != 1:
		return errors.New("it must name the token by one of token, serial and slot-id")
	case u.Object == "" && u.ID == nil:
		return errors.New("it must name the key by object, id or both")
	case !filepath.IsAbs(u.Module):
		return errors.New("it must name the module's file, from the root: ?module-path=/usr/lib/…")
	}
	return u.checkPIN()
}

func (u *URI) checkPIN() error {
	if u.PINSource == "" {
		return nil
	}
	if name, ok := credential(u.PINSource); ok {
		return checkCredential(name)
	}
	if file, ok := u.pinFile(); !ok || !filepath.IsAbs(file) {
		return errors.New("its pin-source is neither file:/… nor credential:NAME")
	}
	return nil
}

// pinFile returns the file of file:/… or file:///….
func (u *URI) pinFile() (string, bool) {
	file, ok := strings.CutPrefix(u.PINSource, "file:")
	if rest, isURL := strings.CutPrefix(file, "//"); isURL {
		file = rest
	}
	return file, ok
}

// TokenName returns how the token is named to a person.
func (u *URI) TokenName() string {
	switch {
	case u.Token != "":
		return u.Token
	case u.Serial != "":
		return "with serial " + u.Serial
	}
	return fmt.Sprintf("in slot %d", *u.Slot)
}

// String returns how token and key are named to a person.
func (u *URI) String() string {
	object := u.Object
	if object == "" {
		object = "id " + hex.EncodeToString(u.ID)
	}
	return fmt.Sprintf("%s in token %s", object, u.TokenName())
}
