package main

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"
	"github.com/stretchr/testify/require"

	"tlagate/tla"
	"tlagate/tla/cards"
	ctl "tlagate/tla/control"
)

// hand plays a user and a relay against a model.
type hand struct {
	t      *testing.T
	m      model
	now    time.Time
	asked  []ctl.Request // of the relay, status left out
	answer tla.Answer    // what the relay says next
	err    error
}

func newHand(t *testing.T, s tla.Status) *hand {
	h := &hand{t: t, now: noon}
	h.m = newModel(t.Context(), french, h)
	h.m.clock = func() time.Time { return h.now }
	h.send(tea.WindowSizeMsg{Width: 40, Height: 12})
	h.status(s)
	return h
}

// ask implements relayLink.
func (h *hand) ask(_ context.Context, r ctl.Request, answer *tla.Answer) error {
	if r.Command != "status" {
		h.asked = append(h.asked, r)
	}
	*answer = h.answer
	return h.err
}

// enter implements relayLink.
func (h *hand) enter(context.Context, string, *tla.PINAnswer) (*ctl.Entry, error) {
	return nil, errors.New("somebody else answers")
}

func (h *hand) send(msg tea.Msg) tea.Cmd {
	next, cmd := h.m.Update(msg)
	h.m = next.(model)
	return cmd
}

func (h *hand) status(s tla.Status) tea.Cmd {
	return h.send(statusMsg{answer: tla.Answer{OK: true, Status: &s}})
}

// press presses a key and gives what it has done.
func (h *hand) press(k rune) tea.Cmd {
	key := tea.Key{Code: k}
	if k >= ' ' && k <= '~' {
		key.Text = string(k)
	}
	return h.send(tea.KeyPressMsg(key))
}

// done runs what a key has done against the relay, which answers a.
func (h *hand) done(cmd tea.Cmd, a tla.Answer) {
	h.t.Helper()
	require.NotNil(h.t, cmd, "nothing was asked of the relay")
	h.answer = a
	h.send(cmd())
}

func (h *hand) shows(parts ...string) {
	h.t.Helper()
	text := ansi.Strip(h.m.View().Content)
	for _, p := range parts {
		require.Contains(h.t, text, p)
	}
}

func (h *hand) requests(want ...string) {
	h.t.Helper()
	got := []string{}
	for _, r := range h.asked {
		got = append(got, strings.TrimSpace(r.Command+" "+r.PdT))
	}
	require.Equal(h.t, want, got)
	h.asked = nil
}

var (
	opened = inSession(tla.StateUp)
	closed = idle()
)

// TestC4UIOneKeyStartsAndOneStops: with keyboard and keypad alike; a mistaken stop is taken back, a doubled one, too.
func TestC4UIOneKeyStartsAndOneStops(t *testing.T) {
	for _, enter := range []rune{tea.KeyEnter, tea.KeyKpEnter} {
		h := newHand(t, closed)
		cmd := h.press(enter)
		require.Nil(t, h.press(enter), "while it starts, Enter does nothing")
		h.shows("La session avec bureau s'ouvre.")
		h.done(cmd, tla.Answer{OK: true, Status: &opened})
		h.requests("start")
		h.shows("La session avec bureau est ouverte.")
		require.Nil(t, h.press(enter), "nor when it is up")
		for _, no := range []rune{'0', tea.KeyKp0, tea.KeyEscape} {
			require.Nil(t, h.press(no))
			h.shows("Voulez-vous fermer la session")
			require.Nil(t, h.press('7'))
			require.Nil(t, h.press(no))
			h.shows("est ouverte")
		}
		h.press('0')
		h.done(h.press(enter), tla.Answer{OK: true, Status: &closed})
		h.requests("stop")
		h.shows("Aucune session")
	}
}

