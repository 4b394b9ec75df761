package audit

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// tail is the end of a log, while we have its lock.
type tail struct {
	log  *Log
	lock *os.File // the head file
	file *os.File // the current file of the log
	head head     // what the lines on the disk say, once settled

	last      time.Time // of the last line, drafts included; zero = there is none
	draft     draft
	allocated int64 // octets of the current file that have their place on the disk, even behind its end
	free      int64 // octets that are free on the disk; unasked, or noFree
	rotated   bool  // another file was begun
	stuck     bool  // none can be, for lack of room: the current one grows on
}

func (l *Log) openTail() (*tail, error) {
	t := &tail{log: l, free: unasked}
	var err error
	if t.lock, err = create(headName(l.cfg.File)); err != nil {
		return nil, err
	}
	if err := errors.Join(lock(t.lock, false, l.cfg.Wait), checkMode(t.lock)); err != nil {
		t.close()
		return nil, err
	}
	if t.file, err = create(l.cfg.File); err != nil {
		t.close()
		return nil, err
	}
	info, err := t.file.Stat()
	if err := errors.Join(err, checkMode(t.file)); err != nil {
		t.close()
		return nil, err
	}
	t.allocated = allocated(info)
	return t, nil
}

// close releases the lock.
func (t *tail) close() {
	for _, f := range []*os.File{t.file, t.lock} {
		if f != nil {
			f.Close()
		}
	}
}

// settle finds out where the log ends and makes its head say so. It sets aside what a power cut left of a line. Missing
// lines stay missing: the chain goes on from the head, so that the gap is visible for ever. why says what was wrong; ""
// = nothing.
func (t *tail) settle() (why string, err error) {
	size, err := sizeOf(t.file)
	if err != nil {
		return "", err
	}
	var fresh bool
	if t.head, fresh, err = readHead(t.lock); errors.Is(err, errHead) {
		return t.rebuild("the head could not be read: it is made again from the log, whose end cannot be vouched for")
	}
	switch {
	case err != nil:
		return "", err
	case fresh:
		return t.begin(size)
	case size == t.head.size:
		return "", nil
	case size == 0 && t.wasPutAway():
		t.head.size = 0
		return "", t.store()
	case size < t.head.size:
		return t.cutShort(size)
	}
	return t.catchUp(size)
}

// begin begins a log, unless there are lines without a head.
func (t *tail) begin(size int64) (why string, err error) {
	old, err := segments(t.log.cfg.File)
	if err != nil {
		return "", err
	}
	if size > 0 || len(old) > 0 {
		return t.rebuild("the head was missing: it is made again from the log, whose end cannot be vouched for")
	}
	return "", t.store()
}

// catchUp accepts whole lines that a program wrote without updating the head, and sets aside what follows them.
func (t *tail) catchUp(size int64) (why string, err error) {
	if err := t.follow(t.file); err != nil {
		return "", err
	}
	if rest := size - t.head.size; rest > 0 {
		why = fmt.Sprintf("%d octets after the last whole line of the chain are set aside", rest)
		if err := t.setAside(rest); err != nil {
			return "", err
		}
	}
	return why, t.store()
}

// cutShort continues a log from which lines were cut off.
func (t *tail) cutShort(size int64) (why string, err error) {
	why = fmt.Sprintf("the log was cut off: it holds %d octets where its head says %d", size, t.head.size)
	whole, err := wholeLines(t.file) // they stay, whatever they are
	if err != nil {
		return "", err
	}
	t.head.size = whole
	if err := t.setAside(size - whole); err != nil {
		return "", err
	}
	return why, t.store()
}

// rebuild makes a head from the lines themselves.
func (t *tail) rebuild(why string) (string, error) {
	last, err := t.lastLine()
	if err != nil {
		return "", err
	}
	size, err := sizeOf(t.file)
	if err != nil {
		return "", err
	}
	t.head = last
	if err := t.setAside(size - last.size); err != nil {
		return "", err
	}
	return why, t.store()
}

