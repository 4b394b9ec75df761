package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"

	"tlagate/pki"
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
	var pairs []string
	for i := 0; i+1 < len(fill); i += 2 {
		text = t.counted(text, fill[i], fill[i+1])
		pairs = append(pairs, "{"+fill[i]+"}", clean(fill[i+1]))
	}
	return strings.NewReplacer(pairs...).Replace(text)
}

// counted chooses between the forms of {name:one:many} by the number that name stands for.
func (t tongue) counted(text, name, number string) string {
	form := 2
	if number == "1" || number == "0" && t == french {
		form = 1
	}
	forms := regexp.MustCompile(`\{` + name + `:([^:{}]*):([^:{}]*)\}`)
	return forms.ReplaceAllString(text, fmt.Sprintf("$%d", form))
}

// clean leaves out what a terminal would not show but obey: what comes from elsewhere, the name of a reader for instance, may
// hold anything.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) && r != '\u00a0' {
			return -1
		}
		return r
	}, s)
}

// colon has a space before it in French.
func (t tongue) colon() string {
	if t == french {
		return "\u00a0:"
	}
	return ":"
}

func (t tongue) up(s *tla.Status) string {
	return t.say(up, []string{"pdt", shortName(s.PdT, s.Identity)})
}

// unseen names the cards that programs at the PdT do not see, and why if it is known.
func (t tongue) unseen(w io.Writer, s *tla.Status) {
	for _, r := range s.Readers {
		if c := r.Card; c != nil && waits(c) {
			why := ""
			if c.Hold != tla.HoldTaken && c.Hold != tla.HoldNone {
				why = t.colon() + " " + t.say(holds[c.Hold], nil)
			}
			fmt.Fprintln(w, t.say(unseen, []string{"card", t.say(cards[c.Role], nil), "why", why}))
		}
	}
}

// declining names the cards whose reader declines one command after the other.
func (t tongue) declining(s *tla.Status) (list []string) {
	for _, r := range s.Readers {
		if r.Card != nil && r.Card.Declined > 0 {
			list = append(list, t.say(declining, []string{"card", t.say(cards[r.Card.Role], nil)}))
		}
	}
	return list
}

// waits tells whether the PdT's programs are known not to see a card of the session.
func waits(c *tla.CardStatus) bool { return c.Shown != nil && !*c.Shown }

// sentence puts a reason into one sentence. own is this terminal's identity; "" = not known.
func (t tongue) sentence(w *tla.Why, own string) string {
	sentence, ok := whys[w.Code]
	if !ok {
		sentence = unknown
	}
	return capital(t.say(sentence, []string{"peer", t.who(w.Peer, own), "reason", t.reason(w)}))
}

// why is the sentence and, of an incident, what to do and its number. What a technician needs is in the log and the trace under
// that number.
func (t tongue) why(w *tla.Why, own string) string {
	text := t.sentence(w, own)
	if w.Incident != "" {
		text += "\n" + t.todo(w) + "\n" + t.say(numbered, []string{"incident", w.Incident})
	}
	return text
}

// whyOf is why a command came to nothing.
func (t tongue) whyOf(command string, w *tla.Why, own string) string {
	if other, ok := whysOf[command][w.Code]; ok {
		return t.say(other, nil)
	}
	return t.why(w, own)
}

// reason names the second part of a why by the table.
func (t tongue) reason(w *tla.Why) string {
	known, ok := reasons[w.Code][w.Reason]
	if !ok {
		known = unknown
	}
	return t.say(known, nil)
}

// told is an error in the user's words; what lies beneath is for the log.
type told struct {
	words string
	cause error
}

func (e *told) Error() string { return e.words }
func (e *told) Unwrap() error { return e.cause }

// trouble is about reaching the daemon.
func (t tongue) trouble(err error) error {
	said := unreadable
	f, isFault := errors.AsType[*ctl.Fault](err)
	switch {
	case isFault:
		said = faultOf(f)
	case errors.Is(err, ctl.ErrNotAllowed):
		said = faults[ctl.FaultNotAllowed]
	case errors.Is(err, ctl.ErrNoDaemon):
		said = noRelay
	case errors.Is(err, context.Canceled):
		said = givenUp
	}
	return &told{t.say(said, nil), err}
}

