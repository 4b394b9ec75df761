package audit

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
)

// lines reads a log line by line. It cuts a line that is too long to be one of ours.
type lines struct {
	r     *bufio.Reader
	text  []byte // without newline; valid until next
	whole bool   // it had a newline
	end   int64  // octets up to and including it
	err   error  // of reading
}

func newLines(r io.Reader) *lines { return &lines{r: bufio.NewReaderSize(r, maxLine+2)} }

func (l *lines) next() bool {
	raw, err := l.r.ReadSlice('\n')
	l.end += int64(len(raw))
	l.text, l.whole = bytes.TrimSuffix(raw, []byte("\n")), err == nil
	if errors.Is(err, bufio.ErrBufferFull) {
		l.text = bytes.Clone(l.text) // skipping uses the buffer again
		err = l.skip()
	}
	if err != nil && !errors.Is(err, io.EOF) {
		l.err = err
	}
	return len(raw) > 0 && l.err == nil
}

// skip reads to the end of a line that is too long.
func (l *lines) skip() error {
	for {
		raw, err := l.r.ReadSlice('\n')
		l.end += int64(len(raw))
		if !errors.Is(err, bufio.ErrBufferFull) {
			l.whole = err == nil
			return err
		}
	}
}

// wholeLines returns the number of octets of a file up to its last newline.
func wholeLines(f *os.File) (int64, error) {
	lines := newLines(io.NewSectionReader(f, 0, 1<<62))
	var whole int64
	for lines.next() {
		if lines.whole {
			whole = lines.end
		}
	}
	return whole, lines.err
}

func firstLine(f *os.File) (Entry, error) {
	lines := newLines(io.NewSectionReader(f, 0, maxLine+1))
	lines.next()
	return Parse(lines.text)
}

// lastOf returns the last readable line of a file; its number is 0 when there is none.
func lastOf(name string) (head, error) {
	last := head{hash: noHash}
	f, err := os.Open(name)
	if err != nil {
		return last, err
	}
	defer f.Close()
	lines := newLines(f)
	for lines.next() {
		if e, err := Parse(lines.text); err == nil && lines.whole {
			last = head{e.Seq, hash(lines.text), lines.end}
		}
	}
	return last, lines.err
}

// hashBefore returns the hash of the line that ends at an offset of a file; "" when there is none, or it is too long.
func hashBefore(f *os.File, end int64) string {
	line := lineBefore(f, end)
	if line == nil {
		return ""
	}
	return hash(line)
}

// lineBefore returns the line that ends at an offset of a file, without newline; nil when there is none, or it is cut
// since it is too long.
func lineBefore(f *os.File, end int64) []byte {
	start := max(0, end-maxLine-2)
	raw, err := io.ReadAll(io.NewSectionReader(f, start, end-start))
	if err != nil || !bytes.HasSuffix(raw, []byte("\n")) {
		return nil
	}
	raw = raw[:len(raw)-1]
	return raw[bytes.LastIndexByte(raw, '\n')+1:]
}