// lastLine finds the last readable line of the log; size is that of the current file's whole lines.
func (t *tail) lastLine() (head, error) {
	whole, err := wholeLines(t.file)
	if err != nil {
		return head{}, err
	}
	last := head{hash: noHash}
	old, err := segments(t.log.cfg.File)
	if err != nil {
		return last, err
	}
	for i := len(old) - 1; i >= 0 && last.seq == 0; i-- {
		if last, err = lastOf(old[i].name); err != nil {
			return last, err
		}
	}
	if now, err := lastOf(t.log.cfg.File); err != nil || now.seq > 0 {
		now.size = whole
		return now, err
	}
	last.size = whole
	return last, nil
}

// wasPutAway reports whether a program put the full file away and did not come to update the head.
func (t *tail) wasPutAway() bool {
	old, err := segments(t.log.cfg.File)
	if err != nil || len(old) == 0 {
		return false
	}
	f, err := os.Open(old[len(old)-1].name)
	if err != nil {
		return false
	}
	defer f.Close()
	size, err := sizeOf(f)
	return err == nil && size == t.head.size && hashBefore(f, size) == t.head.hash
}

// checkLastLine checks, once at the start, that the last line is the one that the head knows, and records if it is not.
func (t *tail) checkLastLine() error {
	if t.head.size == 0 || hashBefore(t.file, t.head.size) == t.head.hash {
		return nil // size 0: no line yet, or the file before was just put away
	}
	return t.recovered("the last line is not the one that was written")
}

// follow accepts the lines after the head that continue the chain.
func (t *tail) follow(f *os.File) error {
	lines := newLines(io.NewSectionReader(f, t.head.size, 1<<62))
	start := t.head.size
	for lines.next() && lines.whole {
		e, err := Parse(lines.text)
		if err != nil || e.Seq != t.head.seq+1 || e.Prev != t.head.hash {
			break
		}
		t.head = head{e.Seq, hash(lines.text), start + lines.end}
	}
	return lines.err
}

// maxTorn bounds what is saved of what is set aside at one time, mostTorn the file in which it is saved. A full one gets
// another name, and replaces the one before it: crashes without end take twice that.
const (
	maxTorn  = 1 << 20
	mostTorn = 8 << 20
)

// setAside moves the last octets of the file out of the log. On a full disk they are lost, which stops nothing.
func (t *tail) setAside(octets int64) error {
	if octets <= 0 {
		return nil
	}
	if err := t.saveTorn(min(octets, maxTorn)); err != nil && !isFull(err) {
		return err
	}
	return errors.Join(t.cut(), t.sync(t.file))
}

func (t *tail) saveTorn(octets int64) error {
	name := tornName(t.log.cfg.File)
	if info, err := os.Stat(name); err == nil && info.Size()+octets > mostTorn {
		if err := os.Rename(name, name+".old"); err != nil {
			return err
		}
	}
	torn, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer torn.Close()
	_, err = io.Copy(torn, io.NewSectionReader(t.file, t.head.size, octets))
	return errors.Join(err, t.sync(torn))
}

// cut cuts the file off at the end of the log, and with it what it had of the reserve.
func (t *tail) cut() error {
	t.allocated = 0
	return t.file.Truncate(t.head.size)
}

// open checks the end of the log, once, and makes the reserve.
func (t *tail) open() error {
	if err := t.checkLastLine(); err != nil {
		return err
	}
	_ = t.reserve(t.head.size) // a start without room is refused where it is recorded
	t.remember()
	return nil
}

// recovered records that the log did not end as it should.
func (t *tail) recovered(why string) error {
	c := t.log.ownCall(AuditRecovered, Reason(why))
	return errors.Join(t.writeAll([]*call{c}), c.err)
}

func sizeOf(f *os.File) (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}
