package audit

import (
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"tlagate/internal/files"
	"tlagate/internal/signed"
	"tlagate/internal/stamp"
)

// Purge is what a line [AuditPurged] says: the lines up to Number, of which that is the hash, are removed.
type Purge struct {
	Line        uint64    // its own number
	At          time.Time // of the line
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
	return Purge{e.Seq, e.Time(), number, s.Hash, until, cert}, err
}

// end is the last line of a full file.
type end struct {
	segment
	entry Entry
	hash  string
	size  int64
}

// Purge removes the full files whose last line is older than Keep, oldest first. Before each it records who signs that,
// number, hash and time of the file's last line. While the trace is held, or nobody signs, it removes nothing. It
// removes no more than the files of one day, and is called by itself every hour in which something is recorded: so a
// clock that is a year ahead does not cost the whole trace before somebody sees it.
func (l *Log) Purge() (removed int, err error) {
	if l == nil || l.cfg.Keep == 0 || l.cfg.Signer == nil {
		return 0, nil
	}
	return l.purger.all()
}

// purger removes what is old enough.
type purger struct {
	log *Log
	one sync.Mutex // who holds it removes

	mu      sync.Mutex // protects the rest
	running bool
	last    time.Time // when it last looked for what is old enough
}

func (p *purger) all() (removed int, err error) {
	p.one.Lock()
	defer p.one.Unlock()
	p.looks()
	var day string // of the files that are removed
	for {
		oldest, err := p.oldest()
		if err == nil && (oldest == nil || removed > 0 && stamp.Day(oldest.entry.Time()) != day) {
			return removed, nil
		}
		if err == nil {
			err = p.say(oldest)
		}
		if err == nil {
			err = p.remove(oldest)
		}
		if err != nil {
			return removed, fmt.Errorf("cannot purge the audit trace: %w", err)
		}
		removed, day = removed+1, stamp.Day(oldest.entry.Time())
	}
}

func (p *purger) looks() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last = p.log.now()
}

// oldest returns the end of the oldest full file, if it is old enough, and nothing holds it.
func (p *purger) oldest() (*end, error) {
	if isHeld(p.log.cfg.File) {
		return nil, nil
	}
	all, err := segments(p.log.cfg.File)
	if err != nil || len(all) == 0 {
		return nil, err
	}
	e, err := endOf(all[0])
	if err != nil || p.young(e.entry) {
		return nil, err
	}
	if young, err := p.anyYoung(all[0].name); young || err != nil {
		return nil, err
	}
	return e, nil
}

func (p *purger) young(e Entry) bool { return p.log.now().Sub(e.Time()) <= p.log.cfg.Keep }

// anyYoung reports whether any line of a file is young: its last one may be of a clock that was set back.
func (p *purger) anyYoung(name string) (bool, error) {
	f, err := os.Open(name)
	if err != nil {
		return false, err
	}
	defer f.Close()
	lines := newLines(f)
	for lines.next() {
		if e, err := Parse(lines.text); err == nil && p.young(e) {
			return true, nil
		}
	}
	return false, lines.err
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

// say records that a file is about to be removed, unless a purge that was cut off did.
func (p *purger) say(e *end) error {
	if said, err := p.said(e); said || err != nil {
		return err
	}
	cert, key := p.log.cfg.Signer()
	if key == nil {
		return errors.New("there is no key to sign it with")
	}
	if now := p.log.now(); now.Before(cert.NotBefore) || now.After(cert.NotAfter) {
		return errors.New("the certificate that signs it is not valid now: look at the clock, or renew it")
	}
	attrs, err := signPurge(e, cert, key)
	if err != nil {
		return err
	}
	return p.log.submit(p.log.ownCall(AuditPurged, attrs...))
}

// signPurge returns the attributes of a line about removed lines.
func signPurge(e *end, cert *x509.Certificate, key crypto.Signer) ([]Attr, error) {
	attrs := []Attr{Number(int64(e.entry.Seq)), Hash(e.hash), Until(e.entry.Time())}
	text, err := purgeForm.Sign(purgeStatement{attrs[0].value, attrs[1].value, attrs[2].value}, key)
	_, signature, _ := strings.Cut(text, ".")
	return append(attrs, Signer(cert), Signature(signature)), err
}

// said reports whether the newest files say that a file is removed.
func (p *purger) said(e *end) (bool, error) {
	all, err := segments(p.log.cfg.File)
	if err != nil {
		return false, err
	}
	newest := []string{p.log.cfg.File}
	if len(all) > 1 {
		newest = append(newest, all[len(all)-1].name)
	}
	for _, name := range newest {
		purges, err := purgesIn(name)
		if err != nil {
			return false, err
		}
		if slices.ContainsFunc(purges, func(p Purge) bool { return p.Number == e.entry.Seq && p.Hash == e.hash }) {
			return true, nil
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
func (p *purger) remove(e *end) error {
	file := p.log.cfg.File
	p.log.tell("said")
	return p.log.alone(func() error {
		if isHeld(file) {
			return errors.New("it is held")
		}
		for _, name := range []string{e.name, e.name + ".idx"} { // the index of audit/index
			if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
		p.log.known.full -= e.size
		p.log.queue.used(p.log.known)
		return files.SyncDir(filepath.Dir(file))
	})
}

const purgePause = time.Hour

// whenDue has everything removed that is old enough, at most once an hour, and not before there is somebody who signs.
func (p *purger) whenDue() {
	cfg := &p.log.cfg
	if cfg.Keep == 0 || cfg.Signer == nil {
		return
	}
	now := p.log.now()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running || now.Sub(p.last).Abs() < purgePause {
		return
	}
	if _, key := cfg.Signer(); key == nil {
		return
	}
	p.running, p.last = true, now
	go p.run()
}

func (p *purger) run() {
	_, err := p.all()
	p.log.queue.purged(err)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.running = false
}
