package api

import (
	"log/slog"
	"maps"
	"net/http"
	"path"
	"slices"
	"strings"
	"time"

	"tlagate/audit"
	"tlagate/internal/acts"
	"tlagate/pki/listen"
)

// Prefix begins every path.
const Prefix = "/api/v1/"

// route is what is done at a path by a method: one of read, act and stream.
type route struct {
	method, path string // after Prefix
	action       Action
	read         func(s *Server, c *caller, r *http.Request) (any, *Problem)
	act          func(s *Server, c *caller, r *http.Request, a ask) (note string, p *Problem)
	stream       func(s *Server, c *caller, w http.ResponseWriter, r *http.Request) *Problem
}

// routes is the table of docs/api.md.
var routes = []route{
	{method: "GET", path: "whoami", action: Introduce, read: (*Server).whoami},
	{method: "GET", path: "openapi.yaml", action: Introduce, stream: sendOpenAPI},
	{method: "GET", path: "gateways", action: Look, read: (*Server).gateways},
	{method: "GET", path: "sessions", action: Look, read: (*Server).sessions},
	{method: "GET", path: "sessions/{id}", action: Look, read: (*Server).session},
	{method: "GET", path: "peers", action: Look, read: (*Server).peersThere},
	{method: "GET", path: "parked", action: Look, read: (*Server).parked},
	{method: "GET", path: "refusals", action: Look, read: (*Server).refusals},
	{method: "GET", path: "denials", action: Look, read: (*Server).denials},
	{method: "GET", path: "revocation", action: Look, read: (*Server).revocation},
	{method: "GET", path: "events", action: Look, stream: (*Server).events},
	{method: "GET", path: "incidents/{number}", action: Incident, read: (*Server).incident},
	{method: "GET", path: "audit", action: Search, read: (*Server).search},
	{method: "POST", path: "sessions/{id}/end", action: End, act: (*Server).end},
	{method: "POST", path: "denials", action: Deny, act: (*Server).deny},
	{method: "POST", path: "denials/{identity}/allow", action: Allow, act: (*Server).allow},
	{method: "POST", path: "drain", action: Drain, act: (*Server).drain},
	{method: "POST", path: "resume", action: Resume, act: (*Server).resume},
	{method: "POST", path: "audit/export", action: Export, stream: (*Server).export},
	{method: "POST", path: "audit/hold", action: Hold, act: (*Server).hold},
	{method: "POST", path: "audit/release", action: Release, act: (*Server).release},
}

// mux returns what answers all paths.
func (s *Server) mux() http.Handler {
	byPath := map[string]map[string]route{}
	for _, r := range routes {
		if byPath[r.path] == nil {
			byPath[r.path] = map[string]route{}
		}
		byPath[r.path][r.method] = r
	}
	mux := http.NewServeMux()
	for at, methods := range byPath {
		mux.Handle(Prefix+at, s.answering(func(c *caller, w http.ResponseWriter, r *http.Request) *answer {
			to, ok := methods[r.Method]
			if !ok {
				return wrongMethod(slices.Sorted(maps.Keys(methods)))
			}
			return s.perform(to, c, w, r)
		}))
	}
	nowhere := s.answering(func(*caller, http.ResponseWriter, *http.Request) *answer {
		return (&Problem{Code: NotFound, Detail: "There is nothing at this path.",
			Action: "Ask for " + Prefix + "openapi.yaml."}).Answer()
	})
	mux.Handle("/", nowhere)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if at := r.URL.EscapedPath(); !path.IsAbs(at) || path.Clean(at) != at {
			nowhere.ServeHTTP(w, r) // the mux would redirect it, whoever asks
			return
		}
		mux.ServeHTTP(w, r)
	})
}

func wrongMethod(allowed []string) *answer {
	a := (&Problem{Code: MethodNotAllowed, Detail: "This path does not take that method."}).Answer()
	a.Allow = strings.Join(allowed, ", ")
	return a
}

