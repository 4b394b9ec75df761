package audit

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
)

// Part is one file of a log, as it was at one moment.
type Part struct {
	*io.SectionReader
	Name string
	Full bool // it has its final name: nothing is added to it any more
}

// Parts opens the files of a log as they are at one moment, oldest first. The caller must call done.
func Parts(file string) (parts []Part, done func(), err error) {
	s, err := snap(file)
	if err != nil {
		return nil, nil, fmt.Errorf("cannot read the audit trace: %w", err)
	}
	for _, f := range s.files {
		parts = append(parts, Part{io.NewSectionReader(f.f, 0, f.size), f.name, f.name != file})
	}
	return parts, s.close, nil
}

// Lines returns every line of a part. It ends after an error.
func (p Part) Lines() iter.Seq2[Line, error] {
	return func(yield func(Line, error) bool) {
		readLines(p.Name, io.NewSectionReader(p, 0, p.Size()), yield)
	}
}

// LineAt returns the line that begins at an offset; ok is false when none begins there. Only a line that cannot be read
// has its number in the file.
func (p Part) LineAt(offset int64) (l Line, ok bool, err error) {
	text, ok, err := p.textAt(offset)
	if !ok || err != nil {
		return Line{}, false, err
	}
	l = Line{File: p.Name, Offset: offset, Text: string(text)}
	if l.Entry, l.Err = Parse(text); l.Err != nil {
		l.Line, err = p.numberAt(offset)
	}
	return l, true, err
}

// textAt reads a little first: most lines are short.
func (p Part) textAt(offset int64) (text []byte, ok bool, err error) {
	if offset < 0 || offset >= p.Size() {
		return nil, false, nil
	}
	for _, most := range []int64{1 << 10, maxLine + 2} {
		start := max(0, offset-1)
		raw := make([]byte, min(most, p.Size()-start))
		if _, err := p.ReadAt(raw, start); err != nil && !errors.Is(err, io.EOF) {
			return nil, false, fmt.Errorf("cannot read the audit trace %s: %w", p.Name, err)
		}
		if offset > 0 && raw[0] != '\n' {
			return nil, false, nil
		}
		var whole bool
		if text, _, whole = bytes.Cut(raw[offset-start:], []byte("\n")); whole {
			break
		}
	}
	return text, true, nil
}

// numberAt returns the number of the line that begins at an offset, from 1.
func (p Part) numberAt(offset int64) (int, error) {
	lines := newLines(io.NewSectionReader(p, 0, offset))
	n := 1
	for lines.next() {
		n++
	}
	return n, lines.err
}

// Last returns the last line of a part, with its newline; of one that is too long, its end.
func (p Part) Last() ([]byte, error) {
	start := max(0, p.Size()-maxLine-2)
	raw := make([]byte, p.Size()-start)
	if _, err := p.ReadAt(raw, start); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("cannot read the audit trace %s: %w", p.Name, err)
	}
	return raw[bytes.LastIndexByte(bytes.TrimSuffix(raw, []byte("\n")), '\n')+1:], nil
}

// VerifyRange verifies lines that are a part of a chain, from the one with number first on; before is the hash of the
// line before that, in hexadecimal. The error is a *Broken, or of reading. It says that nothing in between is missing
// or altered; that the range is of this trace says only another copy of a hash: a head, or the trace itself.
func VerifyRange(r io.Reader, first uint64, before string) (Report, error) {
	c := newVerifier(nil, Checks{})
	c.want, c.prev = first, before
	err := c.file("", r)
	if err == nil {
		err = c.finish()
	}
	return c.report, err
}

// HashOf returns what the next line says of a line, given without its newline: its SHA-256, in hexadecimal.
func HashOf(line string) string { return hash([]byte(line)) }
