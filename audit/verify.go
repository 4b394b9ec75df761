package audit

import (
	"bytes"
	"cmp"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// Report is what Verify saw: up to the break when the chain is broken, and then its last line may be the altered one.
type Report struct {
	Files     int
	Lines     int
	First     uint64    // number of the first line; 0 = there is none
	Last      uint64    // number of the last line
	From, To  time.Time // of the first and the last line
	Hash      string    // of the last line
	Recovered []uint64  // numbers of lines audit.recovered, whose reason says what was wrong
	Back      []uint64  // numbers of lines with a time before that of the line before: the clock was set back
	Purged    []Purge   // what lines audit.purged say; the chain begins at line 1, or right after one of these
	Torn      int64     // octets after the last newline: a half-written line, which the next Open sets aside
}

// Broken says where the chain breaks.
type Broken struct {
	File string // "" = a reader
	Line int    // of the file, from 1
	Why  string
}

// Error returns file, line and reason.
func (b *Broken) Error() string {
	return fmt.Sprintf("the audit trace is broken at line %d of %s: %s", b.Line, cmp.Or(b.File, "the input"), b.Why)
}

// Checks are what Verify and VerifyFile check beyond the chain. The zero Checks are none.
type Checks struct {
	// Purge returns why a certificate may not sign at that time what is purged; nil = every certificate may.
	Purge func(cert *x509.Certificate, at time.Time) error
}

// Verify verifies the chain of one file from line 1 on. The error is a *Broken, or of reading. Without the head
// nobody can tell whether the last line was altered, or lines after it were cut off.
func Verify(r io.Reader) (Report, error) {
	c := newVerifier(nil, Checks{})
	err := c.file("", r)
	if err == nil {
		err = c.finish()
	}
	return c.report, err
}

// VerifyFile verifies a whole log, its full files included, against its head. It begins at line 1, or right after a
// line of which a signed line of the same chain says that it is the last one purged. The error is a *Broken, or of
// reading.
func VerifyFile(file string) (Report, error) { return Checks{}.VerifyFile(file) }

// VerifyFile is [VerifyFile] with checks.
func (checks Checks) VerifyFile(file string) (Report, error) {
	s, err := snap(file)
	if err != nil {
		return Report{}, fmt.Errorf("cannot verify the audit trace: %w", err)
	}
	defer s.close()
	if s.headless != "" {
		return Report{}, &Broken{headName(file), 1, s.headless}
	}
	c := newVerifier(&s.head, checks)
	if err := c.lookForPurges(s.files); err != nil {
		return c.report, fmt.Errorf("cannot verify the audit trace: %w", err)
	}
	for _, f := range s.files {
		if err := c.file(f.name, io.NewSectionReader(f.f, 0, f.size)); err != nil {
			return c.report, err
		}
	}
	return c.report, c.finish()
}

// snapshot is a log as it was at one moment.
type snapshot struct {
	files    []snapped
	head     head
	headless string // why there is no head
}

type snapped struct {
	name string
	f    *os.File
	size int64
}

func (s *snapshot) close() {
	for _, f := range s.files {
		f.f.Close()
	}
}

// snap opens the files of a log and reads its head while nobody writes.
func snap(file string) (*snapshot, error) {
	s := &snapshot{}
	headFile, err := os.Open(headName(file))
	if err == nil {
		defer headFile.Close()
		if err := lock(headFile, true, 10*time.Second); err != nil {
			return nil, err
		}
	}
	if err := s.open(file, headFile != nil); err != nil {
		s.close()
		return nil, err
	}
	if errors.Is(err, os.ErrNotExist) {
		s.headless = "the head is missing, so that nobody can tell whether lines were cut off"
		return s, nil
	}
	if err == nil {
		s.head, _, err = readHead(headFile)
	}
	if errors.Is(err, errHead) {
		s.headless, err = "the head was altered, so that nobody can tell whether lines were cut off", nil
	}
	return s, err
}

// open opens the files. known says that there is a head, so that there was a log.
func (s *snapshot) open(file string, known bool) error {
	names, err := segments(file)
	if err != nil {
		return err
	}
	for _, n := range append(names, segment{name: file}) {
		f, err := openFile(n.name)
		if errors.Is(err, os.ErrNotExist) && n.name == file && known {
			return nil // the head tells that it is missing
		}
		if err != nil {
			return err
		}
		s.files = append(s.files, snapped{n.name, f, 0})
		if s.files[len(s.files)-1].size, err = sizeOf(f); err != nil {
			return err
		}
	}
	return nil
}

// openFile opens a file to read; nothing else of that name: a pipe would never answer.
func openFile(name string) (*os.File, error) {
	info, err := os.Stat(name)
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is no file", name)
	}
	if err != nil {
		return nil, err
	}
	return os.Open(name)
}

// verifier follows the chain.
type verifier struct {
	report Report
	checks Checks
	purged map[beginning]bool // where the chain may begin, too
	head   *head              // nil = unknown
	want   uint64             // number of the next line
	prev   string             // hash of the line before
	last   position           // of the line before
	doubt  *doubt
}

type position struct {
	file string
	line int
}

// doubt is a line without the hash of the line before: either may have been altered, and what follows tells which.
type doubt struct {
	before, here position
	hash         string // of the line here
}

// beginning is number and hash of the line before the first.
type beginning struct {
	number uint64
	hash   string
}

