package audit

import (
	"errors"
	"fmt"
	"path/filepath"
)

// ErrFull means that there is no room for an event: on the disk, or in the space that the configuration gives.
var ErrFull = errors.New("there is no more room for it")

// isFull reports whether an error means that there is no room.
func isFull(err error) bool { return errors.Is(err, ErrFull) || isDiskFull(err) }

// admit returns why so many octets more may not be written, by their weight: only what is essential may use the
// reserve, and what is about strangers leaves more than that. It makes the reserve whole, if it can.
func (t *tail) admit(w weight, octets int64) error {
	cfg := &t.log.cfg
	if cfg.Space > 0 && t.log.known.full+t.draft.head.size+octets+w.leaves(cfg) > cfg.Space {
		return fmt.Errorf("%w: the trace may take %d MiB in all (audit.space); purge, or give it more", ErrFull,
			cfg.Space>>20)
	}
	if w == strange && t.tooStrange(octets) {
		return errStrangers
	}
	err := t.reserve(t.draft.head.size + octets)
	if w == essential && isFull(err) {
		return nil
	}
	return err
}

// errStrangers is no error to anybody: a line about a stranger is only counted.
var errStrangers = errors.New("too much is about strangers")

// leaves returns how many octets a line must leave free, by its weight.
func (w weight) leaves(cfg *Config) int64 {
	switch w {
	case essential:
		return 0
	case strange:
		return cfg.Reserve + cfg.MaxSize/strangersLeave
	}
	return cfg.Reserve
}

// tooStrange reports whether lines about strangers have their part of the file, or the disk is nearly full.
func (t *tail) tooStrange(octets int64) bool {
	if t.log.known.strange+t.draft.aside+octets > t.log.cfg.MaxSize/strangersPart {
		return true
	}
	if t.free == unasked {
		t.free = freeOctets(filepath.Dir(t.log.cfg.File))
	}
	return t.free != noFree && t.free < t.log.cfg.MaxSize/strangersLeave
}

// noFree and unasked are no numbers of free octets: it is not known here; nobody has asked yet.
const (
	noFree  int64 = -1
	unasked int64 = -2
)

// reserveStep is how much more than it must the reserve is made, so that not each line makes it longer.
const reserveStep = 256 << 10

// reserve sees to it that the current file can grow to a size, and by the reserve behind that, whatever others write to
// the disk. The reserve is the file's own, behind its end, so that nobody else can take it when it is needed.
func (t *tail) reserve(size int64) error {
	cfg, k := &t.log.cfg, &t.log.known
	want := size + cfg.Reserve
	if cfg.Reserve == 0 || want <= t.allocated {
		k.reserve = cfg.Reserve > 0
		return nil
	}
	err := allocate(t.file, want+reserveStep)
	if isDiskFull(err) {
		err = allocate(t.file, want)
	}
	if k.reserve = err == nil; isDiskFull(err) {
		return err
	}
	t.allocated = want // or this file system has no such thing: Stats tells
	return nil
}
