package listen

import (
	"context"
	"log/slog"
	"time"

	"tlagate/internal/ration"
)

// Ration logs what strangers cause, and bounds it: the first lines about a reason from one /24 or /48, then, when the
// time is over, how many more there were. So a stranger can neither fill the log nor hide others in it.
type Ration struct {
	log   *slog.Logger
	lines *ration.Rations[Line]
}

// Line is what a stranger caused.
type Line struct {
	Level   slog.Level
	Message string
	Remote  string // host:port; "" = no one peer's
	Reason  string
	Kind    string // lines of one reason but different kinds are counted separately; it is not logged
}

const (
	rationLines = 20               // of a kind, logged in full
	rationTime  = 10 * time.Minute // then they are counted anew
)

// NewRation returns a Ration for a log.
func NewRation(log *slog.Logger) *Ration {
	r := &Ration{log: log}
	r.lines = ration.New(rationLines, rationTime, r.more)
	return r
}

// Log logs a line, or only counts it; args are as in slog, and remote and reason are logged before them.
func (r *Ration) Log(l Line, args ...any) {
	if !r.lines.Take(ration.Key{Network: networkOf(l.Remote), Kind: l.Kind, Reason: l.Reason}, l) {
		return
	}
	args = append([]any{"reason", l.Reason}, args...)
	if l.Remote != "" {
		args = append([]any{"remote", l.Remote}, args...)
	}
	r.log.Log(context.Background(), l.Level, l.Message, args...)
}

// more logs how many lines of a kind were not logged; first is the first of them.
func (r *Ration) more(k ration.Key, first Line, more int) {
	r.log.Log(context.Background(), first.Level, first.Message+", many times",
		"reason", k.Reason, "from", k.Network, "more", more, "in", rationTime)
}
