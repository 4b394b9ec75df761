package officers

import (
	"bytes"
	_ "embed"
	"net/http"
	"path"
	"strconv"
	"time"

	"tlagate/audit"
	"tlagate/ca"
	"tlagate/ca/store"
)

// views has what can be looked at, by name.
func (s *Server) views() map[string]func(*call) (*answer, error) {
	return map[string]func(*call) (*answer, error){
		"whoami":       whoami,
		"openapi.yaml": openAPI,
		"certificates": certificates,
		"invitations":  invitations,
		"status":       shown(s.cfg.Status),
		"inventory":    shown(s.cfg.Inventory),
		"waiting":      s.listWaiting,
		"audit":        s.listAudit,
	}
}

//go:embed openapi.yaml
var document []byte

func openAPI(*call) (*answer, error) {
	return &answer{Status: http.StatusOK, Kind: "application/yaml", Body: document}, nil
}

func whoami(c *call) (*answer, error) {
	return jsonAnswer(Whoami{c.officer.Identity, c.officer.Roles})
}

// certificates lists all, or those with a serial number or identity: ?which=
func certificates(c *call) (*answer, error) {
	find := c.ca.List
	if which := c.query.Get("which"); which != "" {
		find = func() ([]store.Record, error) { return c.ca.Find(which) }
	}
	list, err := find()
	if err != nil {
		return nil, err
	}
	return jsonAnswer(list)
}

func invitations(c *call) (*answer, error) {
	list, err := c.ca.Invitations.List()
	if err != nil {
		return nil, err
	}
	return jsonAnswer(append([]store.Invitation{}, list...)) // [], not null
}

func shown(view func(*ca.CA) (any, error)) func(*call) (*answer, error) {
	return func(c *call) (*answer, error) {
		if view == nil {
			return nil, problemf(NotFound, "This server does not show that.")
		}
		v, err := view(c.ca)
		if err != nil {
			return nil, err
		}
		return jsonAnswer(v)
	}
}

func (s *Server) listWaiting(*call) (*answer, error) {
	list, err := s.waiting.list()
	if err != nil {
		return nil, err
	}
	return jsonAnswer(list)
}

const mostLines = 10_000 // of the trace in one answer

// listAudit returns the newest lines of the trace as they are in the file: ?since=TIME&event=PATTERN&limit=N
func (s *Server) listAudit(c *call) (*answer, error) {
	wanted, limit, err := filter(c)
	if err != nil {
		return nil, err
	}
	var lines []string
	for line, err := range audit.Read(ca.AuditFile(s.cfg.Dir)) {
		if err != nil {
			return nil, err
		}
		if line.Err == nil && wanted(line.Entry) {
			lines = append(lines, line.Text)
			lines = lines[max(0, len(lines)-limit):]
		}
	}
	var body bytes.Buffer
	for _, l := range lines {
		body.WriteString(l)
		body.WriteByte('\n')
	}
	return &answer{Status: http.StatusOK, Kind: "application/x-ndjson", Body: body.Bytes()}, nil
}

func filter(c *call) (wanted func(audit.Entry) bool, limit int, err error) {
	since, limit := time.Time{}, mostLines
	if text := c.query.Get("since"); text != "" {
		if since, err = time.Parse(time.RFC3339, text); err != nil {
			return nil, 0, problemf(BadRequest, "since is no time such as 2026-11-24T08:30:00Z.")
		}
	}
	if text := c.query.Get("limit"); text != "" {
		if limit, err = strconv.Atoi(text); err != nil || limit < 1 || limit > mostLines {
			return nil, 0, problemf(BadRequest, "limit is no number from 1 to %d.", mostLines)
		}
	}
	pattern := c.query.Get("event")
	if _, err := path.Match(pattern, ""); err != nil {
		return nil, 0, problemf(BadRequest, "event is no pattern such as key.*")
	}
	return func(e audit.Entry) bool {
		ok, _ := path.Match(pattern, string(e.Event))
		return (pattern == "" || ok) && !e.Time().Before(since)
	}, limit, nil
}
