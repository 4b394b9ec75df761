// Package user is the rule about who uses a TLA: whether its user has to prove
// who they are, in each practice, and who may (annex codes C2, SA1, SP3).
// Gateway and PdT each have one. docs/protocol.md, section 1.3, is the
// specification.
package user

import (
	"errors"
	"fmt"
	"maps"
	"slices"
)

// Mode is what is demanded of the users of a practice's TLAs.
type Mode string

// The modes.
const (
	Off     Mode = "off"     // no proof is asked for
	Tell    Mode = "tell"    // one is asked for; without one that passes the session begins too, which is recorded
	Require Mode = "require" // no session begins without one that passes
)

// Rule has the mode of each practice.
type Rule struct {
	Mode      Mode            // of the practices without one of their own; "" = Tell
	Practices map[string]Mode // by the practice of the TLA
}

// Of returns the mode of a practice.
func (r Rule) Of(practice string) Mode {
	if m, own := r.Practices[practice]; own {
		return m
	}
	if r.Mode == "" {
		return Tell
	}
	return r.Mode
}

// Has reports whether some practice has, or may have, that mode.
func (r Rule) Has(m Mode) bool {
	return r.Of("") == m || slices.Contains(slices.Collect(maps.Values(r.Practices)), m)
}

// Check returns what is wrong with a rule.
func (r Rule) Check() error {
	errs := []error{r.Of("").check("user.mode")}
	for _, practice := range slices.Sorted(maps.Keys(r.Practices)) {
		errs = append(errs, r.Practices[practice].check("user.practices."+practice))
	}
	return errors.Join(errs...)
}

func (m Mode) check(where string) error {
	if m == Off || m == Tell || m == Require {
		return nil
	}
	return fmt.Errorf("%s: cannot use %q: want %s, %s or %s", where, string(m), Off, Tell, Require)
}

// Who are persons who may use something.
type Who struct {
	Persons     []string // by their national identifier
	Professions []string // by the profession that their certificate names
}

// Empty reports whether w names nobody, which stands for everybody.
func (w Who) Empty() bool { return len(w.Persons)+len(w.Professions) == 0 }

// Has reports whether w names a person, or their profession.
func (w Who) Has(id, profession string) bool {
	return slices.Contains(w.Persons, id) || profession != "" && slices.Contains(w.Professions, profession)
}
