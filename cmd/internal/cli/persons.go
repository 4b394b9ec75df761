package cli

import (
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"reflect"

	"tlagate/keys"
	"tlagate/pki/revocation"
	"tlagate/pki/trust"
	"tlagate/session/user"
)

// User is the YAML section that says whether the users of terminals have to prove who they are:
//
//	user: {mode: require, practices: {cabinet-a: tell, cabinet-b: off}}
//
// Without it the mode is tell.
type User struct {
	Mode      user.Mode            `yaml:"mode"`      // off, tell, require
	Practices map[string]user.Mode `yaml:"practices"` // of terminals, with a mode of their own
}

// Rule returns the section as the packages want it.
func (u User) Rule() user.Rule { return user.Rule(u) }

// Persons is the YAML section that says by whose certificates, of another PKI, users prove who they are:
//
//	persons:
//	  anchors: [{file: persons-root.crt}]
//	  intermediates: [persons-issuing.crt]
//	  crls: ["http://igc.example.invalid/persons.crl"]
//	  ocsp: {from_aia: true}
//	  mapping: {identifier: CN, form: "8[0-9]{11}", profession: title}
//
// What is not said here means what it means in the section trust.
type Persons struct {
	Anchors       []PersonsAnchor `yaml:"anchors"`
	Intermediates []Path          `yaml:"intermediates"` // cards send the person's certificate alone
	CRLs          []Path          `yaml:"crls"`
	OCSP          OCSP            `yaml:"ocsp"`
	DenyList      Path            `yaml:"deny_list"`
	ARL           Path            `yaml:"arl"` // where lists are kept that come through a gateway
	State         Path            `yaml:"state"`
	Answers       Path            `yaml:"answers"`
	Production    bool            `yaml:"production"`
	Mapping       Mapping         `yaml:"mapping"`

	Known    []trust.Anchor      `yaml:"-"` // anchors of a bundle
	KnownCAs []*x509.Certificate `yaml:"-"` // the CAs below them
}

// NamesCAs reports whether the section itself says whom it trusts, and not only where things are kept; p may be nil.
func (p *Persons) NamesCAs() bool {
	return p != nil && (len(p.Anchors)+len(p.Intermediates)+len(p.CRLs) > 0 || !reflect.ValueOf(p.OCSP).IsZero() ||
		!reflect.ValueOf(p.Mapping).IsZero())
}

// Kept returns what the section says of where things are kept, and what else it may say beside a bundle; p may be nil.
func (p *Persons) Kept() *Persons {
	if p == nil {
		return &Persons{}
	}
	return &Persons{DenyList: p.DenyList, ARL: p.ARL, State: p.State, Answers: p.Answers, Production: p.Production}
}

// PersonsAnchor is one line of persons.anchors.
type PersonsAnchor struct {
	File Path `yaml:"file"`
}

// Mapping is persons.mapping; trust.PersonRules says what each field means.
type Mapping struct {
	Identifier string   `yaml:"identifier"`
	Form       string   `yaml:"form"`
	Profession string   `yaml:"profession"`
	Policies   []string `yaml:"policies"`
}

// rules returns the mapping as package trust wants it.
func (m Mapping) rules(devices *trust.Trust) trust.PersonRules {
	return trust.PersonRules{Identifier: m.Identifier, Form: m.Form, Profession: m.Profession, Policies: m.Policies,
		Devices: devices}
}

// PersonKey is the YAML section that names the key by which the trace marks persons:
//
//	person_key: {file: person.key, wrapping_key: "credential:tlagate-wrap"}
type PersonKey struct {
	File        Path `yaml:"file"`         // mode 0600; "" = no person is in the trace
	WrappingKey Path `yaml:"wrapping_key"` // as in Identity
}

// Keys returns how the key is read and written.
func (k PersonKey) Keys() keys.Config { return keys.Config{WrappingKey: string(k.WrappingKey)} }