// answering returns a handler that finds out who asks, and sends what f answers; nil = f has.
func (s *Server) answering(f func(*caller, http.ResponseWriter, *http.Request) *answer) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		acts.Guard(w.Header())
		a := s.ask(f, w, r)
		if a == nil {
			s.meters.answered(http.StatusOK)
			return
		}
		s.meters.answered(a.Status)
		a.Write(w)
	})
}

func (s *Server) ask(f func(*caller, http.ResponseWriter, *http.Request) *answer, w http.ResponseWriter,
	r *http.Request) *answer {
	c, p := s.identify(r)
	if p != nil {
		w.Header().Set("Connection", "close")
		return p.Answer()
	}
	if wait := s.requests.Take(c.name()); wait > 0 {
		return (&Problem{Code: TooMany, Detail: "Too many requests in so short a time.", Wait: wait}).Answer()
	}
	if p := acts.SameSite(r); p != nil {
		return p.Answer()
	}
	return f(c, w, r)
}

// perform does what a route says, if the caller may.
func (s *Server) perform(to route, c *caller, w http.ResponseWriter, r *http.Request) *answer {
	if c.role(to.action) == "" {
		return s.forbidden(to, c).Answer()
	}
	if p := spend(s.recorded, to, c); p != nil {
		return p.Answer()
	}
	if c.glass != "" {
		s.alarm(to, c)
	}
	switch {
	case to.act != nil:
		return s.performAct(to, c, w, r)
	case to.stream != nil:
		if p := to.stream(s, c, w, r); p != nil {
			return p.Answer()
		}
		return nil
	}
	// The request is read; at the deadline for that, net/http would take the other end for gone.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(answerTime))
	found, p := to.read(s, c, r)
	if p != nil {
		return p.Answer()
	}
	return acts.JSON(http.StatusOK, found)
}

// spend takes one of the lines that somebody may have written to the trace, if an action leaves one: the trace is kept
// for a year, and a gateway that cannot write it lets nobody in.
func spend(recorded *listen.Budget, to route, c *caller) *Problem {
	if (to.action == Introduce || to.action == Look) && c.glass == "" {
		return nil
	}
	if wait := recorded.Take(c.name()); wait > 0 {
		return &Problem{Code: TooMany, Detail: "You have had too much written to the audit trace.", Wait: wait}
	}
	return nil
}

// performAct does an act once, however often it is sent with one Idempotency-Key.
func (s *Server) performAct(to route, c *caller, w http.ResponseWriter, r *http.Request) *answer {
	sent, p := acts.Receive(w, r, maxBody)
	if p != nil {
		return p.Answer()
	}
	return s.memory.Once(c.name(), sent, func() *answer { return s.doAct(to, c, r, sent.Body) })
}

// forbidden refuses an action, which is recorded and logged.
func (s *Server) forbidden(to route, c *caller) *Problem {
	if c.peer != nil {
		s.ration.Log(listen.Line{Level: slog.LevelWarn, Message: "request to the API refused", Remote: c.from,
			Reason: string(Forbidden)}, "peer", c.name(), "action", string(to.action))
		s.peers.RequestRefused(c.peer, c.from, "api", string(Forbidden), audit.Act(string(to.action)))
	}
	p := &Problem{Code: Forbidden, Detail: "This takes the role " + list(may[to.action]) + "."}
	if c.peer == nil {
		p.Action = "Over the socket there is the role read alone: use a certificate of role admin."
	} else {
		p.Action = "Have it added to that certificate's line under api.admins."
	}
	return p
}

// alarm says that root breaks the glass. The gateway records acts by itself.
func (s *Server) alarm(to route, c *caller) {
	s.cfg.Log.Error("root breaks the glass at the API", "action", string(to.action), "reason", c.glass)
	s.meters.broken.Inc()
	if to.act == nil {
		s.cfg.Trace.Later(audit.OperatorAct, audit.By(c.name()), audit.Role(breakGlassRole),
			audit.Act(string(to.action)), audit.Reason(c.glass))
	}
}
