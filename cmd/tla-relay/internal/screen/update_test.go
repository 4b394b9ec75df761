package screen

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"
	"github.com/stretchr/testify/require"

	"tlagate/cmd/tla-relay/internal/relaytest"
	"tlagate/cmd/tla-relay/internal/words"
	"tlagate/tla"
	ctl "tlagate/tla/control"
)

// player plays a user and a relay against a model.
type player struct {
	t      *testing.T
	m      model
	now    time.Time
	asked  []ctl.Request // of the relay, without those for the status
	answer tla.Answer    // what the relay answers next
	err    error
}

func newPlayer(t *testing.T, s tla.Status) *player {
	p := &player{t: t, now: relaytest.Noon}
	p.m = newModel(t.Context(), words.French, p)
	p.m.clock = func() time.Time { return p.now }
	p.send(tea.WindowSizeMsg{Width: 40, Height: 12})
	p.status(s)
	return p
}

// ask implements relayLink.
func (p *player) ask(_ context.Context, r ctl.Request, answer *tla.Answer) error {
	if r.Command != "status" {
		p.asked = append(p.asked, r)
	}
	*answer = p.answer
	return p.err
}

// enter implements relayLink.
func (p *player) enter(context.Context, string, *tla.PINAnswer) (*ctl.Entry, error) {
	return nil, errors.New("somebody else answers")
}

func (p *player) send(msg tea.Msg) tea.Cmd {
	next, cmd := p.m.Update(msg)
	p.m = next.(model)
	return cmd
}

func (p *player) status(s tla.Status) tea.Cmd {
	return p.send(statusMsg{answer: tla.Answer{OK: true, Status: &s}})
}

// press presses a key and returns the command that it leads to.
func (p *player) press(k rune) tea.Cmd {
	key := tea.Key{Code: k}
	if k >= ' ' && k <= '~' {
		key.Text = string(k)
	}
	return p.send(tea.KeyPressMsg(key))
}

// done runs the command of a key against the relay, which answers a.
func (p *player) done(cmd tea.Cmd, a tla.Answer) {
	p.t.Helper()
	require.NotNil(p.t, cmd, "nothing was asked of the relay")
	p.answer = a
	p.send(cmd())
}

func (p *player) shows(parts ...string) {
	p.t.Helper()
	text := ansi.Strip(p.m.View().Content)
	for _, part := range parts {
		require.Contains(p.t, text, part)
	}
}

func (p *player) requests(want ...string) {
	p.t.Helper()
	got := []string{}
	for _, r := range p.asked {
		got = append(got, strings.TrimSpace(r.Command+" "+r.PdT))
	}
	require.Equal(p.t, want, got)
	p.asked = nil
}

var (
	opened = relaytest.InSession(tla.StateUp)
	closed = relaytest.Idle()
)

// TestC4UIOneKeyStartsAndOneStops: on keyboard and keypad alike; a stop by mistake can be taken back, a doubled one,
// too.
func TestC4UIOneKeyStartsAndOneStops(t *testing.T) {
	for _, enter := range []rune{tea.KeyEnter, tea.KeyKpEnter} {
		p := newPlayer(t, closed)
		cmd := p.press(enter)
		require.Nil(t, p.press(enter), "while it starts, Enter does nothing")
		p.shows("La session avec bureau s'ouvre.")
		p.done(cmd, tla.Answer{OK: true, Status: &opened})
		p.requests("start")
		p.shows("La session avec bureau est ouverte.")
		require.Nil(t, p.press(enter), "nor when it is up")
		for _, no := range []rune{'0', tea.KeyKp0, tea.KeyEscape} {
			require.Nil(t, p.press(no))
			p.shows("Voulez-vous fermer la session")
			require.Nil(t, p.press('7'))
			require.Nil(t, p.press(no))
			p.shows("est ouverte")
		}
		p.press('0')
		p.done(p.press(enter), tla.Answer{OK: true, Status: &closed})
		p.requests("stop")
		p.shows("Aucune session")
	}
}

func TestC4UIAStartIsGivenUp(t *testing.T) {
	p := newPlayer(t, closed)
	start := p.press(tea.KeyEnter)
	p.done(p.press('0'), tla.Answer{OK: true, Status: &closed})
	p.requests("stop")
	gone := relaytest.Ended(tla.Why{Code: tla.CodeStopped}, false)
	p.done(start, tla.Answer{Error: &tla.Why{Code: tla.CodeStopped}, Status: &gone})
	p.shows("Aucune session")
}

// TestC4UIAKeyMeantForTheSessionStartsNone: a user who answers "still there?" too late does not start another session.
func TestC4UIAKeyMeantForTheSessionStartsNone(t *testing.T) {
	p := newPlayer(t, opened)
	p.status(relaytest.Ended(tla.Why{Code: tla.CodeAbsent, Incident: "K7M2"}, true))
	require.Nil(t, p.press(tea.KeyEnter))
	p.shows("Personne n'a répondu", "Incident K7M2")
	p.now = p.now.Add(deafTime)
	require.NotNil(t, p.press(tea.KeyEnter))
}