func TestC4UIAStartIsGivenUp(t *testing.T) {
	h := newHand(t, closed)
	start := h.press(tea.KeyEnter)
	h.done(h.press('0'), tla.Answer{OK: true, Status: &closed})
	h.requests("stop")
	gone := ended(tla.Why{Code: tla.CodeStopped}, false)
	h.done(start, tla.Answer{Error: &tla.Why{Code: tla.CodeStopped}, Status: &gone})
	h.shows("Aucune session")
}

// TestC4UIAKeyMeantForTheSessionStartsNone: who answers "still there?" too late does not start another session by it.
func TestC4UIAKeyMeantForTheSessionStartsNone(t *testing.T) {
	h := newHand(t, opened)
	h.status(ended(tla.Why{Code: tla.CodeAbsent, Incident: "K7M2"}, true))
	require.Nil(t, h.press(tea.KeyEnter))
	h.shows("Personne n'a répondu", "Incident K7M2")
	h.now = h.now.Add(deafTime)
	require.NotNil(t, h.press(tea.KeyEnter))
}

// TestC4UIALostSessionIsOver: what was pressed for a session whose link was lost is nothing once that is over.
func TestC4UIALostSessionIsOver(t *testing.T) {
	h := newHand(t, inSession(tla.StateReconnecting))
	h.press('0')
	require.True(t, h.m.stopping)
	h.status(tla.Status{State: tla.StateIdle, PdT: "bureau"})
	require.False(t, h.m.stopping)
	require.Nil(t, h.press(tea.KeyEnter))
}

// TestSP4UIKeysMeantForThePadDoNothing: a user who types the PIN here and not at the reader ends no session by it.
func TestSP4UIKeysMeantForThePadDoNothing(t *testing.T) {
	s := inSession(tla.StateUp)
	s.PIN = &tla.PINRequest{Slot: "cps", Min: 4, Max: 8, Tries: 3, Until: noon.Add(time.Minute), Pad: true}
	h := newHand(t, s)
	for _, k := range []rune{'1', '2', '0', '4', tea.KeyEnter} {
		require.Nil(t, h.press(k))
		require.False(t, h.m.stopping)
	}
}

func TestSA4UIStays(t *testing.T) {
	s := inSession(tla.StateUp)
	s.Session.Ask = &tla.Ask{Until: noon.Add(time.Minute)}
	h := newHand(t, s)
	h.shows("Êtes-vous toujours là ?")
	h.done(h.press(tea.KeyEnter), tla.Answer{OK: true, Status: &opened})
	h.requests("stay")
	h.shows("est ouverte")
	h.status(s)
	h.press('0')
	h.shows("Voulez-vous fermer la session")
}

func TestC4UIChoosesThePdT(t *testing.T) {
	s := idle()
	s.PdTs = []string{"p1", "p2", "p3", "p4", "p5", "p6", "p7", "p8", "p9", "p10", "p11"}
	h := newHand(t, s)
	h.press('3')
	h.press('-')
	h.press('2')
	h.press('5') // there is none
	h.shows("> 2 p11", "  1 p10")
	h.done(h.press(tea.KeyEnter), tla.Answer{OK: true, Status: &opened})
	h.status(s)
	h.press('-')
	h.press(tea.KeyKp4)
	h.done(h.press('+'), tla.Answer{OK: true, Status: &s, Check: theCheck(true)})
	h.requests("start p11", "check p4")
	h.shows("Tout est prêt")
	h.press('0')
	h.shows("> 4 p4")
}

// TestUITroubleIsShownUntilItIsSeen: a refused start, and a session that was lost, stay until a key.
func TestUITroubleIsShownUntilItIsSeen(t *testing.T) {
	h := newHand(t, closed)
	failed := ended(tla.Why{Code: tla.CodeUnreachable, Incident: "A2F3"}, false)
	h.done(h.press(tea.KeyEnter), tla.Answer{Error: &failed.Last.Why, Status: &failed})
	h.shows("Le service de votre opérateur ne", "Vérifiez le réseau", "Incident A2F3")
	h.status(failed)
	h.shows("Incident A2F3")
	h.press('0')
	h.shows("Aucune session")
	h.status(failed)
	h.shows("Aucune session")
	h.status(ended(tla.Why{Code: tla.CodeStopped}, true))
	h.shows("Aucune session")
	lost := ended(tla.Why{Code: tla.CodeLost, Gateway: "gw:1", Incident: "H4J5"}, true)
	lost.Last.At = noon
	h.status(lost)
	h.shows("La connexion a été perdue.", "Incident H4J5", "0 : retour")
}

