package trust

import (
	"sync"
	"time"
)

// A hello with post-quantum groups is longer than one TCP segment, and some middleboxes drop or reset a connection that
// begins so. After two failures before the server has answered anything, one hello goes without those groups. Nothing
// else in it changes, and the card session, which an outer link carries, has its own TLS with its own groups.

// Hybrids remembers which addresses answer only a hello without post-quantum groups. The zero value is ready for use;
// with a nil *Hybrids every hello has them.
type Hybrids struct {
	Required bool // a hello always has them
	// called when an address has answered only without them; must not block; nil = not called
	Without func(address string, until time.Time)

	mu sync.Mutex           // protects at
	at map[string]*answered // by address as dialled
}

// answered is what an address did.
type answered struct {
	silent int       // hellos with hybrids in a row that got no answer at all
	last   time.Time // when the last of these was
	until  time.Time // it is sent no hybrids before
}

const (
	maxSilent   = 2
	withoutTime = time.Hour // how long an address is sent no hybrids, and how long a silence counts
)

// Until returns until when an address is sent no hybrids; zero = it is sent them.
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

// Retry is for a program that connects only once: it calls attempt, which sends one hello to an address, until one is
// answered or another would do no better.
func (h *Hybrids) Retry(address string, attempt func() error) (err error) {
	for range maxSilent + 1 {
		if err = attempt(); err == nil || !h.Again(address) {
			break
		}
	}
	return err
}

// recent returns the number of silent hellos, zero if the last is too long ago to mean anything; a may be nil.
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

// note records the result of a hello: whether it went without hybrids, and whether anything came back.
func (h *Hybrids) note(address string, without, answer bool) {
	if h == nil || address == "" {
		return
	}
	if until := h.count(address, without, answer); !until.IsZero() && h.Without != nil {
		h.Without(address, until)
	}
}

// count counts a hello. If the address has just turned out to answer only without hybrids, it returns until when that
// holds.
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
