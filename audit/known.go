package audit

import (
	"bytes"
	"io"
	"os"
	"time"
)

// known is what a commit leaves for the next, so that it need not be read again.
type known struct {
	head    head
	last    time.Time // of the last line
	full    int64     // octets of the full files
	strange int64     // octets of lines about strangers in the current file
	size    int64     // of the current file
	reserve bool      // the reserve is whole
}

// recall completes a settled tail with what is known, or with what the files say if others have written meanwhile.
func (t *tail) recall() error {
	k := &t.log.known
	if k.head != t.head || k.head.hash == "" {
		last, err := t.lastTime()
		if err != nil {
			return err
		}
		if t.head.size < k.size || k.head.hash == "" { // the current file is another
			if err := t.measure(); err != nil {
				return err
			}
		}
		k.last = last
		t.remember()
	}
	t.anew()
	return nil
}

// remember keeps what the next commit need not read.
func (t *tail) remember() {
	k := &t.log.known
	k.head, k.size = t.head, t.head.size
	if len(t.draft.calls) > 0 {
		k.last = t.last
	}
	t.log.queue.used(*k)
}

// lastTime returns the time of the last line; zero = there is none, or it is no line of ours.
func (t *tail) lastTime() (time.Time, error) {
	if t.head.size > 0 {
		return timeBefore(t.file, t.head.size), nil
	}
	old, err := segments(t.log.cfg.File)
	if err != nil || len(old) == 0 {
		return time.Time{}, err
	}
	return lastTimeOf(old[len(old)-1].name)
}

// lastTimeOf returns the time of the last line of a full file.
func lastTimeOf(name string) (time.Time, error) {
	f, err := os.Open(name)
	if err != nil {
		return time.Time{}, err
	}
	defer f.Close()
	size, err := sizeOf(f)
	return timeBefore(f, size), err
}

// timeBefore returns the time of the line that ends at an offset of a file.
func timeBefore(f *os.File, end int64) time.Time {
	e, _ := Parse(lineBefore(f, end))
	return e.Time()
}

// measure counts how much the files take, and lines about strangers of the current one.
func (t *tail) measure() error {
	k := &t.log.known
	old, err := segments(t.log.cfg.File)
	if err != nil {
		return err
	}
	k.full = 0
	for _, s := range old {
		info, err := os.Stat(s.name)
		if err != nil {
			return err
		}
		k.full += info.Size()
	}
	k.strange, err = octetsOfStrangers(io.NewSectionReader(t.file, 0, t.head.size))
	return err
}

// octetsOfStrangers counts the lines of the kinds that are mostly about strangers.
func octetsOfStrangers(r io.Reader) (octets int64, err error) {
	lines := newLines(r)
	for lines.next() {
		for _, kind := range []Kind{AccessRefused, AuditRationed} {
			if bytes.Contains(lines.text, []byte(`","event":"`+kind+`"`)) {
				octets += int64(len(lines.text)) + 1
			}
		}
	}
	return octets, lines.err
}

// store writes the head, and has it on the disk.
func (t *tail) store() error {
	if err := t.head.write(t.lock); err != nil {
		return err
	}
	return t.sync(t.lock)
}

func (t *tail) sync(f *os.File) error {
	t.log.queue.synced()
	return f.Sync()
}

// tell calls the test that waits for a point at which a crash makes a difference.
func (l *Log) tell(step string) {
	if l.step != nil {
		l.step(step)
	}
}
