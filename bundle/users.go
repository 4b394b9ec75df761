package bundle

import (
	"crypto/x509"
	"errors"
	"fmt"

	"tlagate/pemfile"
	"tlagate/pki/trust"
	"tlagate/session/user"
)

// User says whether the users of TLAs have to prove who they are to a PdT, and which persons may use it.
type User struct {
	Mode        user.Mode            `json:"mode,omitzero" yaml:"mode"`
	Practices   map[string]user.Mode `json:"practices,omitempty" yaml:"practices"`
	Persons     []string             `json:"persons,omitempty" yaml:"persons"`
	Professions []string             `json:"professions,omitempty" yaml:"professions"`
}

// IsZero reports whether it says nothing.
func (u User) IsZero() bool {
	return u.Mode == "" && len(u.Practices)+len(u.Persons)+len(u.Professions) == 0
}

// Persons says by whose certificates the users of TLAs prove who they are.
type Persons struct {
	Anchors       []string `json:"anchors" yaml:"anchors"`                       // PEM
	Intermediates []string `json:"intermediates,omitempty" yaml:"intermediates"` // likewise
	Sources       Sources  `json:"sources,omitzero" yaml:"sources"`
	Mapping       Mapping  `json:"mapping" yaml:"mapping"`
}

// Mapping is whom a certificate names; trust.PersonRules says what each member means.
type Mapping struct {
	Identifier string   `json:"identifier" yaml:"identifier"`
	Form       string   `json:"form" yaml:"form"`
	Profession string   `json:"profession,omitzero" yaml:"profession"`
	Policies   []string `json:"policies,omitempty" yaml:"policies"`
}

// IsZero reports whether it says nothing.
func (p Persons) IsZero() bool {
	return len(p.Anchors)+len(p.Intermediates) == 0 && p.Sources.IsZero() && p.Mapping.Identifier == ""
}

// CAs returns the anchors, and the CAs below them.
func (p Persons) CAs() (anchors []trust.Anchor, issuing []*x509.Certificate, err error) {
	for i, text := range p.Anchors {
		ca, err := oneCA(text)
		if err != nil {
			return nil, nil, fmt.Errorf("persons.anchors[%d]: %w", i, err)
		}
		anchors = append(anchors, trust.Anchor{Cert: ca})
	}
	for i, text := range p.Intermediates {
		ca, err := oneCA(text)
		if err != nil {
			return nil, nil, fmt.Errorf("persons.intermediates[%d]: %w", i, err)
		}
		issuing = append(issuing, ca)
	}
	return anchors, issuing, nil
}

func oneCA(text string) (*x509.Certificate, error) {
	der, err := onePEM(text, pemfile.Certificate)
	if err != nil {
		return nil, err
	}
	ca, err := x509.ParseCertificate(der)
	if err == nil && !ca.IsCA {
		err = errors.New("want a CA")
	}
	return ca, err
}

// checkUsers accepts what can be used: a proof that is demanded must be one that can be verified.
func (c *Content) checkUsers() error {
	rule := user.Rule{Mode: c.User.Mode, Practices: c.User.Practices}
	demanded := rule.Has(user.Require) || len(c.User.Persons)+len(c.User.Professions) > 0
	switch _, _, err := c.Persons.CAs(); {
	case err != nil:
		return err
	case c.Persons.IsZero() && demanded:
		return errors.New("its user demands a proof, and it names no CA of persons")
	case c.Persons.IsZero():
		return rule.Check()
	case len(c.Persons.Anchors) == 0:
		return errors.New("its persons name no anchor")
	}
	m := c.Persons.Mapping
	mapping := trust.PersonRules{Identifier: m.Identifier, Form: m.Form, Profession: m.Profession, Policies: m.Policies}
	return errors.Join(rule.Check(), c.Persons.Sources.check(), mapping.Check())
}
