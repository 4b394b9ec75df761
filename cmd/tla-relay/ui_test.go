package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/charmbracelet/x/ansi"
	"github.com/stretchr/testify/require"

	"tlagate/tla"
	"tlagate/tla/cards"
	ctl "tlagate/tla/control"
)

var update = flag.Bool("update", false, "write the screens of testdata/ui anew")

// noon is when the screens of the tests are.
var noon = time.Date(2026, 11, 28, 9, 5, 0, 0, time.UTC)

const (
	testTLA = "urn:tlagate:cabinet:tla:valise"
	testPdT = "urn:tlagate:cabinet:pdt:bureau"
	testGW  = "urn:tlagate:operateur:gateway:gw1"
)

// readers are a CPS card and a Vitale card, held as said; the Vitale was read just now.
func twoCards(hold cards.Hold) []tla.ReaderStatus {
	list := []tla.ReaderStatus{
		{Name: "Terminal 00 00", Card: &tla.CardStatus{Kind: cards.KindCPS4, Role: "cps", Use: tla.UseSlot, Hold: hold}},
		{Name: "Terminal 00 01", Card: &tla.CardStatus{Kind: cards.KindVitale2, Role: "vitale", Use: tla.UseSlot, Hold: hold}},
	}
	if hold == cards.HoldTaken {
		list[0].Card.Shown, list[1].Card.Shown = new(true), new(true)
		list[1].Card.LastCommand = noon
	}
	return list
}

func idle() tla.Status {
	return tla.Status{State: tla.StateIdle, PdT: "bureau", PdTs: []string{"bureau"}, Identity: testTLA, Certificate: noon.Add(200 * 24 * time.Hour), Readers: twoCards(cards.HoldNone)}
}

func inSession(state tla.State) tla.Status {
	s := idle()
	s.State, s.PdT, s.Readers = state, testPdT, twoCards(cards.HoldTaken)
	s.Session = &tla.SessionStatus{ID: "0123", Gateway: "gw1.operateur.example:8443", GatewayIdentity: testGW, Since: noon, Until: noon.Add(11*time.Hour + 42*time.Minute)}
	return s
}

func ended(why tla.Why, started bool) tla.Status {
	s := idle()
	s.Last = &tla.End{Why: why, At: noon.Add(-time.Minute), Started: started}
	return s
}

func asked(tries int, pad bool) tla.Status {
	s := inSession(tla.StateUp)
	s.PIN = &tla.PINRequest{Slot: "cps", PdT: testPdT, Min: 4, Max: 8, Tries: tries, Until: noon.Add(45 * time.Second), Pad: pad}
	return s
}

// theCheck is one in which the gateway does not answer.
func theCheck(ok bool) *tla.Check {
	c := &tla.Check{OK: ok, Items: []tla.CheckItem{
		{Item: tla.ItemClock, OK: true}, {Item: tla.ItemReaders, OK: true, Names: []string{"a", "b"}},
		{Item: tla.ItemCards, OK: true, Names: []string{"cps4"}}, {Item: tla.ItemCertificate, OK: true, Until: noon.Add(200 * 24 * time.Hour)},
		{Item: tla.ItemBundle, OK: true, Version: 12}, {Item: tla.ItemLink, OK: true}, {Item: tla.ItemPdT, OK: true}}}
	if !ok {
		why := &tla.Why{Code: tla.CodeUnreachable, Gateway: "gw1.operateur.example:8443", Incident: "H4W8"}
		c.Incident, c.Items[5] = why.Incident, tla.CheckItem{Item: tla.ItemLink, Error: why}
		c.Items[6] = tla.CheckItem{Item: tla.ItemPdT, Skipped: true}
	}
	return c
}

