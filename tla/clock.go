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

// CodeClock ends or refuses a session because our clock is wrong: it shows a time that is already past.
const CodeClock Code = "clock_wrong"

// ClockConfig configures a Clock.
type ClockConfig struct {
	File    string           // keeps the floor across restarts; "" = memory only
	Built   time.Time        // when this program was built; zero = not known
	Vouched func() time.Time // the latest time that signed data vouches for; nil = none
	Now     func() time.Time // nil = time.Now
	Log     *slog.Logger     // nil = discard
}

// Clock knows the earliest time that it can be, its floor. Boards without a battery wake up in the past, where present
// certificates and lists seem to come from the future, and expired ones seem good. Only what others say raises the
// floor: the date of this program, signed revocation data, and peers that accepted a consent with our time in it. So a
// clock that ran ahead leaves nothing behind.
type Clock struct {
	cfg ClockConfig

	mu    sync.Mutex
	floor time.Time
	saved time.Time // what the file has
}

// saveStep is how far the floor rises before it is written again: flash wears out.
const saveStep = time.Hour

// OpenClock reads the saved floor. A file that cannot be read or parsed is logged: without it the floor is lower.
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

// Floor returns the earliest time that it can be.
func (c *Clock) Floor() time.Time {
	if c.cfg.Vouched != nil {
		c.raise(c.cfg.Vouched())
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.floor
}

// check returns that the clock is wrong; nil = it may be right. The clock by which the floor was raised may have been
// as far ahead as a consent may be.
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

// accepted raises the floor: gateway and PdT have accepted a consent with our time in it, so it is no earlier than they
// allow.
func (c *Clock) accepted() {
	if c != nil {
		c.raise(c.cfg.Now().Add(-consent.Skew))
		c.Save()
	}
}

// named returns w, or that the clock is wrong if it is and that may be the cause of w.
func (c *Clock) named(w *Why) *Why {
	switch pki.Reason(w.Reason) {
	case pki.Expired, pki.NotYetValid, pki.CRLFuture, pki.OCSPFuture:
		if wrong := c.check(); wrong != nil {
			return wrong
		}
	}
	return w
}

// Save writes the floor to its file if it has risen by saveStep.
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
