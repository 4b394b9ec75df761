package audit

import (
	"bytes"
	"fmt"
	"io"
	"iter"
	"os"
	"strconv"
)

// Line is one line of a log as it is read, whether or not the chain is intact.
type Line struct {
	File   string
	Line   int   // of the file, from 1
	Offset int64 // of its first octet in the file
	Text   string
	Entry  Entry
	Err    error // nil = Entry is what the line says
}

// Hash returns the hash of the line, as the line after it has it.
func (l Line) Hash() string { return hash([]byte(l.Text)) }

// Read returns every line of a log, those of full files included, oldest first. It does not verify the chain:
// VerifyFile does. It ends after an error.
func Read(file string) iter.Seq2[Line, error] {
	return func(yield func(Line, error) bool) {
		parts, done, err := Parts(file)
		if err != nil {
			yield(Line{}, err)
			return
		}
		defer done()
		for _, p := range parts {
			if !readLines(p.Name, p, yield) {
				return
			}
		}
	}
}

func readLines(name string, r io.Reader, yield func(Line, error) bool) bool {
	lines := newLines(r)
	start := int64(0)
	for n := 1; lines.next(); n++ {
		e, err := Parse(lines.text)
		if !yield(Line{name, n, start, string(lines.text), e, err}, nil) {
			return false
		}
		start = lines.end
	}
	if lines.err != nil {
		return yield(Line{}, fmt.Errorf("cannot read the audit trace %s: %w", name, lines.err))
	}
	return true
}

// numberOf returns the number with which a line begins.
func numberOf(line []byte) (uint64, bool) {
	rest, ok := bytes.CutPrefix(line, []byte(`{"seq":`))
	digits, _, more := bytes.Cut(rest, []byte(","))
	if !ok || !more || len(digits) > 20 {
		return 0, false
	}
	n, err := strconv.ParseUint(string(digits), 10, 64)
	return n, err == nil
}

// Last returns the number of a log's last line, as its head has it; 0 = there is none.
func Last(file string) (uint64, error) {
	f, err := os.Open(headName(file))
	if err != nil {
		return 0, err
	}
	defer f.Close()
	h, _, err := readHead(f)
	return h.seq, err
}
