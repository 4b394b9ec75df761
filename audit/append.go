package audit

import (
	"errors"
	"time"

	"tlagate/internal/stamp"
)

// draft is what is to be appended to the current file with one write and one sync.
type draft struct {
	text  []byte
	calls []*call
	head  head  // once it is written
	aside int64 // octets of it that are about strangers
}

// backBy is how far the clock may go back without a line about it: as far as it is adjusted in good order.
const backBy = time.Second

// writeAll appends the calls, and marks those that are on the disk. If the disk turns out to be full, it tries again
// with the essential ones. A call that cannot be written alone has an error of its own; the error that is returned is
// that of all others that are not marked.
func (t *tail) writeAll(batch []*call) error {
	err := t.writeBatch(batch)
	if !isFull(err) {
		return err
	}
	var rest []*call
	for _, c := range batch {
		switch {
		case c.written || c.err != nil:
		case c.weight == essential:
			rest = append(rest, c)
		default:
			c.err = err
		}
	}
	return t.writeBatch(rest)
}

func (t *tail) writeBatch(batch []*call) error {
	t.anew()
	for _, c := range batch {
		if err := t.add(c); err != nil {
			t.anew()
			return err
		}
	}
	return t.flush()
}

// anew begins a draft at the end of the log.
func (t *tail) anew() { t.draft, t.last = draft{head: t.head}, t.log.known.last }

// add adds the lines of a call to the draft. When they belong into the next file, it writes the draft, and begins that.
func (t *tail) add(c *call) error {
	now := t.log.now()
	if t.last.Sub(now) > backBy {
		if err := t.setBack(now); err != nil {
			return err
		}
	}
	at := t.timeOf(c, now)
	lines, end, err := t.lines(c, at)
	if err != nil {
		c.err = err
		return nil
	}
	if !t.log.cfg.fits(t.draft.head.size, int64(len(lines)), t.last, at) {
		if err := t.next(); err != nil {
			return err
		}
	}
	if err := t.admit(c.weight, int64(len(lines))); err != nil {
		c.err = err
		return nil
	}
	t.put(c, lines, end, at)
	return nil
}

// setBack adds the line that says that the clock was set back.
func (t *tail) setBack(now time.Time) error {
	was := t.last
	t.last = now
	return t.add(t.log.ownCall(ClockBack, From(stamp.Instant(was)), To(stamp.Instant(now))))
}

// timeOf returns the time of a call's lines: when they are written; of what has waited, when it happened, but not
// before the line before.
func (t *tail) timeOf(c *call, now time.Time) time.Time {
	at := now
	if !c.happened.IsZero() && c.happened.Before(now) {
		at = c.happened
	}
	if at.Before(t.last) {
		return t.last
	}
	return at
}

// fits reports whether lines of that length and time belong into a file of that size whose last line is of that time.
func (c *Config) fits(size, octets int64, last, at time.Time) bool {
	newDay := c.Daily && stamp.Day(at) > stamp.Day(last)
	return size == 0 || size+octets <= c.MaxSize && !newDay
}

// lines returns the lines of a call, each with its newline; end has the number and the hash of the last.
func (t *tail) lines(c *call, at time.Time) (text []byte, end head, err error) {
	end = t.draft.head
	for _, e := range c.entries {
		e.Seq, e.Prev, e.At = end.seq+1, end.hash, at.UTC().Format(layout)
		line, err := e.line()
		if err != nil {
			return nil, end, err
		}
		text = append(append(text, line...), '\n')
		end.seq, end.hash = e.Seq, hash(line)
	}
	return text, end, nil
}

// put adds lines to the draft.
func (t *tail) put(c *call, lines []byte, end head, at time.Time) {
	d := &t.draft
	end.size = d.head.size + int64(len(lines))
	d.head, d.text, d.calls = end, append(d.text, lines...), append(d.calls, c)
	if c.weight == strange {
		d.aside += int64(len(lines))
	}
	t.last, _ = time.Parse(layout, at.UTC().Format(layout))
}

// flush writes the draft. If that fails, the log is as it was before.
func (t *tail) flush() error {
	if len(t.draft.calls) == 0 {
		return nil
	}
	if err := t.write(); err != nil {
		err = errors.Join(err, t.undo())
		t.anew()
		return err
	}
	for _, c := range t.draft.calls {
		c.written = true
	}
	t.head = t.draft.head
	t.log.known.strange += t.draft.aside
	t.remember()
	t.anew()
	return nil
}

// write writes the draft with one sync, and then the head. After a power cut the head on the disk may be an older one:
// the next who settles the log accepts the whole lines behind it. It is never ahead of the lines.
func (t *tail) write() error {
	if _, err := t.file.WriteAt(t.draft.text, t.head.size); err != nil {
		return err
	}
	t.log.tell("written")
	if err := t.sync(t.file); err != nil {
		return err
	}
	t.log.tell("synced")
	if err := t.draft.head.write(t.lock); err != nil {
		return err
	}
	t.log.tell("headed")
	return nil
}

// undo removes the draft from the file.
func (t *tail) undo() error {
	return errors.Join(t.cut(), t.store())
}
