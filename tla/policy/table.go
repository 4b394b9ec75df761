package policy

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"tlagate/tla/pin"
)

// Table is a card policy as it is written, in YAML or JSON. What it does not allow is refused.
type Table struct {
	Version  int       `yaml:"version" json:"version"`   // of this format: 1
	Profiles []Profile `yaml:"profiles" json:"profiles"` // the first whose Cards fit the ATR counts
}

// Profile is what may be done with some kinds of card.
type Profile struct {
	Name string `yaml:"name" json:"name"`
	// ATRs, hexadecimal; a point stands for any digit, a * at the end for any further digits
	Cards []string `yaml:"cards" json:"cards"`
	// status word of a refusal, hexadecimal; "" = 6982
	Refuse string `yaml:"refuse,omitempty" json:"refuse,omitempty"`
	Rules  []Rule `yaml:"rules" json:"rules"` // the first that fits a command counts
	// how the card proves its holder, before a session; the first that the card has counts
	Proof []Proof `yaml:"proof,omitempty" json:"proof,omitempty"`
	// whether programs of the Poste de Travail may sign with the key of a proof; "" = shared
	ProofKey ProofKey `yaml:"proof-key,omitempty" json:"proof-key,omitempty"`
	// what may be read before a program asks for it
	Ahead Ahead `yaml:"ahead,omitempty" json:"ahead,omitzero"`
}

// Rule fits a command when each of its fields does; a field that is not given fits every command.
//
// CLA, INS, P1 and P2 are octets in hexadecimal, or value/mask: "00/FC" fits 00 to 03. The channel and chaining bits of
// an interindustry class are not compared. Commands under secure messaging, chained and extended ones, proprietary
// classes, ENVELOPE and odd instructions are allowed only by a rule that says so: Secure, Chained, Extended, or the
// very octet without mask.
type Rule struct {
	Name string `yaml:"name" json:"name"`
	// AIDs of selected applications; "none": none was selected since the reset
	Apps []string `yaml:"apps,omitempty" json:"apps,omitempty"`
	CLA  string   `yaml:"cla,omitempty" json:"cla,omitempty"`
	INS  string   `yaml:"ins,omitempty" json:"ins,omitempty"`
	P1   string   `yaml:"p1,omitempty" json:"p1,omitempty"`
	P2   string   `yaml:"p2,omitempty" json:"p2,omitempty"`
	// the whole data, hexadecimal; "3F*": data that begin so
	Data     []string `yaml:"data,omitempty" json:"data,omitempty"`
	Lc       string   `yaml:"lc,omitempty" json:"lc,omitempty"`             // octets of data: "0", "1-16"
	Le       string   `yaml:"le,omitempty" json:"le,omitempty"`             // octets wanted: "0", "1-256"
	Extended bool     `yaml:"extended,omitempty" json:"extended,omitempty"` // also with extended lengths
	// also in parts, which are put together and judged as one
	Chained bool        `yaml:"chained,omitempty" json:"chained,omitempty"`
	Secure  bool        `yaml:"secure,omitempty" json:"secure,omitempty"` // also under secure messaging
	Action  Action      `yaml:"action" json:"action"`
	PIN     *pin.Format `yaml:"pin,omitempty" json:"pin,omitempty"` // of local-pin: how the card wants the PIN
	// of a refusal: a status word; "" = the profile's
	Answer string `yaml:"answer,omitempty" json:"answer,omitempty"`
	// of a refusal: ordinary programs send such commands; implied by Answer
	Expected bool `yaml:"expected,omitempty" json:"expected,omitempty"`
}

// Action is what becomes of a command.
type Action string

// The actions.
const (
	Allow    Action = "allow"
	Refuse   Action = "refuse"
	LocalPIN Action = "local-pin" // the terminal asks its user for the PIN, and never uses one that came (SP4)
)

// Policy is a table that was checked. It may be used by many goroutines.
type Policy struct{ profiles []*profile }

type profile struct {
	name   string
	atrs   []string // lower case
	refuse [2]byte
	rules  []*rule
	proofs []Application

	reserved bool // the keys of proofs are
	ahead    Ahead
	files    []*listed // of ahead
}

type rule struct {
	name             string
	apps             map[string]bool // nil = any; "" = none
	cla, ins, p1, p2 pattern
	data             []dataPattern
	lc, le           bounds
	extended         bool
	chained          bool
	secure           bool
	action           Action
	pin              pin.Format // of LocalPIN
	answer           [2]byte
	expected         bool // its refusals alarm nobody
}

