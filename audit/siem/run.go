package siem

import (
	"context"
	"errors"
	"time"

	"tlagate/audit"
)

// A batch, so that little is sent again, and in memory.
const (
	batchLines  = 256
	batchOctets = 64 << 10 // of the trace; with its structured data a line is about twice as long
)

// run is what one connection does.
type run struct {
	*Sender
	link    *link
	lines   *audit.Follower
	sent    audit.Place // the last line that was sent, though perhaps not acknowledged
	marks   marks
	checked time.Time // when the server's certificate was
}

// step sends the next batch, notes what has arrived, or waits.
func (r *run) step(ctx context.Context) error {
	lines, err := r.next()
	if err != nil {
		return err
	}
	if len(lines) > 0 {
		if err := r.send(ctx, lines); err != nil {
			return err
		}
	}
	if err := r.settle(); err != nil {
		return err
	}
	if err := r.recheck(); err != nil {
		return err
	}
	if len(lines) == 0 {
		r.link.wait(ctx, min(r.cfg.Poll, r.cfg.Settle))
	}
	return nil
}

// send sends lines, and returns once they are acknowledged.
func (r *run) send(ctx context.Context, lines []audit.Line) error {
	if err := r.link.write(r.frames(lines)); err != nil {
		return err
	}
	r.sent = lines[len(lines)-1].Place()
	if err := r.link.acknowledged(ctx); err != nil {
		return err
	}
	r.marks.add(mark{r.sent, time.Now()})
	return nil
}

// next returns the next lines. What is missing before them is noted, and counts as delivered, once.
func (r *run) next() ([]audit.Line, error) {
	for {
		lines, err := r.lines.Next(batchLines, batchOctets)
		m := missing(err)
		switch {
		case m != nil:
			r.lost(m)
			r.marks.add(mark{audit.Place{Seq: m.To}, time.Now()})
		case errors.Is(err, audit.ErrRewritten):
			r.rewritten()
		default:
			return lines, err
		}
	}
}

func (r *run) frames(lines []audit.Line) (all []byte) {
	for _, line := range lines {
		all = append(all, frame(r.origin.message(line))...)
	}
	return all
}

// settle moves the cursor to what was acknowledged long enough ago, if the connection still lives.
func (r *run) settle() error {
	if err := r.link.alive(); err != nil {
		return err
	}
	now := time.Now()
	if now.Sub(r.link.begun) >= r.cfg.Settle {
		r.up()
	}
	if at, ok := r.marks.ripe(now, r.cfg.Settle); ok {
		r.deliver(at)
	}
	return nil
}

// recheck ends the connection if the server's certificate would no longer be accepted.
func (r *run) recheck() error {
	now := time.Now()
	if now.Sub(r.checked) < r.cfg.Recheck {
		return nil
	}
	r.checked = now
	return r.cfg.Party.Trust.Recheck(r.link.peer)
}

// mark is a line that was acknowledged, with all before it.
type mark struct {
	audit.Place
	at time.Time
}

// marks are the lines that were acknowledged and are not delivered yet: the one that will be first, and the last one.
// However many lie between, they become delivered one period later.
type marks struct{ first, last mark }

func (m *marks) add(now mark) {
	if m.last = now; m.first == (mark{}) {
		m.first = now
	}
}

// ripe returns the line that counts as delivered.
func (m *marks) ripe(now time.Time, settle time.Duration) (at audit.Place, ok bool) {
	if m.first == (mark{}) || now.Sub(m.first.at) < settle {
		return at, false
	}
	at = m.first.Place
	if m.first = m.last; m.last.Place == at {
		m.first = mark{}
	}
	return at, true
}
