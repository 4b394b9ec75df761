package api

import (
	_ "embed"
	"fmt"
	"net/http"
	"slices"
	"time"

	"tlagate/audit"
	"tlagate/gateway"
	"tlagate/pki"
	"tlagate/pki/revocation"
	"tlagate/pki/trust"
	"tlagate/push"
)

// Who is the answer of whoami.
type Who struct {
	Identity string    `json:"identity,omitempty"` // "" = over the socket
	Via      string    `json:"via"`                // certificate, socket or break-glass
	Roles    []Role    `json:"roles"`
	May      []Action  `json:"may"`
	NotAfter time.Time `json:"not_after,omitzero"` // when the certificate ends
	Gateway  string    `json:"gateway"`
}

func (s *Server) whoami(c *caller, r *http.Request) (any, *Problem) {
	if p := parameters(r).problem(); p != nil {
		return nil, p
	}
	w := Who{Via: "socket", Roles: append([]Role{}, c.roles...), May: []Action{}, NotAfter: c.until(),
		Gateway: identityOf(s.cfg.Party)}
	switch {
	case c.glass != "":
		w.Via = breakGlassRole
	case c.peer != nil:
		w.Via, w.Identity = "certificate", c.name()
	}
	for _, a := range Actions {
		if c.role(a) != "" {
			w.May = append(w.May, a)
		}
	}
	return w, nil
}

// identityOf returns the gateway's identity; "" = its certificate names none.
func identityOf(party *trust.Party) string {
	if own := party.Certificate(); own != nil && own.Leaf != nil {
		if id, err := pki.IdentityOf(own.Leaf); err == nil {
			return id.String()
		}
	}
	return ""
}

//go:embed openapi.yaml
var openAPI []byte

// sendOpenAPI sends the OpenAPI document.
func sendOpenAPI(_ *Server, _ *caller, w http.ResponseWriter, _ *http.Request) *Problem {
	w.Header().Set("Content-Type", "application/yaml")
	_, _ = w.Write(openAPI)
	return nil
}

// Self is a gateway.
type Self struct {
	Identity string      `json:"identity"`
	Version  string      `json:"version"`
	Crypto   string      `json:"crypto"`
	Started  time.Time   `json:"started"`
	Draining bool        `json:"draining"`
	Sessions int         `json:"sessions"`
	Parked   int         `json:"parked"`
	Denied   int         `json:"denied"`
	Trace    *TraceState `json:"trace,omitempty"` // absent = none is kept
}

// TraceState is the state of the audit trace.
type TraceState struct {
	Failing string `json:"failing,omitempty"` // why it cannot be written
	Held    string `json:"held,omitempty"`    // since when, by whom and why
}

// gateways lists this gateway.
func (s *Server) gateways(_ *caller, r *http.Request) (any, *Problem) {
	if p := parameters(r).problem(); p != nil {
		return nil, p
	}
	self := Self{Identity: identityOf(s.cfg.Party), Version: s.cfg.Version, Crypto: s.cfg.Party.Trust.Crypto().String(),
		Started: s.started.UTC(), Draining: s.cfg.Gateway.Draining(), Sessions: s.cfg.Gateway.Joined(),
		Parked: len(s.cfg.Gateway.Parked()), Denied: len(s.cfg.Gateway.Denied())}
	if s.cfg.Trace != nil {
		self.Trace = &TraceState{Failing: s.cfg.Trace.Failing()}
		if held, _ := audit.ReadHold(s.cfg.File); held != nil {
			self.Trace.Held = held.String()
		}
	}
	return map[string][]Self{"gateways": {self}}, nil
}

// sessionPage is a page of the sessions; Next is the cursor of the next one.
type sessionPage struct {
	Sessions []gateway.SessionInfo `json:"sessions"`
	Next     string                `json:"next,omitempty"`
}

func (s *Server) sessions(_ *caller, r *http.Request) (any, *Problem) {
	q := parameters(r, "practice", "identity", "pdt", "since", "cursor", "limit")
	f, limit, cursor := filterOf(q), q.limit(), q.cursor(gateway.IsCursor)
	if p := q.problem(); p != nil {
		return nil, p
	}
	list, next := s.cfg.Gateway.Sessions(f, cursor, limit)
	return sessionPage{some(list), next}, nil
}

func (s *Server) session(_ *caller, r *http.Request) (any, *Problem) {
	if p := parameters(r).problem(); p != nil {
		return nil, p
	}
	one, ok := s.cfg.Gateway.Session(r.PathValue("id"))
	if !ok {
		return nil, &Problem{Code: NotFound, Detail: "There is no such session, or no longer."}
	}
	return one, nil
}

type peerPage struct {
	Peers []gateway.PeerInfo `json:"peers"`
	Next  string             `json:"next,omitempty"`
}

func (s *Server) peersThere(_ *caller, r *http.Request) (any, *Problem) {
	q := parameters(r, slices.Concat(filters, []string{"cursor", "limit"})...)
	f, limit, cursor := filterOf(q), q.limit(), q.cursor(isIdentity)
	if p := q.problem(); p != nil {
		return nil, p
	}
	list, next := s.cfg.Gateway.Peers(f, cursor, limit)
	return peerPage{some(list), next}, nil
}

