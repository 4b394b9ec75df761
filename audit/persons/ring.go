// Package persons keeps persons out of the trace, and lets those find them who may (annex code SA2). A line has a
// [Mark]: HMAC-SHA-256 of the person's national identifier, by which whoever has the identifier in hand, and the key,
// finds the lines about them; and the identifier encrypted for security officers, who alone can read it from a line.
// The key is the same at all gateways of an operator. docs/audit.md, section Persons, says how it is made and changed.
package persons

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"filippo.io/age"
	"filippo.io/age/armor"

	"tlagate/internal/files"
	"tlagate/internal/recipients"
	"tlagate/internal/stamp"
	"tlagate/keys"
)

const (
	version      = 1
	secretLength = 32 // octets of a key
	markLength   = 16 // octets of the HMAC
	maxID        = 64 // octets of a national identifier
	maxSealed    = 8 << 10
	maxRing      = 64 << 10
	maxKeys      = 16

	change     = 366 * 24 * time.Hour // a key is to be changed after that
	keepMonths = 13                   // for which a key is kept after it was replaced: a trace is kept for twelve
)

// Ring is the keys by which persons are marked, and the officers who can read who they are.
type Ring struct {
	officers []string // age1…, as they were given
	to       recipients.List
	keys     []key // newest first
}

// key is one HMAC key.
type key struct {
	Made   time.Time `json:"made"`
	Secret []byte    `json:"secret"`
	Check  string    `json:"check"` // name() of the key: whether the rest is whole
}

// written is the form in which a ring is kept, and copied.
type written struct {
	Version  int      `json:"version"`
	Officers []string `json:"officers"`
	Keys     []key    `json:"keys"`
}

// name returns what a key is called: it tells nothing of it.
func (k key) name() string { return hex.EncodeToString(k.hmac("tlagate person key")[:4]) }

func (k key) hmac(text string) []byte {
	h := hmac.New(sha256.New, k.Secret)
	h.Write([]byte(text))
	return h.Sum(nil)
}

// mark returns the mark of an identifier. The first octets keep the name of a key and marks apart.
func (k key) mark(id string) string {
	return hex.EncodeToString(k.hmac("tlagate person\n" + id)[:markLength])
}

// New returns a ring with one key, for officers who are named by age recipients.
func New(officers []string, now time.Time) (*Ring, error) {
	return (&Ring{}).Renew(officers, now)
}

// Renew returns a ring with a new key before those that are still kept; no officers = those from before.
func (r *Ring) Renew(officers []string, now time.Time) (*Ring, error) {
	if len(officers) == 0 {
		officers = r.officers
	}
	made := key{Made: now.UTC().Truncate(time.Second), Secret: make([]byte, secretLength)}
	_, _ = rand.Read(made.Secret) // never fails (crypto/rand)
	made.Check = made.name()
	next := &Ring{officers: officers, keys: append([]key{made}, r.keys...)}
	next.keys = next.kept(now)
	if len(next.keys) > maxKeys {
		return nil, fmt.Errorf("cannot make a person key: %d are kept already, for up to %d months each; there is no "+
			"need for so many", maxKeys, keepMonths)
	}
	return next, next.open()
}

// open reads the recipients, and tries them.
func (r *Ring) open() (err error) {
	if r.to, err = recipients.Parse(r.officers); err == nil && len(r.to) == 0 {
		err = errors.New("cannot use the person key: it names no officer: say who may read it, --to age1…")
	}
	if err == nil {
		_, err = r.Mark(strings.Repeat("8", maxID))
	}
	return err
}

// kept returns the keys that are not too old: the present one, and each for as long after it was replaced as lines of
// its time may be in a trace.
func (r *Ring) kept(now time.Time) (list []key) {
	for i, k := range r.keys {
		if i == 0 || r.keys[i-1].Made.AddDate(0, keepMonths, 0).After(now) {
			list = append(list, k)
		}
	}
	return list
}

// Parse reads what Marshal wrote, as a copy for another gateway is, too.
func Parse(data []byte) (*Ring, error) {
	var w written
	if err := files.DecodeJSON(data, &w); err != nil || w.Version != version || len(w.Keys) == 0 ||
		len(w.Keys) > maxKeys {
		return nil, errors.New("cannot read the person key: it is not one, or it is damaged; an officer decrypts a " +
			"copy first (age -d -i KEY COPY)") // quotes nothing of it
	}
	r := &Ring{officers: w.Officers, keys: w.Keys}
	for i, k := range r.keys {
		if len(k.Secret) != secretLength || k.Check != k.name() || i > 0 && k.Made.After(r.keys[i-1].Made) {
			return nil, errors.New("cannot read the person key: it is damaged")
		}
	}
	return r, r.open()
}

// Follows returns an error unless r has every key that old keeps: lines are marked by them, and one that is older than
// all of r's would be given up for a key that was given up before.
func (r *Ring) Follows(old *Ring, now time.Time) error {
	for _, k := range old.kept(now) {
		if !slices.ContainsFunc(r.keys, func(own key) bool { return own.Check == k.Check }) {
			return fmt.Errorf("cannot take this person key: it lacks the key %s of %s, by which lines of the trace "+
				"here are marked; it may be an old copy. To give these lines up, remove the file of the present key first",
				k.Check, stamp.Day(k.Made))
		}
	}
	return nil
}

