package api

import (
	"errors"
	"net/http"
	"strings"

	"tlagate/audit"
	"tlagate/gateway"
	"tlagate/internal/acts"
	"tlagate/pki"
)

// ask is the body of an act.
type ask struct {
	Reason   string `json:"reason"`             // why: for the trace, never a person's name
	Identity string `json:"identity,omitempty"` // of deny alone
}

// Done is the answer of an act.
type Done struct {
	Act  string `json:"act"`
	By   string `json:"by"`
	Note string `json:"note,omitempty"` // what went otherwise than it should
}

// doAct does an act and returns its answer.
func (s *Server) doAct(to route, c *caller, r *http.Request, body []byte) *answer {
	var a ask
	if p := acts.Decode(body, &a); p != nil {
		return p.Answer()
	}
	if c.glass != "" && a.Reason == "" {
		a.Reason = c.glass
	}
	if !sensible(a.Reason) {
		return (&Problem{Code: BadRequest, Detail: "An act takes a reason, of at most 300 octets."}).Answer()
	}
	if (a.Identity != "") != (to.action == Deny) {
		return (&Problem{Code: BadRequest, Detail: "The member identity is of denials, which need it."}).Answer()
	}
	done := Done{Act: string(to.action), By: c.name()}
	note, p := to.act(s, c, r, a)
	if p != nil {
		return p.Answer()
	}
	done.Note = note
	return acts.JSON(http.StatusOK, done)
}

func (s *Server) end(c *caller, r *http.Request, a ask) (string, *Problem) {
	return problemOf(s.cfg.Gateway.End(r.PathValue("id"), c.act(End, a.Reason)))
}

func (s *Server) deny(c *caller, _ *http.Request, a ask) (string, *Problem) {
	if c.peer != nil && gateway.Covers(a.Identity, c.peer.Identity) {
		return "", &Problem{Code: Conflict, Detail: "That is your own identity, or one of several that it covers.",
			Action: "Let another do it."}
	}
	note, p := problemOf(s.cfg.Gateway.Deny(a.Identity, c.act(Deny, a.Reason)))
	if note == "" && p == nil && ofDevices(a.Identity) && !s.cfg.Gateway.Knows(a.Identity) {
		note = "no device of that name has been seen here; compare it with those of tla-gateway peers"
	}
	return note, p
}

// ofDevices reports whether a name of the deny list is of terminals or PdTs: only they are seen.
func ofDevices(name string) bool {
	id, err := pki.ParseIdentity(name)
	return err != nil || id.Role == pki.RoleTLA || id.Role == pki.RolePdT
}

func (s *Server) allow(c *caller, r *http.Request, a ask) (string, *Problem) {
	return problemOf(s.cfg.Gateway.Allow(r.PathValue("identity"), c.act(Allow, a.Reason)))
}

func (s *Server) drain(c *caller, _ *http.Request, a ask) (string, *Problem) {
	return problemOf(s.cfg.Gateway.Drain(c.act(Drain, a.Reason)))
}

func (s *Server) resume(c *caller, _ *http.Request, a ask) (string, *Problem) {
	return problemOf(s.cfg.Gateway.Resume(c.act(Resume, a.Reason)))
}

func (s *Server) hold(c *caller, _ *http.Request, a ask) (string, *Problem) {
	hold := func(reason string) error { return s.cfg.Trace.Hold(audit.By(c.name()), reason) }
	return s.keeping(a.Reason, hold, false)
}

func (s *Server) release(c *caller, _ *http.Request, a ask) (string, *Problem) {
	release := func(reason string) error { return s.cfg.Trace.Release(audit.By(c.name()), reason) }
	return s.keeping(a.Reason, release, true)
}

// keeping holds or releases the trace, if there is one and it is in the state held.
func (s *Server) keeping(reason string, f func(reason string) error, held bool) (string, *Problem) {
	if s.cfg.Trace == nil {
		return "", noTrace()
	}
	if now, _ := audit.ReadHold(s.cfg.File); (now != nil) != held {
		return "", &Problem{Code: Conflict, Detail: map[bool]string{true: "The audit trace is not held.",
			false: "The audit trace is held already."}[held]}
	}
	if err := f(reason); err != nil {
		s.cfg.Log.Error("cannot hold or release the audit trace", "error", err)
		return "", &Problem{Code: TraceFull, Detail: "This could not be recorded in the audit trace, or not be done.",
			Action: "See the gateway's log."}
	}
	return "", nil
}

func noTrace() *Problem {
	return &Problem{Code: NotFound, Detail: "This gateway keeps no audit trace."}
}

// problemOf returns what is to be answered for an error of an act, or what is to be noted of one that is done.
func problemOf(err error) (note string, p *Problem) {
	if done, ok := errors.AsType[*gateway.Done](err); ok {
		return done.Error() + "; see the gateway's log", nil
	}
	switch {
	case err == nil:
		return "", nil
	case errors.Is(err, gateway.ErrNoSession):
		return "", &Problem{Code: NotFound, Detail: "There is no such session, or no longer."}
	case errors.Is(err, gateway.ErrNotListed):
		return "", &Problem{Code: NotFound, Detail: "The deny list has no such entry.",
			Action: "See tla-gateway denials."}
	case errors.Is(err, gateway.ErrNotDenied):
		return "", &Problem{Code: BadRequest, Detail: sentence(err)}
	case errors.Is(err, gateway.ErrNotDraining):
		return "", &Problem{Code: Conflict, Detail: "The gateway is not draining."}
	case errors.Is(err, gateway.ErrUnwritten):
		return "", &Problem{Code: TraceFull, Detail: "The deny list cannot be written: the entry stays in force.",
			Action: "Make room on the disk that it is on; see the gateway's log."}
	case errors.Is(err, gateway.ErrStopping):
		return "", &Problem{Code: Conflict, Detail: "The gateway is stopping."}
	}
	return "", &Problem{Code: TraceFull, Detail: "This could not be recorded, and is not done.",
		Action: "See the gateway's log."}
}

// sentence returns an error of ours as a sentence.
func sentence(err error) string {
	text := err.Error()
	return strings.ToUpper(text[:1]) + text[1:] + "."
}