type parkedPage struct {
	Parked []gateway.ParkedInfo `json:"parked"`
	Next   string               `json:"next,omitempty"`
}

func (s *Server) parked(_ *caller, r *http.Request) (any, *Problem) {
	q := parameters(r, "cursor", "limit")
	limit := q.limit()
	if p := q.problem(); p != nil {
		return nil, p
	}
	// A space is before all that names have: links of one PdT follow each other, as Parked sorts them.
	list, next := pageAfter(s.cfg.Gateway.Parked(), q.text("cursor"), limit, func(p gateway.ParkedInfo) string {
		return p.PdT + " " + p.Since.UTC().Format(sortable)
	})
	return parkedPage{list, next}, nil
}

// sortable prints points in time so that their text is sorted as they are.
const sortable = "2006-01-02T15:04:05.000000000Z"

// pageAfter returns the items of a list after a cursor, at most limit, and the cursor of the next page; "" = there is
// none. The list is sorted by what cursorOf returns.
func pageAfter[T any](list []T, cursor string, limit int, cursorOf func(T) string) (page []T, next string) {
	begin, _ := slices.BinarySearchFunc(list, cursor, func(one T, cursor string) int {
		if cursorOf(one) <= cursor {
			return -1
		}
		return 1
	})
	page = some(slices.Clone(list[begin:min(len(list), begin+limit)]))
	if begin+limit < len(list) {
		next = cursorOf(page[limit-1])
	}
	return page, next
}

func (s *Server) refusals(_ *caller, r *http.Request) (any, *Problem) {
	q := parameters(r, slices.Concat(filters, []string{"limit"})...)
	f, limit := filterOf(q), q.limit()
	if p := q.problem(); p != nil {
		return nil, p
	}
	return map[string][]gateway.RefusalInfo{"refusals": some(s.cfg.Gateway.Refusals(f, limit))}, nil
}

type denialPage struct {
	Denials []gateway.DenialInfo `json:"denials"`
	Next    string               `json:"next,omitempty"`
}

func (s *Server) denials(_ *caller, r *http.Request) (any, *Problem) {
	q := parameters(r, "cursor", "limit")
	limit := q.limit()
	if p := q.problem(); p != nil {
		return nil, p
	}
	list, next := pageAfter(s.cfg.Gateway.Denied(), q.text("cursor"), limit,
		func(d gateway.DenialInfo) string { return d.Identity })
	return denialPage{list, next}, nil
}

// Revocation is what the gateway knows certificates' status from.
type Revocation struct {
	Lists   []List       `json:"lists"`
	Streams []push.State `json:"streams"` // through which revocations are pushed
}

// List is a CRL or ARL.
type List struct {
	Source     string    `json:"source"`
	Issuer     string    `json:"issuer,omitempty"`
	Number     string    `json:"number,omitempty"`
	Of         string    `json:"of,omitempty"` // "persons": it is about users of terminals; "" = about devices
	Entries    int       `json:"entries"`
	ThisUpdate time.Time `json:"this_update,omitzero"`
	NextUpdate time.Time `json:"next_update,omitzero"`
	Error      string    `json:"error,omitempty"` // why no certificate can be accepted by it now
}

func (s *Server) revocation(_ *caller, r *http.Request) (any, *Problem) {
	if p := parameters(r).problem(); p != nil {
		return nil, p
	}
	found := Revocation{Lists: []List{}, Streams: []push.State{}}
	for _, l := range s.cfg.Party.Trust.Lists() {
		found.Lists = append(found.Lists, listOf(l, ""))
	}
	if persons := s.cfg.Gateway.Persons(); persons != nil {
		for _, l := range persons.Lists() {
			found.Lists = append(found.Lists, listOf(l, ofPersons))
		}
	}
	if s.cfg.Push != nil {
		for _, stream := range s.cfg.Push() {
			found.Streams = append(found.Streams, stream.State())
		}
	}
	return found, nil
}

const ofPersons = "persons"

func listOf(l revocation.List, of string) List {
	made := List{Source: l.Source, Issuer: l.Issuer, Number: l.Number, Of: of, Entries: l.Entries,
		ThisUpdate: l.ThisUpdate.UTC(), NextUpdate: l.NextUpdate.UTC()}
	if l.Err != nil {
		made.Error = l.Err.Error()
	}
	return made
}

// some returns a list that is never nil: in JSON, null is none.
func some[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// filters are the parameters of filterOf.
var filters = []string{"practice", "identity", "role", "since"}

func filterOf(q *query) gateway.Filter {
	f := gateway.Filter{Practice: q.text("practice"), Identity: q.identity("identity"), Role: pki.Role(q.text("role")),
		PdT: q.identity("pdt"), Since: q.time("since")}
	if f.Role != "" && !slices.Contains(pki.Roles, f.Role) {
		q.refuse("role", fmt.Sprintf("wants one of %s", pki.Roles))
	}
	return f
}

func isIdentity(text string) bool {
	_, err := pki.ParseIdentity(text)
	return err == nil
}
