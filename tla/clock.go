package tla

import (
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"tlagate/internal/files"
	"tlagate/internal/stamp"
	"tlagate/pki"
	"tlagate/session/consent"
)

// CodeClock ends or refuses a session because our clock is wrong: earlier than it can be.
const CodeClock Code = "clock_wrong"

// ClockConfig configures a Clock.
type ClockConfig struct {
	File    string           // keeps the floor over a restart; "" = memory only
	Built   time.Time        // when this program was made; zero = not known
	Vouched func() time.Time // the latest time that signed data vouches for; nil = none
	Now     func() time.Time // nil = time.Now
	Log     *slog.Logger     // nil = discard
}

// Clock knows the earliest time that it can be, its floor: boards without a battery wake up in the past, where
// certificates and lists seem to be of the future, and those that have ended seem good. The floor is raised by what
// others say alone: the date of this program, signed revocation data, and peers that accepted a consent which says our
// time. A clock that ran ahead leaves nothing behind.
type Clock struct {
	cfg ClockConfig

	mu    sync.Mutex
	floor time.Time
	saved time.Time // what the file says
}

// saveStep is how much the floor rises before it is written again: flash wears out.
const saveStep = time.Hour

// OpenClock reads what was saved. A file that cannot be read, or makes no sense, is logged: without it the floor is a
// lower one.
func OpenClock(cfg ClockConfig) *Clock {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	c := &Clock{cfg: cfg, floor: cfg.Built}
	at, err := readFloor(cfg.File)
	if err != nil {
		cfg.Log.Error("clock floor not known; it begins anew", "file", cfg.File, "error", err)
	}
	c.saved = at
	c.raise(at)
	return c
}

// maxFloor bounds the file, in octets: it is one time.
const maxFloor = 64

func readFloor(file string) (at time.Time, err error) {
	_, err = files.Load(file, maxFloor, func(text []byte) error {
		at, err = time.Parse(time.RFC3339, strings.TrimSpace(string(text)))
		return err
	})
	return at, err
}

func (c *Clock) raise(at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if at.After(c.floor) {
		c.floor = at
	}
}

// Floor is the earliest time that it can be.
func (c *Clock) Floor() time.Time {
	if c.cfg.Vouched != nil {
		c.raise(c.cfg.Vouched())
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.floor
}

// check says that the clock is wrong; nil = it may be right. Whoever raised the floor may have been as far ahead as a
// consent may be.
func (c *Clock) check() *Why {
	if c == nil {
		return nil
	}
	floor, now := c.Floor(), c.cfg.Now()
	if !now.Before(floor.Add(-consent.Skew)) {
		return nil
	}
	return &Why{Code: CodeClock,
		Detail: fmt.Sprintf("it is %s here, and it was %s before: set the clock (and see to NTP or a battery)",
			stamp.Minute(now), stamp.Minute(floor))}
}

// accepted: gateway and PdT have accepted a consent that says our time, so it is no earlier than what they allow.
func (c *Clock) accepted() {
	if c != nil {
		c.raise(c.cfg.Now().Add(-consent.Skew))
		c.Save()
	}
}

// named returns w, or that the clock is wrong, when it is and w may be about that.
func (c *Clock) named(w *Why) *Why {
	switch pki.Reason(w.Reason) {
	case pki.Expired, pki.NotYetValid, pki.CRLFuture, pki.OCSPFuture:
		if wrong := c.check(); wrong != nil {
			return wrong
		}
	}
	return w
}

// Save writes the floor to its file, when it has risen by much.
func (c *Clock) Save() {
	if c == nil || c.cfg.File == "" {
		return
	}
	floor := c.Floor()
	c.mu.Lock()
	defer c.mu.Unlock()
	if floor.Sub(c.saved) < saveStep {
		return
	}
	if err := files.Replace(c.cfg.File, []byte(stamp.Instant(floor)+"\n"), 0o600); err != nil {
		c.cfg.Log.Error("clock floor not kept", "file", c.cfg.File, "error", err)
		return
	}
	c.saved = floor
}
