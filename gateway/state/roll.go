package state

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"tlagate/internal/files"
	"tlagate/pki"
)

// Seen is what is known of a peer, whether it is here or away.
type Seen struct {
	Identity pki.Identity `json:"-"`
	URN      string       `json:"identity"`
	Address  string       `json:"address,omitempty"` // IP address
	Version  string       `json:"version,omitempty"` // what it said of itself, like the next three
	OS       string       `json:"os,omitempty"`
	Arch     string       `json:"arch,omitempty"`
	Bundle   uint64       `json:"bundle,omitempty"`
	At       time.Time    `json:"seen"`
	From     time.Time    `json:"from"`             // its certificate
	Until    time.Time    `json:"until"`            // likewise
	Parked   time.Time    `json:"parked,omitzero"`  // of a PdT: when it last parked a link
	Clone    string       `json:"clone,omitempty"`  // why two seem to have its certificate; "" = nothing says so
	Suspect  time.Time    `json:"suspect,omitzero"` // since when
}

// RenewalLate reports whether the certificate has lived for 5/6 of its life: it is renewed after two thirds.
func (s Seen) RenewalLate(now time.Time) bool {
	if s.Until.IsZero() || !s.Until.After(s.From) {
		return false
	}
	return now.After(s.Until.Add(-s.Until.Sub(s.From) / 6))
}

// Bounds of a Roll.
const (
	mostSeen  = 100_000
	rollBytes = 128 << 20
)

// Sightings are what a Roll does for a gateway.
type Sightings interface {
	Saw(id pki.Identity, at time.Time, note func(*Seen)) (first bool)
	Seen(after string, limit int, keep func(*Seen) bool) []Seen
	Each(f func(*Seen))
	Save() error
}

// Roll knows each identity that proved itself: when it was last seen, from where, until when its certificate is good.
// It is safe for concurrent use.
type Roll struct {
	file   string
	most   int
	saving sync.Mutex // held while the file is written

	mu         sync.Mutex // protects the rest
	byIdentity map[pki.Identity]*Seen
	byURN      []*Seen // the same, sorted: a view need not sort
	changed    bool
}

// OpenRoll reads the roll; "" = it is kept in memory alone. With an error, of a file that cannot be read, it returns a
// roll that is empty and good to use.
func OpenRoll(file string) (*Roll, error) {
	r := &Roll{file: file, most: mostSeen, byIdentity: map[pki.Identity]*Seen{}}
	if _, err := files.Load(file, rollBytes, r.parse); err != nil {
		r.byIdentity, r.byURN = map[pki.Identity]*Seen{}, nil
		return r, fmt.Errorf("cannot read who was seen, from %s: %w", file, err)
	}
	return r, nil
}

func (r *Roll) parse(data []byte) error {
	var list []*Seen
	if err := files.DecodeJSON(data, &list); err != nil {
		return err
	}
	for _, s := range list {
		if s == nil {
			return fmt.Errorf("an entry is null")
		}
		id, err := pki.ParseIdentity(s.URN)
		if err != nil {
			return err
		}
		s.Identity = id
		r.add(s)
	}
	return nil
}

// Saw notes that a proven peer was here at that time; note, if not nil, changes what is known of it, and must not call
// the Roll. Saw reports whether it is the first time.
func (r *Roll) Saw(id pki.Identity, at time.Time, note func(*Seen)) (first bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.byIdentity[id]
	if first = s == nil; first {
		r.makeRoom()
		s = &Seen{Identity: id, URN: id.String()}
		r.add(s)
	}
	if s.At.Before(at) {
		s.At = at.UTC().Truncate(time.Second)
	}
	if note != nil {
		note(s)
	}
	r.changed = true
	return first
}

// makeRoom forgets the hundredth of the peers that has been away longest, when the roll is full; clones are remembered
// while there is anybody else. The caller holds r.mu.
func (r *Roll) makeRoom() {
	if len(r.byURN) < r.most {
		return
	}
	all := slices.Clone(r.byURN)
	slices.SortFunc(all, func(a, b *Seen) int {
		return cmp.Or(a.Suspect.Compare(b.Suspect), a.At.Compare(b.At))
	})
	for _, s := range all[:1+len(all)/100] {
		delete(r.byIdentity, s.Identity)
	}
	r.byURN = slices.DeleteFunc(r.byURN, func(s *Seen) bool { return r.byIdentity[s.Identity] == nil })
}

// add puts a peer into its place. The caller holds r.mu.
func (r *Roll) add(s *Seen) {
	r.byIdentity[s.Identity] = s
	i, known := r.find(s.URN)
	if known { // twice in the file
		r.byURN[i] = s
		return
	}
	r.byURN = slices.Insert(r.byURN, i, s)
}

// find returns where in byURN a name is, or would be. The caller holds r.mu.
func (r *Roll) find(urn string) (int, bool) {
	return slices.BinarySearchFunc(r.byURN, urn, func(s *Seen, urn string) int { return strings.Compare(s.URN, urn) })
}

// Of returns what is known of a peer.
func (r *Roll) Of(id pki.Identity) (Seen, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s := r.byIdentity[id]; s != nil {
		return *s, true
	}
	return Seen{}, false
}

// Each calls f for each peer; f must not call the Roll.
func (r *Roll) Each(f func(*Seen)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.byURN {
		f(s)
	}
}

// Seen returns the peers after that URN, "" = from the first on, to which keep, nil = all, says yes, sorted by URN and
// at most limit; 0 = all. keep must not call the Roll.
func (r *Roll) Seen(after string, limit int, keep func(*Seen) bool) (list []Seen) {
	r.mu.Lock()
	defer r.mu.Unlock()
	i, found := r.find(after)
	if found {
		i++
	}
	for ; i < len(r.byURN) && (limit == 0 || len(list) < limit); i++ {
		if s := r.byURN[i]; keep == nil || keep(s) {
			list = append(list, *s)
		}
	}
	return list
}

// Save writes the roll, if it has changed since the last time.
func (r *Roll) Save() error {
	r.saving.Lock()
	defer r.saving.Unlock()
	if !r.take() {
		return nil
	}
	text, err := json.Marshal(r.Seen("", 0, nil))
	if err == nil {
		err = files.Replace(r.file, append(text, '\n'), 0o600)
	}
	if err == nil {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.changed = true
	return fmt.Errorf("cannot write who was seen: %w", err)
}

// take reports whether there is something to write, which the caller writes.
func (r *Roll) take() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	changed := r.changed && r.file != ""
	r.changed = false
	return changed
}
