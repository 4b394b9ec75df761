// Package story tells an incident (SA2): from the number that a user reads out to what each side recorded, in the order
// of time, what the user saw, and what to do.
package story

import (
	"cmp"
	"iter"
	"slices"
	"strings"
	"time"

	"tlagate/audit"
	"tlagate/cmd/internal/sentences"
	"tlagate/pki"
)

// Question is which incident is asked about.
type Question struct {
	Number   string    // as the user reads it out
	Terminal string    // identity, or the bare name in one; "" = any
	Since    time.Time // only incidents from then on
}

// Story is what a trace says of an incident.
type Story struct {
	Number   string    `json:"incident"`
	At       time.Time `json:"at"` // when, by whoever recorded it first
	Terminal string    `json:"terminal,omitempty"`
	Sessions []string  `json:"sessions,omitempty"`
	Saw      *Saw      `json:"saw,omitempty"` // nil = the trace does not say why
	Differs  []Differs `json:"differs,omitempty"`
	Lines    []Told    `json:"lines"` // in the order of time
	Advice   []Advice  `json:"advice,omitempty"`
	Others   []Other   `json:"others,omitempty"` // older incidents of this number, the newest first
}

// Saw is what the user was shown.
type Saw struct {
	Code   string `json:"code"`
	Reason string `json:"reason,omitempty"`
	FR     string `json:"fr"`
	EN     string `json:"en"`
	Sure   bool   `json:"said_by_terminal"` // else it follows from what the gateway recorded
}

// Told is a line of the trace, and whose it is.
type Told struct {
	At   time.Time   `json:"at"` // a device's line: by its own clock
	Side Side        `json:"side"`
	Line audit.Entry `json:"line"`
}

// Side is who recorded a line.
type Side string

// The sides.
const (
	Gateway  Side = "gateway"
	Terminal Side = "terminal"
	PdT      Side = "pdt"
)

// Other is another incident of the same number.
type Other struct {
	At       time.Time `json:"at"`
	Terminal string    `json:"terminal,omitempty"`
}

// apart is how far two lines of one number and terminal must be from each other to be two incidents.
const apart = 24 * time.Hour

// around is how long before and after an incident the gateway's lines about the terminal belong to it.
const around = 2 * time.Minute

// Want says which lines of a trace are needed: of one incident number, of one session, or about one identity between
// two times.
type Want struct {
	Incident, Session, Identity string
	From, To                    time.Time // of the line itself
}

// Read returns lines of a trace, in its order: all that are wanted, and any others.
type Read func(Want) iter.Seq2[audit.Line, error]

// Find returns the newest incident of a number; nil = there is none.
func Find(read Read, q Question) (*Story, error) {
	found, err := search(read, q)
	if err != nil || len(found) == 0 {
		return nil, err
	}
	slices.SortStableFunc(found, func(a, b *incident) int { return b.last.Compare(a.last) })
	s := found[0]
	if err := s.collect(read); err != nil {
		return nil, err
	}
	return s.tell(q.Number, found[1:]), nil
}

// incident are the lines of a number that belong together.
type incident struct {
	terminal    string // "" = no line says
	first, last time.Time
	sessions    []string
	lines       []Told
}

// search returns the incidents of a number.
func search(read Read, q Question) (found []*incident, err error) {
	for l, err := range read(Want{Incident: q.Number}) {
		if err != nil {
			return nil, err
		}
		t := toldOf(l.Entry)
		if l.Err != nil || !strings.EqualFold(l.Entry.With["incident"], q.Number) || t.At.Before(q.Since) {
			continue
		}
		terminal := terminalOf(l.Entry)
		if q.Terminal != "" && !named(terminal, q.Terminal) {
			continue
		}
		i := slices.IndexFunc(found, func(i *incident) bool { return i.has(t, terminal) })
		if i < 0 {
			found, i = append(found, &incident{first: t.At, last: t.At}), len(found)
		}
		found[i].add(t, terminal)
	}
	return found, nil
}

// has reports whether a line belongs to the incident.
func (i *incident) has(t Told, terminal string) bool {
	if s := t.Line.With["session"]; s != "" && slices.Contains(i.sessions, s) {
		return true
	}
	same := terminal == i.terminal || terminal == "" || i.terminal == ""
	return same && t.At.After(i.first.Add(-apart)) && t.At.Before(i.last.Add(apart))
}

func (i *incident) add(t Told, terminal string) {
	if i.terminal = cmp.Or(i.terminal, terminal); t.Side == Gateway && terminal != "" {
		i.terminal = terminal // rather than what a device says
	}
	if t.Side != PdT { // one may speak of any terminal
		i.first, i.last = earlier(i.first, t.At), later(i.last, t.At)
	}
	s := t.Line.With["session"]
	if s != "" && !slices.Contains(i.sessions, s) && len(i.sessions) < mostSessions {
		i.sessions = append(i.sessions, s)
	}
	i.lines = append(i.lines, t)
}

// mostSessions is how many sessions of an incident are told of: devices can name as many as they like.
const mostSessions = 8

