package home

import (
	"bytes"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"tlagate/audit"
	"tlagate/internal/bucket"
)

// Receiver writes into a trace what devices say of theirs. Its methods may be called from any goroutine; none waits for
// a disk.
type Receiver struct {
	log   *audit.Log
	file  string // where it keeps which line of each device was the last
	clock func() time.Time
	warn  *slog.Logger

	mu      sync.Mutex // protects the rest
	origins map[string]*origin
	changed bool // since it was saved
}

// maxOrigins bounds how many devices a receiver knows.
const maxOrigins = 1 << 16

// origin is a device, by its identity.
type origin struct {
	last    audit.Said
	day     bucket.Bucket
	pace    bucket.Bucket
	session string // the one that octets are counted of
	octets  int
	dropped map[string]int // lines, by why
}

// Why lines are dropped, as audit.dropped has it.
const (
	tooFast     = "too_fast"
	tooMuch     = "too_much_in_session"
	tooMuchADay = "too_much_a_day"
	tooLong     = "record_too_long"
	unreadable  = "unreadable"
	tooEarly    = "of_a_time_to_come"
)

// Take takes the payload of a trace record that a device sent in a session.
func (r *Receiver) Take(device, session string, payload []byte) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	o := r.origin(device)
	if o == nil {
		return
	}
	if why := o.admit(session, len(payload), r.clock()); why != "" {
		o.drop(why, max(bytes.Count(payload, []byte("\n")), 1))
		return
	}
	for line := range bytes.Lines(payload) {
		r.line(o, device, line)
	}
}

// origin returns what is known of a device; nil for one too many, of which nothing is taken.
func (r *Receiver) origin(device string) *origin {
	o := r.origins[device]
	if o == nil && len(r.origins) < maxOrigins {
		o = &origin{}
		r.origins[device] = o
	}
	return o
}

// admit counts a record, and returns why it is not taken; "" = it is.
func (o *origin) admit(session string, octets int, now time.Time) string {
	if o.session != session {
		o.session, o.octets = session, 0
	}
	switch {
	case octets > maxRecord:
		return tooLong
	case o.octets+octets > maxSession:
		return tooMuch
	case o.pace.Take(now, paced) > 0:
		return tooFast
	case o.day.Take(now, daily) > 0:
		return tooMuchADay
	}
	o.octets += octets
	return ""
}

func (o *origin) drop(why string, lines int) {
	if o.dropped == nil {
		o.dropped = map[string]int{}
	}
	o.dropped[why] += lines
}

// line writes a line, unless it is a repetition.
func (r *Receiver) line(o *origin, device string, line []byte) {
	text, whole := bytes.CutSuffix(line, []byte("\n"))
	said, kind, attrs, err := audit.ParseSent(text)
	switch {
	case err != nil || !whole:
		o.drop(unreadable, 1)
	case said.Time().After(r.clock().Add(ahead)):
		o.drop(tooEarly, 1)
	case said.After(o.last):
		o.last, r.changed = said, true
		r.log.Later(kind, append(attrs, audit.SaidBy(device, said)...)...)
	}
}

// Over records what was dropped of a device's lines, at the end of its link.
func (r *Receiver) Over(device, session string) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	o := r.origins[device]
	if o == nil {
		return
	}
	for _, why := range slices.Sorted(maps.Keys(o.dropped)) {
		r.log.Later(audit.AuditDropped, audit.Identity(device), audit.Session(session), audit.Reason(why),
			audit.Count(o.dropped[why]))
	}
	o.dropped = nil
}

// ReceiverConfig configures a Receiver.
type ReceiverConfig struct {
	Log   *audit.Log       // nil = nothing is taken: NewReceiver returns nil
	Clock func() time.Time // nil = time.Now
	Warn  *slog.Logger     // nil = discard
}

// NewReceiver returns a receiver that knows what the trace has already. A nil Receiver takes nothing.
func NewReceiver(cfg ReceiverConfig) (*Receiver, error) {
	if cfg.Log == nil {
		return nil, nil
	}
	r := &Receiver{log: cfg.Log, file: cfg.Log.File() + ".said", clock: cfg.Clock, warn: cfg.Warn,
		origins: map[string]*origin{}}
	if r.warn == nil {
		r.warn = slog.New(slog.DiscardHandler)
	}
	if r.clock == nil {
		r.clock = time.Now
	}
	return r, r.load()
}
