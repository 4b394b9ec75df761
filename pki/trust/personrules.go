package trust

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
)

// PersonRules say how a certificate of the profile Persons names its person: what they do not say is not guessed.
type PersonRules struct {
	// Identifier is the attribute of the subject that has the person's national identifier, and is there once: CN,
	// serialNumber, UID …, or an OID. In IGC-Santé's: CN.
	Identifier string

	// Form is a regular expression that the whole identifier matches. In IGC-Santé's: 8[0-9]{11}, an 8 and the eleven
	// digits of the RPPS number.
	Form string

	// Profession is the attribute that has the profession, such as title; "" = none is looked for. A subject may lack
	// it, but not have two.
	Profession string

	// Policies are the certificate policies of which the certificate must name one, so that only those whose key is in
	// a card pass. Empty = any.
	Policies []string

	// Devices is the trust store of devices: none of its CAs can vouch for a person. nil = there is none.
	Devices *Trust
}

// Person is a person whose certificate passed.
type Person struct {
	ID          string // national identifier: it may be in no log, metric, problem or trace; nor may Name
	Name        string // as the subject has it; "" = it has none
	Profession  string // "" = the subject has none
	Certificate *x509.Certificate
	Chain       []*x509.Certificate // leaf first, anchor last
	NotAfter    time.Time           // earliest end in the chain
}

// personMap is PersonRules, read.
type personMap struct {
	identifier string // OID
	form       *regexp.Regexp
	profession string // OID; "" = none
	policies   []string
	devices    *Trust
}

// subjectAttributes are the OIDs of the attributes that a configuration may call by their names (RFC 4519).
var subjectAttributes = map[string]string{
	"CN": "2.5.4.3", "SN": "2.5.4.4", "serialNumber": "2.5.4.5", "OU": "2.5.4.11", "title": "2.5.4.12",
	"GN": "2.5.4.42", "UID": "0.9.2342.19200300.100.1.1",
}

const (
	givenName = "GN"
	surname   = "SN"
)

// The longest texts that are taken from a subject, in octets.
const (
	maxIdentifier = 64
	maxPersonText = 128
)

// Check returns everything that is wrong with the rules.
func (r PersonRules) Check() error {
	_, err := r.read()
	return err
}

// Names reports whether a certificate can name a person by that identifier.
func (r PersonRules) Names(id string) (bool, error) {
	m, err := r.read()
	return err == nil && m.takes(id), err
}

// read returns the rules as they are applied, or everything that is wrong with them.
func (r PersonRules) read() (*personMap, error) {
	m := &personMap{devices: r.Devices}
	var idErr, formErr, professionErr error
	m.identifier, idErr = attributeOID(r.Identifier)
	if m.form, formErr = wholly(r.Form); r.Form == "" {
		formErr = errors.New("they name no form of the identifier")
	}
	if r.Profession != "" {
		m.profession, professionErr = attributeOID(r.Profession)
	}
	err := errors.Join(idErr, formErr, professionErr)
	for _, text := range r.Policies {
		oid, oidErr := x509.ParseOID(text)
		m.policies, err = append(m.policies, oid.String()), errors.Join(err, oidErr)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot use the rules of whom a certificate names: %w", err)
	}
	return m, nil
}

// wholly returns a form that the whole text must match. It is compiled by itself first: one that closes the group would
// be open at both ends.
func wholly(form string) (*regexp.Regexp, error) {
	if _, err := regexp.Compile(form); err != nil {
		return nil, err
	}
	return regexp.Compile(`^(?:` + form + `)$`)
}

// attributeOID returns the OID of an attribute that is named by a word or by its OID.
func attributeOID(name string) (string, error) {
	if oid, known := subjectAttributes[name]; known {
		return oid, nil
	}
	oid, err := x509.ParseOID(name)
	if err != nil {
		return "", fmt.Errorf("the attribute %q of a subject is unknown: want CN, serialNumber, UID, title, OU or an "+
			"OID", name)
	}
	return oid.String(), nil
}

// valuesOf returns the values of an attribute of a certificate's subject.
func valuesOf(c *x509.Certificate, oid string) (values []string) {
	for _, a := range c.Subject.Names {
		if a.Type.String() == oid {
			text, _ := a.Value.(string)
			values = append(values, text)
		}
	}
	return values
}

// whom returns the person that a certificate names. No text of a refusal quotes the subject.
func (m *personMap) whom(c *x509.Certificate) (*Person, string) {
	ids := valuesOf(c, m.identifier)
	switch {
	case len(ids) != 1:
		return nil, fmt.Sprintf("its subject has %d identifiers where the mapping wants one", len(ids))
	case !m.takes(ids[0]):
		return nil, "the identifier in its subject has not the form that the mapping wants"
	}
	p := &Person{ID: ids[0], Certificate: c}
	if m.profession != "" {
		professions := valuesOf(c, m.profession)
		if len(professions) > 1 || len(professions) == 1 && !personText(professions[0]) {
			return nil, "its subject has two professions, or one that cannot be printed"
		}
		p.Profession = strings.Join(professions, "")
	}
	if p.Name = nameOf(c); !personText(p.Name) {
		return nil, "the name in its subject is too long, or cannot be printed"
	}
	return p, ""
}

// takes reports whether an identifier has the form that the mapping wants.
func (m *personMap) takes(id string) bool {
	return id != "" && len(id) <= maxIdentifier && printable(id) && m.form.MatchString(id)
}

// nameOf returns given names and surnames.
func nameOf(c *x509.Certificate) string {
	return strings.Join(slices.Concat(valuesOf(c, subjectAttributes[givenName]),
		valuesOf(c, subjectAttributes[surname])), " ")
}

func personText(s string) bool { return len(s) <= maxPersonText && printable(s) }

func printable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) || r == unicode.ReplacementChar })
}

// ofDevices returns the place of the first CA of a path that the store of devices has, too; 0 = none.
func (m *personMap) ofDevices(path []*x509.Certificate) int {
	return 1 + slices.IndexFunc(path[1:], m.isDevices)
}

// isDevices reports whether a CA's key is that of a CA in the store of devices, whatever its certificate says.
func (m *personMap) isDevices(ca *x509.Certificate) bool {
	if m.devices == nil {
		return false
	}
	r := m.devices.roots.Load()
	return slices.ContainsFunc(slices.Concat(certsOf(r.anchors), r.intermediates), func(c *x509.Certificate) bool {
		return bytes.Equal(c.RawSubjectPublicKeyInfo, ca.RawSubjectPublicKeyInfo)
	})
}

// openPersons reads the rules of the profile Persons.
func (t *Trust) openPersons() (err error) {
	if t.cfg.Profile == Persons {
		t.persons, err = t.cfg.Persons.read()
	}
	return err
}
