package screen

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	tea "charm.land/bubbletea/v2"

	"tlagate/cmd/tla-relay/internal/words"
	"tlagate/tla"
	"tlagate/tla/cards"
	ctl "tlagate/tla/control"
)

// pageOfPdTs is how many PdTs can be chosen with one digit.
const pageOfPdTs = 9

// View returns the present page.
func (m model) View() tea.View {
	v := tea.NewView("")
	if m.width > 0 {
		v.SetContent(m.shown().render(m.width, m.height))
	}
	v.AltScreen = true
	return v
}

// shown returns the page for what is going on, the most urgent first.
func (m model) shown() page {
	switch {
	case m.down != nil:
		return m.downPage()
	case m.status == nil:
		return m.page(words.StateWords[tla.StateStarting], waiting, m.t.Say(words.FirstLook, nil))
	case m.status.PIN != nil && m.status.PIN.Pad:
		return m.padPage()
	case m.lastTry():
		return m.lastTryPage()
	case m.stopping:
		return m.stopPage()
	case m.pinTaken():
		return m.pinTakenPage()
	}
	switch s := m.state(); {
	case s != tla.StateIdle && m.fault != nil:
		p := m.faultPage()
		p.keys = m.t.Keys(words.KeyBack)
		return p
	case s == tla.StateUp && m.asked():
		return m.askPage()
	case running(s):
		return m.sessionPage(s)
	case s == tla.StateIdle:
		return m.idlePage()
	}
	return m.passingPage()
}

// page returns the beginning of a page: the first line has the PdT and the time.
func (m model) page(word words.Text, mood mood, lead string) page {
	return page{left: "tlagate  " + m.pdt(), right: m.now.Local().Format("15:04"), word: m.t.Say(word, nil), mood: mood,
		lead: lead}
}

func (m model) downPage() page {
	lead, do := words.DownLead, words.DoDown
	var f *ctl.Fault
	if errors.Is(m.down, ctl.ErrNotAllowed) || (errors.As(m.down, &f) && f.Code == ctl.FaultNotAllowed) {
		lead, do = words.Faults[ctl.FaultNotAllowed], words.DoAllowed
	}
	p := m.page(words.BigDown, bad, m.t.Say(lead, nil))
	p.parts = []paragraph{{lines: []string{m.t.Say(do, nil)}}}
	return p
}

func (m model) idlePage() page {
	lead := words.StateLeads[tla.StateIdle]
	if words.Stuck(m.status) {
		lead = words.LeadStuck
	}
	p := m.page(words.StateWords[tla.StateIdle], calm, m.t.Say(lead, nil))
	if m.fault != nil {
		p = m.faultPage()
	} else if w, at, lost := m.trouble(); w != nil {
		p = m.troublePage(w, at, lost)
	} else if m.rehearsal != nil {
		p = m.rehearsalPage(m.rehearsal)
	}
	if m.rehearsal == nil || m.failed != nil {
		p.parts = append(p.parts, m.choices()...)
		p.parts = append(p.parts, m.cards(3)...)
	}
	p.parts = append(p.parts, m.warnings()...)
	p.keys = m.t.Keys(words.KeyStart)
	if n := len(m.status.PdTs); n > 1 {
		p.keys = append(p.keys, m.t.Say(words.KeyChoose, []string{"n", strconv.Itoa(min(n, pageOfPdTs))}))
	}
	if len(m.status.PdTs) > pageOfPdTs {
		p.keys = append(p.keys, m.t.Say(words.KeyMore, nil))
	}
	p.keys = append(p.keys, m.t.Say(words.KeyTest, nil))
	if w, _, _ := m.trouble(); w != nil || m.rehearsal != nil || m.fault != nil {
		p.keys = append(p.keys, m.t.Say(words.KeyBack, nil))
	}
	return p
}

