package policy

import (
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"tlagate/tla/atr"
	"tlagate/tla/pin"
)

// Proof is one card application of a profile as it is written: how a card proves who its holder is (C2).
type Proof struct {
	Name  string   `yaml:"name" json:"name"`
	Cards []string `yaml:"cards,omitempty" json:"cards,omitempty"` // ATRs as in Profile; nil = all of the profile
	AID   string   `yaml:"aid" json:"aid"`                         // hexadecimal
	// logical channel, 0 to 3; another than 0 is opened by selecting the application on it
	Channel int  `yaml:"channel,omitempty" json:"channel,omitempty"`
	Verb    Verb `yaml:"verb" json:"verb"`
	// references of key and algorithm, octets in hexadecimal
	Key       string `yaml:"key" json:"key"`
	Algorithm string `yaml:"algorithm,omitempty" json:"algorithm,omitempty"`
	// P1, P2 and data of MANAGE SECURITY ENVIRONMENT, hexadecimal; "" = as ISO 7816-8 has it for Key and Algorithm
	Environment string           `yaml:"environment,omitempty" json:"environment,omitempty"`
	Certificate ProofCertificate `yaml:"certificate" json:"certificate"`
	PIN         ProofPIN         `yaml:"pin" json:"pin"`
}

// ProofCertificate says where the certificate of the key is; one of the three is given.
type ProofCertificate struct {
	Object    string `yaml:"object,omitempty" json:"object,omitempty"`       // tag for GET DATA (PIV), hexadecimal
	File      string `yaml:"file,omitempty" json:"file,omitempty"`           // path, hexadecimal
	Directory bool   `yaml:"directory,omitempty" json:"directory,omitempty"` // by the PKCS#15 directories
}

// ProofPIN says how the application wants its PIN.
type ProofPIN struct {
	P2         string `yaml:"p2" json:"p2"` // of VERIFY, an octet in hexadecimal
	pin.Format `yaml:",inline"`
}

// Verb is how an application signs.
type Verb string

// The verbs.
const (
	GeneralAuthenticate  Verb = "general-authenticate"  // PIV
	InternalAuthenticate Verb = "internal-authenticate" // IAS-ECC
	ComputeSignature     Verb = "pso-cds"
)

// Application is a checked Proof.
type Application struct {
	Name    string
	AID     []byte
	Channel byte
	Verb    Verb
	Key     byte
	// P1, P2 and data of MANAGE SECURITY ENVIRONMENT; nil = there is none to set
	Environment []byte

	Object, File []byte // tag or path of the certificate; both nil = the PKCS#15 directories say where it is
	PINRef       byte   // P2 of VERIFY
	PIN          pin.Format

	atrs []string // lower case
}

// pivAuthentication is the only key of PIV whose use says that its holder is there: 9C is for signatures, 9E wants no
// PIN.
const pivAuthentication = 0x9A

// maxProofs bounds the applications of a profile.
const maxProofs = 16

// Applications returns by which applications the card with that ATR may prove its holder, in the order in which they
// are to be tried.
func (p *Policy) Applications(answer []byte) (list []Application) {
	found, digits := p.profileOf(answer), hex.EncodeToString(answer)
	if found == nil {
		return nil
	}
	for _, a := range found.proofs {
		if a.atrs == nil || slices.ContainsFunc(a.atrs, func(s string) bool { return atr.Fits(digits, s) }) {
			list = append(list, a)
		}
	}
	return list
}

// Proves reports whether the card with that ATR, in hexadecimal, may prove its holder.
func (p *Policy) Proves(atr string) bool {
	octets, err := hex.DecodeString(atr)
	return err == nil && len(p.Applications(octets)) > 0
}

