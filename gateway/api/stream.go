package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
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

// events sends what happens from now on, or from after Last-Event-ID on, as server-sent events.
func (s *Server) events(c *caller, w http.ResponseWriter, r *http.Request) *Problem {
	if p := parameters(r).problem(); p != nil {
		return p
	}
	since, p := resumeFrom(r)
	if p != nil {
		return p
	}
	if !s.streams.Take(c.name()) {
		return &Problem{Code: TooMany, Detail: "Too many event streams at once.", Wait: streamBeat}
	}
	defer s.streams.Return(c.name())
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
