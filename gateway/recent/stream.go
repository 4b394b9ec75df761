package recent

import (
	"sync"
	"time"
)

// Kind says what an Event is about.
type Kind string

// The kinds of events.
const (
	SessionOpened  Kind = "session.opened"
	SessionResumed Kind = "session.resumed"
	SessionEnded   Kind = "session.ended"
	Refused        Kind = "refused"
	Cut            Kind = "cut"
	FirstSeen      Kind = "peer.first"
	Acted          Kind = "act"
	// Missed comes in place of events that are no longer known: look at the lists again.
	Missed Kind = "missed"
)

// Kinds lists every kind.
var Kinds = []Kind{SessionOpened, SessionResumed, SessionEnded, Refused, Cut, FirstSeen, Acted, Missed}

// Event is something that happened. What does not apply is empty.
type Event struct {
	ID       uint64    `json:"id"` // grows, across restarts too; below 2^53
	At       time.Time `json:"at"`
	Kind     Kind      `json:"event"`
	Identity string    `json:"identity,omitempty"`
	PdT      string    `json:"pdt,omitempty"`
	Session  string    `json:"session,omitempty"`
	Address  string    `json:"address,omitempty"`
	Reason   string    `json:"reason,omitempty"`
	Incident string    `json:"incident,omitempty"`
	Act      string    `json:"act,omitempty"`
	Who      string    `json:"who,omitempty"` // of an act
}

// Bounds of a Stream.
const (
	mostKept     = 1000
	mostWaiting  = 256
	mostWatchers = 64
)

// Stream numbers events and hands them to those who watch. It is safe for concurrent use, and waits for nobody.
type Stream struct {
	mu       sync.Mutex // protects the rest
	last     uint64
	began    uint64 // the number before the first event
	kept     []Event
	watchers map[chan Event]bool
}

// NewStream returns a stream without events. Its numbers begin above those of a stream of this machine's past.
func NewStream() *Stream {
	first := uint64(time.Now().UnixMilli()) << 10
	return &Stream{last: first, began: first, watchers: map[chan Event]bool{}}
}

// Publish numbers an event and hands it on. A watcher that has not taken mostWaiting events is let go: its channel is
// closed, and it may come back with the last number that it has.
func (s *Stream) Publish(e Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last++
	e.ID, e.At = s.last, time.Now().UTC()
	if s.kept = append(s.kept, e); len(s.kept) >= 2*mostKept {
		s.kept = append(make([]Event, 0, 2*mostKept), s.kept[mostKept:]...)
	}
	for w := range s.watchers {
		select {
		case w <- e:
		default:
			s.letGo(w)
		}
	}
}

// letGo ends a watcher. The caller holds s.mu.
func (s *Stream) letGo(w chan Event) {
	if s.watchers[w] {
		delete(s.watchers, w)
		close(w)
	}
}

// Events returns the events after the one of that number, then those to come; 0 = those to come alone. The channel is
// closed by cancel, which must be called, or when its reader is too slow, or too many watch.
func (s *Stream) Events(since uint64) (<-chan Event, func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	missed := s.after(since)
	w := make(chan Event, len(missed)+mostWaiting)
	for _, e := range missed {
		w <- e
	}
	s.watchers[w] = true
	if len(s.watchers) > mostWatchers {
		s.letGo(w)
	}
	return w, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.letGo(w)
	}
}

// after returns the events after a number, with one that says so if some are no longer known. The caller holds s.mu.
func (s *Stream) after(since uint64) []Event {
	if since == 0 || since == s.last {
		return nil
	}
	kept := s.kept[max(0, len(s.kept)-mostKept):]
	oldest := s.last - uint64(len(kept)) // the number before the first kept
	if since < oldest || since > s.last || since < s.began {
		return append([]Event{{ID: oldest, At: time.Now().UTC(), Kind: Missed}}, kept...)
	}
	return append([]Event(nil), kept[since-oldest:]...)
}
