package audit

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"tlagate/internal/files"
	"tlagate/internal/signed"
)

// Purge is what a line [AuditPurged] says: the lines up to Number, of which that is the hash, are removed.
type Purge struct {
	Line        uint64 // its own number
	Number      uint64
	Hash        string
	Until       time.Time // of line Number, in whole seconds
	Certificate *x509.Certificate
}

// purgeForm is how a purge is signed. What is signed is the payload of a statement; payload and certificate are told
// by the line's attributes.
var purgeForm = signed.Form{Preamble: "tlagate purge 1\n", MaxText: 2 * maxList,
	Unreadable: errors.New("what it says of removed lines cannot be read"),
	Signature:  errors.New("what it says of removed lines is not signed with the key of the certificate in it")}

// purgeStatement is that payload, its members in this order.
type purgeStatement struct {
	Number string `json:"number"`
	Hash   string `json:"hash"`
	Until  string `json:"until"`
}

// readPurge reads a line about removed lines, and verifies its signature.
func readPurge(e Entry) (Purge, error) {
	s := purgeStatement{e.With["number"], e.With["hash"], e.With["until"]}
	number, err1 := strconv.ParseUint(s.Number, 10, 64)
	until, err2 := time.Parse(time.RFC3339, s.Until)
	der, err3 := signed.Field(e.With["certificate"])
	if err := errors.Join(err1, err2, err3); err != nil {
		return Purge{}, purgeForm.Unreadable
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return Purge{}, purgeForm.Unreadable
	}
	text, err := purgeForm.Text(s, e.With["signature"])
	if err == nil {
		_, err = purgeForm.Open(text, cert.PublicKey)
	}
	return Purge{e.Seq, number, s.Hash, until, cert}, err
}

// end is the last line of a full file.
type end struct {
	segment
	entry Entry
	hash  string
	size  int64
}

// Purge removes the full files whose last line is older than Keep, oldest first. Before each it records who signs that,
// number, hash and time of the file's last line. While the trace is held, or nobody signs, it removes nothing. It is
// called by itself every hour in which something is recorded.
func (l *Log) Purge() (removed int, err error) {
	if l == nil || l.cfg.Keep == 0 || l.cfg.Signer == nil {
		return 0, nil
	}
	for {
		oldest, err := l.purgeable()
		if err != nil {
			return removed, fmt.Errorf("cannot purge the audit trace: %w", err)
		}
		if oldest == nil {
			return removed, nil
		}
		if err := errors.Join(l.sayPurged(oldest), l.remove(oldest)); err != nil {
			return removed, fmt.Errorf("cannot purge the audit trace: %w", err)
		}
		removed++
	}
}

// purgeable returns the end of the oldest full file, if it is old enough.
func (l *Log) purgeable() (*end, error) {
	if isHeld(l.cfg.File) {
		return nil, nil
	}
	all, err := segments(l.cfg.File)
	if err != nil || len(all) == 0 {
		return nil, err
	}
	e, err := endOf(all[0])
	if err != nil || l.now().Sub(e.entry.Time()) <= l.cfg.Keep {
		return nil, err
	}
	return e, nil
}

func endOf(s segment) (*end, error) {
	f, err := os.Open(s.name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	size, err := sizeOf(f)
	if err != nil {
		return nil, err
	}
	line := lineBefore(f, size)
	e, err := Parse(line)
	if err != nil {
		return nil, fmt.Errorf("the last line of %s cannot be read: %w", s.name, err)
	}
	return &end{s, e, hash(line), size}, nil
}

// sayPurged records that a file is about to be removed, unless a purge that was cut off did.
func (l *Log) sayPurged(e *end) error {
	if said, err := l.saidPurged(e); said || err != nil {
		return err
	}
	cert, key := l.cfg.Signer()
	if key == nil {
		return errors.New("there is no key to sign it with")
	}
	if now := l.now(); now.Before(cert.NotBefore) || now.After(cert.NotAfter) {
		return errors.New("the certificate that signs it is not valid now: look at the clock, or renew it")
	}
	attrs := []Attr{Number(int64(e.entry.Seq)), Hash(e.hash), Until(e.entry.Time())}
	text, err := purgeForm.Sign(purgeStatement{attrs[0].value, attrs[1].value, attrs[2].value}, key)
	if err != nil {
		return err
	}
	_, signature, _ := strings.Cut(text, ".")
	c := l.ownCall(AuditPurged, append(attrs, Signer(cert), Signature(signature))...)
	c.done = make(chan error, 1)
	return l.submit(c)
}

// saidPurged reports whether the newest files say that a file is removed.
func (l *Log) saidPurged(e *end) (bool, error) {
	all, err := segments(l.cfg.File)
	if err != nil {
		return false, err
	}
	names := []string{l.cfg.File}
	if len(all) > 1 {
		names = append(names, all[len(all)-1].name)
	}
	for _, name := range names {
		purged, err := purgesIn(name)
		for _, p := range purged {
			if p.Number == e.entry.Seq && p.Hash == e.hash {
				return true, nil
			}
		}
		if err != nil {
			return false, err
		}
	}
	return false, nil
}

// purgesIn returns the well signed purges of one file.
func purgesIn(name string) ([]Purge, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readPurges(f)
}

// remove removes a full file that the trace says is removed, unless it is held by now.
func (l *Log) remove(e *end) error {
	l.turn <- struct{}{}
	defer func() { <-l.turn }()
	return l.locked(func(t *tail) error {
		t.step("said")
		if isHeld(l.cfg.File) {
			return errors.New("it is held")
		}
		if err := os.Remove(e.name); err != nil {
			return err
		}
		l.known.full -= e.size
		if err := os.Remove(e.name + ".idx"); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return files.SyncDir(filepath.Dir(e.name))
	})
}

// purges is when the log last looked for what is old enough.
type purges struct {
	running bool
	last    time.Time
}

const purgePause = time.Hour

// purgeWhenDue has Purge called, at most once an hour, and not before there is somebody who signs.
func (l *Log) purgeWhenDue() {
	if l.cfg.Keep == 0 || l.cfg.Signer == nil {
		return
	}
	now := l.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.purged.running || now.Sub(l.purged.last).Abs() < purgePause {
		return
	}
	if _, key := l.cfg.Signer(); key == nil {
		return
	}
	l.purged = purges{true, now}
	go l.purgeNow()
}

func (l *Log) purgeNow() {
	_, err := l.Purge()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.purged.running = false
	if l.stats.Purge = ""; err != nil {
		l.stats.Purge = err.Error()
	}
}
