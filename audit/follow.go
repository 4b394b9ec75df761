package audit

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"time"
)

// Place is a line of a log that somebody has read: its number, and its hash in hexadecimal. Zero = before the first.
type Place struct {
	Seq  uint64
	Hash string
}

// Follower reads a log as it grows, its full files included, and neither locks it nor holds lines in memory. It returns
// only lines that the head knows: those are on the disk. It is not safe for concurrent use, except for Behind.
type Follower struct {
	file string
	last Place // the line that was returned last

	f   *os.File // has the next line, or had the last one; nil = to be found
	end int64    // octets of f that were read
}

// Follow returns a Follower that goes on after a place.
func Follow(file string, after Place) *Follower { return &Follower{file: file, last: after} }

// Close releases the file that is open.
func (f *Follower) Close() {
	if f.f != nil {
		f.f.Close()
	}
	f.f = nil
}

// Missing says that lines are not there any more: they were purged, or cannot be read. The next call goes on after
// them.
type Missing struct{ From, To uint64 }

// Error names the lines.
func (m *Missing) Error() string {
	return fmt.Sprintf("lines %d to %d of the audit trace are not there any more", m.From, m.To)
}

// ErrRewritten says that the log is not the one that was read before: it has another line of that number, or ends
// before it.
var ErrRewritten = errors.New("the audit trace has another line where the one was that was read before")

// Next returns the next lines, at most so many, and no further one after so many octets; none when there are none yet.
// The error may be a *Missing or ErrRewritten, after either of which the next call goes on.
func (f *Follower) Next(lines, octets int) ([]Line, error) {
	h, err := headOf(f.file)
	switch {
	case err != nil:
		return nil, err
	case h.seq < f.last.Seq:
		f.Close()
		f.last = Place{}
		return nil, ErrRewritten
	case h.seq == f.last.Seq:
		return nil, nil
	}
	for range 2 { // the second time when the file was put away
		if err := f.find(); err != nil {
			return nil, err
		}
		if found, err := f.read(h.seq, lines, octets); len(found) > 0 || err != nil {
			return found, err
		}
		f.Close()
	}
	return nil, f.skip(h.seq + 1)
}

// Rest returns the next lines until there are none yet. What is missing, or was rewritten, is passed over. It ends
// after an error.
func (f *Follower) Rest() iter.Seq2[Line, error] {
	return func(yield func(Line, error) bool) {
		for {
			lines, err := f.Next(restLines, restOctets)
			switch {
			case errors.Is(err, ErrRewritten) || errors.As(err, new(*Missing)):
				continue
			case err != nil:
				yield(Line{}, err)
				return
			case len(lines) == 0:
				return
			}
			for _, l := range lines {
				if !yield(l, nil) {
					return
				}
			}
		}
	}
}

// What Rest has in memory at once.
const (
	restLines  = 256
	restOctets = 64 << 10
)

// skip goes on with the line of a number, and says what is missing before it.
func (f *Follower) skip(to uint64) error {
	missing := &Missing{f.last.Seq + 1, to - 1}
	f.last = Place{Seq: to - 1}
	return missing
}

// Behind returns how many lines come after a number; 0 when that cannot be read.
func (f *Follower) Behind(seq uint64) uint64 {
	h, err := headOf(f.file)
	if err != nil || h.seq < seq {
		return 0
	}
	return h.seq - seq
}

// headOf reads a log's head without its lock. The head is written in place, so what is read must be the same twice.
func headOf(file string) (h head, err error) {
	f, err := os.Open(headName(file))
	if errors.Is(err, fs.ErrNotExist) {
		return head{hash: noHash}, nil // no line yet
	}
	if err != nil {
		return h, err
	}
	defer f.Close()
	for range headReads {
		h, _, err = readHead(f)
		if again, _, e := readHead(f); err == nil && e == nil && again == h {
			return h, nil
		}
		time.Sleep(time.Millisecond)
	}
	return h, errors.Join(errHead, err)
}

const headReads = 20

// find opens the file that has the next line, or the oldest one. The current file is opened before the full ones are
// listed: if it is put away meanwhile, it is either open already or on the list.
func (f *Follower) find() error {
	if f.f != nil {
		return nil
	}
	f.end = 0
	now, err := os.Open(f.file)
	if err != nil {
		return err
	}
	old, err := segments(f.file)
	if err != nil {
		now.Close()
		return err
	}
	if first, err := firstLine(now); err == nil && first.Seq <= f.last.Seq+1 || len(old) == 0 {
		f.f = now
		return nil
	}
	now.Close()
	at := len(old) - 1
	for at > 0 && old[at].first > f.last.Seq+1 {
		at--
	}
	f.f, err = os.Open(old[at].name)
	return err
}

// read returns the next lines of the file that is open, as far as the head knows them.
func (f *Follower) read(head uint64, most, octets int) (found []Line, err error) {
	in := newLines(io.NewSectionReader(f.f, f.end, 1<<62))
	for start := f.end; in.next() && in.whole && len(found) < most && octets > 0; f.end = start + in.end {
		if number, ok := numberOf(in.text); ok && number <= f.last.Seq {
			continue // not parsed: there may be many
		}
		e, err := Parse(in.text)
		switch {
		case err != nil || e.Seq <= f.last.Seq:
			continue
		case e.Seq > head:
			return found, nil
		case len(found) > 0 && !f.follows(e):
			return found, nil // the next call says what is wrong
		case e.Seq > f.last.Seq+1:
			return nil, f.skip(e.Seq)
		case !f.follows(e):
			f.last.Hash = e.Prev
			return nil, ErrRewritten
		}
		found = append(found, Line{File: f.f.Name(), Text: string(in.text), Entry: e})
		f.last = Place{e.Seq, hash(in.text)}
		octets -= len(in.text)
	}
	return found, in.err
}

func (f *Follower) follows(e Entry) bool {
	return e.Seq == f.last.Seq+1 && (f.last.Hash == "" || e.Prev == f.last.Hash)
}

// Place returns where a line is, for a Follower that goes on after it.
func (l Line) Place() Place { return Place{l.Entry.Seq, hash([]byte(l.Text))} }