func (p *profile) readProofs(list []Proof) error {
	if len(list) > maxProofs {
		return fmt.Errorf("it has %d applications under proof, want at most %d", len(list), maxProofs)
	}
	for i, w := range list {
		a, err := w.compile()
		if err != nil {
			return fmt.Errorf("proof[%d] %q: %w", i, w.Name, err)
		}
		p.proofs = append(p.proofs, a)
	}
	return nil
}

func (w Proof) compile() (Application, error) {
	a := Application{Name: w.Name, Verb: w.Verb, Channel: byte(w.Channel), PIN: w.PIN.Format}
	var errs []error
	note := func(field string, err error) {
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", field, err))
		}
	}
	note("name", checkName(w.Name))
	for _, s := range w.Cards {
		note("cards", checkATR(s))
		a.atrs = append(a.atrs, strings.ToLower(s))
	}
	var err error
	a.AID, err = hexOctets(w.AID, 5, maxAID)
	note("aid", err)
	if w.Channel < 0 || w.Channel > 3 {
		note("channel", fmt.Errorf("%d: want 0 to 3", w.Channel))
	}
	a.Key, err = octet(w.Key)
	note("key", err)
	note("certificate", a.readCertificate(w.Certificate))
	a.PINRef, err = octet(w.PIN.P2)
	note("pin: p2", err)
	note("pin", a.PIN.Check())
	note("verb", a.readVerb(w))
	return a, errors.Join(errs...)
}

func (a *Application) readCertificate(w ProofCertificate) (err error) {
	given := 0
	for _, is := range []bool{w.Object != "", w.File != "", w.Directory} {
		if is {
			given++
		}
	}
	switch {
	case given != 1:
		return errors.New("want one of object, file, directory: true")
	case w.Object != "":
		a.Object, err = hexOctets(w.Object, 1, 3)
	case w.File != "":
		if a.File, err = hexOctets(w.File, 2, maxPath); err == nil && len(a.File)%2 != 0 {
			err = fmt.Errorf("%q is no path: want identifiers of two octets", w.File)
		}
	}
	return err
}

// maxPath is the longest path of a file, in octets.
const maxPath = 16

// readVerb reads what is different for each verb: key, algorithm, environment.
func (a *Application) readVerb(w Proof) (err error) {
	switch a.Verb {
	case GeneralAuthenticate:
		if w.Algorithm != "" || w.Environment != "" {
			return errors.New("general-authenticate takes neither algorithm nor environment: the " +
				"certificate says which key it is")
		}
		if a.Key != pivAuthentication {
			return errors.New("general-authenticate is for the key 9A: the others are for signatures, or want no PIN")
		}
		return nil
	case InternalAuthenticate:
		return a.readEnvironment(w, 0xA4)
	case ComputeSignature:
		return a.readEnvironment(w, 0xB6)
	}
	return fmt.Errorf("%q is none of %s, %s, %s", a.Verb, GeneralAuthenticate, InternalAuthenticate, ComputeSignature)
}

// readEnvironment reads P1, P2 and data of MANAGE SECURITY ENVIRONMENT, or makes them for a template (ISO 7816-8):
// A4 for authentication, B6 for signatures.
func (a *Application) readEnvironment(w Proof, template byte) (err error) {
	if w.Environment == "" {
		algorithm, err := octet(w.Algorithm)
		if err != nil {
			return errors.New("it needs algorithm, an octet in hexadecimal, or environment")
		}
		a.Environment = []byte{0x41, template, 0x80, 1, algorithm, 0x84, 1, a.Key}
		return nil
	}
	if w.Algorithm != "" {
		return errors.New("it takes either algorithm or environment")
	}
	a.Environment, err = hexOctets(w.Environment, 3, 2+64)
	return err
}

// hexOctets reads from least to most octets in hexadecimal.
func hexOctets(text string, least, most int) ([]byte, error) {
	b, err := hex.DecodeString(text)
	if err != nil || len(b) < least || len(b) > most {
		return nil, fmt.Errorf("%q: want %d to %d octets in hexadecimal", text, least, most)
	}
	return b, nil
}
