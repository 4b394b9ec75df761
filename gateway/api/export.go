package api

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"tlagate/audit"
	"tlagate/audit/export"
	"tlagate/audit/index"
	"tlagate/internal/acts"
	"tlagate/internal/recipients"
)

// ExportOrder is the body of an export.
type ExportOrder struct {
	Reason  string      `json:"reason"`  // why: for the trace, never a person's name
	To      []string    `json:"to"`      // who can read it: age1…
	Filters index.Query `json:"filters"` // which lines
}

// Exported is what a header says of an export.
type Exported struct {
	Count      int    `json:"count"`
	Unreadable int    `json:"unreadable"` // lines that were left out, because they cannot be read
	First      uint64 `json:"first"`
	Last       uint64 `json:"last"`
	Chain      bool   `json:"chain"` // the lines are one range of the chain
	Hash       string `json:"hash"`  // of the last line
}

// HeaderExported is the header of an export that has an Exported, as JSON.
const HeaderExported = "Tlagate-Exported"

// Bounds of an export.
const (
	maxOrder       = 64 << 10 // octets: a hybrid recipient has 2 KiB
	mostRecipients = 20
	mostEvents     = 20
	exportTime     = 30 * time.Minute
)

// export sends lines of the trace, encrypted for those who may read them (docs/audit.md). It is recorded before.
func (s *Server) export(c *caller, w http.ResponseWriter, r *http.Request) *Problem {
	if s.cfg.Trace == nil {
		return noTrace()
	}
	a, to, p := readOrder(c, w, r)
	if p != nil {
		return p
	}
	done, p := searchTurn(s.searches, c)
	if p != nil {
		return p
	}
	defer done()
	q := a.Filters
	if err := s.cfg.Trace.Record(audit.OperatorAct, audit.By(c.name()), audit.Role(string(c.role(Export))),
		audit.Act(string(Export)), audit.Reason(a.Reason), audit.Identity(q.Identity), audit.Practice(q.Practice),
		audit.Session(q.Session), audit.Incident(q.Incident)); err != nil {
		return &Problem{Code: TraceFull, Detail: "This could not be recorded, and is not done.",
			Action: "See the gateway's log."}
	}
	return sendExport(s.cfg, w, r, export.Config{Query: q, Program: "tla-gateway", Recipients: to})
}

// readOrder reads what is to be exported, and for whom.
func readOrder(c *caller, w http.ResponseWriter, r *http.Request) (a ExportOrder, to recipients.List, p *Problem) {
	sent, p := acts.Receive(w, r, maxOrder)
	if p == nil {
		p = acts.Decode(sent.Body, &a)
	}
	if p != nil {
		return a, nil, p
	}
	if c.glass != "" {
		a.Reason = c.glass
	}
	if !sensible(a.Reason) || len(a.Filters.Events) > mostEvents {
		return a, nil, &Problem{Code: BadRequest,
			Detail: "An export takes a reason, of at most 300 octets, and at most 20 kinds of events."}
	}
	if to, p = readRecipients(a.To); p != nil {
		return a, nil, p
	}
	return a, to, nil
}

// readRecipients reads recipients that are written out: no name of a file is taken from the network.
func readRecipients(names []string) (to recipients.List, p *Problem) {
	bad := len(names) == 0 || len(names) > mostRecipients
	for _, name := range names {
		bad = bad || !strings.HasPrefix(name, "age1")
	}
	if !bad {
		var err error
		to, err = recipients.Parse(names)
		bad = err != nil
	}
	if bad {
		return nil, &Problem{Code: BadRequest,
			Detail: "The member to names nobody who can read it: want 1 to 20 of age1…."}
	}
	return to, nil
}

// sendExport sends an export. What fails after its beginning breaks the connection off, so that nobody takes it for
// whole.
func sendExport(cfg Config, w http.ResponseWriter, r *http.Request, what export.Config) *Problem {
	trace, err := index.Open(cfg.File, index.Unwritten)
	if err != nil {
		return unreadable(cfg.Log, err)
	}
	defer trace.Close()
	what.Trace = trace
	ctx, cancel := context.WithTimeout(r.Context(), exportTime)
	defer cancel()
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Now().Add(exportTime)) // then net/http takes the other end for gone
	begun := false
	err = export.Stream(ctx, what, func(h export.Header) io.Writer {
		begun = true
		about, _ := json.Marshal(Exported{h.Count, h.Unreadable, h.First, h.Last, h.Chain, h.Hash})
		w.Header().Set("Content-Type", "application/octet-stream")
		w.Header().Set(HeaderExported, string(about))
		return paced{w, control}
	})
	switch {
	case err == nil:
		return nil
	case begun:
		cfg.Log.Warn("an export broke off", "error", err)
		panic(http.ErrAbortHandler)
	case errors.Is(err, export.ErrNothing):
		return &Problem{Code: NotFound, Detail: "No line of the trace is within these filters."}
	}
	return unreadable(cfg.Log, err)
}

// paced is an answer that goes on as long as the other end takes it.
type paced struct {
	w       io.Writer
	control *http.ResponseController
}

// Write writes, if the other end takes it in time.
func (p paced) Write(b []byte) (int, error) {
	if err := p.control.SetWriteDeadline(time.Now().Add(streamWrite)); err != nil {
		return 0, err
	}
	return p.w.Write(b)
}
