package integration

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/integration/cardsim"
	"tlagate/integration/lab"
	"tlagate/integration/world"
	"tlagate/tla"
)

// newUILab is newLab with an audit trace at the relay, and with further limits.
func newUILab(t *testing.T, limits ...string) *lab.Lab {
	t.Helper()
	l := layLab(t)
	for _, step := range []func() error{l.StartReaders, l.InsertCards, func() error { return l.StartGateway() },
		func() error { return l.StartPdT() },
		func() error {
			return l.StartRelay("audit: "+l.Path("tla.jsonl"), "limits: {"+strings.Join(limits, ", ")+"}")
		}} {
		require.NoError(t, step())
	}
	waitRelay(t, l, "both cards", func(s *tla.Status) bool {
		return len(s.Readers) == 2 && s.Readers[0].Card != nil && s.Readers[1].Card != nil
	})
	return l
}

// The words in block letters, each as one of its rows shows it on a small screen.
const (
	bigClosed = "█▄▄  █▄▄  █▄▄▀ █▀▄▀█ █▄▄  █▄▄"
	bigOpen   = "█  █ █  █  █ █  █▀▀  █▀█   █  █▀▀"
	bigFailed = "█▄▄  █    █▄▄█ █▄▄  █"
)

// TestC4UISession: one key starts, the screen shows who reads which card, one key and a yes stop; a key pressed by
// mistake does no harm.
func TestC4UISession(t *testing.T) {
	l := newUILab(t)
	u := openUI(t, l, "fr_FR.UTF-8", 40, 12)
	u.same("session-0-closed", bigClosed, "Carte Vitale 2 : libre")
	require.Empty(t, networkSockets(t, l.RelayProc.PID()), "looking connects nothing")
	u.press("Enter")
	u.same("session-1-open", bigOpen, "Carte CPS 4 : prête pour bureau", "Carte Vitale 2 : prête pour bureau",
		"Fin au plus tard")

	waitCard(t, l.PdTReaders, vitaleSlot, true)
	c := startClient(t, l.PdTReaders)
	require.Equal(t, "ok", c.do("connect "+slotName(l.PdTReaders, vitaleSlot)))
	require.NoError(t, world.Poll(patience, "the reading to be shown", func() error {
		c.transmit("00A40000023F00")
		if s := u.screen(); !strings.Contains(s, "Carte Vitale 2 : lue par bureau") {
			return fmt.Errorf("it shows\n%s", s)
		}
		return nil
	}))
	u.press("0")
	u.same("session-2-stop", "0 : non, continuer", "Carte Vitale 2 : prête")
	u.press("0")
	u.waitFor(bigOpen)
	require.Equal(t, tla.StateUp, relayStatus(t, l).State, "a mistaken key costs nothing")
	u.press("Escape")
	u.waitFor("Entrée : oui, fermer")
	u.press("Enter")
	u.waitFor(bigClosed)
	require.Equal(t, tla.StateIdle, relayStatus(t, l).State)
	require.Equal(t, tla.CodeStopped, relayStatus(t, l).Last.Code)
}

// TestC4UILanguageAndSize: the locale chooses the language; the screen copes with any size, and with a change of size.
func TestC4UILanguageAndSize(t *testing.T) {
	l := newUILab(t)
	u := openUI(t, l, "en_GB.UTF-8", 120, 40)
	u.same("english-120x40", "No session: your cards are free.", "Vitale 2 card: free")
	u.tmux("resize-window", "-x", "40", "-y", "12")
	u.same("english-40x12", "Enter: start   +: test")
	u.tmux("resize-window", "-x", "30", "-y", "8")
	u.waitFor("Ecran trop petit")
	u.tmux("resize-window", "-x", "80", "-y", "24")
	u.same("english-80x24", "No session: your cards are free.")
	u.press("Enter")
	u.waitFor("The session with bureau is open.", "CPS 4 card: ready", "Vitale 2 card: ready")
	require.NoError(t, l.RelayProc.Stop())
	u.waitFor("This terminal is not ready")
	require.NoError(t, l.StartRelay())
	u.waitFor("No session: your cards are free.")
	u.press("C-c")
	require.NoError(t, world.Poll(patience, "the program to end well", func() error {
		// tmux 3.3a does not always learn the exit status
		if state := strings.TrimSpace(u.tmux("display-message", "-p",
			"#{pane_dead} #{pane_dead_status}")); state != "1 0" && state != "1" {
			return fmt.Errorf("dead and status: %s", state)
		}
		return nil
	}))
}