// faultOf is what the socket itself refused.
func faultOf(f *ctl.Fault) words {
	if known, ok := faults[f.Code]; ok {
		return known
	}
	return oldProgram
}

// freed tells what has become of the cards, now that there is no session: an error when one is not let go yet.
func (t tongue) freed(w io.Writer, s *tla.Status) error {
	if stuck(s) {
		return errors.New(t.say(notFree, nil))
	}
	fmt.Fprintln(w, t.say(stopped, nil))
	return nil
}

// stuck reports whether a reader does not answer that has a card.
func stuck(s *tla.Status) bool {
	return slices.ContainsFunc(s.Readers, func(r tla.ReaderStatus) bool {
		return r.Card != nil && r.Card.Hold == tla.HoldStuck
	})
}

// status prints a page for people.
func (t tongue) status(w io.Writer, s *tla.Status) {
	t.line(w, lines.state, t.say(states[s.State], nil))
	t.line(w, lines.pdt, shortName(s.PdT, s.Identity))
	if n := s.Session; n != nil {
		if !n.Since.IsZero() {
			t.line(w, lines.since, stamp(n.Since))
		}
		t.encryption(w, lines.pdtTLS, n.PdTTLS)
		t.encryption(w, lines.gatewayTLS, n.GatewayTLS)
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
	for _, text := range t.declining(s) {
		fmt.Fprintln(w, text)
	}
	if s.Last != nil && s.Session == nil { // in a session, how the one before ended is of no use
		t.line(w, lines.last, stamp(s.Last.At)+" - "+t.last(s.Last, s.Identity))
	}
	t.certificate(w, s)
	if s.Storage != "" {
		fmt.Fprintln(w, t.say(lines.noRoom, nil))
	}
}

// encryption tells what a layer of TLS agreed upon, for whoever looks after the terminal (C2).
func (t tongue) encryption(w io.Writer, name words, n *pki.Negotiated) {
	if n != nil {
		t.line(w, name, n.String())
	}
}

// line prints one thing of the status with its name.
func (t tongue) line(w io.Writer, name words, text string) {
	fmt.Fprintf(w, "%s%s %s\n", t.say(name, nil), t.colon(), text)
}

// last is how the last session ended, or why it did not start.
func (t tongue) last(e *tla.End, own string) string {
	if !e.Started {
		return t.whyOf("start", &e.Why, own)
	}
	return t.why(&e.Why, own)
}

// certificate tells of our own.
func (t tongue) certificate(w io.Writer, s *tla.Status) {
	switch {
	case s.Problem != "":
		fmt.Fprintln(w, t.say(lines.noOwn, nil))
		return
	case !s.Certificate.IsZero():
		t.line(w, lines.own, stamp(s.Certificate))
	}
	if late := t.warning(s); late != "" {
		t.line(w, enrolWords.warning, late)
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
		fmt.Fprintln(w, t.say(lines.noPCSC, nil)+".")
	case len(s.Readers) == 0:
		fmt.Fprintln(w, t.say(lines.noReader, nil))
	}
	for _, r := range s.Readers {
		fmt.Fprintf(w, "%s %s%s %s\n", t.say(lines.reader, nil), clean(r.Name), t.colon(), t.card(r.Card))
	}
}

func (t tongue) card(c *tla.CardStatus) string {
	if c == nil {
		return t.say(lines.empty, nil)
	}
	text := t.say(kinds[c.Kind], nil)
	unseen := ""
	if c.Hold == tla.HoldTaken && waits(c) {
		unseen = t.say(notSeen, nil)
	}
	atr := ""
	if c.ATR != "" {
		atr = "ATR " + clean(c.ATR)
	}
	for _, more := range []string{t.say(uses[c.Use], nil), atr, t.say(holds[c.Hold], nil), unseen} {
		if more != "" {
			text += ", " + more
		}
	}
	return text
}

func clock(at time.Time) string { return at.Local().Format("15:04:05") }

func stamp(at time.Time) string { return at.Local().Format("2006-01-02 15:04:05") }