// TestUIRelayGoneAndBack: no key does anything while nobody answers, and the screen comes back by itself.
func TestUIRelayGoneAndBack(t *testing.T) {
	h := newHand(t, closed)
	require.NotNil(t, h.send(statusMsg{err: ctl.ErrNoDaemon}), "it looks again")
	h.shows("Ce terminal n'est pas prêt")
	require.Nil(t, h.press(tea.KeyEnter))
	h.send(statusMsg{err: ctl.ErrNotAllowed})
	h.shows("Vous n'avez pas le droit")
	require.NotNil(t, h.status(opened))
	h.shows("est ouverte")
	require.NotNil(t, h.send(tea.KeyPressMsg{Code: 'c', Mod: tea.ModCtrl}))
}

// TestC4UIRefusedBySocket: what the socket refuses is said, and not that the relay is gone.
func TestC4UIRefusedBySocket(t *testing.T) {
	h := newHand(t, closed)
	h.err = &ctl.Fault{Code: "not_local", Detail: "remote"}
	h.done(h.press(tea.KeyEnter), tla.Answer{})
	h.status(closed)
	h.shows("personne qui est devant ce terminal.", "Appelez votre opérateur.")
	h.press('0')
	h.shows("Aucune session")
}

// TestC4UIFaultInASession: the key that takes it away does nothing else, and is shown.
func TestC4UIFaultInASession(t *testing.T) {
	h := newHand(t, opened)
	h.m.fault = &ctl.Fault{Code: ctl.FaultTooMany}
	h.shows("0 : retour")
	require.Nil(t, h.press('0'))
	require.False(t, h.m.stopping)
	h.shows("est ouverte")
}

// TestSA4UIKeepsAnIdleSession: a warned user keeps it with one key.
func TestSA4UIKeepsAnIdleSession(t *testing.T) {
	s := inSession(tla.StateUp)
	s.Session.Warning = &tla.Warning{Code: tla.CodeInactive, At: noon.Add(time.Minute)}
	h := newHand(t, s)
	h.shows("! Fin dans 60 s : aucune carte n'est", "Entrée : continuer")
	h.done(h.press(tea.KeyEnter), tla.Answer{OK: true, Status: &opened})
	h.requests("stay")
}

// TestSP4UIAsksForAPINOnce: the terminal is taken for it at once, the last try excepted, and not again for the same request.
func TestSP4UIAsksForAPINOnce(t *testing.T) {
	h := newHand(t, opened)
	count := func(cmd tea.Cmd) int {
		if batch, ok := cmd().(tea.BatchMsg); ok {
			return len(batch)
		}
		return 1
	}
	require.Equal(t, 2, count(h.status(asked(3, false))), "the PIN, and the next look")
	require.Equal(t, 1, count(h.status(asked(3, false))))
	h.shows("est ouverte")
	h = newHand(t, opened)
	require.Equal(t, 1, count(h.status(asked(1, false))))
	h.shows("Il ne reste qu'un essai")
	require.Nil(t, h.press('0'+5))
	o, ok := h.press(tea.KeyEnter)().(pinOpenMsg)
	require.True(t, ok)
	require.False(t, o.refuse)
	require.Nil(t, h.send(o), "somebody else answers")
	h.shows("il est peut-être tapé", "Entrée : taper mon code")
	require.Nil(t, h.press(tea.KeyEnter), "with one try left the user is asked first, again")
	h.shows("Il ne reste qu'un essai")
	h = newHand(t, opened)
	h.status(asked(3, false))
	h.send(pinOpenMsg{close: func() {}, err: &ctl.Fault{Code: ctl.FaultTooMany}})
	h.shows("il est peut-être tapé")
	require.NotNil(t, h.press(tea.KeyEnter))
	h.shows("est ouverte")
	h.status(opened)
	h.send(pinDoneMsg{answer: tla.PINAnswer{OK: true, Result: "63c1"}})
	h.shows("Code porteur faux")
	h.now = h.now.Add(noteTime + time.Second)
	h.status(opened)
	require.NotContains(t, ansi.Strip(h.m.View().Content), "Code porteur faux")
}

