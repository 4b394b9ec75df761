package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"

	"tlagate/gateway"
)

// Bounds of event streams.
const (
	streamsInAll   = 32
	streamsPerName = 4
	streamBeat     = 10 * time.Second // between comments that keep a stream alive; the caller is checked as often
	streamWrite    = 10 * time.Second // for the other end to take what is written
)

// streams counts the event streams there are.
type streams struct {
	mu    sync.Mutex // protects the rest
	taken map[string]int
	all   int
}

func newStreams() *streams { return &streams{taken: map[string]int{}} }

func (s *streams) enter(who string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all >= streamsInAll || s.taken[who] >= streamsPerName {
		return false
	}
	s.all++
	s.taken[who]++
	return true
}

func (s *streams) leave(who string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all--
	if s.taken[who]--; s.taken[who] == 0 {
		delete(s.taken, who)
	}
}

// count returns how many streams there are.
func (s *streams) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all
}

// events sends what happens from now on, or from after Last-Event-ID on, as server-sent events.
func (s *Server) events(c *caller, w http.ResponseWriter, r *http.Request) *Problem {
	if p := parameters(r).problem(); p != nil {
		return p
	}
	since, p := resumeFrom(r)
	if p != nil {
		return p
	}
	if !s.streams.enter(c.name()) {
		return &Problem{Code: TooMany, Detail: "Too many event streams at once.", Wait: streamBeat}
	}
	defer s.streams.leave(c.name())
	events, cancel := s.cfg.Gateway.Events(since)
	defer cancel()
	out := &stream{w, http.NewResponseController(w)}
	w.Header().Set("Content-Type", "text/event-stream")
	w.WriteHeader(http.StatusOK)
	if !out.write(": tlagate\n\n") {
		return nil
	}
	s.follow(r, out, events)
	return nil
}

// resumeFrom returns after which number the events are wanted; 0 = those to come alone.
func resumeFrom(r *http.Request) (uint64, *Problem) {
	last := r.Header.Get("Last-Event-ID")
	if last == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(last, 10, 64)
	if err != nil {
		return 0, &Problem{Code: BadRequest, Detail: "Last-Event-ID is none of ours.",
			Action: "Send the id of an event that came, or leave it out."}
	}
	return max(n, 1), nil // all that is known
}

func (s *Server) follow(r *http.Request, out *stream, events <-chan gateway.Event) {
	beat := time.NewTicker(streamBeat)
	defer beat.Stop()
	for {
		select {
		case e, ok := <-events:
			if !ok || !out.send(e) {
				return
			}
		case <-beat.C:
			if c, p := s.identify(r); p != nil || c.role(Look) == "" || !out.write(": beat\n\n") {
				return
			}
		case <-r.Context().Done():
			return
		}
	}
}

// stream is one event stream.
type stream struct {
	w       http.ResponseWriter
	control *http.ResponseController
}

// write writes and flushes, and reports whether the other end took it. It puts off the deadline for reading, too, at
// which net/http would take the other end for gone.
func (s *stream) write(text string) bool {
	now := time.Now()
	if s.control.SetWriteDeadline(now.Add(streamWrite)) != nil ||
		s.control.SetReadDeadline(now.Add(3*streamBeat)) != nil {
		return false
	}
	_, err := s.w.Write([]byte(text))
	return err == nil && s.control.Flush() == nil
}

// send sends an event.
func (s *stream) send(e gateway.Event) bool {
	data, err := json.Marshal(e)
	return err == nil && s.write(fmt.Sprintf("id: %d\nevent: %s\ndata: %s\n\n", e.ID, e.Kind, data))
}