// troublePage says why there is no session: one sentence, one thing to do, one number.
func (m model) troublePage(w *tla.Why, at time.Time, lost bool) page {
	word := words.BigFailed
	if lost {
		word = words.BigLost
	}
	p := m.page(word, bad, words.Plain(m.t.Sentence(w, m.own())))
	p.parts = []paragraph{{lines: []string{m.t.Todo(w)}}}
	number := ""
	if w.Incident != "" {
		number = m.t.Say(words.IncidentNo, []string{"n", w.Incident})
	}
	if !at.IsZero() {
		number = strings.TrimSpace(number + " " + m.t.Say(words.AtTime, []string{"time", at.Local().Format("15:04")}))
	}
	if number != "" {
		p.parts = append(p.parts, paragraph{lines: []string{number}, bold: true})
	}
	return p
}

// rehearsalPage shows the test's checklist, and what to do first.
func (m model) rehearsalPage(c *tla.Rehearsal) page {
	p := m.page(words.BigReady, good, m.t.Say(words.RehearsalGood, nil))
	if !c.OK {
		w := words.RehearsalWhy(c)
		p = m.page(words.BigNotReady, bad, m.t.Todo(w))
	}
	var list []string
	for _, i := range c.Items {
		list = append(list, m.rehearsalLine(i))
	}
	if m.small() {
		list = twoColumns(list, leastWidth/2)
	}
	p.parts = []paragraph{{lines: list}}
	if c.Incident != "" {
		p.parts = append(p.parts, paragraph{lines: []string{m.t.Say(words.IncidentNo, []string{"n", c.Incident})},
			bold: true})
	}
	return p
}

// small reports whether there is no room for more than the names of things.
func (m model) small() bool { return m.width <= leastWidth+20 }

func twoColumns(list []string, width int) (lines []string) {
	half := (len(list) + 1) / 2
	for i, l := range list[:half] {
		if half+i < len(list) {
			l += strings.Repeat(" ", max(1, width-utf8.RuneCountInString(l))) + list[half+i]
		}
		lines = append(lines, l)
	}
	return lines
}

// rehearsalLine returns mark and name of an item, and where there is room, what was seen.
func (m model) rehearsalLine(i tla.RehearsalItem) string {
	line := m.t.ItemMark(i) + " " + m.t.Say(words.Items[i.Item], nil)
	if m.small() {
		return line
	}
	return line + m.t.Colon() + " " + words.Plain(m.t.ItemText(i, m.own(), m.now))
}

// sessionPage shows a session that is up, or whose link is being got back.
func (m model) sessionPage(s tla.State) page {
	tone := good
	if s == tla.StateReconnecting {
		tone = waiting
	}
	p := m.page(words.StateWords[s], tone, m.t.Say(words.StateLeads[s], []string{"pdt", m.pdt()}))
	if n := m.status.Session; n != nil && s == tla.StateReconnecting && !n.GraceUntil.IsZero() {
		p.parts = append(p.parts, paragraph{lines: []string{m.t.Say(words.GraceLeft,
			[]string{"n", seconds(n.GraceUntil.Sub(m.now))})}})
	}
	p.parts = append(p.parts, m.notes()...)
	p.parts = append(p.parts, m.cards(2)...)
	p.parts = append(p.parts, m.warnings()...)
	if n := m.status.Session; n != nil && !n.Until.IsZero() {
		text := m.t.Say(words.TimeLeft, []string{"time", n.Until.Local().Format("15:04"), "n",
			hours(n.Until.Sub(m.now))})
		p.parts = append(p.parts, paragraph{lines: []string{text}, rank: 4})
	}
	if m.keepable() {
		p.keys = m.t.Keys(words.KeyKeep)
	}
	p.keys = append(p.keys, m.t.Say(words.KeyStop, nil))
	return p
}

// faultPage says what the relay's socket refused.
func (m model) faultPage() page {
	p := m.page(words.BigFailed, bad, m.t.Say(words.FaultOf(m.fault), nil))
	p.parts = []paragraph{{lines: []string{m.t.Say(words.DoAllowed, nil)}}}
	return p
}

