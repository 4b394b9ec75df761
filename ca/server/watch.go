package server

import (
	"context"
	"encoding/hex"
	"fmt"
	"time"

	"tlagate/ca/store"
	"tlagate/pki"
	"tlagate/push"
)

// watch looks at the books, and wakes the streams when a program has written to them. It also acts on new events
// itself: a gateway that is revoked here is refused here at once.
func (s *Server) watch(ctx context.Context) {
	defer s.looks.End()
	w := &watcher{server: s, version: -1}
	tick := time.NewTicker(s.cfg.Poll)
	defer tick.Stop()
	for {
		w.note(ctx, w.look(ctx))
		select {
		case <-tick.C:
		case <-s.looks.Asked():
		case <-ctx.Done():
			return
		}
	}
}

// watcher follows the events.
type watcher struct {
	server  *Server
	version int64 // of the database when last read
	started bool
	at      int64 // the last event read
	broken  bool  // the last look failed, and that was logged
	before  int   // certificates that were denied before this start
	again   int   // certificates that were released before it
}

func (w *watcher) look(ctx context.Context) error {
	version, err := w.server.events.Version(ctx)
	if err != nil || version == w.version {
		return err
	}
	if !w.started {
		told, at, err := w.server.missed(ctx)
		if err != nil {
			return err
		}
		w.believe(told)
		w.started, w.at = true, at
	}
	for more := true; more; {
		events, err := w.server.events.After(ctx, w.at, batch)
		if err != nil {
			return err
		}
		w.believe(events)
		for _, e := range events {
			w.at = e.ID
			if w.news() {
				w.server.log.Info("event", "id", e.ID, "kind", string(e.Kind), "identity", e.Identity,
					"number", fmt.Sprintf("%x", e.Serial))
			}
		}
		more = len(events) == batch
	}
	if !w.news() {
		w.server.log.Info("revocations of before this start are in force", "certificates", w.before,
			"released", w.again)
	}
	w.version = version
	w.server.tell()
	return nil
}

// news reports whether what is read now was written since this start.
func (w *watcher) news() bool { return w.version >= 0 }

// note logs a failure once, and its end.
func (w *watcher) note(ctx context.Context, err error) {
	if err != nil && !w.broken && ctx.Err() == nil {
		w.server.log.Error("cannot see revocations; trying again", "error", err)
	}
	if err == nil && w.broken {
		w.server.log.Info("revocations are seen again")
	}
	w.broken = err != nil
}

// batch bounds how many events are read at once.
const batch = 256

// missed returns the id after which a peer that knows nothing needs all events, and what it must be sent before them:
// revoked issuing CAs, because its ARL may be old. All else from before that id is on every CRL that is still valid.
func (s *Server) missed(ctx context.Context) (told []store.Event, after int64, err error) {
	if after, err = s.events.Before(ctx, time.Now().Add(-s.cfg.CA.Lists.Life())); err != nil {
		return nil, 0, err
	}
	told, err = s.events.RevokedCAs(ctx, after)
	return told, after, err
}

// believe acts on events. Each that is news is logged.
func (w *watcher) believe(events []store.Event) {
	trust := w.server.cfg.Party.Trust
	for _, e := range events {
		d, err := wire(e).Denied()
		switch {
		case err != nil:
		case e.Kind == store.EventRevoked && w.news():
			trust.Deny(d)
		case e.Kind == store.EventRevoked && trust.DenyAgain(d):
			w.before++
		case e.Kind == store.EventReleased && w.news():
			trust.Allow(d.IssuerKeyID, d.Serial)
		case e.Kind == store.EventReleased && trust.AllowAgain(d.IssuerKeyID, d.Serial):
			w.again++
		}
	}
}

// tell wakes the streams.
func (s *Server) tell() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.news)
	s.news = make(chan struct{})
}

// next returns a channel that is closed at the next event. Take it before reading.
func (s *Server) next() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.news
}

// wire returns an event as it travels.
func wire(e store.Event) push.Event {
	out := push.Event{Type: push.Type(e.Kind), ID: e.ID, Issuer: e.Issuer, Identity: e.Identity, At: &e.At}
	if !e.Ends.IsZero() {
		out.Ends = &e.Ends
	}
	switch e.Kind {
	case store.EventCRL:
		out.Number = e.Serial.String()
	case store.EventRevoked:
		out.Reason = e.Reason.String()
		fallthrough
	default:
		out.Serial = hex.EncodeToString(e.Serial.Bytes())
	}
	return out
}

// mayListen reports whether a role gets events: gateways, and administrators who want to see them.
func mayListen(role pki.Role) bool { return role == pki.RoleGateway || role == pki.RoleAdmin }
