package index

import (
	"path"
	"slices"
	"strings"
	"time"

	"tlagate/audit"
)

// Query says which lines are wanted. A field that is zero excludes none; a line must pass all others.
type Query struct {
	Since    time.Time `json:"since,omitzero"`     // from then on
	Until    time.Time `json:"until,omitzero"`     // before then
	Events   []string  `json:"events,omitempty"`   // kinds, any of them; * stands for anything: key.*
	Identity string    `json:"identity,omitempty"` // who acted, was acted on, or is the other end: by, identity, peer, pdt
	Practice string    `json:"practice,omitempty"` // practice of a peer, or of one of those identities
	Reason   string    `json:"reason,omitempty"`   // reason or code, whole
	Session  string    `json:"session,omitempty"`
	Incident string    `json:"incident,omitempty"`
	Persons  []string  `json:"persons,omitempty"` // marks of one person, any of them
}

// Match reports whether an entry is wanted.
func (q Query) Match(e audit.Entry) bool {
	if !q.within(e.Time()) || !q.event(string(e.Event)) {
		return false
	}
	if len(q.Persons) > 0 && !slices.Contains(q.Persons, e.With["person"]) {
		return false
	}
	values := q.values()
	return len(values) == 0 || containsAll(tokens(e), values)
}

func containsAll(all, wanted []string) bool {
	return !slices.ContainsFunc(wanted, func(w string) bool { return !slices.Contains(all, w) })
}

func (q Query) within(at time.Time) bool {
	return !at.Before(q.Since) && (q.Until.IsZero() || at.Before(q.Until))
}

func (q Query) event(kind string) bool {
	return len(q.Events) == 0 || slices.ContainsFunc(q.Events, func(pattern string) bool {
		ok, _ := path.Match(pattern, kind)
		return ok
	})
}

// The fields by which a line is found; the first octet of a token says which one it is of.
const (
	byEvent    = "e"
	byIdentity = "i"
	byPractice = "p"
	byReason   = "r"
	bySession  = "s"
	byIncident = "n"
	byPerson   = "u"
)

// values returns the tokens that a line must have, all of them; events are not among them.
func (q Query) values() (all []string) {
	return appendTokens(nil, byIdentity, q.Identity, byPractice, q.Practice, byReason, q.Reason,
		bySession, strings.ToLower(q.Session), byIncident, strings.ToLower(q.Incident))
}

// groups returns lists of tokens: a line that is wanted has one of each.
func (q Query) groups() (all [][]string) {
	for _, v := range q.values() {
		all = append(all, []string{v})
	}
	if len(q.Events) > 0 {
		all = append(all, q.events())
	}
	if len(q.Persons) > 0 {
		all = append(all, q.persons())
	}
	return all
}

// events returns the tokens of the events that are wanted, and that of kinds which this program does not know.
func (q Query) events() []string {
	list := []string{otherEvent}
	for kind := range known {
		if q.event(kind) {
			list = append(list, byEvent+kind)
		}
	}
	return list
}

// persons returns the tokens of the marks that are wanted.
func (q Query) persons() (list []string) {
	for _, mark := range q.Persons {
		list = append(list, byPerson+mark)
	}
	return list
}

// otherEvent is the token of a kind that is not in the table, such as one of a later version.
const otherEvent = byEvent + "?"

var known = func() map[string]bool {
	all := map[string]bool{}
	for _, m := range audit.Kinds() {
		all[string(m.Kind)] = true
	}
	return all
}()

// tokens returns what a line can be found by.
func tokens(e audit.Entry) []string {
	all := []string{otherEvent}
	if known[string(e.Event)] {
		all[0] = byEvent + string(e.Event)
	}
	for _, who := range []string{e.By, e.With["identity"], e.With["peer"], e.With["pdt"]} {
		all = appendTokens(all, byIdentity, who, byPractice, practiceOf(who))
	}
	return appendTokens(all, byPractice, e.With["practice"], byReason, e.With["reason"], byReason, e.With["code"],
		bySession, strings.ToLower(e.With["session"]), byIncident, strings.ToLower(e.With["incident"]),
		byPerson, e.With["person"])
}

// appendTokens appends the tokens of fields and values, which follow each other; it leaves out empty values.
func appendTokens(all []string, pairs ...string) []string {
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			all = append(all, pairs[i]+pairs[i+1])
		}
	}
	return all
}

// practiceOf returns the practice in urn:tlagate:PRACTICE:ROLE:NAME; "" when it is nothing of the kind.
func practiceOf(urn string) string {
	rest, ours := strings.CutPrefix(urn, "urn:tlagate:")
	practice, _, whole := strings.Cut(rest, ":")
	if !ours || !whole {
		return ""
	}
	return practice
}
