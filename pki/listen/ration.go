package listen

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// Ration logs what strangers cause, and bounds it: the first lines about a reason from one /24 or /48, then, when the
// time is over, how many more there were. So a stranger can neither fill the log nor hide others in it.
type Ration struct {
	log *slog.Logger

	mu    sync.Mutex // protects the rest
	kinds map[kind]*tally
}

// Line is what a stranger caused.
type Line struct {
	Level   slog.Level
	Message string
	Remote  string // host:port; "" = no one peer's
	Reason  string
	Kind    string // lines of one reason but different kinds are counted separately; it is not logged
}

// kind is what lines are counted by.
type kind struct{ network, reason, detail string }

// tally counts the lines of one kind.
type tally struct {
	seen    int // in all
	message string
	level   slog.Level
}

const (
	rationLines = 20               // of a kind, logged in full
	rationTime  = 10 * time.Minute // then they are counted anew
	rationKinds = 4096             // beyond these, networks are counted together
)

// NewRation returns a Ration for a log.
func NewRation(log *slog.Logger) *Ration { return &Ration{log: log, kinds: map[kind]*tally{}} }

// Log logs a line, or only counts it; args are as in slog, and remote and reason are logged before them.
func (r *Ration) Log(l Line, args ...any) {
	if r.count(kind{NetworkOf(l.Remote), l.Reason, l.Kind}, l.Level, l.Message) > rationLines {
		return
	}
	args = append([]any{"reason", l.Reason}, args...)
	if l.Remote != "" {
		args = append([]any{"remote", l.Remote}, args...)
	}
	r.log.Log(context.Background(), l.Level, l.Message, args...)
}

// count counts a line, and returns how many of its kind there have been.
func (r *Ration) count(k kind, level slog.Level, message string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	t := r.kinds[k]
	if t == nil && len(r.kinds) >= rationKinds {
		k.network = "elsewhere"
		t = r.kinds[k]
	}
	if t == nil {
		t = &tally{message: message, level: level}
		r.kinds[k] = t
		time.AfterFunc(rationTime, func() { r.close(k) })
	}
	t.seen++
	return t.seen
}

// close logs how many lines of a kind were not logged, and forgets the kind.
func (r *Ration) close(k kind) {
	r.mu.Lock()
	t := r.kinds[k]
	delete(r.kinds, k)
	r.mu.Unlock()
	if more := t.seen - rationLines; more > 0 {
		r.log.Log(context.Background(), t.level, t.message+", many times",
			"reason", k.reason, "from", k.network, "more", more, "in", rationTime)
	}
}