// TestC4UIALostSessionIsOver: a key that was meant for a session whose link was lost does nothing once that is over.
func TestC4UIALostSessionIsOver(t *testing.T) {
	p := newPlayer(t, relaytest.InSession(tla.StateReconnecting))
	p.press('0')
	require.True(t, p.m.stopping)
	p.status(tla.Status{State: tla.StateIdle, PdT: "bureau"})
	require.False(t, p.m.stopping)
	require.Nil(t, p.press(tea.KeyEnter))
}

// TestSP4UIKeysMeantForThePadDoNothing: a user who types the PIN here, and not at the reader, does not end the session.
func TestSP4UIKeysMeantForThePadDoNothing(t *testing.T) {
	s := relaytest.InSession(tla.StateUp)
	s.PIN = &tla.PINRequest{Slot: "cps", Min: 4, Max: 8, Tries: 3, Until: relaytest.Noon.Add(time.Minute), Pad: true}
	p := newPlayer(t, s)
	for _, k := range []rune{'1', '2', '0', '4', tea.KeyEnter} {
		require.Nil(t, p.press(k))
		require.False(t, p.m.stopping)
	}
}

func TestSA4UIStays(t *testing.T) {
	s := relaytest.InSession(tla.StateUp)
	s.Session.Ask = &tla.Ask{Until: relaytest.Noon.Add(time.Minute)}
	p := newPlayer(t, s)
	p.shows("Êtes-vous toujours là ?")
	p.done(p.press(tea.KeyEnter), tla.Answer{OK: true, Status: &opened})
	p.requests("stay")
	p.shows("est ouverte")
	p.status(s)
	p.press('0')
	p.shows("Voulez-vous fermer la session")
}

func TestC4UIChoosesThePdT(t *testing.T) {
	s := relaytest.Idle()
	s.PdTs = []string{"p1", "p2", "p3", "p4", "p5", "p6", "p7", "p8", "p9", "p10", "p11"}
	p := newPlayer(t, s)
	p.press('3')
	p.press('-')
	p.press('2')
	p.press('5') // there is none
	p.shows("> 2 p11", "  1 p10")
	p.done(p.press(tea.KeyEnter), tla.Answer{OK: true, Status: &opened})
	p.status(s)
	p.press('-')
	p.press(tea.KeyKp4)
	p.done(p.press('+'), tla.Answer{OK: true, Status: &s, Rehearsal: relaytest.Rehearsed(true)})
	p.requests("start p11", "check p4")
	p.shows("Tout est prêt")
	p.press('0')
	p.shows("> 4 p4")
}

// TestUITroubleIsShownUntilItIsSeen: a refused start, and a session that was lost, are shown until a key is pressed.
func TestUITroubleIsShownUntilItIsSeen(t *testing.T) {
	p := newPlayer(t, closed)
	failed := relaytest.Ended(tla.Why{Code: tla.CodeUnreachable, Incident: "A2F3"}, false)
	p.done(p.press(tea.KeyEnter), tla.Answer{Error: &failed.Last.Why, Status: &failed})
	p.shows("Le service de votre opérateur ne", "Vérifiez le réseau", "Incident A2F3")
	p.status(failed)
	p.shows("Incident A2F3")
	p.press('0')
	p.shows("Aucune session")
	p.status(failed)
	p.shows("Aucune session")
	p.status(relaytest.Ended(tla.Why{Code: tla.CodeStopped}, true))
	p.shows("Aucune session")
	lost := relaytest.Ended(tla.Why{Code: tla.CodeLost, Gateway: "gw:1", Incident: "H4J5"}, true)
	lost.Last.At = relaytest.Noon
	p.status(lost)
	p.shows("La connexion a été perdue.", "Incident H4J5", "0 : retour")
}

// TestUIRelayGoneAndBack: no key does anything while the relay does not answer, and the screen comes back by itself.
func TestUIRelayGoneAndBack(t *testing.T) {
	p := newPlayer(t, closed)
	require.NotNil(t, p.send(statusMsg{err: ctl.ErrNoDaemon}), "it looks again")
	p.shows("Ce terminal n'est pas prêt")
	require.Nil(t, p.press(tea.KeyEnter))
	p.send(statusMsg{err: ctl.ErrNotAllowed})
	p.shows("Vous n'avez pas le droit")
	require.NotNil(t, p.status(opened))
	p.shows("est ouverte")
	require.NotNil(t, p.send(tea.KeyPressMsg{Code: 'c', Mod: tea.ModCtrl}))
}