// none is the word for no application.
const none = "none"

// Limits of a table.
const (
	maxProfiles = 64
	maxRules    = 512
	maxName     = 64
	maxData     = 65535 // of a command
)

// defaultRefusal is 6982, security status not satisfied.
var defaultRefusal = [2]byte{0x69, 0x82}

// Compile checks a table and returns its policy. An error names profile and rule.
func Compile(t Table) (*Policy, error) {
	if t.Version != 1 {
		return nil, fmt.Errorf("cannot use the card policy: its version is %d, want 1", t.Version)
	}
	if len(t.Profiles) == 0 || len(t.Profiles) > maxProfiles {
		return nil, fmt.Errorf("cannot use the card policy: it has %d profiles, want 1 to %d", len(t.Profiles),
			maxProfiles)
	}
	p, names := &Policy{}, map[string]bool{}
	for i, written := range t.Profiles {
		compiled, err := written.compile()
		if names[written.Name] {
			err = errors.New("there is a profile of that name before it")
		}
		names[written.Name] = true
		if err != nil {
			return nil, fmt.Errorf("cannot use the card policy: profiles[%d] %q: %w", i, written.Name, err)
		}
		p.profiles = append(p.profiles, compiled)
	}
	return p, nil
}

func (w Profile) compile() (*profile, error) {
	p := &profile{name: w.Name}
	if err := checkName(w.Name); err != nil {
		return nil, err
	}
	if len(w.Cards) == 0 || len(w.Rules) > maxRules {
		return nil, fmt.Errorf("it has %d cards and %d rules, want at least 1, and at most %d", len(w.Cards),
			len(w.Rules), maxRules)
	}
	for _, atr := range w.Cards {
		if err := checkATR(atr); err != nil {
			return nil, err
		}
		p.atrs = append(p.atrs, strings.ToLower(atr))
	}
	var err error
	if p.refuse, err = statusWord(w.Refuse, defaultRefusal); err != nil {
		return nil, err
	}
	for i, written := range w.Rules {
		r, err := written.compile(p.refuse)
		if err != nil {
			return nil, fmt.Errorf("rules[%d] %q: %w", i, written.Name, err)
		}
		p.rules = append(p.rules, r)
	}
	p.reserved = w.ProofKey == Reserved
	return p, errors.Join(w.checkProofKey(), p.readAhead(w.Ahead), p.readProofs(w.Proof))
}

func checkName(name string) error {
	printable := !strings.ContainsFunc(name, func(r rune) bool { return !strconv.IsPrint(r) })
	if name == "" || len(name) > maxName || !printable {
		return fmt.Errorf("a name of 1 to %d printable characters is wanted", maxName)
	}
	return nil
}

func checkATR(atr string) error {
	atr = strings.TrimSuffix(atr, "*")
	ok := !strings.ContainsFunc(atr, func(r rune) bool { return !strings.ContainsRune("0123456789abcdefABCDEF.", r) })
	if !ok || len(atr)%2 != 0 || len(atr) < 2 || len(atr) > 66 {
		return fmt.Errorf("%q is no ATR: want 1 to 33 octets in hexadecimal, a point for any digit, a * for any more",
			atr)
	}
	if strings.HasPrefix(atr, "..") {
		return fmt.Errorf("the ATR %q fits too many cards: write its first octet", atr)
	}
	return nil
}

func (w Rule) compile(refuse [2]byte) (*rule, error) {
	r := &rule{name: w.Name, extended: w.Extended, chained: w.Chained, secure: w.Secure, action: w.Action,
		expected: w.Action == Refuse && (w.Expected || w.Answer != "")}
	var err error
	var errs []error
	note := func(field string, err error) {
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", field, err))
		}
	}
	note("name", checkName(w.Name))
	note("action", w.checkAction())
	r.apps, err = readApps(w.Apps)
	note("apps", err)
	note("data", r.readData(w.Data))
	for _, p := range []struct {
		field string
		text  string
		into  *pattern
	}{{"cla", w.CLA, &r.cla}, {"ins", w.INS, &r.ins}, {"p1", w.P1, &r.p1}, {"p2", w.P2, &r.p2}} {
		note(p.field, p.into.read(p.text))
	}
	note("lc", r.lc.read(w.Lc))
	note("le", r.le.read(w.Le))
	note("pin", r.readPIN(w))
	if len(errs) == 0 {
		note("the rule", r.check())
	}
	r.answer, err = statusWord(w.Answer, refuse)
	note("answer", err)
	return r, errors.Join(errs...)
}

