package pki

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"sync"
)

// numbers keeps the highest CRLNumber accepted of each series, in a file across restarts.
type numbers struct {
	file string // "" = memory only

	mu    sync.Mutex
	seen  map[string]numberSeen // by series
	dirty bool                  // the file lags behind
}

// numberSeen is one line of the state file.
type numberSeen struct {
	Issuer string   `json:"issuer"`
	Number *big.Int `json:"number"`
}

// openNumbers reads the file. A missing one is a first start; an unreadable one is an error, since without it a CRL
// could go back unseen.
func openNumbers(file string) (*numbers, error) {
	n := &numbers{file: file, seen: map[string]numberSeen{}}
	if file == "" {
		return n, nil
	}
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return n, nil
	}
	if err == nil {
		err = json.Unmarshal(data, &n.seen)
	}
	if err == nil {
		err = n.sane()
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read the CRL numbers seen, %s: %w; restore it, or remove it to start anew", file, err)
	}
	return n, nil
}

func (n *numbers) sane() error {
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

// series names a sequence of CRL numbers: one for each key of a CA and distribution point.
func series(issuer *x509.Certificate, c *crl) string {
	sum := sha256.Sum256(slices.Concat(issuer.RawSubjectPublicKeyInfo, c.scope.raw))
	return hex.EncodeToString(sum[:])
}

// check refuses a CRL whose number is below the highest accepted.
func (n *numbers) check(issuer *x509.Certificate, c *crl) *Refusal {
	n.mu.Lock()
	defer n.mu.Unlock()
	if s, ok := n.seen[series(issuer, c)]; ok && c.number().Cmp(s.Number) < 0 {
		return c.refuse(CRLNumberBack, "its number is %s and %s was seen before", c.number(), s.Number)
	}
	return nil
}

// accept records the number of a CRL whose signature is good. The error is about the file alone: the number counts
// in memory all the same, and the next call tries the file again.
func (n *numbers) accept(issuer *x509.Certificate, c *crl) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	key := series(issuer, c)
	if s, ok := n.seen[key]; !ok || c.number().Cmp(s.Number) > 0 {
		n.seen[key] = numberSeen{issuer.Subject.String(), c.number()}
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
	return WriteFileAtomic(n.file, append(data, '\n'))
}

// WriteFileAtomic leaves either the old or the new content, whatever happens. The file is its owner's alone (0600).
func WriteFileAtomic(file string, data []byte) error {
	dir := filepath.Dir(file)
	tmp, err := os.CreateTemp(dir, "."+filepath.Base(file)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(data)
	if err = errors.Join(err, tmp.Sync(), tmp.Close()); err != nil {
		return err
	}
	if err := os.Rename(tmp.Name(), file); err != nil {
		return err
	}
	return syncDir(dir)
}

// syncDir makes the rename last. Not every system can (Windows): that is no error.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return nil
	}
	defer d.Close()
	_ = d.Sync()
	return nil
}
