package api

import (
	"log/slog"
	"net/http"
	"strings"
	"time"

	"tlagate/audit"
	"tlagate/audit/index"
	"tlagate/pki/listen"
	"tlagate/session/incident"
)

// Found is the answer of a search in the audit trace.
type Found struct {
	Lines      []audit.Entry `json:"lines"`      // the newest that were found, oldest first
	More       bool          `json:"more"`       // older ones were found, too
	Unreadable int           `json:"unreadable"` // lines that were met and cannot be read
}

// search finds lines of the trace. That somebody searched, and by what, is recorded.
func (s *Server) search(c *caller, r *http.Request) (any, *Problem) {
	if s.cfg.Trace == nil {
		return nil, noTrace()
	}
	q := parameters(r, "since", "until", "event", "identity", "practice", "reason", "session", "incident", "limit")
	wanted, limit := index.Query{Since: q.time("since"), Until: q.time("until"), Events: q.values["event"],
		Identity: q.urn("identity"), Practice: q.text("practice"), Reason: q.text("reason"),
		Session: q.text("session"), Incident: q.text("incident")}, q.limit()
	if len(wanted.Events) > 20 {
		q.refuse("event", "is given more than 20 times")
	}
	if p := q.problem(); p != nil {
		return nil, p
	}
	done, p := searchTurn(s.searches, c)
	if p != nil {
		return nil, p
	}
	defer done()
	if c.glass == "" {
		s.cfg.Trace.Later(audit.OperatorAct, audit.By(c.name()), audit.Role(string(c.role(Search))),
			audit.Act(string(Search)), audit.Incident(incident.Of(wanted.Incident)))
	}
	return s.find(r, wanted, limit)
}

// How many search the trace at once, or export from it.
const (
	searchesInAll   = 4
	searchesPerName = 1
)

// searchTurn lets so many search at once.
func searchTurn(turns *listen.Shares, c *caller) (done func(), p *Problem) {
	if !turns.Take(c.name()) {
		return nil, &Problem{Code: TooMany, Detail: "You or others are searching the audit trace.", Wait: time.Second}
	}
	return func() { turns.Return(c.name()) }, nil
}

func (s *Server) find(r *http.Request, wanted index.Query, limit int) (any, *Problem) {
	trace, err := index.Open(s.cfg.File, index.Unwritten)
	if err != nil {
		return nil, unreadable(s.cfg.Log, err)
	}
	defer trace.Close()
	found := Found{Lines: []audit.Entry{}}
	for line, err := range trace.Search(r.Context(), wanted) {
		switch {
		case err != nil:
			return nil, unreadable(s.cfg.Log, err)
		case line.Err != nil:
			found.Unreadable++
			continue
		}
		found.More = found.More || len(found.Lines) == limit
		found.Lines = append(found.Lines[max(0, len(found.Lines)+1-limit):], line.Entry)
	}
	return found, nil
}

func unreadable(log *slog.Logger, err error) *Problem {
	log.Error("cannot read the audit trace", "error", err)
	return &Problem{Code: Failed, Detail: "The audit trace cannot be read.", Action: "See the gateway's log."}
}

// incident tells what happened under an incident number, as `tla-gateway incident` does.
func (s *Server) incident(c *caller, r *http.Request) (any, *Problem) {
	if s.cfg.Trace == nil || s.cfg.Incident == nil {
		return nil, noTrace()
	}
	number := incident.Of(strings.ToUpper(r.PathValue("number")))
	if number == "" {
		return nil, &Problem{Code: BadRequest,
			Detail: "That is no incident number: want letter, digit, letter, digit, such as K7M2."}
	}
	q := parameters(r, "terminal", "since")
	terminal, since := q.text("terminal"), q.time("since")
	if p := q.problem(); p != nil {
		return nil, p
	}
	done, p := searchTurn(s.searches, c)
	if p != nil {
		return nil, p
	}
	defer done()
	if c.glass == "" {
		s.cfg.Trace.Later(audit.OperatorAct, audit.By(c.name()), audit.Role(string(c.role(Incident))),
			audit.Act(string(Incident)), audit.Incident(number))
	}
	story, err := s.cfg.Incident(r.Context(), number, terminal, since)
	switch {
	case err != nil:
		return nil, unreadable(s.cfg.Log, err)
	case story == nil:
		return nil, &Problem{Code: NotFound, Detail: "The trace has no incident of that number.",
			Action: "What only the terminal knows comes with its next session."}
	}
	return story, nil
}