// Reads returns the files and URLs that the section names to be read; p may be nil.
func (p *Persons) Reads() []Path {
	if p == nil {
		return nil
	}
	all := append(append([]Path{p.DenyList}, p.Intermediates...), p.CRLs...)
	for _, a := range p.Anchors {
		all = append(all, a.File)
	}
	return all
}

// Writes returns the files that the section names to be written; p may be nil.
func (p *Persons) Writes() []Path {
	if p == nil {
		return nil
	}
	return []Path{p.ARL, p.State, p.Answers}
}

// Config returns the section as package trust wants it; devices is the trust store of devices, whose CAs vouch for no
// person; nil = it cannot be opened.
func (p *Persons) Config(devices *trust.Trust, log *slog.Logger) trust.Config {
	cfg := trust.Config{
		Profile:       trust.Persons,
		Persons:       p.Mapping.rules(devices),
		Known:         p.Known,
		Intermediates: Texts(p.Intermediates),
		KnownCAs:      p.KnownCAs,
		Production:    p.Production,
		Log:           log,
		Revocation: revocation.Config{CRLs: Texts(p.CRLs), OCSP: revocation.OCSPConfig(p.OCSP),
			DenyList: string(p.DenyList), ARL: string(p.ARL), State: string(p.State), Answers: string(p.Answers)},
	}
	for _, a := range p.Anchors {
		cfg.Anchors = append(cfg.Anchors, trust.AnchorFile{File: string(a.File)})
	}
	return cfg
}

// Look opens the trust store for somebody who only looks: nothing is written or logged.
func (p *Persons) Look(devices *trust.Trust) (*trust.Trust, error) {
	c := *p
	c.ARL, c.State, c.Answers = "", "", ""
	return trust.Open(c.Config(devices, slog.New(slog.DiscardHandler)))
}

// CheckIdentifier returns an error if no certificate can name that national identifier, which the error does not
// repeat; p may be nil.
func (p *Persons) CheckIdentifier(id string) error {
	if p == nil {
		return nil
	}
	names, err := p.Mapping.rules(nil).Names(id)
	if err == nil && !names {
		err = Usage("cannot look for that identifier: it is not of the form %s (persons.mapping); want 8 and the "+
			"eleven digits of the RPPS number, for instance", p.Mapping.Form)
	}
	return err
}

// Gaps returns why cards will be refused that a store of persons is meant to let pass: its CAs do not hang together.
func Gaps(store *trust.Trust) (errs []error) {
	for _, ca := range store.Strays() {
		errs = append(errs, fmt.Errorf("persons.intermediates: no anchor of persons vouches for %q, so no card that "+
			"it certified passes: name its root under persons.anchors, or the right issuing CA", ca.Subject.CommonName))
	}
	if store.RootsOnly() {
		errs = append(errs, errors.New("persons.intermediates: no issuing CA is named, and a card brings its own "+
			"certificate alone: name the CAs that certify cards"))
	}
	return errs
}

// Strangers returns why lists of a store of persons are of no use: cards bring no CA.
func Strangers(store *trust.Trust) (errs []error) {
	for _, l := range store.Lists() {
		if l.Stranger {
			errs = append(errs, fmt.Errorf("persons.crls: %s is of %q, which is no CA of persons here, so it says "+
				"nothing of any card: name that CA under persons.intermediates, or take the list out",
				l.Source, l.Issuer))
		}
	}
	return errs
}

// CheckUsers returns what is wrong with both sections; p may be nil. named says that some access depends on who the
// user is.
func CheckUsers(rule user.Rule, p *Persons, named bool) error {
	errs := []error{rule.Check()}
	switch {
	case p == nil && rule.Has(user.Require):
		errs = append(errs, fmt.Errorf("user: cannot require a proof that nobody can verify: name the CAs of persons "+
			"(persons), or write user: {mode: %s}", user.Tell))
	case p == nil && named:
		errs = append(errs, errors.New("cannot let in by person or profession: name the CAs of persons (persons)"))
	case p != nil && len(p.Anchors)+len(p.Known) == 0:
		errs = append(errs, errors.New("persons.anchors is missing: name the root of the persons' PKI"))
	}
	return errors.Join(errs...)
}