// Marshal returns the ring with its secrets, which the caller wipes.
func (r *Ring) Marshal() ([]byte, error) {
	data, err := json.Marshal(written{version, r.officers, r.keys})
	if err != nil {
		return nil, fmt.Errorf("cannot write the person key: %w", err)
	}
	return append(data, '\n'), nil
}

// Open reads a ring that Save wrote.
func Open(file string, c keys.Config) (*Ring, error) {
	data, err := c.ReadSecret(file)
	if err != nil {
		return nil, err
	}
	defer clear(data)
	return Parse(data)
}

// Save writes a ring, in place of the one before, encrypted as the keys of the program are.
func (r *Ring) Save(file string, c keys.Config) error {
	data, err := r.Marshal()
	if err != nil {
		return err
	}
	defer clear(data)
	return c.WriteSecret(file, data)
}

// Copy returns the ring encrypted for its officers, as text: for the other gateways, and against the loss of this one.
func (r *Ring) Copy() ([]byte, error) {
	data, err := r.Marshal()
	if err != nil {
		return nil, err
	}
	defer clear(data)
	var out bytes.Buffer
	text := armor.NewWriter(&out)
	if err := encryptTo(text, r.to, data); err != nil {
		return nil, err
	}
	if err := text.Close(); err != nil {
		return nil, fmt.Errorf("cannot encrypt for the officers: %w", err)
	}
	return out.Bytes(), nil
}

func encryptTo(out io.Writer, to recipients.List, data []byte) error {
	sealed, err := age.Encrypt(out, to...)
	if err == nil {
		_, err = sealed.Write(data)
	}
	if err == nil {
		err = sealed.Close()
	}
	if err != nil {
		return fmt.Errorf("cannot encrypt for the officers: %w", err)
	}
	return nil
}

// Mark is what the trace has of a person.
type Mark struct {
	Person string // HMAC-SHA-256, 16 octets in hexadecimal
	Sealed string // the identifier, encrypted with age for the officers, base64url
}

// Mark returns the mark of the person with a national identifier, by the present key.
func (r *Ring) Mark(id string) (Mark, error) {
	if id == "" || len(id) > maxID {
		return Mark{}, fmt.Errorf("cannot mark a person whose identifier has %d octets: want 1 to %d", len(id), maxID)
	}
	var out bytes.Buffer
	padded := id + strings.Repeat(" ", maxID-len(id)) // all have one length
	if err := encryptTo(&out, r.to, []byte(padded)); err != nil {
		return Mark{}, err
	}
	sealed := base64.RawURLEncoding.EncodeToString(out.Bytes())
	if len(sealed) > maxSealed {
		return Mark{}, fmt.Errorf("cannot mark persons for %d officers: it takes %d octets a line, want at most %d; "+
			"name fewer, or all by age1… instead of age1pq1…", len(r.to), len(sealed), maxSealed)
	}
	return Mark{Person: r.keys[0].mark(id), Sealed: sealed}, nil
}

// Marks returns the marks that lines about a person may have: by each key that is kept, the newest first.
func (r *Ring) Marks(id string, now time.Time) (marks []string) {
	for _, k := range r.kept(now) {
		marks = append(marks, k.mark(id))
	}
	return marks
}

// Officer is the key of a security officer.
type Officer []age.Identity

// ReadOfficer reads a key, AGE-SECRET-KEY-…, or several. The error quotes nothing of it.
func ReadOfficer(in io.Reader) (Officer, error) {
	list, err := age.ParseIdentities(io.LimitReader(in, maxRing))
	if err != nil {
		return nil, errors.New("cannot read the officer's key: it is no AGE-SECRET-KEY-…")
	}
	return list, nil
}

// Resolve returns the identifier that is sealed in a line.
func (o Officer) Resolve(sealed string) (string, error) {
	raw, err := base64.RawURLEncoding.DecodeString(sealed)
	if err != nil || len(sealed) > maxSealed {
		return "", errors.New("cannot read whom the line is about: it is damaged")
	}
	opened, err := age.Decrypt(bytes.NewReader(raw), o...)
	if err != nil {
		return "", fmt.Errorf("cannot read whom the line is about: is this the key of an officer at its time? %w", err)
	}
	padded, err := io.ReadAll(io.LimitReader(opened, maxID+1))
	if err != nil || len(padded) != maxID {
		return "", errors.New("cannot read whom the line is about: it is damaged")
	}
	return strings.TrimRight(string(padded), " "), nil
}

// Kept is a key of a ring, for people.
type Kept struct {
	Name  string    // of 8 hexadecimal digits; the same at all gateways
	Made  time.Time // when it came into use
	Until time.Time // when it is thrown away; zero = it is the present one
}

// Keys returns the keys that are kept at a time, the present one first.
func (r *Ring) Keys(now time.Time) (list []Kept) {
	for i, k := range r.kept(now) {
		one := Kept{Name: k.name(), Made: k.Made}
		if i > 0 {
			one.Until = r.keys[i-1].Made.AddDate(0, keepMonths, 0)
		}
		list = append(list, one)
	}
	return list
}

// Officers returns who can read whom a line is about.
func (r *Ring) Officers() []string { return r.officers }

// Due returns when the present key is to be changed.
func (r *Ring) Due() time.Time { return r.keys[0].Made.Add(change) }