// TestC4UIRefusedBySocket: the screen says what the socket refused, and not that the relay is gone.
func TestC4UIRefusedBySocket(t *testing.T) {
	p := newPlayer(t, closed)
	p.err = &ctl.Fault{Code: "not_local", Detail: "remote"}
	p.done(p.press(tea.KeyEnter), tla.Answer{})
	p.status(closed)
	p.shows("personne qui est devant ce terminal.", "Appelez votre opérateur.")
	p.press('0')
	p.shows("Aucune session")
}

// TestC4UIFaultInASession: the key that takes the message away does nothing else, and is named on the screen.
func TestC4UIFaultInASession(t *testing.T) {
	p := newPlayer(t, opened)
	p.m.fault = &ctl.Fault{Code: ctl.FaultTooMany}
	p.shows("0 : retour")
	require.Nil(t, p.press('0'))
	require.False(t, p.m.stopping)
	p.shows("est ouverte")
}

// TestSA4UIKeepsAnIdleSession: a user who is warned keeps the session with one key.
func TestSA4UIKeepsAnIdleSession(t *testing.T) {
	s := relaytest.InSession(tla.StateUp)
	s.Session.Warning = &tla.Warning{Code: tla.CodeInactive, At: relaytest.Noon.Add(time.Minute)}
	p := newPlayer(t, s)
	p.shows("! Fin dans 60 s : aucune carte n'est", "Entrée : continuer")
	p.done(p.press(tea.KeyEnter), tla.Answer{OK: true, Status: &opened})
	p.requests("stay")
}

// TestSP4UIAsksForAPINOnce: except for the last try, the prompt takes the terminal at once, and not again for the same
// request.
func TestSP4UIAsksForAPINOnce(t *testing.T) {
	p := newPlayer(t, opened)
	count := func(cmd tea.Cmd) int {
		if batch, ok := cmd().(tea.BatchMsg); ok {
			return len(batch)
		}
		return 1
	}
	require.Equal(t, 2, count(p.status(relaytest.Asked(3, false))), "the PIN, and the next look")
	require.Equal(t, 1, count(p.status(relaytest.Asked(3, false))))
	p.shows("est ouverte")
	p = newPlayer(t, opened)
	require.Equal(t, 1, count(p.status(relaytest.Asked(1, false))))
	p.shows("Il ne reste qu'un essai")
	require.Nil(t, p.press('0'+5))
	o, ok := p.press(tea.KeyEnter)().(pinOpenMsg)
	require.True(t, ok)
	require.False(t, o.refuse)
	require.Nil(t, p.send(o), "somebody else answers")
	p.shows("il est peut-être tapé", "Entrée : taper mon code")
	require.Nil(t, p.press(tea.KeyEnter), "with one try left the user is asked first, again")
	p.shows("Il ne reste qu'un essai")
	p = newPlayer(t, opened)
	p.status(relaytest.Asked(3, false))
	p.send(pinOpenMsg{close: func() {}, err: &ctl.Fault{Code: ctl.FaultTooMany}})
	p.shows("il est peut-être tapé")
	require.NotNil(t, p.press(tea.KeyEnter))
	p.shows("est ouverte")
	p.status(opened)
	p.send(pinDoneMsg{answer: tla.PINAnswer{OK: true, Result: "63c1"}})
	p.shows("Code porteur faux")
	p.now = p.now.Add(noteTime + time.Second)
	p.status(opened)
	require.NotContains(t, ansi.Strip(p.m.View().Content), "Code porteur faux")
}

// TestUIAnySize has sizes around the least one, usual ones, and impossible ones.
func TestUIAnySize(t *testing.T) {
	t.Parallel()
	for i := range screens {
		for _, tongue := range words.Tongues {
			for _, width := range []int{1, 7, leastWidth - 1, leastWidth, leastWidth + 1, 61, 80, 133, 199} {
				for _, height := range []int{1, leastHeight - 1, leastHeight, leastHeight + 1, 17, 24, 59} {
					text := screen(t, i, tongue, width, height)
					for _, l := range strings.Split(text, "\n") {
						require.LessOrEqual(t, ansi.StringWidth(l), width)
					}
					require.LessOrEqual(t, strings.Count(text, "\n"), height-1)
				}
			}
		}
	}
	require.Less(t, len(words.TooSmall), leastWidth+4)
}

// TestUINamesFromElsewhereDoNoHarm: a reader may have any name.
func TestUINamesFromElsewhereDoNoHarm(t *testing.T) {
	s := relaytest.Idle()
	s.Readers[0].Name = "\x1b[31mreader\x07 日本\u202e"
	p := newPlayer(t, s)
	p.send(tea.WindowSizeMsg{Width: 90, Height: 24})
	require.NotContains(t, p.m.View().Content, "\x1b[31m")
	p.shows("[31mreader ???")
}