// passingPage shows a state that passes by itself.
func (m model) passingPage() page {
	s := m.state()
	p := m.page(words.StateWords[s], waiting, m.t.Say(words.StateLeads[s], []string{"pdt", m.pdt()}))
	p.parts = m.cards(2)
	if s != tla.StateEnding {
		p.keys = m.t.Keys(words.KeyGiveUp)
	}
	return p
}

func (m model) askPage() page {
	p := m.page(words.BigAsk, waiting, m.t.Say(words.LeadAsk, nil))
	left := seconds(m.status.Session.Ask.Until.Sub(m.now))
	p.parts = append([]paragraph{{lines: []string{m.t.Say(words.AskLeft, []string{"n", left})}}}, m.cards(2)...)
	p.keys = m.t.Keys(words.KeyStay, words.KeyNoStay)
	return p
}

func (m model) stopPage() page {
	p := m.page(words.BigStop, waiting, m.t.Say(words.LeadStop, []string{"pdt", m.pdt()}))
	p.parts = m.cards(2)
	p.keys = m.t.Keys(words.KeyYesStop, words.KeyNoStop)
	return p
}

func (m model) padPage() page {
	p := m.page(words.BigPIN, waiting, m.t.Say(words.LeadPad, m.cardFill(m.status.PIN.Slot)))
	p.parts = []paragraph{{lines: []string{m.askedBy()}},
		{lines: []string{m.t.Say(words.NeverShared, nil)}, rank: 1}}
	return p
}

func (m model) lastTryPage() page {
	w := &tla.Why{Code: tla.CodeLastTry}
	p := m.page(words.BigLastTry, bad, m.t.Say(words.LeadLast, m.cardFill(m.status.PIN.Slot)))
	p.parts = []paragraph{{lines: []string{m.t.Todo(w)}}, {lines: []string{m.askedBy()}, rank: 1}}
	p.keys = m.t.Keys(words.KeyInsist, words.KeyRefuse)
	return p
}

// askedBy returns what the PIN that is wanted is for.
func (m model) askedBy() string { return m.purpose(*m.status.PIN) }

// purpose returns what a PIN is for: the start that the user began, or a program that wants it.
func (m model) purpose(p tla.PINRequest) string {
	return m.t.Say(words.Purpose(&p), []string{"pdt", m.t.Who(p.PdT, m.own())})
}

// pinTakenPage is shown while a PIN is asked for that cannot be typed here just now.
func (m model) pinTakenPage() page {
	p := m.page(words.BigPIN, waiting, m.t.Say(words.LeadTaken, m.cardFill(m.status.PIN.Slot)))
	p.parts = []paragraph{{lines: []string{m.askedBy()}, rank: 1}}
	p.keys = m.t.Keys(words.KeyInsist, words.KeyStop)
	return p
}

// choices lists the PdTs that a digit chooses.
func (m model) choices() []paragraph {
	if len(m.status.PdTs) < 2 {
		return nil
	}
	first := m.choice / pageOfPdTs * pageOfPdTs
	var list []string
	for i := first; i < min(first+pageOfPdTs, len(m.status.PdTs)); i++ {
		mark := "  "
		if i == m.choice {
			mark = "> "
		}
		list = append(list, fmt.Sprintf("%s%d %s", mark, i-first+1, words.NameOf(m.status.PdTs[i], m.own())))
	}
	if m.small() && len(list) > manyPdTs {
		return []paragraph{{lines: twoColumns(list, leastWidth/2)}}
	}
	return []paragraph{{lines: append([]string{m.t.Say(words.ChoosePdT, nil)}, list...)}}
}

// manyPdTs are too many for one column of a small screen.
const manyPdTs = 4

