// Package ration bounds what strangers can cause to be written: the first few events of a kind from one /24 or /48 in
// full, then, when the time is over, how many more there were. So a stranger can neither fill a log or a trace nor hide
// others in it.
package ration

import (
	"net/netip"
	"sync"
	"time"
)

// Key is what events are counted by.
type Key struct {
	Network string // of whom the event is about: NetworkOf
	Kind    string
	Reason  string
}

// Elsewhere is the network of a Key when there are too many networks to count each.
const Elsewhere = "elsewhere"

// mostKeys is how many keys are counted at a time: beyond these, networks are counted together.
const mostKeys = 4096

// Rations counts events by their keys. D is what the caller wants to know again when the time of a key is over. It is
// safe for concurrent use.
type Rations[D any] struct {
	first int
	over  time.Duration
	tell  func(Key, D, int)

	mu     sync.Mutex // protects the rest
	counts map[Key]*tally[D]
}

// tally counts the events of one key.
type tally[D any] struct {
	seen   int // in all
	detail D   // of the first
	end    *time.Timer
}

// New returns Rations that let through the first events of each key. After the time over, tell is called with how many
// more there were of a key, if there were any, and the key is counted anew.
func New[D any](first int, over time.Duration, tell func(k Key, detail D, more int)) *Rations[D] {
	return &Rations[D]{first: first, over: over, tell: tell, counts: map[Key]*tally[D]{}}
}

// Take counts an event, and reports whether it is among the first.
func (r *Rations[D]) Take(k Key, detail D) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	t := r.counts[k]
	if t == nil && len(r.counts) >= mostKeys {
		k.Network = Elsewhere
		t = r.counts[k]
	}
	if t == nil {
		t = &tally[D]{detail: detail}
		r.counts[k] = t
		t.end = time.AfterFunc(r.over, func() { r.close(k, t) })
	}
	t.seen++
	return t.seen <= r.first
}

// close ends the time of a key.
func (r *Rations[D]) close(k Key, t *tally[D]) {
	r.mu.Lock()
	ours := r.counts[k] == t
	if ours {
		delete(r.counts, k)
	}
	more := t.seen - r.first
	r.mu.Unlock()
	if ours && more > 0 {
		r.tell(k, t.detail, more)
	}
}

// Close ends the time of every key now, so that what was counted is told.
func (r *Rations[D]) Close() {
	r.mu.Lock()
	all := make(map[Key]*tally[D], len(r.counts))
	for k, t := range r.counts {
		t.end.Stop()
		all[k] = t
	}
	r.mu.Unlock()
	for k, t := range all {
		r.close(k, t)
	}
}

// Keys returns how many keys are counted.
func (r *Rations[D]) Keys() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.counts)
}

// NetworkOf returns the /24, or IPv6 /48, of an address with or without port. What is no IP address is its own network.
func NetworkOf(address string) string {
	ip, err := netip.ParseAddr(address)
	if err != nil {
		ap, err := netip.ParseAddrPort(address)
		if err != nil {
			return address
		}
		ip = ap.Addr()
	}
	ip = ip.Unmap().WithZone("")
	bits := 24
	if ip.Is6() {
		bits = 48
	}
	network, _ := ip.Prefix(bits) // it fits
	return network.String()
}
