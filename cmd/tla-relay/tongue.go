package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"tlagate/tla"
	ctl "tlagate/tla/control"
)

// tongue is the user's language.
type tongue int

const (
	french tongue = iota
	english
)

// tongueOf follows the locale (POSIX: LC_ALL, LC_MESSAGES, LANG); all but English is French.
func tongueOf(getenv func(string) string) tongue {
	for _, name := range []string{"LC_ALL", "LC_MESSAGES", "LANG"} {
		if v := getenv(name); v != "" {
			if strings.HasPrefix(strings.ToLower(v), "en") {
				return english
			}
			return french
		}
	}
	return french
}

// say gives w in the language, filled in: pairs of name and text.
func (t tongue) say(w words, fill []string) string {
	text := w.fr
	if t == english {
		text = w.en
	}
	for i := 0; i+1 < len(fill); i += 2 {
		text = strings.ReplaceAll(text, "{"+fill[i]+"}", fill[i+1])
	}
	return text
}

// colon has a space before it in French.
func (t tongue) colon() string {
	if t == french {
		return "\u00a0:"
	}
	return ":"
}

func (t tongue) up(s *tla.Status) string {
	return t.say(up, []string{"pdt", s.PdT, "gateway", s.Session.Gateway})
}

// sentence puts a reason into one sentence.
func (t tongue) sentence(w *tla.Why) string {
	sentence, ok := whys[w.Code]
	if !ok {
		sentence = unknown
	}
	return t.say(sentence, []string{"peer", w.Peer, "gateway", w.Gateway, "file", w.File, "reason", t.reason(w)})
}

// why is the sentence and, of an incident, what to do and its number; what a technician needs follows on a line of its own.
func (t tongue) why(w *tla.Why) string {
	text := t.sentence(w)
	if w.Incident != "" {
		text += "\n" + t.todo(w) + "\n" + t.say(numbered, []string{"incident", w.Incident})
	}
	if w.Detail != "" {
		text += "\n" + t.say(detailed, []string{"detail", w.Detail})
	}
	return text
}

// reason names the second part of a why: by the table, else by its own word.
func (t tongue) reason(w *tla.Why) string {
	if known, ok := reasons[w.Code][w.Reason]; ok {
		return t.say(known, nil)
	}
	return w.Reason
}

// trouble is about reaching the daemon.
func (t tongue) trouble(err error) error {
	var f *ctl.Fault
	switch {
	case errors.Is(err, ctl.ErrNotAllowed), errors.As(err, &f) && f.Code == ctl.FaultNotAllowed:
		return fmt.Errorf("%s (%w)", t.say(notAllowed, nil), err)
	case errors.As(err, &f) && f.Code == ctl.FaultNotLocal:
		return fmt.Errorf("%s (%w)", t.say(notLocal, nil), err)
	case errors.Is(err, ctl.ErrNoDaemon):
		return fmt.Errorf("%s (%w)", t.say(noRelay, nil), err)
	}
	return err
}

// status prints a page for people.
func (t tongue) status(w io.Writer, s *tla.Status) {
	line := func(name words, text string) { fmt.Fprintf(w, "%s%s %s\n", t.say(name, nil), t.colon(), text) }
	line(lines.state, t.say(states[s.State], nil))
	line(lines.pdt, s.PdT)
	if n := s.Session; n != nil && n.Gateway != "" {
		line(lines.gateway, fmt.Sprintf("%s (%s)", n.Gateway, n.GatewayIdentity))
		line(lines.since, stamp(n.Since))
	}
	if n := s.Session; n != nil {
		t.ends(w, n)
	}
	if p := s.PIN; p != nil {
		where := map[bool]words{false: lines.pinAsked, true: lines.pinPad}[p.Pad]
		fmt.Fprintln(w, t.say(where, []string{"card", t.say(cards[p.Slot], nil)}))
	}
	if n := s.Session; n != nil && n.Refused >= tla.ManyRefused {
		fmt.Fprintln(w, t.say(lines.refused, []string{"n", fmt.Sprint(n.Refused)}))
	}
	t.readers(w, s)
	if s.Last != nil {
		line(lines.last, stamp(s.Last.At)+" - "+t.why(&s.Last.Why))
	}
	if s.Problem != "" {
		line(lines.noOwn, s.Problem)
		return
	}
	if !s.Certificate.IsZero() {
		line(lines.own, stamp(s.Certificate))
	}
	if late := t.warning(s); late != "" {
		line(enrolWords.warning, late)
	}
}

// ends tells of an end that is near, and what the user can do about it.
func (t tongue) ends(w io.Writer, n *tla.SessionStatus) {
	if n.Ask != nil {
		fmt.Fprintln(w, t.say(lines.ask, []string{"at", clock(n.Ask.Until)}))
	} else if n.Warning != nil {
		fmt.Fprintln(w, t.say(warnings[n.Warning.Code], []string{"at", clock(n.Warning.At)}))
	}
}

func (t tongue) readers(w io.Writer, s *tla.Status) {
	switch {
	case s.PCSC != "":
		fmt.Fprintf(w, "%s%s %s\n", t.say(lines.noPCSC, nil), t.colon(), s.PCSC)
	case len(s.Readers) == 0:
		fmt.Fprintln(w, t.say(lines.noReader, nil))
	}
	for _, r := range s.Readers {
		fmt.Fprintf(w, "%s %s%s %s\n", t.say(lines.reader, nil), r.Name, t.colon(), t.card(r.Card))
	}
}

func (t tongue) card(c *tla.CardStatus) string {
	if c == nil {
		return t.say(lines.empty, nil)
	}
	text := t.say(kinds[c.Kind], nil)
	for _, more := range []string{t.say(uses[c.Use], nil), t.say(holds[c.Hold], nil)} {
		if more != "" {
			text += ", " + more
		}
	}
	return text
}

func clock(at time.Time) string { return at.Local().Format("15:04:05") }

func stamp(at time.Time) string { return at.Local().Format("2006-01-02 15:04:05") }