// TestC4UIIncident: the screen shows for each failure a sentence, one thing to do, and a number by which the operator
// finds it in the audit trace.
func TestC4UIIncident(t *testing.T) {
	l := newUILab(t, "grace: 5s")
	require.NoError(t, l.PdTProc.Stop())
	u := openUI(t, l, "fr_FR.UTF-8", 40, 12)
	u.waitFor(bigClosed)
	u.press("Enter")
	u.same("incident-1-failed", bigFailed, "sinon, vérifiez que le Poste de Travail", "Incident ")
	number := u.incidentOn()
	out, err := l.Run("tla-relay", "audit", "show", "--config", l.Path("relay.yaml"), "--incident",
		strings.ToLower(number))
	require.NoError(t, err)
	require.Equal(t, 1, strings.Count(out, "\n"), out)
	for _, part := range []string{"session.failed", "code=problem", "reason=pdt_absent", "pdt=" + lab.PdT,
		"act=command", "incident=" + number, "session=", `user="uid 0"`} {
		require.Contains(t, out, part)
	}
	_, err = l.RelayProc.WaitLine(patience, "session not started", "incident="+number)
	require.NoError(t, err)

	require.NoError(t, l.StartPdT())
	u.press("Enter")
	u.waitFor(bigOpen)
	l.GatewayProc.Kill()
	u.waitFor("Incident ")
	lost := u.incidentOn()
	require.NotEqual(t, number, lost)
	out, err = l.Run("tla-relay", "audit", "show", "--config", l.Path("relay.yaml"), "--event", "session.*")
	require.NoError(t, err)
	require.Regexp(t, `session.failed .*\n.*session.up .*\n.*session.ended .*incident=`+lost, out)
	u.press("0")
	u.waitFor(bigClosed)
}

// TestC4UITestBeforeTheVisit: the rehearsal makes all of a start but the cards; it finds what is wrong, and shows it
// with a number.
func TestC4UITestBeforeTheVisit(t *testing.T) {
	l := newUILab(t)
	vitale, cps := l.Vitale.Counts(), l.CPS.Counts()
	u := openUI(t, l, "fr_FR.UTF-8", 80, 24)
	u.waitFor("Aucune session")
	u.press("+")
	u.same("test-1-fine", "Tout est prêt pour la visite.", "OK  Poste : prêt à recevoir les cartes")
	for _, now := range []struct{ before, after cardsim.Counts }{{vitale, l.Vitale.Counts()}, {cps, l.CPS.Counts()}} {
		// pcscd powers down a card that it has looked at when it was inserted
		now.before.PowerOffs = now.after.PowerOffs
		require.Equal(t, now.before, now.after, "no card was powered, none got a command")
	}
	require.Empty(t, networkSockets(t, l.RelayProc.PID()))
	_, err := l.PdTProc.WaitLine(patience, "session ended")
	require.NoError(t, err)

	require.NoError(t, l.GatewayProc.Stop())
	u.press("+")
	u.same("test-2-no-gateway", "NON Liaison", "--  Poste : non testé", "Incident ")
	out, err := l.Run("tla-relay", "audit", "show", "--config", l.Path("relay.yaml"), "--incident", u.incidentOn())
	require.NoError(t, err)
	require.Contains(t, out, "session.checked")
	require.Contains(t, out, "code=unreachable")
	u.tmux("resize-window", "-x", "40", "-y", "12")
	u.same("test-3-small", "OK  Lecteurs        NON Liaison", "Incident ")
}

// TestSP4UIPIN: the PIN is typed at the screen and is afterwards nowhere but in the card: neither on the screen, nor in
// the memory of any program.
func TestSP4UIPIN(t *testing.T) {
	l := newUILab(t)
	card, err := cardsim.NewCPS(cardsim.CPSConfig{PIN: rightPIN})
	require.NoError(t, err)
	u := openUI(t, l, "fr_FR.UTF-8", 40, 12)
	u.waitFor(bigClosed)
	u.press("Enter")
	u.waitFor(bigOpen)
	l.CPSSlot.Remove()
	waitCard(t, l.PdTReaders, cpsSlot, false)
	require.NoError(t, l.CPSSlot.Insert(card))
	waitCard(t, l.PdTReaders, cpsSlot, true)
	c := startClient(t, l.PdTReaders)
	require.Equal(t, "ok", c.do("connect "+slotName(l.PdTReaders, cpsSlot)))
	require.NotContains(t, c.transmit("00A4040009A0000003080000100000"), "error")

	var seen []string // screens while PINs are typed
	verify := func(keys ...string) string {
		done := make(chan string)
		go func() { done <- c.transmit("0020008008" + strings.ToUpper(hex.EncodeToString([]byte(programPIN)))) }()
		u.waitFor("Tapez le code porteur")
		for i, k := range keys {
			u.press(k)
			if len(k) == 1 && k[0] >= '0' && k[0] <= '9' {
				seen = append(seen, u.waitFor(strings.Repeat("•", i+1)))
			}
		}
		return <-done
	}
	require.Equal(t, "63C2", verify("9", "0", "9", "0", "9", "0", "9", "1", "Enter"))
	u.waitFor("Code porteur faux : il reste 2 essais.")
	u.waitFor(bigOpen)
	require.Equal(t, "6401", verify("8", "3", "/"))
	u.waitFor(bigOpen)
	done := make(chan string)
	go func() { done <- c.transmit("0020008008" + strings.ToUpper(hex.EncodeToString([]byte(programPIN)))) }()
	u.same("pin-1", "Tapez le code porteur", "Code :", "Il reste 2 essais.")
	for i, k := range strings.Split(rightPIN, "") {
		u.press(k)
		seen = append(seen, u.waitFor("Code : "+strings.Repeat("•", i+1)))
	}
	require.Equal(t, 1, inMemory(t, u.pid(), rightPIN), "in its locked page, and nowhere else")
	u.press("Enter")
	require.Equal(t, "9000", <-done)
	u.waitFor("Code porteur correct.", bigOpen)
	for _, screen := range seen {
		require.NotRegexp(t, `Code : .*\d`, screen)
	}
	for name, pid := range map[string]int{"screen": u.pid(), "relay": l.RelayProc.PID(), "gateway": l.GatewayProc.PID(),
		"PdT": l.PdTProc.PID()} {
		for _, secret := range []string{rightPIN, programPIN} {
			require.Zero(t, inMemory(t, pid, secret), "%s's memory", name)
		}
	}
}

