package trust

import (
	"sync"
	"time"
)

// A hello with post-quantum groups is longer than one TCP segment, and some boxes on the way drop or reset what that
// makes of a connection. After two failures before the server has said anything, one hello goes without them. Nothing
// else of it changes, and what is carried inside an outer link, the card session, has its own TLS with its own groups.

// Hybrids remembers at which addresses a hello without post-quantum groups is the one that is answered. The zero value
// is ready; nil sends them always.
type Hybrids struct {
	Required bool // a hello always has them
	// an address answered only without them; must not block; nil = nobody
	Without func(address string, until time.Time)

	mu sync.Mutex           // protects at
	at map[string]*answered // by address as dialled
}

// answered is what an address did.
type answered struct {
	silent int       // hellos with hybrids in a row that got no answer at all
	last   time.Time // of these
	until  time.Time // no hybrids before
}

const (
	maxSilent   = 2
	withoutTime = time.Hour // for which an address is known to answer only without hybrids, and a silence counts
)

// Until is until when an address is sent no hybrids; zero: it is.
func (h *Hybrids) Until(address string) (until time.Time) {
	if h == nil {
		return until
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if a := h.at[address]; a != nil && time.Now().Before(a.until) {
		until = a.until
	}
	return until
}

// Again reports whether another attempt at an address, at once, may do better than the last one, which got no answer to
// its hello.
func (h *Hybrids) Again(address string) bool {
	if h == nil || h.Required {
		return false
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.at[address].recent() > 0
}

// Retry is for what connects once and not again and again: it calls attempt, which says one hello to an address, until
// one is answered or no other would do better.
func (h *Hybrids) Retry(address string, attempt func() error) (err error) {
	for range maxSilent + 1 {
		if err = attempt(); err == nil || !h.Again(address) {
			break
		}
	}
	return err
}

// recent counts what is not too long ago to mean anything; a may be nil.
func (a *answered) recent() int {
	if a == nil || time.Since(a.last) > withoutTime {
		return 0
	}
	return a.silent
}

// drops reports whether the next hello to an address goes without hybrids.
func (h *Hybrids) drops(address string) bool {
	if h == nil || h.Required || address == "" {
		return false
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	a := h.at[address]
	return a.recent() >= maxSilent || a != nil && time.Now().Before(a.until)
}

// note takes in what became of a hello: whether it went without hybrids, and whether anything came back.
func (h *Hybrids) note(address string, without, answer bool) {
	if h == nil || address == "" {
		return
	}
	if until := h.count(address, without, answer); !until.IsZero() && h.Without != nil {
		h.Without(address, until)
	}
}

// count gives a time when an address has just turned out to answer only without hybrids.
func (h *Hybrids) count(address string, without, answer bool) (until time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	a := h.at[address]
	if a == nil {
		if h.at == nil {
			h.at = map[string]*answered{}
		}
		a = new(answered)
		h.at[address] = a
	}
	now := time.Now()
	switch {
	case !without && !answer:
		a.silent, a.last = a.recent()+1, now
		return until
	case without && answer && now.After(a.until):
		a.until = now.Add(withoutTime)
		until = a.until
	}
	a.silent = 0
	return until
}
