package gateway

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"tlagate/audit/peers"
	"tlagate/gateway/recent"
	"tlagate/gateway/state"
	"tlagate/internal/bucket"
	"tlagate/pki"
	"tlagate/pki/listen"
	"tlagate/session/link"
)

// RefusalInfo is somebody who was refused.
type RefusalInfo struct {
	At       time.Time `json:"at"`
	What     string    `json:"what"`     // "handshake", "connection" (a limit) or "request"
	Identity string    `json:"identity"` // "" = it named none that can be read
	Proven   bool      `json:"proven"`   // else the identity is only what a certificate says that it showed
	Address  string    `json:"address"`  // IP address
	Reason   string    `json:"reason"`   // pki.Reason, or a problem's code
	Request  string    `json:"request,omitempty"`
	Incident string    `json:"incident,omitempty"`

	who pki.Identity
}

// What was refused.
const (
	refusedHandshake  = "handshake"
	refusedConnection = "connection"
	refusedRequest    = "request"
)

// mostRefusals is how many are kept: half of strangers, half of proven peers, so that those cannot hide these.
const mostRefusals = 1000

// How many refusals of one proven peer are shown at once, and after which time one more: a device that is refused again
// and again hides neither others nor what happens. Metrics and trace count all.
const (
	refusalBurst = 20
	refusalEvery = 30 * time.Second
)

// strangerEvents is how many events strangers may cause.
var strangerEvents = bucket.Rate{Size: 50, Period: time.Second / 5}

// lately is what happened a moment ago, for operators who look.
type lately struct {
	strangers, proven *recent.Ring[RefusalInfo]
	each              *listen.Budget // refusals of each proven peer
	events            *recent.Stream
	state             knowledge

	mu     sync.Mutex    // protects bucket
	bucket bucket.Bucket // of events that strangers cause
}

func newLately(k knowledge) *lately {
	return &lately{strangers: recent.NewRing[RefusalInfo](mostRefusals / 2),
		proven: recent.NewRing[RefusalInfo](mostRefusals / 2), events: recent.NewStream(), state: k,
		each: listen.NewBudget(refusalBurst, refusalEvery, mostRefusals)}
}

// stranger notes a handshake that gave no proven peer.
func (l *lately) stranger(remote string, err error) {
	i := RefusalInfo{What: refusedHandshake, Reason: listen.ReasonOf(err)}
	if r, ok := errors.AsType[*pki.Refusal](err); ok {
		i.who = r.Claimed
	}
	l.refused(remote, i)
}

// full notes a proven peer that was turned away, because of a limit.
func (l *lately) full(c *client) {
	l.refused(c.remote, RefusalInfo{What: refusedConnection, Proven: true, Reason: listen.TooMany,
		who: c.peer.Identity})
}

// request notes a request that was answered with a problem.
func (l *lately) request(c *client, path, incident string, p *link.Problem) {
	l.refused(c.remote, RefusalInfo{What: refusedRequest, Proven: true, Reason: string(p.Code), Request: known(path),
		Incident: incident, who: c.peer.Identity})
}

func (l *lately) refused(remote string, i RefusalInfo) {
	i.At, i.Address, i.Identity = time.Now().UTC(), peers.AddressOf(remote), i.who.String()
	if i.Proven && l.each.Take(i.Identity) > 0 {
		return
	}
	ring := l.proven
	if !i.Proven {
		ring = l.strangers
	}
	ring.Add(i)
	if i.Proven || l.mayTell() {
		l.events.Publish(recent.Event{Kind: recent.Refused, Identity: i.Identity, Address: i.Address, Reason: i.Reason,
			Incident: i.Incident})
	}
}

// mayTell reports whether strangers have caused few enough events for one more.
func (l *lately) mayTell() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.bucket.Take(time.Now(), strangerEvents) == 0
}

// came notes that a proven peer is here.
func (l *lately) came(c *client) {
	address := peers.AddressOf(c.remote)
	first := l.state.Saw(c.peer.Identity, time.Now(), func(s *state.Seen) {
		s.Address, s.From, s.Until = address, c.peer.Chain[0].NotBefore.UTC(), c.peer.NotAfter.UTC()
	})
	if first {
		l.events.Publish(recent.Event{Kind: recent.FirstSeen, Identity: c.identity(), Address: address})
	}
}

// runs notes what a peer says that it runs, with a request to park or to open.
func (l *lately) runs(c *client, h http.Header) {
	bundle, _ := strconv.ParseUint(h.Get(link.HeaderBundle), 10, 64) // 0 = none, or no number, which is refused later
	said := c.software()
	l.state.Saw(c.peer.Identity, time.Now(), func(s *state.Seen) {
		s.Version, s.OS, s.Arch, s.Bundle = said.Version, said.OS, said.Arch, bundle
	})
}

// parked notes that a PdT has parked a link: it is expected to go on doing so.
func (l *lately) parked(c *client) {
	now := time.Now()
	l.state.Saw(c.peer.Identity, now, func(s *state.Seen) { s.Parked = now.UTC().Truncate(time.Second) })
}

// begun notes that a session has begun, or goes on over a further link.
func (l *lately) begun(s *session, tla, pdt *end) {
	kind := recent.SessionOpened
	if s.generation > 1 {
		kind = recent.SessionResumed
	}
	l.events.Publish(recent.Event{Kind: kind, Identity: tla.client.identity(), PdT: pdt.client.identity(),
		Session: s.id, Address: peers.AddressOf(tla.client.remote)})
}

// ended notes that a link of a session is over.
func (l *lately) ended(s *session, reason, incident string) {
	l.events.Publish(recent.Event{Kind: recent.SessionEnded, Identity: s.tla.client.identity(),
		PdT: s.pdt.client.identity(), Session: s.id, Reason: endReason(reason), Incident: incident})
}

// cut notes that a proven peer was cut.
func (l *lately) cut(c *client, reason pki.Reason, incident string) {
	l.events.Publish(recent.Event{Kind: recent.Cut, Identity: c.identity(), Address: peers.AddressOf(c.remote),
		Reason: string(reason), Incident: incident})
}

// Refusals returns who was refused, the last first: of the last 1 000, those that f lets through,
// at most limit; 0 = all.
func (g *Gateway) Refusals(f Filter, limit int) []RefusalInfo {
	list := slices.DeleteFunc(append(g.lately.strangers.All(), g.lately.proven.All()...),
		func(i RefusalInfo) bool { return !f.takesPeer(i.who, i.At) })
	slices.SortStableFunc(list, func(a, b RefusalInfo) int { return b.At.Compare(a.At) })
	if limit > 0 && len(list) > limit {
		list = list[:limit]
	}
	return list
}

// Event is something that just happened.
type Event = recent.Event

// Events returns what happened after the event of that number, and what happens from now on; 0 = the latter alone. An
// event of the kind recent.Missed says that some before it are no longer known. The channel is closed when its reader
// is too slow, or too many watch. cancel must be called.
func (g *Gateway) Events(since uint64) (events <-chan Event, cancel func()) {
	return g.lately.events.Events(since)
}