// TestSP4UILastTry: when one try is left, the user is asked first, and may say no.
func TestSP4UILastTry(t *testing.T) {
	l := newUILab(t)
	u := openUI(t, l, "fr_FR.UTF-8", 40, 12)
	card, err := cardsim.NewCPS(cardsim.CPSConfig{PIN: rightPIN})
	require.NoError(t, err)
	l.CPSSlot.Remove()
	require.NoError(t, l.CPSSlot.Insert(card))
	u.waitFor(bigClosed)
	u.press("Enter")
	u.waitFor(bigOpen)
	waitCard(t, l.PdTReaders, cpsSlot, true)
	c := startClient(t, l.PdTReaders)
	require.Equal(t, "ok", c.do("connect "+slotName(l.PdTReaders, cpsSlot)))
	require.NotContains(t, c.transmit("00A4040009A0000003080000100000"), "error")
	ask := func() chan string {
		done := make(chan string)
		go func() { done <- c.transmit("0020008008" + strings.ToUpper(hex.EncodeToString([]byte(programPIN)))) }()
		return done
	}
	for _, want := range []string{"63C2", "63C1"} {
		done := ask()
		u.waitFor("Tapez le code porteur")
		u.press("1", "1", "1", "1", "Enter")
		require.Equal(t, want, <-done)
		u.waitFor(bigOpen)
	}
	done := ask()
	u.same("pin-2-last-try", "Il ne reste qu'un essai", "Entrée : taper mon code")
	u.press("/")
	require.Equal(t, "6401", <-done)
	u.waitFor(bigOpen)
	done = ask()
	u.waitFor("Entrée : taper mon code")
	u.press("Enter")
	u.waitFor("Tapez le code porteur")
	u.press(strings.Split(rightPIN, "")...)
	u.press("Enter")
	require.Equal(t, "9000", <-done)
}

// TestSA4UIStays: the screen asks whether the user is still there, and one key says so; without it the session ends,
// and the screen says why.
func TestSA4UIStays(t *testing.T) {
	l := newUILab(t, "human: 20s")
	u := openUI(t, l, "fr_FR.UTF-8", 40, 12)
	u.waitFor(bigClosed)
	u.press("Enter")
	u.waitFor("Êtes-vous toujours là ?")
	asked := relayStatus(t, l).Session.Ask
	require.NotNil(t, asked)
	require.NoError(t, world.Poll(patience, "two seconds without the user", func() error {
		if left := time.Until(asked.Until); left > 18*time.Second {
			return fmt.Errorf("%v are left", left)
		}
		return nil
	}))
	u.press("Enter")
	require.NoError(t, world.Poll(patience, "the session to go on", func() error {
		if s := relayStatus(t, l).Session; s == nil || s.Ask == nil || !s.Ask.Until.After(asked.Until) {
			return errors.New("it is not kept")
		}
		return nil
	}))
	u.waitFor("Personne n'a répondu au terminal.", "Incident ")
	require.Equal(t, tla.CodeAbsent, relayStatus(t, l).Last.Code)
}

// TestC3UILinkLost: the screen says that the network is cut, and that the session is back.
func TestC3UILinkLost(t *testing.T) {
	l := newUILab(t)
	u := openUI(t, l, "fr_FR.UTF-8", 40, 12)
	u.waitFor(bigClosed)
	u.press("Enter")
	u.waitFor(bigOpen)
	l.GatewayProc.Kill()
	u.waitFor("Le réseau est coupé.", "ne retirez pas les")
	require.NoError(t, l.StartGateway())
	u.waitFor(bigOpen, "La session avec bureau est ouverte.")
	require.EqualValues(t, 1, relayStatus(t, l).Session.Resumed)
	require.NoError(t, l.PdTProc.Stop())
	u.waitFor("Incident ")
}