// TestUIAnySize has the sizes about the least one, the usual ones, and what is none.
func TestUIAnySize(t *testing.T) {
	t.Parallel()
	for i := range screens {
		for _, tongue := range tongues {
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
	require.Less(t, len(tooSmall), leastWidth+4)
}

// TestUINamesFromElsewhereDoNoHarm: a reader may be called anything.
func TestUINamesFromElsewhereDoNoHarm(t *testing.T) {
	s := idle()
	s.Readers[0].Name = "\x1b[31mreader\x07 日本\u202e"
	h := newHand(t, s)
	h.send(tea.WindowSizeMsg{Width: 90, Height: 24})
	require.NotContains(t, h.m.View().Content, "\x1b[31m")
	h.shows("[31mreader ???")
}

// TestEveryWhyHasOneThingToDo: in both languages, short, and an order.
func TestEveryWhyHasOneThingToDo(t *testing.T) {
	for _, w := range everyWhy() {
		require.Contains(t, todos, w.Code, "nothing to do for it")
		for name, tongue := range tongues {
			text := tongue.todo(&w)
			require.NotEmpty(t, text, "%s %v", name, w)
			require.Less(t, len([]rune(text)), 100, text)
			require.NotContains(t, text, "{")
		}
	}
	for code, table := range todoReasons {
		for reason := range table {
			if code != tla.CodeCheck {
				require.Contains(t, reasons[code], reason, "%s has no such reason", code)
			}
		}
	}
	for _, i := range tla.Items {
		require.Contains(t, items, i)
		require.Contains(t, itemsFine, i)
	}
}

// TestCheckOfACardThatIsIn: nobody is asked to put a card in that is in.
func TestCheckOfACardThatIsIn(t *testing.T) {
	for use, want := range map[tla.Use]string{
		"": "Insérez", tla.UseUnknown: "Retirez la carte que", tla.UseNoRule: "Retirez la carte que", tla.UseSecond: "retirez l'autre"} {
		c := &tla.Check{Items: []tla.CheckItem{{Item: tla.ItemCards, Use: use}}}
		require.Contains(t, french.todo(checkWhy(c)), want, use)
	}
	mute := tla.CheckItem{Item: tla.ItemCards, Use: tla.UseUnknown, Names: []string{string(cards.KindMute)}}
	require.Contains(t, french.todo(checkWhy(&tla.Check{Items: []tla.CheckItem{mute}})), "puce en avant")
	require.Equal(t, "carte inconnue, ignorée, ATR 3B00", french.card(&tla.CardStatus{Kind: cards.KindUnknown, Use: tla.UseUnknown, ATR: "3B00"}))
}

func TestCheckPage(t *testing.T) {
	var b strings.Builder
	french.check(&b, theCheck(false), testTLA, noon)
	require.Equal(t, `OK   Horloge : il est 09:05
OK   Lecteurs : 2 branchés
OK   Cartes : carte CPS 4
OK   Certificat : encore 200 jours
OK   Configuration : signée, version 12
NON  Liaison : Le service de votre opérateur ne répond pas.
--   Poste : non testé
Vérifiez le réseau (Wi-Fi, câble, mobile), puis recommencez.
Numéro d'incident : H4W8
`, strings.ReplaceAll(strings.ReplaceAll(b.String(), "\u00a0", " "), noon.Local().Format("15:04"), "09:05"))
}