func newVerifier(h *head, checks Checks) *verifier {
	return &verifier{head: h, checks: checks, want: 1, prev: noHash}
}

// file follows the chain through one file.
func (c *verifier) file(name string, r io.Reader) error {
	c.report.Files++
	lines := newLines(r)
	for n := 1; lines.next(); n++ {
		at := position{name, n}
		if !lines.whole {
			c.report.Torn += int64(len(lines.text))
			break
		}
		if err := c.line(at, lines.text); err != nil {
			return err
		}
	}
	if lines.err != nil {
		return fmt.Errorf("cannot read the audit trace: %w", lines.err)
	}
	return nil
}

// line adds one line to the chain.
func (c *verifier) line(at position, text []byte) error {
	e, err := Parse(text)
	if err == nil && c.report.Lines == 0 && c.doubt == nil && c.purged[beginning{e.Seq - 1, e.Prev}] {
		c.want, c.prev = e.Seq, e.Prev
	}
	switch {
	case c.report.Torn > 0:
		return broken(at, "the file before it ends in the middle of a line")
	case err != nil:
		return broken(at, err.Error())
	case c.doubt != nil:
		return c.doubt.resolve(e.Prev)
	case e.Seq == c.want && e.Prev != c.prev:
		c.doubt = &doubt{c.last, at, hash(text)}
		return nil
	case e.Seq != c.want:
		return broken(at, c.misplaced(e))
	default:
		return c.accept(at, e, hash(text))
	}
}

func (c *verifier) accept(at position, e Entry, sum string) error {
	if c.head != nil && e.Seq == c.head.seq && sum != c.head.hash {
		return broken(at, "it was altered: the head holds another hash of it")
	}
	if err := c.purge(at, e); err != nil {
		return err
	}
	c.note(e)
	c.want, c.prev, c.last = e.Seq+1, sum, at
	c.report.Hash = sum
	return nil
}

func (c *verifier) note(e Entry) {
	r := &c.report
	if r.First == 0 {
		r.First, r.From = e.Seq, e.Time()
	} else if e.Time().Before(r.To) {
		r.Back = append(r.Back, e.Seq)
	}
	if e.Event == AuditRecovered && e.Said == nil {
		r.Recovered = append(r.Recovered, e.Seq)
	}
	r.Lines++
	r.Last, r.To = e.Seq, e.Time()
}

// misplaced says what is wrong with a line that does not have the number that is due.
func (c *verifier) misplaced(e Entry) string {
	switch {
	case e.Prev == c.prev:
		return fmt.Sprintf("it was altered: its number is %d where %d is due", e.Seq, c.want)
	case e.Seq < c.want:
		return fmt.Sprintf("it is out of place: its number is %d where %d is due; lines were moved or copied",
			e.Seq, c.want)
	}
	return fmt.Sprintf("lines %d to %d, which should stand before it, were removed or moved", c.want, e.Seq-1)
}

// resolve blames one of two lines: if the next line, or the head, has the hash of the second, the first was altered.
func (d *doubt) resolve(next string) error {
	if d.before.line > 0 && (next == d.hash || next == "") {
		return broken(d.before, "it was altered: the line after it holds another hash of it")
	}
	return broken(d.here, "it was altered: it does not hold the hash of the line before")
}

// finish compares the end with the head.
func (c *verifier) finish() error {
	if c.doubt != nil {
		known := ""
		if c.head != nil {
			known = c.head.hash
		}
		return c.doubt.resolve(known)
	}
	if c.head == nil || c.head.seq < c.want {
		return nil
	}
	end := position{c.last.file, c.last.line + 1}
	return broken(end, fmt.Sprintf("the end was cut off: lines %d to %d, which the head knows, are not there",
		c.want, c.head.seq))
}

func broken(at position, why string) error { return &Broken{at.file, at.line, why} }

// purge checks a line that says what was purged.
func (c *verifier) purge(at position, e Entry) error {
	if e.Event != AuditPurged {
		return nil
	}
	p, err := readPurge(e)
	if err == nil && c.checks.Purge != nil {
		err = c.checks.Purge(p.Certificate, e.Time())
	}
	if err != nil {
		return broken(at, "its purge does not count: "+err.Error())
	}
	c.report.Purged = append(c.report.Purged, p)
	return nil
}

// lookForPurges finds out where a chain may begin that does not begin at line 1. What these lines say counts only if
// they turn out to be in the chain, which is verified after this.
func (c *verifier) lookForPurges(files []snapped) error {
	if len(files) == 0 || beginsAtOne(files[0]) {
		return nil
	}
	c.purged = map[beginning]bool{}
	for _, f := range files {
		purges, err := readPurges(io.NewSectionReader(f.f, 0, f.size))
		if err != nil {
			return err
		}
		for _, p := range purges {
			c.purged[beginning{p.Number, p.Hash}] = true
		}
	}
	return nil
}

func beginsAtOne(f snapped) bool {
	first, err := firstLine(f.f)
	return err != nil || first.Seq == 1
}

// readPurges returns the well signed purges of one file.
func readPurges(r io.Reader) (list []Purge, err error) {
	lines := newLines(r)
	for lines.next() {
		if !bytes.Contains(lines.text, []byte(`","event":"`+AuditPurged+`"`)) {
			continue
		}
		if e, err := Parse(lines.text); err == nil && e.Event == AuditPurged {
			if p, err := readPurge(e); err == nil {
				list = append(list, p)
			}
		}
	}
	return list, lines.err
}
