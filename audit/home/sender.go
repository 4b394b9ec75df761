package home

import (
	"cmp"
	"context"
	"log/slog"
	"sync"
	"time"

	"tlagate/audit"
	"tlagate/internal/retry"
)

// Wire is a link of a session to a gateway that takes trace records, as link.Conn is.
type Wire interface {
	WriteTrace(lines []byte) error
	Echo(ctx context.Context) error // returns once the gateway has read what was written before
}

// SenderConfig configures a Sender.
type SenderConfig struct {
	Trace *audit.Log       // our trace; nil = nothing is sent: NewSender returns nil
	Log   *slog.Logger     // nil = discard
	Clock func() time.Time // nil = time.Now
	Pause time.Duration    // before each record; 0 = 1 s
	Look  time.Duration    // between two looks for new lines; 0 = 5 s
}

// Sender sends the lines of our trace that no gateway has confirmed yet. It runs on one link at a time.
type Sender struct {
	cfg  SenderConfig
	file string // where it keeps the cursor

	mu      sync.Mutex // held by Run; protects the rest
	session string     // the one that octets are counted of
	octets  int
}

// NewSender returns a sender for our trace. A nil Sender sends nothing.
func NewSender(cfg SenderConfig) *Sender {
	if cfg.Trace == nil {
		return nil
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Clock == nil {
		cfg.Clock = time.Now
	}
	cfg.Pause, cfg.Look = cmp.Or(cfg.Pause, pause), cmp.Or(cfg.Look, 5*time.Second)
	return &Sender{cfg: cfg, file: cfg.Trace.File() + ".sent"}
}

// Run sends lines over a link of a session, as long as ctx, which must end with the link.
func (s *Sender) Run(ctx context.Context, session string, to Wire) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.session != session {
		s.session, s.octets = session, 0
	}
	for retry.Sleep(ctx, s.cfg.Pause) {
		if err := s.sendNew(ctx, to); err != nil {
			if ctx.Err() == nil {
				s.cfg.Log.Warn("lines of the audit trace are not sent home in this session", "error", err)
			}
			return
		}
		if !retry.Sleep(ctx, s.cfg.Look) {
			return
		}
	}
}

// sendNew sends what is not confirmed, as far as this session's room goes.
func (s *Sender) sendNew(ctx context.Context, to Wire) error {
	from, err := s.cursor()
	if err != nil {
		return err
	}
	records, err := s.unsent(from)
	for i, r := range records {
		if i > 0 && !retry.Sleep(ctx, s.cfg.Pause) {
			return nil
		}
		if err := s.send(ctx, to, r); err != nil {
			return err
		}
	}
	return err
}

// send sends a record, and moves the cursor once it is confirmed: whatever breaks before costs a repetition at most.
func (s *Sender) send(ctx context.Context, to Wire, r record) error {
	if len(r.lines) > 0 {
		s.octets += len(r.lines)
		if err := to.WriteTrace(r.lines); err != nil {
			return err
		}
		if err := to.Echo(ctx); err != nil {
			return err
		}
	}
	return s.moveCursor(r.last)
}

// record is the payload of a trace record; without lines it only says how far there is nothing to send.
type record struct {
	lines []byte
	last  uint64 // number of the last line of the trace up to which it goes
}

// unsent returns the records after a line of our trace, as many as this session has room for.
func (s *Sender) unsent(after uint64) ([]record, error) {
	room := fewerOctets - s.octets
	if last, err := audit.Last(s.cfg.Trace.File()); err != nil || last <= after || room < maxRecord {
		return nil, err
	}
	var all []record
	var now record
	lines := audit.Follow(s.cfg.Trace.File(), audit.Place{Seq: after})
	defer lines.Close()
	for l, err := range lines.Rest() { // verify names what is missing
		if err != nil {
			return all, err
		}
		line := l.Entry.Sent(maxRecord)
		if room -= len(line); room < 0 {
			break
		}
		if len(now.lines)+len(line) > maxRecord {
			all, now = append(all, now), record{}
		}
		now.lines, now.last = append(now.lines, line...), l.Entry.Seq
	}
	if now.last > 0 {
		all = append(all, now)
	}
	return all, nil
}
