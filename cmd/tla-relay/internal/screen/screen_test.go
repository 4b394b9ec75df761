package screen

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

	"tlagate/cmd/tla-relay/internal/relaytest"
	"tlagate/cmd/tla-relay/internal/words"
	"tlagate/tla"
	"tlagate/tla/cards"
	ctl "tlagate/tla/control"
)

var update = flag.Bool("update", false, "write the screens of testdata/ui anew")

// screens has what the user may see: a status, and what else happened.
var screens = []struct {
	name   string
	status tla.Status
	more   func(*model)
}{
	{"no session", relaytest.Idle(), nil},
	{"no session, no card", func() tla.Status {
		s := relaytest.Idle()
		s.Readers = s.Readers[:1]
		s.Readers[0].Card = nil
		return s
	}(), nil},
	{"choose", func() tla.Status {
		s := relaytest.Idle()
		s.PdTs = []string{"bureau", "salle-2", "urn:tlagate:clinique:pdt:accueil"}
		return s
	}(), func(m *model) { m.choice = 1 }},
	{"starting", relaytest.Idle(), func(m *model) { m.busy = "start" }},
	{"open", relaytest.InSession(tla.StateUp), nil},
	{"open, cards not seen yet", func() tla.Status {
		s := relaytest.InSession(tla.StateUp)
		for _, r := range s.Readers {
			r.Card.Shown, r.Card.LastCommand = new(false), time.Time{}
		}
		return s
	}(), nil},
	{"open, PIN accepted", relaytest.InSession(tla.StateUp),
		func(m *model) { m.note, m.noteAt = m.t.Say(words.PINGood, nil), relaytest.Noon }},
	{"open, warnings", func() tla.Status {
		s := relaytest.InSession(tla.StateUp)
		s.Session.Warning = &tla.Warning{Code: tla.CodeInactive, At: relaytest.Noon.Add(50 * time.Second)}
		s.Session.Refused, s.Session.RefusedIncident = 7, "R6K3"
		s.Readers[1].Card.Hold = cards.HoldBusy
		return s
	}(), nil},
	{"open, the reader declines", func() tla.Status {
		s := relaytest.InSession(tla.StateUp)
		s.Readers[0].Card.Declined = 5
		return s
	}(), nil},
	{"open, a card without a rule", func() tla.Status {
		s := relaytest.InSession(tla.StateUp)
		s.Readers[1].Card.Use, s.Readers[1].Card.ATR = tla.UseNoRule, "3B751300004509EA9000"
		return s
	}(), nil},
	{"connection lost", func() tla.Status {
		s := relaytest.InSession(tla.StateReconnecting)
		s.Session.GraceUntil = relaytest.Noon.Add(23 * time.Second)
		return s
	}(), nil},
	{"ending", relaytest.InSession(tla.StateEnding), nil},
	{"stop?", relaytest.InSession(tla.StateUp), func(m *model) { m.stopping = true }},
	{"still there?", func() tla.Status {
		s := relaytest.InSession(tla.StateUp)
		s.Session.Ask = &tla.Ask{Until: relaytest.Noon.Add(40 * time.Second)}
		return s
	}(), nil},
	{"PIN", relaytest.Asked(3, false), func(m *model) { m.width = -m.width }}, // see shownPIN
	{tooFew, relaytest.Asked(3, false), func(m *model) { m.width = -m.width }},
	{"PIN for a start", relaytest.AskedForStart(), func(m *model) { m.width = -m.width }},
	{"PIN for a start, again", func() tla.Status {
		s := relaytest.AskedForStart()
		s.PIN.Again = true
		return s
	}(), func(m *model) { m.width = -m.width }},
	{"PIN for a start, at the reader", func() tla.Status {
		s := relaytest.AskedForStart()
		s.PIN.Pad = true
		return s
	}(), nil},
	{"PIN at the reader", relaytest.Asked(3, true), nil},
	{"last try", relaytest.Asked(1, false), nil},
	{"not started", relaytest.Ended(tla.Why{Code: tla.CodeProblem, Reason: "pdt_absent",
		Gateway: "gw1.operateur.example:8443", Peer: relaytest.Gateway, Incident: "K7M2"}, false), nil},
	{"refused", relaytest.Ended(tla.Why{Code: tla.CodeRejected, Reason: "revoked",
		Gateway: "gw1.operateur.example:8443", Peer: relaytest.Gateway, Incident: "A3X9"}, false), nil},
	{"lost", relaytest.Ended(tla.Why{Code: tla.CodeLost, Gateway: "gw1.operateur.example:8443", Peer: relaytest.Gateway,
		Incident: "P5Y4"}, true), nil},
	{"login page", relaytest.Ended(tla.Why{Code: tla.CodePortal, Gateway: "gw1.operateur.example:8443", Peer: "gateway",
		Incident: "L6H2"}, false), nil},
	{"no card for a start", relaytest.Ended(tla.Why{Code: tla.CodeProblem, Reason: "user_required",
		Cause: tla.UserNoCard, Gateway: "gw1.operateur.example:8443", Peer: relaytest.Gateway,
		Incident: "H7R3"}, false), nil},
	{"the card is refused", relaytest.Ended(tla.Why{Code: tla.CodeProblem, Reason: "user_refused", Cause: "revoked",
		Gateway: "gw1.operateur.example:8443", Peer: relaytest.Gateway, Incident: "W4J8"}, false), nil},
	{"the card is blocked", relaytest.Ended(tla.Why{Code: tla.CodeUser, Reason: tla.UserBlocked,
		Incident: "Y2F5"}, false), nil},
	{"the card was taken out", relaytest.Ended(tla.Why{Code: tla.CodeCardOut, Incident: "M3K6"}, true), nil},
	{"cards forgotten", func() tla.Status {
		s := relaytest.Idle()
		s.Readers[0].Card.Forgotten = true
		return s
	}(), nil},
	{"open, the card is out", func() tla.Status {
		s := relaytest.InSession(tla.StateUp)
		s.Session.Warning = &tla.Warning{Code: tla.CodeCardOut, At: relaytest.Noon.Add(8 * time.Second)}
		s.Readers[0].Card = nil
		return s
	}(), nil},
	{"stranger", relaytest.Ended(tla.Why{Code: tla.CodeRefused, Reason: "unknown_issuer",
		Gateway: "gw1.operateur.example:8443", Peer: "gateway", Incident: "F2W7"}, false), nil},
	{"card not free", func() tla.Status { s := relaytest.Idle(); s.Readers[1].Card.Hold = cards.HoldStuck; return s }(),
		nil},
	{"PIN asked for elsewhere", relaytest.Asked(3, false), func(m *model) {
		m.pinAt, m.pinShut = m.status.PIN.Number, true
	}},
	{"refused by the socket", relaytest.InSession(tla.StateUp),
		func(m *model) { m.fault = &ctl.Fault{Code: ctl.FaultNotLocal} }},
	{"check under way", relaytest.Idle(), func(m *model) { m.busy = "check" }},
	{"check fine", relaytest.Idle(), func(m *model) { m.rehearsal = relaytest.Rehearsed(true) }},
	{"check not fine", relaytest.Idle(), func(m *model) { m.rehearsal = relaytest.Rehearsed(false) }},
	{"no relay", relaytest.Idle(), func(m *model) { m.down = ctl.ErrNoDaemon }},
}