func (w Rule) checkAction() error {
	switch w.Action {
	case Allow, Refuse:
		if w.Expected && w.Action == Allow {
			return errExpected
		}
		return nil
	case LocalPIN:
		if w.INS != "20" || len(w.P1) != 2 || len(w.P2) != 2 || w.CLA != "" && w.CLA != "00" || w.Data != nil {
			return errors.New(`local-pin is for VERIFY of one PIN: write ins: "20", p1 and p2 without mask, cla: "00" or none, and no data`)
		}
		if w.Expected {
			return errExpected
		}
		return nil
	}
	return fmt.Errorf("%q is none of allow, refuse, local-pin", w.Action)
}

var errExpected = errors.New("expected is for a rule that refuses")

func (r *rule) readPIN(w Rule) error {
	if (w.Action == LocalPIN) != (w.PIN != nil) {
		return errors.New("local-pin, and nothing else, needs pin: {min: 4, max: 8, length: 8, pad: 255}")
	}
	if w.PIN == nil {
		return nil
	}
	r.pin = *w.PIN
	if r.lc = (bounds{1, maxData, true}); w.Lc != "" {
		return errors.New("local-pin has no lc: it is for a VERIFY with any data")
	}
	return r.pin.Check()
}

// readApps returns the applications of a list; nil = any.
func readApps(list []string) (apps map[string]bool, err error) {
	if list == nil {
		return nil, nil
	}
	if len(list) == 0 {
		return nil, errEmpty
	}
	apps = map[string]bool{}
	for _, a := range list {
		if a == none {
			apps[""] = true
			continue
		}
		aid, err := hex.DecodeString(a)
		if err != nil || len(aid) < 5 || len(aid) > 16 {
			return nil, fmt.Errorf("%q is neither an AID of 5 to 16 octets nor %q", a, none)
		}
		apps[string(aid)] = true
	}
	return apps, nil
}

var errEmpty = errors.New("the list is empty: write what fits, or leave it out, and all fits")

// dataPattern fits data that are, or begin with, some octets.
type dataPattern struct {
	octets string
	open   bool // more may follow
}

func (r *rule) readData(list []string) error {
	if list != nil && len(list) == 0 {
		return errEmpty
	}
	for _, text := range list {
		digits, open := strings.CutSuffix(text, "*")
		octets, err := hex.DecodeString(digits)
		if err != nil {
			return fmt.Errorf("%q is no data in hexadecimal", text)
		}
		r.data = append(r.data, dataPattern{string(octets), open})
	}
	return nil
}

// pattern fits an octet b if b&mask == value.
type pattern struct{ value, mask byte }

func (p *pattern) read(text string) error {
	if text == "" {
		return nil // mask 0
	}
	value, mask, masked := strings.Cut(text, "/")
	if !masked {
		mask = "FF"
	}
	v, errV := octet(value)
	m, errM := octet(mask)
	if errV != nil || errM != nil || v&^m != 0 {
		return fmt.Errorf("%q is no octet in hexadecimal, nor value/mask with no bit of the value outside the mask",
			text)
	}
	*p = pattern{v, m}
	return nil
}

func octet(text string) (byte, error) {
	b, err := hex.DecodeString(text)
	if err != nil || len(b) != 1 {
		return 0, errors.New("no octet")
	}
	return b[0], nil
}

func (p pattern) fits(b byte) bool { return b&p.mask == p.value }

// bounds fits the numbers from least to most; the zero value fits all.
type bounds struct {
	least, most int
	given       bool
}

func (b *bounds) read(text string) error {
	if text == "" {
		return nil
	}
	first, last, ranged := strings.Cut(text, "-")
	if !ranged {
		last = first
	}
	least, errL := strconv.ParseUint(first, 10, 17)
	most, errM := strconv.ParseUint(last, 10, 17)
	if errL != nil || errM != nil || least > most {
		return fmt.Errorf("%q is no number of octets, nor least-most", text)
	}
	*b = bounds{int(least), int(most), true}
	return nil
}

func (b bounds) fits(n int) bool { return !b.given || n >= b.least && n <= b.most }

func statusWord(text string, otherwise [2]byte) ([2]byte, error) {
	if text == "" {
		return otherwise, nil
	}
	b, err := hex.DecodeString(text)
	if err != nil || len(b) != 2 || b[0] < 0x64 || b[0] > 0x6F {
		return otherwise, fmt.Errorf("%q is no status word of an error: want 6400 to 6FFF", text)
	}
	return [2]byte(b), nil
}
