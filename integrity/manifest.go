package integrity

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json/jsontext"
	"encoding/json/v2"
	"errors"
	"fmt"
	"regexp"
	"time"

	"tlagate/bundle"
	"tlagate/internal/files"
)

// Format is the version of the form of the content.
const Format = 1

// Ending is how the names of manifests end.
const Ending = ".p7m"

// maxNumber is the largest that every JSON reader takes for an integer.
const maxNumber = 1<<53 - 1

// Manifest is what a manifest says; docs/integrity.md has the meaning of each member.
type Manifest struct {
	Manifest     int       `json:"manifest"` // Format
	Name         string    `json:"name"`     // of a package, or of what an operator signs for
	Number       uint64    `json:"number"`   // rises with every manifest of this name
	Version      string    `json:"version,omitempty"`
	Architecture string    `json:"architecture,omitempty"`
	Made         time.Time `json:"made"`
	ValidUntil   time.Time `json:"valid_until,omitzero"` // zero: no end
	Files        []Entry   `json:"files"`                // in the order of their paths
}

// Signed is a manifest whose form and signature are good. That its signer may sign it has not been checked.
type Signed struct {
	*Manifest
	Chain   []*x509.Certificate // the signer's first
	DER     []byte              // the whole file
	Digest  string              // of it
	Content string              // digest of what is signed
}

// Read reads a manifest and checks its form and signature, but not its signer.
func Read(der []byte) (*Signed, error) {
	s, err := bundle.OpenSigned(der)
	if err != nil {
		return nil, err
	}
	m, err := Parse(s.Content)
	if err != nil {
		return nil, err
	}
	return &Signed{m, s.Chain, der, digestOf(der), digestOf(s.Content)}, nil
}

// ReadFile reads a manifest as Read does.
func ReadFile(file string) (*Signed, error) {
	der, err := files.ReadRegular(file, bundle.MaxSigned)
	if err != nil {
		return nil, err
	}
	return Read(der)
}

// Text returns the content, as it is signed.
func (m *Manifest) Text() ([]byte, error) {
	if err := m.check(); err != nil {
		return nil, fmt.Errorf("cannot make a manifest: %w", err)
	}
	text, err := json.Marshal(m, jsontext.WithIndent(" "))
	if err != nil {
		return nil, fmt.Errorf("cannot make a manifest: %w", err)
	}
	return text, nil
}

// Sign makes the file of a manifest, signed with a certificate of the profile bundle, followed by its CAs, and its key.
func Sign(m *Manifest, by *tls.Certificate, now time.Time) ([]byte, error) {
	text, err := m.Text()
	if err != nil {
		return nil, err
	}
	return bundle.SignContent(text, by, now)
}

// Parse reads the content of a manifest, signed or not.
func Parse(text []byte) (*Manifest, error) {
	m := new(Manifest)
	if err := json.Unmarshal(text, m, json.RejectUnknownMembers(true)); err != nil {
		return nil, fmt.Errorf("its content is no manifest: %w", err)
	}
	return m, m.check()
}

var names = regexp.MustCompile(`^[a-z0-9][a-z0-9.+-]{0,63}$`)

// check refuses what docs/integrity.md does not allow.
func (m *Manifest) check() error {
	switch {
	case m.Manifest != Format:
		return fmt.Errorf("its form is %d, want %d", m.Manifest, Format)
	case !names.MatchString(m.Name):
		return errors.New("its name is not of 1 to 64 of a-z 0-9 . + -")
	case m.Number == 0 || m.Number > maxNumber:
		return fmt.Errorf("its number is %d, want 1 to %d", m.Number, uint64(maxNumber))
	case len(m.Version) > 64 || len(m.Architecture) > 64:
		return errors.New("its version or architecture is longer than 64 octets")
	case m.Made.IsZero():
		return errors.New("it does not say when it was made")
	case !m.ValidUntil.IsZero() && !m.ValidUntil.After(m.Made):
		return errors.New("it ends before it was made")
	case len(m.Files) == 0:
		return errors.New("it lists no file")
	}
	return m.checkFiles()
}

func (m *Manifest) checkFiles() error {
	last := ""
	for i, e := range m.Files {
		if err := e.check(); err != nil {
			return fmt.Errorf("files[%d]: %w", i, err)
		}
		if e.Path <= last {
			return fmt.Errorf("files[%d]: %q is there twice, or not in order", i, e.Path)
		}
		last = e.Path
	}
	return nil
}
