package state

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"tlagate/internal/files"
	"tlagate/pki"
)

// Denial is one entry of the operators' deny list. Identity is a URN, urn:tlagate:PRACTICE:ROLE:* for all of a practice
// with that role, or urn:tlagate:PRACTICE:* for the whole practice.
type Denial struct {
	Identity string    `json:"identity"`
	Who      string    `json:"who"`
	Role     string    `json:"role"`
	Reason   string    `json:"reason"`
	At       time.Time `json:"at"`
}

// Bounds of the deny list.
const (
	mostDenials  = 10_000
	denialsBytes = 16 << 20
)

// Denials is the operators' deny list by identity, beside the CA's revocations. It is safe for concurrent use.
type Denials struct {
	file   string
	most   int
	saving sync.Mutex // held while the list changes and is written

	mu         sync.RWMutex // protects byIdentity, and is never held while the disk works
	byIdentity map[string]Denial
}

// OpenDenials reads the list; "" = it is kept in memory alone. A damaged file is an error: who was denied would be let
// in.
func OpenDenials(file string) (*Denials, error) {
	d := &Denials{file: file, most: mostDenials, byIdentity: map[string]Denial{}}
	_, err := files.Load(file, denialsBytes, d.parse)
	if err != nil {
		return nil, fmt.Errorf("cannot read the deny list %s: %w; restore it, or remove it to deny nobody", file, err)
	}
	return d, nil
}

func (d *Denials) parse(data []byte) error {
	var list []Denial
	if err := files.DecodeJSON(data, &list); err != nil {
		return err
	}
	for _, one := range list {
		if err := CheckPattern(one.Identity); err != nil {
			return err
		}
		d.byIdentity[one.Identity] = one
	}
	return nil
}

// CheckPattern returns an error if nobody can be denied by this name.
func CheckPattern(urn string) error {
	rest, all := strings.CutSuffix(urn, ":*")
	if all && strings.Count(rest, ":") == 2 {
		rest += ":" + string(pki.RoleTLA) // the whole practice
	}
	if all {
		rest += ":all"
	}
	if _, err := pki.ParseIdentity(rest); err != nil {
		return fmt.Errorf("cannot tell who %q is: want urn:tlagate:PRACTICE:ROLE:NAME, …:ROLE:* or …:PRACTICE:*", urn)
	}
	return nil
}

// Deny puts an entry into force at once, in place of one about the same identity, and returns when the file has it. An
// error other than [ErrNotDenied] means that it is in force until the program ends, and no longer.
func (d *Denials) Deny(one Denial) error {
	d.saving.Lock()
	defer d.saving.Unlock()
	if err := CheckPattern(one.Identity); err != nil {
		return fmt.Errorf("%w: %w", ErrNotDenied, err)
	}
	if !d.put(one) {
		return fmt.Errorf("%w: the list has %d entries, which is the most", ErrNotDenied, d.most)
	}
	return d.save(d.Denied())
}

// ErrNotDenied means that an entry did not come into force.
var ErrNotDenied = errors.New("cannot deny this identity")

func (d *Denials) put(one Denial) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, known := d.byIdentity[one.Identity]; !known && len(d.byIdentity) >= d.most {
		return false
	}
	d.byIdentity[one.Identity] = one
	return true
}

// Allow removes the entry of this very identity or pattern, from the file first. An error means that it stays.
func (d *Denials) Allow(identity string) error {
	d.saving.Lock()
	defer d.saving.Unlock()
	if !d.Has(identity) {
		return ErrNotListed
	}
	rest := slices.DeleteFunc(d.Denied(), func(one Denial) bool { return one.Identity == identity })
	if err := d.save(rest); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.byIdentity, identity)
	return nil
}

// ErrNotListed means that the deny list has no entry of that name.
var ErrNotListed = errors.New("cannot allow this identity: the deny list has no such entry")

// Has reports whether the list has an entry of this very name.
func (d *Denials) Has(identity string) bool {
	d.mu.RLock()
	defer d.mu.RUnlock()
	_, ok := d.byIdentity[identity]
	return ok
}

// ErrUnwritten means that the file does not have a change.
var ErrUnwritten = errors.New("cannot write the deny list")

// save writes the list, and returns when it is on the disk.
func (d *Denials) save(list []Denial) error {
	if d.file == "" {
		return nil
	}
	text, err := json.MarshalIndent(list, "", " ")
	if err == nil {
		err = files.Replace(d.file, append(text, '\n'), 0o600)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnwritten, err)
	}
	return nil
}

// Denies reports whether an entry is about a peer.
func (d *Denials) Denies(id pki.Identity) bool {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if len(d.byIdentity) == 0 {
		return false
	}
	return slices.ContainsFunc(about(id), func(name string) bool {
		_, ok := d.byIdentity[name]
		return ok
	})
}

// about returns the names of the entries that are about a peer: its own, that of its role, that of its practice.
func about(id pki.Identity) []string {
	role := pki.Identity{Practice: id.Practice, Role: id.Role, Name: "*"}.String()
	return []string{id.String(), role, "urn:tlagate:" + id.Practice + ":*"}
}

// Covers reports whether an entry of that name is about a peer.
func Covers(name string, id pki.Identity) bool { return slices.Contains(about(id), name) }

// Denied returns the list, sorted by identity.
func (d *Denials) Denied() []Denial {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return slices.SortedFunc(maps.Values(d.byIdentity), func(a, b Denial) int {
		return strings.Compare(a.Identity, b.Identity)
	})
}
