package audit

import (
	"cmp"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"tlagate/internal/ration"
)

// Config says where the trace is, and how much of it is kept. It must not be changed after Open.
type Config struct {
	File    string           // the log, such as /var/lib/tla-relay/audit.jsonl; a missing directory is made (0700)
	By      string           // whose acts it records, unless an event says otherwise: "tla-relay"
	Clock   func() time.Time // nil = time.Now
	MaxSize int64            // of a file, in octets, before the next one is begun; 0 = 16 MiB
	Daily   bool             // begin another file with each day (UTC), too
	Wait    time.Duration    // longest wait for another program that writes; 0 = 10 s

	Space   int64 // octets that all files of the trace may take; 0 = no bound but the disk's
	Reserve int64 // octets of the disk, and of Space, that only essential events may use; 0 = none
	GoOn    bool  // Record does not fail when there is no room: the event is written when there is, as with Later

	Keep   time.Duration                             // full files with younger lines stay; 0 = all do
	Signer func() (*x509.Certificate, crypto.Signer) // signs what is purged; nil, or a nil key = nothing is purged

	Rotated func() // called, if not nil, after another file is begun, in a goroutine of its own
}

// Log appends to a trace. It keeps no file open: several programs, and several Logs of one program, may write to one
// file. It is safe for concurrent use. A nil Log records nothing.
type Log struct {
	cfg       Config
	queue     queue
	strangers *ration.Rations[Kind]
	purger    purger

	turn  chan struct{} // holds one token while somebody writes
	known known         // what the last commit left; only with the turn
	step  func(string)  // of tests: called at each point at which a crash makes a difference

	draining  atomic.Bool   // somebody writes what is kept
	closed    chan struct{} // nobody tries again
	closeOnce sync.Once
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
	l := &Log{cfg: cfg, turn: make(chan struct{}, 1), closed: make(chan struct{})}
	l.queue.own, l.queue.now, l.purger.log = l.ownCall, l.now, l
	l.strangers = ration.New(strangersFirst, strangersTime, l.rationed)
	if err := os.MkdirAll(filepath.Dir(cfg.File), 0o700); err != nil {
		return nil, fmt.Errorf("cannot open the audit trace: %w", err)
	}
	if err := l.locked((*tail).open); err != nil {
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

// Failing returns why the last event is not in the trace; "" when it is.
func (l *Log) Failing() string {
	if l == nil {
		return ""
	}
	l.queue.mu.Lock()
	defer l.queue.mu.Unlock()
	if l.queue.failing == nil {
		return ""
	}
	return l.queue.failing.Error()
}

// Refuses reports whether what is recorded before it may happen was refused at the last try, for want of room or since
// the trace cannot be written.
func (l *Log) Refuses() bool {
	if l == nil {
		return false
	}
	l.queue.mu.Lock()
	defer l.queue.mu.Unlock()
	return l.queue.failing != nil && !(l.cfg.GoOn && isFull(l.queue.failing))
}

// Head returns number, hash and time of the last line; number 0 = there is none.
func (l *Log) Head() (number uint64, hash string, at time.Time, err error) {
	if l == nil {
		return 0, noHash, at, nil
	}
	l.inTurn(func() {
		err = l.locked(func(t *tail) error {
			number, hash, at = t.head.seq, t.head.hash, t.last
			return nil
		})
	})
	return number, hash, at, err
}

// locked calls f with the settled end of the log, while no other program writes to it. The caller holds the turn.
func (l *Log) locked(f func(*tail) error) error {
	t, err := l.openTail()
	if err != nil {
		return err
	}
	defer t.close()
	why, err := t.settle()
	if err != nil {
		return err
	}
	if err := t.recall(); err != nil {
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
