package audit

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"
)

// Config says where the trace is. It must not be changed after Open.
type Config struct {
	File    string           // the log, such as /var/lib/tla-relay/audit.jsonl; a missing directory is made (0700)
	By      string           // whose acts it records, unless an event says otherwise: "tla-relay"
	Clock   func() time.Time // nil = time.Now
	MaxSize int64            // of a file, in octets, before the next one is begun; 0 = 16 MiB
	Wait    time.Duration    // longest wait for another program that writes; 0 = 10 s
}

// Log appends to a trace. It keeps no file open: several programs, and several Logs of one program, may write to one
// file. It is safe for concurrent use. A nil Log records nothing.
type Log struct {
	cfg Config
	mu  sync.Mutex // one writer at a time

	failing atomic.Pointer[string] // why the last event is not in the trace; nil = it is
}

// Open opens the trace, or begins it, and checks its end: it sets aside what a crash left half written, and records
// that as [AuditRecovered]. [VerifyFile] checks the rest of the chain.
func Open(cfg Config) (*Log, error) {
	cfg.MaxSize = cmp.Or(cfg.MaxSize, 16<<20)
	cfg.Wait = cmp.Or(cfg.Wait, 10*time.Second)
	if cfg.Clock == nil {
		cfg.Clock = time.Now
	}
	if cfg.File == "" {
		return nil, errors.New("cannot open the audit trace: no file is named")
	}
	l := &Log{cfg: cfg}
	if err := os.MkdirAll(filepath.Dir(cfg.File), 0o700); err != nil {
		return nil, fmt.Errorf("cannot open the audit trace: %w", err)
	}
	if err := l.locked((*tail).checkLastLine); err != nil {
		return nil, fmt.Errorf("cannot open the audit trace %s: %w", cfg.File, err)
	}
	return l, nil
}

// File returns the log's file name; "" for a nil Log.
func (l *Log) File() string {
	if l == nil {
		return ""
	}
	return l.cfg.File
}

// Record appends one event, and returns once it is on the disk. An error means that it is not in the trace: the caller
// must refuse what was to be recorded, unless that takes trust away.
func (l *Log) Record(kind Kind, attrs ...Attr) error {
	if l == nil {
		return nil
	}
	err := l.record(kind, attrs)
	l.remember(err)
	if err != nil {
		return fmt.Errorf("cannot record %s in the audit trace %s: %w", kind, l.cfg.File, err)
	}
	return nil
}

// Failing returns why the last event is not in the trace; "" when it is.
func (l *Log) Failing() string {
	if l == nil {
		return ""
	}
	if why := l.failing.Load(); why != nil {
		return *why
	}
	return ""
}

func (l *Log) remember(err error) {
	if err == nil {
		l.failing.Store(nil)
		return
	}
	why := err.Error()
	l.failing.Store(&why)
}

func (l *Log) record(kind Kind, attrs []Attr) error {
	if !kind.known() {
		return errors.New("this kind of event is not in the table")
	}
	with, who, err := collect(attrs)
	if err != nil {
		return err
	}
	e := Entry{Event: kind, By: cmp.Or(who, clean(l.cfg.By, maxValue)), Said: saidIn(attrs), With: with}
	return l.locked(func(t *tail) error { return t.append(e) })
}

// locked calls f with the settled end of the log, while no other program writes to it.
func (l *Log) locked(f func(*tail) error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	t, err := l.openTail()
	if err != nil {
		return err
	}
	defer t.close()
	why, err := t.settle()
	if err != nil {
		return err
	}
	if why != "" {
		if err := t.recovered(why); err != nil {
			return err
		}
	}
	return f(t)
}

// lock waits until the head file is ours.
func lock(f *os.File, shared bool, wait time.Duration) error {
	for end := time.Now().Add(wait); ; time.Sleep(2 * time.Millisecond) {
		busy, err := tryLock(f, shared)
		if err != nil || !busy {
			return err
		}
		if time.Now().After(end) {
			return fmt.Errorf("another program has been writing to it for %s", wait)
		}
	}
}

// Later appends one event as Record does, but does not make the caller wait or refuse: for what has happened already.
func (l *Log) Later(kind Kind, attrs ...Attr) { _ = l.Record(kind, attrs...) }