// tooFew is the screen after an Enter that came too early.
const tooFew = "PIN, too few digits"

// screen returns a screen as text, without colours.
func screen(t *testing.T, i int, tongue words.Tongue, width, height int) string {
	c := screens[i]
	m := newModel(t.Context(), tongue, nil)
	m.width, m.height, m.now, m.status = width, height, relaytest.Noon, &c.status
	m.clock = func() time.Time { return relaytest.Noon }
	if c.more != nil {
		c.more(&m)
	}
	text := ""
	if m.width < 0 { // not drawn by bubbletea
		m.width = width
		text = m.pinPage(*m.status.PIN, 3, c.name == tooFew).render(width, height)
	} else {
		text = m.View().Content
	}
	return ansi.Strip(text)
}

// TestSP4UIScreens compares every screen, at three sizes and in both languages, with those of testdata/ui. Nothing may
// be cut, too wide or too high.
func TestSP4UIScreens(t *testing.T) {
	was := time.Local
	time.Local = time.UTC
	t.Cleanup(func() { time.Local = was })
	for name, tongue := range words.Tongues {
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
			golden(t, filepath.Join("testdata", "ui", fmt.Sprintf("%s-%dx%d.txt", name, size[0], size[1])),
				all.String())
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
	require.Equal(t, string(want), text, "%s; go test ./cmd/tla-relay/internal/screen -run UI -update writes it anew",
		file)
}
