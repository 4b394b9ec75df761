package server

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"tlagate/ca/store"
	"tlagate/heads"
	"tlagate/pki"
	"tlagate/pki/listen"
	"tlagate/pki/trust"
	"tlagate/push"
)

// serveProven answers what comes over mutual TLS.
func (s *Server) serveProven(w http.ResponseWriter, r *http.Request) {
	peer, _ := r.Context().Value(peerKey{}).(*trust.Peer)
	switch {
	case peer == nil: // cannot happen: the connection was not accepted by us
		http.Error(w, "", http.StatusForbidden)
	case r.URL.Path == heads.Path:
		s.serveHeads(w, r, peer)
	default:
		s.serveStream(w, r, peer)
	}
}

// serveStream answers GET /v1/events.
func (s *Server) serveStream(w http.ResponseWriter, r *http.Request, peer *trust.Peer) {
	status, reason, detail := s.refuse(r, peer)
	if status == 0 && !s.enter(peer.Identity) {
		status, reason = http.StatusTooManyRequests, "too_many"
		detail = "This peer, or all together, have as many streams as may be."
	}
	if status != 0 {
		s.refused(w, r, peer, refusal{status, reason, detail})
		return
	}
	defer s.leave(peer.Identity)
	s.log.Info("stream begins", "remote", r.RemoteAddr, "peer", peer.Identity.String(), "since", r.FormValue("since"))
	err := s.stream(r.Context(), w, r, peer)
	s.log.Info("stream ended", "remote", r.RemoteAddr, "peer", peer.Identity.String(), "error", err)
}

// requestName returns what the trace calls a request: its path may hold anything.
func requestName(r *http.Request) string {
	switch r.URL.Path {
	case push.Path:
		return "events"
	case heads.Path:
		return "heads"
	}
	return "other"
}

// refused answers a request that is refused, and logs and records that.
func (s *Server) refused(w http.ResponseWriter, r *http.Request, peer *trust.Peer, no refusal) {
	who := peer.Identity.String()
	s.trace.push.RequestRefused(peer, r.RemoteAddr, requestName(r), no.reason)
	s.ration.Log(listen.Line{Level: slog.LevelWarn, Message: "request refused", Remote: r.RemoteAddr,
		Reason: no.reason, Kind: who}, "peer", who, "detail", no.detail)
	problem(w, no.status, no.reason, no.detail)
}

// refuse returns why a request is refused; status 0 = it is not.
func (s *Server) refuse(r *http.Request, peer *trust.Peer) (status int, reason, detail string) {
	switch {
	case r.URL.Path != push.Path:
		return http.StatusNotFound, "not_found",
			"There is nothing at this path; events are at " + push.Path + ", heads at " + heads.Path + "."
	case r.Method != http.MethodGet:
		return http.StatusMethodNotAllowed, "method_not_allowed", "Only GET is understood."
	case !mayListen(peer.Identity.Role):
		return http.StatusForbidden, string(pki.WrongRole), "Only a gateway or an administrator may listen."
	}
	if _, err := since(r); err != nil {
		return http.StatusBadRequest, "bad_request", "since is no event id."
	}
	return 0, "", ""
}

func since(r *http.Request) (int64, error) {
	text := r.URL.Query().Get("since")
	if text == "" {
		return 0, nil
	}
	id, err := strconv.ParseInt(text, 10, 64)
	if err == nil && id < 0 {
		err = strconv.ErrRange
	}
	return id, err
}

// problem answers in the form of RFC 9457, and closes the connection: another request costs another handshake.
func problem(w http.ResponseWriter, status int, reason, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Connection", "close")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"type": "urn:tlagate:problem:" + reason, "status": status,
		"detail": detail})
}

// enter takes a place and reports whether there was one; leave frees it.
func (s *Server) enter(id pki.Identity) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all >= s.cfg.Streams || s.streams[id] >= s.cfg.PerPeer {
		return false
	}
	s.all++
	s.streams[id]++
	return true
}

func (s *Server) leave(id pki.Identity) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all--
	if s.streams[id]--; s.streams[id] == 0 {
		delete(s.streams, id)
	}
}

// stream sends events until the peer leaves, may no longer listen, or reads too slowly. Nothing is stored for a slow
// peer: each stream reads the books from its own position.
func (s *Server) stream(ctx context.Context, w http.ResponseWriter, r *http.Request, peer *trust.Peer) error {
	out := &writer{w: w, control: http.NewResponseController(w), limit: 2 * s.cfg.Heartbeat}
	w.Header().Set("Content-Type", push.ContentType)
	w.Header().Set("Cache-Control", "no-store")
	at, err := s.begin(ctx, r, out)
	if err != nil {
		return err
	}
	beat := time.NewTicker(s.cfg.Heartbeat)
	defer beat.Stop()
	for alive := true; ; {
		news := s.next()
		if at, err = s.send(ctx, out, at); err != nil {
			return err
		}
		if err := out.finish(alive); err != nil {
			return err
		}
		// Only after sending: a gateway should still be told of its own CA's revocation.
		if err := s.cfg.Party.Trust.Recheck(peer); err != nil {
			s.log.Warn("stream cut", "peer", peer.Identity.String(), "reason", string(pki.ReasonOf(err)), "error", err)
			return err
		}
		select {
		case <-news:
			alive = false
		case <-beat.C:
			alive = true
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// begin returns where a stream starts, and first sends a new peer what it cannot know.
func (s *Server) begin(ctx context.Context, r *http.Request, out *writer) (after int64, err error) {
	after, _ = since(r) // refuse has checked it
	last, err := s.events.Last(ctx)
	if err != nil || after > 0 && after <= last {
		return after, err
	}
	told, after, err := s.missed(ctx)
	if err != nil {
		return 0, err
	}
	return after, out.events(told)
}

// send sends the events after an id and returns the last one's.
func (s *Server) send(ctx context.Context, out *writer, after int64) (int64, error) {
	for {
		events, err := s.events.After(ctx, after, batch)
		if err != nil {
			return after, err
		}
		if err := out.events(events); err != nil {
			return after, err
		}
		if len(events) < batch {
			return lastID(events, after), nil
		}
		after = lastID(events, after)
	}
}

func lastID(events []store.Event, otherwise int64) int64 {
	if len(events) == 0 {
		return otherwise
	}
	return events[len(events)-1].ID
}

// writer writes lines, each in bounded time.
type writer struct {
	w       http.ResponseWriter
	control *http.ResponseController
	limit   time.Duration
}

func (w *writer) events(events []store.Event) error {
	for _, e := range events {
		if err := w.line(wire(e)); err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) line(e push.Event) error {
	if err := w.control.SetWriteDeadline(time.Now().Add(w.limit)); err != nil {
		return fmt.Errorf("cannot bound a write: %w", err)
	}
	return json.NewEncoder(w.w).Encode(e)
}

// finish sends what is buffered, after a sign of life if one is due.
func (w *writer) finish(alive bool) error {
	if alive {
		if err := w.line(push.Event{Type: push.Alive}); err != nil {
			return err
		}
	}
	return w.control.Flush()
}