// screens are what the user may see: a status, and what else happened.
var screens = []struct {
	name   string
	status tla.Status
	more   func(*model)
}{
	{"no session", idle(), nil},
	{"no session, no card", func() tla.Status { s := idle(); s.Readers = s.Readers[:1]; s.Readers[0].Card = nil; return s }(), nil},
	{"choose", func() tla.Status {
		s := idle()
		s.PdTs = []string{"bureau", "salle-2", "urn:tlagate:clinique:pdt:accueil"}
		return s
	}(), func(m *model) { m.choice = 1 }},
	{"starting", idle(), func(m *model) { m.busy = "start" }},
	{"open", inSession(tla.StateUp), nil},
	{"open, cards not seen yet", func() tla.Status {
		s := inSession(tla.StateUp)
		for _, r := range s.Readers {
			r.Card.Shown, r.Card.LastCommand = new(false), time.Time{}
		}
		return s
	}(), nil},
	{"open, PIN accepted", inSession(tla.StateUp), func(m *model) { m.note, m.noteAt = m.t.say(pinGood, nil), noon }},
	{"open, warnings", func() tla.Status {
		s := inSession(tla.StateUp)
		s.Session.Warning = &tla.Warning{Code: tla.CodeInactive, At: noon.Add(50 * time.Second)}
		s.Session.Refused, s.Session.RefusedIncident = 7, "R6K3"
		s.Readers[1].Card.Hold = cards.HoldBusy
		return s
	}(), nil},
	{"open, the reader declines", func() tla.Status {
		s := inSession(tla.StateUp)
		s.Readers[0].Card.Declined = 5
		return s
	}(), nil},
	{"open, a card without a rule", func() tla.Status {
		s := inSession(tla.StateUp)
		s.Readers[1].Card.Use, s.Readers[1].Card.ATR = tla.UseNoRule, "3B751300004509EA9000"
		return s
	}(), nil},
	{"connection lost", func() tla.Status {
		s := inSession(tla.StateReconnecting)
		s.Session.GraceUntil = noon.Add(23 * time.Second)
		return s
	}(), nil},
	{"ending", inSession(tla.StateEnding), nil},
	{"stop?", inSession(tla.StateUp), func(m *model) { m.stopping = true }},
	{"still there?", func() tla.Status {
		s := inSession(tla.StateUp)
		s.Session.Ask = &tla.Ask{Until: noon.Add(40 * time.Second)}
		return s
	}(), nil},
	{"PIN", asked(3, false), func(m *model) { m.width = -m.width }}, // see shownPIN
	{"PIN at the reader", asked(3, true), nil},
	{"last try", asked(1, false), nil},
	{"not started", ended(tla.Why{Code: tla.CodeProblem, Reason: "pdt_absent", Gateway: "gw1.operateur.example:8443", Peer: testGW, Incident: "K7M2"}, false), nil},
	{"refused", ended(tla.Why{Code: tla.CodeRejected, Reason: "revoked", Gateway: "gw1.operateur.example:8443", Peer: testGW, Incident: "A3X9"}, false), nil},
	{"lost", ended(tla.Why{Code: tla.CodeLost, Gateway: "gw1.operateur.example:8443", Peer: testGW, Incident: "P5Y4"}, true), nil},
	{"login page", ended(tla.Why{Code: tla.CodePortal, Gateway: "gw1.operateur.example:8443", Peer: "gateway", Incident: "L6H2"}, false), nil},
	{"stranger", ended(tla.Why{Code: tla.CodeRefused, Reason: "unknown_issuer", Gateway: "gw1.operateur.example:8443", Peer: "gateway", Incident: "F2W7"}, false), nil},
	{"card not free", func() tla.Status { s := idle(); s.Readers[1].Card.Hold = cards.HoldStuck; return s }(), nil},
	{"PIN asked for elsewhere", asked(3, false), func(m *model) { m.pinAt, m.pinShut = m.status.PIN.Until, true }},
	{"refused by the socket", inSession(tla.StateUp), func(m *model) { m.fault = &ctl.Fault{Code: ctl.FaultNotLocal} }},
	{"check under way", idle(), func(m *model) { m.busy = "check" }},
	{"check fine", idle(), func(m *model) { m.check = theCheck(true) }},
	{"check not fine", idle(), func(m *model) { m.check = theCheck(false) }},
	{"no relay", idle(), func(m *model) { m.down = ctl.ErrNoDaemon }},
}

// screen draws one as text, without colours.
func screen(t *testing.T, i int, tongue tongue, width, height int) string {
	c := screens[i]
	m := newModel(t.Context(), tongue, nil)
	m.width, m.height, m.now, m.status = width, height, noon, &c.status
	m.clock = func() time.Time { return noon }
	if c.more != nil {
		c.more(&m)
	}
	text := ""
	if m.width < 0 { // drawn by another hand than bubbletea's
		m.width = width
		text = m.pinPage(*m.status.PIN, 3).render(width, height)
	} else {
		text = m.View().Content
	}
	return ansi.Strip(text)
}

// TestSP4UIScreens compares every screen, at three sizes and in both languages, with those of testdata/ui. Nothing is cut, nothing too wide or high.
func TestSP4UIScreens(t *testing.T) {
	was := time.Local
	time.Local = time.UTC
	t.Cleanup(func() { time.Local = was })
	for name, tongue := range tongues {
		for _, size := range [][2]int{{40, 12}, {80, 24}, {120, 40}} {
			var all strings.Builder
			for i, c := range screens {
				text := screen(t, i, tongue, size[0], size[1])
				lines := strings.Split(text, "\n")
				require.Len(t, lines, size[1], "%s", c.name)
				fmt.Fprintf(&all, "=== %s\n", c.name)
				for _, l := range lines {
					require.LessOrEqual(t, utf8.RuneCountInString(l), size[0], "%s: %s", c.name, l)
					all.WriteString(strings.TrimRight(l, " ") + "\n")
				}
			}
			golden(t, filepath.Join("testdata", "ui", fmt.Sprintf("%s-%dx%d.txt", name, size[0], size[1])), all.String())
		}
	}
}

// golden compares a text with a file, or writes the file with -update.
func golden(t *testing.T, file, text string) {
	t.Helper()
	if *update {
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
		require.NoError(t, os.WriteFile(file, []byte(text), 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(want), text, "%s; go test ./cmd/tla-relay -run UI -update writes it anew", file)
}