// collect adds the lines of the same sessions, and what the gateway recorded of the terminal at that time.
func (i *incident) collect(read Read) error {
	wanted := []Want{}
	for _, id := range i.sessions {
		wanted = append(wanted, Want{Session: id})
	}
	if i.terminal != "" {
		wanted = append(wanted, Want{Identity: i.terminal, From: i.first.Add(-around), To: i.last.Add(around)})
	}
	for _, w := range wanted {
		for l, err := range read(w) {
			if err != nil {
				return err
			}
			if l.Err == nil && w.belongs(l.Entry) {
				i.lines = append(i.lines, toldOf(l.Entry))
			}
		}
	}
	slices.SortFunc(i.lines, func(a, b Told) int { return cmp.Compare(a.Line.Seq, b.Line.Seq) })
	i.lines = slices.CompactFunc(i.lines, func(a, b Told) bool { return a.Line.Seq == b.Line.Seq })
	slices.SortStableFunc(i.lines, func(a, b Told) int { return a.At.Compare(b.At) })
	return nil
}

// belongs reports whether a line is one that collect wants.
func (w Want) belongs(e audit.Entry) bool {
	if w.Session != "" {
		return e.With["session"] == w.Session
	}
	near := !e.Time().Before(w.From) && !e.Time().After(w.To)
	return near && e.Said == nil && aboutAccess(e) && terminalOf(e) == w.Identity
}

// aboutAccess reports whether a line says that a terminal came, or was not let in.
func aboutAccess(e audit.Entry) bool {
	return slices.Contains([]audit.Kind{audit.AccessAccepted, audit.AccessRefused, audit.RequestRefused,
		audit.LinkCut}, e.Event)
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// toldOf says whose a line is, and when it was.
func toldOf(e audit.Entry) Told {
	if e.Said == nil {
		return Told{e.Time(), Gateway, e}
	}
	at := earlier(e.Said.Time(), e.Time()) // nobody tells of what is to come
	if id, err := pki.ParseIdentity(e.By); err == nil && id.Role == pki.RolePdT {
		return Told{at, PdT, e}
	}
	return Told{at, Terminal, e}
}

// terminalOf returns the terminal that a line is by, or about; "" = none.
func terminalOf(e audit.Entry) string {
	for _, who := range []string{e.By, e.With["identity"], e.With["peer"]} {
		if id, err := pki.ParseIdentity(who); err == nil && id.Role == pki.RoleTLA {
			return who
		}
	}
	return ""
}

// named reports whether an identity is asked for, whole or by its bare name.
func named(identity, asked string) bool {
	id, err := pki.ParseIdentity(identity)
	return err == nil && (identity == asked || id.Name == asked)
}

// tell makes the story of an incident.
func (i *incident) tell(number string, others []*incident) *Story {
	s := &Story{Number: strings.ToUpper(number), At: i.first, Terminal: i.terminal, Sessions: i.sessions,
		Lines: i.lines, Saw: i.saw(number), Differs: i.differs(number)}
	if s.Saw != nil {
		s.Advice = advise(s.Saw.Code, cmp.Or(s.Saw.Reason, i.refusal(s.Saw.Code)))
	}
	for _, d := range s.Differs {
		s.Advice = adviseIn(s.Advice, string(d.Why), comparison)
	}
	for _, o := range others {
		s.Others = append(s.Others, Other{o.first, o.terminal})
	}
	return s
}

// refusal returns why the gateway did not let the terminal in, which it does not tell a terminal that says "rejected":
// the reason of the refusal that is next to the incident in time; "" = there is none.
func (i *incident) refusal(code string) (reason string) {
	nearest := around
	for _, t := range i.lines {
		away := t.At.Sub(i.first).Abs()
		if code == "rejected" && t.Line.Event == audit.AccessRefused && away <= nearest {
			nearest, reason = away, t.Line.With["reason"]
		}
	}
	return reason
}

// saw returns what the user was shown: as the terminal says; else what follows from the gateway's lines.
func (i *incident) saw(number string) *Saw {
	var guess *Saw
	for _, t := range i.lines {
		if !strings.EqualFold(t.Line.With["incident"], number) {
			continue
		}
		code, reason := t.Line.With["code"], t.Line.With["reason"]
		switch {
		case t.Side == Terminal && code != "" && t.Line.By == i.terminal:
			return shown(code, reason, t.Line.With["peer"], true)
		case t.Side == Gateway && t.Line.Event == audit.RequestRefused:
			guess = shown("problem", code, "", false)
		case t.Side == Gateway && isEnd(t.Line.Event) &&
			(guess == nil || t.Line.Event == audit.SessionEnded && isNotice(reason)):
			guess = shown("notice", noticeOf(reason), "", false)
		}
	}
	return guess
}

func shown(code, reason, peer string, sure bool) *Saw {
	text := sentences.Of(code, reason, peer)
	return &Saw{code, reason, text.FR, text.EN, sure}
}

// noticeOf returns the notice by which the gateway told a terminal that a session ended for a reason.
func noticeOf(reason string) string {
	switch {
	case isNotice(reason):
		return reason
	case slices.Contains(pki.Reasons, pki.Reason(reason)): // of a device's certificate, other than that it ended
		return "revoked"
	}
	return "peer_gone"
}

// isEnd reports whether an event of the gateway's ends what a user sees. An act, for instance to read of the incident,
// does not.
func isEnd(kind audit.Kind) bool { return kind == audit.SessionEnded || kind == audit.LinkCut }

func isNotice(reason string) bool {
	_, known := sentences.Reasons["notice"][reason]
	return known
}