// cards says which cards are in, and whether the PdT is reading them.
func (m model) cards(rank int) []paragraph {
	if m.status.PCSC != "" {
		return []paragraph{{lines: []string{m.t.Say(words.NoPCSC, nil) + "."}, rank: rank}}
	}
	var list []string
	for _, r := range m.status.Readers {
		if r.Card != nil {
			list = append(list, m.cardLine(r))
		}
	}
	switch {
	case len(m.status.Readers) == 0:
		list = []string{m.t.Say(words.NoReader, nil) + "."}
	case len(list) == 0:
		list = []string{m.t.Say(words.NoCards, nil)}
	}
	return []paragraph{{lines: list, rank: rank}}
}

// readTime is how long after a command a card counts as being read.
const readTime = 2 * time.Second

func (m model) cardLine(r tla.ReaderStatus) string {
	c, text := r.Card, ""
	switch {
	case c.Use != tla.UseSlot:
		text = m.t.Say(words.Uses[c.Use], nil)
	case c.Hold == cards.HoldTaken && m.now.Sub(c.LastCommand) < readTime:
		text = m.t.Say(words.CardReading, []string{"pdt", m.pdt()})
	case c.Hold == cards.HoldTaken && words.Waits(c):
		text = m.t.Say(words.CardWaits, []string{"pdt", m.pdt()})
	case c.Hold == cards.HoldTaken:
		text = m.t.Say(words.CardHeld, []string{"pdt", m.pdt()})
	case c.Hold == cards.HoldNone:
		text = m.t.Say(words.CardFree, nil)
	default:
		text = m.t.Say(words.Holds[c.Hold], nil)
	}
	line := words.Capital(m.t.Say(words.Kinds[c.Kind], nil)) + m.t.Colon() + " " + text
	if m.width >= 80 {
		line += " (" + m.t.Say(words.Reader, []string{"text", words.Plain(r.Name)}) + ")"
	}
	return line
}

// notes says what became of the last PIN.
func (m model) notes() []paragraph {
	if m.note == "" || m.now.Sub(m.noteAt) > noteTime {
		return nil
	}
	return []paragraph{{lines: []string{m.note}, bold: true}}
}

// warnings warns of ends that are near, refused commands, readers that fail, and our certificate's end.
func (m model) warnings() (list []paragraph) {
	warn := func(text string) { list = append(list, paragraph{lines: []string{"! " + text}, bold: true, rank: 1}) }
	if n := m.status.Session; n != nil {
		if n.Warning != nil {
			warn(m.t.Say(words.EndsSoon, []string{"n", seconds(n.Warning.At.Sub(m.now)), "text",
				m.t.Say(words.EndWords[n.Warning.Code], nil)}))
		}
		if n.Refused >= tla.ManyRefused {
			number := m.t.Say(words.IncidentNo, []string{"n", n.RefusedIncident})
			warn(m.t.Sentence(&tla.Why{Code: tla.CodeManyRefused}, m.own()) + " " + number + ".")
		}
	}
	for _, text := range append(m.t.Declining(m.status), m.t.Forgotten(m.status)...) {
		warn(text)
	}
	if late := m.t.Warning(m.status); late != "" {
		warn(late)
	}
	return list
}

func (m model) own() string {
	if m.status == nil {
		return ""
	}
	return m.status.Identity
}

// pdt returns the name of the PdT that the session is with, or would be.
func (m model) pdt() string {
	switch {
	case m.status == nil:
		return ""
	case m.status.Session == nil && m.chosen() != "":
		return words.NameOf(m.chosen(), m.own())
	}
	return words.NameOf(m.status.PdT, m.own())
}

func (m model) cardFill(slot string) []string { return m.t.CardFill(slot) }

func seconds(d time.Duration) string {
	return strconv.Itoa(max(0, int(d.Round(time.Second).Seconds())))
}

// hours returns "11 h 42", or minutes below an hour.
func hours(d time.Duration) string {
	minutes := max(0, int(d.Minutes()))
	if minutes < 60 {
		return fmt.Sprintf("%d\u00a0min", minutes)
	}
	return fmt.Sprintf("%d\u00a0h\u00a0%02d", minutes/60, minutes%60)
}
