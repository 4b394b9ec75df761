package revocation

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"sync"

	"tlagate/internal/files"
	"tlagate/pki"
	"tlagate/pki/crl"
)

// numbers keeps the highest CRLNumber accepted of each series, in a file across restarts.
type numbers struct {
	file string // "" = memory only

	mu    sync.Mutex
	seen  map[string]numberSeen // by series
	dirty bool                  // the file is behind
}

// numberSeen is one entry of the state file.
type numberSeen struct {
	Issuer string   `json:"issuer"`
	Number *big.Int `json:"number"`
}

// maxNumbers bounds the file, in octets: each series takes about a hundred.
const maxNumbers = 16 << 20

// openNumbers reads the file. If it is missing, this is a first start; if it is unreadable, that is an error, since
// without it an older CRL could replace a newer one unnoticed.
func openNumbers(file string) (*numbers, error) {
	n := &numbers{file: file, seen: map[string]numberSeen{}}
	if _, err := files.Load(file, maxNumbers, n.parse); err != nil {
		return nil, fmt.Errorf("cannot read the CRL numbers seen, %s: %w; restore it, or remove it to start anew", file,
			err)
	}
	return n, nil
}

func (n *numbers) parse(data []byte) error {
	if err := json.Unmarshal(data, &n.seen); err != nil {
		return err
	}
	if n.seen == nil {
		return errors.New("it is empty")
	}
	for series, s := range n.seen {
		if s.Number == nil || s.Number.Sign() < 0 {
			return fmt.Errorf("series %s has no number", series)
		}
	}
	return nil
}

// series returns the name of a sequence of CRL numbers: there is one for each key of a CA and distribution point.
func series(issuer *x509.Certificate, c *crl.List) string {
	sum := sha256.Sum256(slices.Concat(issuer.RawSubjectPublicKeyInfo, c.Scope.Raw))
	return hex.EncodeToString(sum[:])
}

// check refuses a CRL whose number is below the highest accepted.
func (n *numbers) check(issuer *x509.Certificate, c *crl.List) *pki.Refusal {
	n.mu.Lock()
	defer n.mu.Unlock()
	if s, ok := n.seen[series(issuer, c)]; ok && c.Number().Cmp(s.Number) < 0 {
		return c.Refuse(pki.CRLNumberBack, "its number is %s and %s was seen before", c.Number(), s.Number)
	}
	return nil
}

// accept records the number of a CRL whose signature is good. The error is about the file alone: the number is in force
// in memory all the same, and the next call tries the file again.
func (n *numbers) accept(issuer *x509.Certificate, c *crl.List) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	key := series(issuer, c)
	if s, ok := n.seen[key]; !ok || c.Number().Cmp(s.Number) > 0 {
		n.seen[key] = numberSeen{issuer.Subject.String(), c.Number()}
		n.dirty = true
	}
	if !n.dirty || n.file == "" {
		return nil
	}
	if err := n.save(); err != nil {
		return fmt.Errorf("cannot keep the CRL numbers seen: %w", err)
	}
	n.dirty = false
	return nil
}

func (n *numbers) save() error {
	data, err := json.MarshalIndent(n.seen, "", "  ")
	if err != nil {
		return err
	}
	return files.Replace(n.file, append(data, '\n'), 0o600)
}
