package tla

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/pki/pkitest"
	"tlagate/session"
	"tlagate/session/link"
	"tlagate/tla/cards/cardstest"
	"tlagate/tla/policy"
)

// traced collects the events of a rig.
type traced struct {
	mu     sync.Mutex // protects events
	events []Event
}

func (g *rig) traced() *traced {
	t := &traced{}
	g.cfg.Trace = func(e Event) {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.events = append(t.events, e)
	}
	return t
}

func (t *traced) all() []Event {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]Event(nil), t.events...)
}

// states returns the items of a rehearsal as words: the item, and "+" for OK, "-" for not OK, "?" for not looked at.
func states(c Rehearsal) (list []string) {
	for _, i := range c.Items {
		mark := "-"
		switch {
		case i.OK:
			mark = "+"
		case i.Skipped:
			mark = "?"
		}
		list = append(list, mark+string(i.Item))
	}
	return list
}

// TestC4CheckGoesTheWayOfAStartAndHoldsNoCard: gateway and PdT are reached and proven, no card is powered, and then the
// relay is idle again.
func TestC4CheckGoesTheWayOfAStartAndHoldsNoCard(t *testing.T) {
	g := newRig(t)
	events := g.traced()
	r := g.run()
	card := g.fake.Insert("left", cardstest.CPSATR, 1)
	eventually(t, "card seen", func() bool { return g.seen(session.SlotCPS) != "" })
	c, err := r.Rehearse(t.Context(), byHand)
	require.NoError(t, err)
	require.Equal(t, []string{"+clock", "+readers", "+cards", "+certificate", "+link", "+pdt"}, states(c))
	require.True(t, c.OK)
	require.Empty(t, c.Incident)
	require.Equal(t, []string{"cps4"}, c.Items[2].Names)
	require.Equal(t, gwURN, c.Items[4].Detail)
	require.Equal(t, pdtURN, c.Items[5].Detail)
	require.Equal(t, 0, cardstest.Get(g.fake,
		func() int { return g.fake.Connected + card.Colds + card.PowerDowns + card.Commands }))
	require.Empty(t, g.inserted, "the PdT sees no card")
	require.Zero(t, g.open.Load())
	require.Equal(t, StateIdle, r.Status().State)
	require.Nil(t, r.Status().Last, "it was no session")
	got := events.all()
	require.Len(t, got, 1)
	require.Equal(t, []any{EventRehearsed, pdtURN, byHand, g.cfg.Gateways[0]},
		[]any{got[0].Kind, got[0].PdT, got[0].Act, got[0].Gateway})
	require.NoError(t, r.Start(t.Context(), byHand), "a start works after it")
	_, err = r.Rehearse(t.Context(), byHand)
	var w *Why
	require.ErrorAs(t, err, &w)
	require.Equal(t, CodeAlready, w.Code, "never in a session")
}

// TestCheckFindsWhatAStartWouldMeet: one item fails, those after it are not looked at, and the incident is in the
// trace.
func TestCheckFindsWhatAStartWouldMeet(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(*rig)
		want  []string
		code  Code
	}{
		"nothing reachable": {func(g *rig) { g.listener.Close() },
			[]string{"+clock", "+readers", "+cards", "+certificate", "-link", "?pdt"}, CodeUnreachable},
		"gateway expired": {func(g *rig) {
			g.gateway = g.ca.Issue(gwURN, x509.ExtKeyUsageServerAuth, pkitest.DNS("localhost"), pkitest.Expired())
		}, []string{"+clock", "+readers", "+cards", "+certificate", "-link", "?pdt"}, CodeRefused},
		"TLA expired": {func(g *rig) { g.tla = g.ca.Issue(tlaURN, x509.ExtKeyUsageClientAuth, pkitest.Expired()) },
			[]string{"+clock", "+readers", "+cards", "-certificate", "+link", "?pdt"}, CodeRejected},
		"clock wrong": {func(g *rig) { g.problem = &link.Problem{Code: link.ProblemClockWrong, Detail: "An hour."} },
			[]string{"-clock", "+readers", "+cards", "+certificate", "+link", "?pdt"}, CodeProblem},
		"PdT absent": {func(g *rig) { g.problem = &link.Problem{Code: link.ProblemPdTAbsent, Detail: "No."} },
			[]string{"+clock", "+readers", "+cards", "+certificate", "+link", "-pdt"}, CodeProblem},
		"C2 another PdT": {func(g *rig) {
			g.pdt = g.ca.Issue("urn:tlagate:cabinet:pdt:autre", x509.ExtKeyUsageServerAuth)
		},
			[]string{"+clock", "+readers", "+cards", "+certificate", "+link", "-pdt"}, CodeRefused},
		"PdT busy": {func(g *rig) { g.bye = &session.Bye{Code: session.ByeBusy, Text: "No free pair."} },
			[]string{"+clock", "+readers", "+cards", "+certificate", "+link", "-pdt"}, CodePdT},
		"C2 a list that nobody renews": {func(g *rig) {
			pkitest.WriteCRL(g.t, g.files.ARL, g.ca.Root.CRL(pkitest.CRLNumber(9), pkitest.CRLValid(-180*24*time.Hour,
				3*24*time.Hour)))
			g.trust.Reload()
		}, []string{"+clock", "+readers", "+cards", "+certificate", "-link", "+pdt"}, CodeRehearsal},
		"strange card": {func(g *rig) { g.fake.Insert("left", cardstest.StrangeATR, 2) },
			[]string{"+clock", "+readers", "-cards", "+certificate", "+link", "+pdt"}, CodeRehearsal},
	} {
		t.Run(name, func(t *testing.T) {
			g := newRig(t)
			events := g.traced()
			g.fake.Insert("right", cardstest.CPSATR, 1)
			c.spoil(g)
			r := g.run()
			eventually(t, "cards seen", func() bool { return g.seen(session.SlotCPS) != "" })
			got, err := r.Rehearse(t.Context(), byHand)
			require.NoError(t, err)
			require.Equal(t, c.want, states(got))
			require.False(t, got.OK)
			e := events.all()
			require.Len(t, e, 1)
			require.Equal(t, []any{EventRehearsed, c.code, got.Incident},
				[]any{e[0].Kind, e[0].Why.Code, e[0].Why.Incident})
			require.Regexp(t, incidentForm, got.Incident)
			require.Zero(t, g.fake.Count(&g.fake.Connected))
			require.Equal(t, StateIdle, r.Status().State)
		})
	}
}

// TestCheckNamesTheCardThatIsIn: rehearsal and status name a card that is in but of no use, by its use and its ATR.
func TestCheckNamesTheCardThatIsIn(t *testing.T) {
	for name, c := range map[string]struct {
		atr    []byte
		use    Use
		policy policy.Table
	}{
		"neither Vitale nor CPS": {cardstest.StrangeATR, UseUnknown,
			policy.Table{Version: 1, Profiles: []policy.Profile{{Name: "all", Cards: []string{"3B*"}}}}},
		"without a rule": {cardstest.VitaleATR, UseNoRule,
			policy.Table{Version: 1, Profiles: []policy.Profile{{Name: "CPS", Cards: []string{"3B9B*"}}}}},
	} {
		t.Run(name, func(t *testing.T) {
			g := newRig(t)
			var err error
			g.cfg.Policy, err = policy.Compile(c.policy)
			require.NoError(t, err)
			g.fake.Insert("left", c.atr, 1)
			r := g.run()
			eventually(t, "card seen", func() bool {
				s := r.Status()
				return len(s.Readers) > 0 &&
					s.Readers[0].Card != nil
			})
			card := r.Status().Readers[0].Card
			require.Equal(t, []any{c.use, fmt.Sprintf("%X", c.atr)}, []any{card.Use, card.ATR})
			got, err := r.Rehearse(t.Context(), byHand)
			require.NoError(t, err)
			require.False(t, got.OK)
			i := slices.IndexFunc(got.Items, func(i RehearsalItem) bool { return i.Item == ItemCards })
			require.Equal(t, c.use, got.Items[i].Use)
			require.Contains(t, got.Items[i].Detail, card.ATR)
		})
	}
}

// TestCheckIsGivenUp: when the user goes away, the rehearsal ends.
func TestCheckIsGivenUp(t *testing.T) {
	g := newRig(t)
	g.silent = true
	ctx, cancel := context.WithCancel(t.Context())
	r := g.run()
	go func() {
		eventually(t, "it runs", func() bool { return r.Status().State == StateRehearsing && g.open.Load() > 0 })
		cancel()
	}()
	_, err := r.Rehearse(ctx, byHand)
	var w *Why
	require.ErrorAs(t, err, &w)
	require.Equal(t, []any{CodeCancelled, ""}, []any{w.Code, w.Incident})
	require.Equal(t, StateIdle, r.Status().State)
}

// incidentForm is the form of an incident number, with characters that are not taken for one another.
const incidentForm = "^[AFHJKLMPRWXY][2-9][AFHJKLMPRWXY][2-9]$"

// TestSA2IncidentsAreToldLoggedAndTraced: the number that the user is told is in the trace.
func TestSA2IncidentsAreToldLoggedAndTraced(t *testing.T) {
	g := newRig(t)
	events := g.traced()
	links := make(chan *link.Conn, 1)
	g.onUp = func(l *link.Conn) { links <- l }
	r := g.run()
	var w *Why
	act := byHand
	act.PdT = "inconnu"
	require.ErrorAs(t, r.Start(t.Context(), act), &w)
	require.Equal(t, CodeUnknownPdT, w.Code)
	require.Regexp(t, incidentForm, w.Incident)
	require.NoError(t, r.Start(t.Context(), byHand))
	require.NoError(t, (<-links).WriteNotice(link.Notice{Code: link.CodeEndedByOperator, Text: "Ended."}))
	g.listener.Close()
	g.workstation.Load().Leave(session.ByeShutdown, "")
	eventually(t, "idle", func() bool { return r.Status().State == StateIdle })
	last := r.Status().Last
	require.Regexp(t, incidentForm, last.Incident)
	require.ErrorAs(t, r.Start(t.Context(), byHand), &w)
	got := events.all()
	require.Len(t, got, 4)
	for i, want := range []Event{
		{EventFailed, "", "inconnu", act, "", Why{Code: CodeUnknownPdT}, 0, 0},
		{EventUp, got[1].Session, pdtURN, byHand, g.cfg.Gateways[0], Why{}, 0, 0},
		{EventEnded, got[1].Session, pdtURN, byHand, g.cfg.Gateways[0], last.Why, 0, 0},
		{EventFailed, got[3].Session, pdtURN, byHand, g.cfg.Gateways[0], *w, 0, 0},
	} {
		if i == 0 {
			require.Regexp(t, incidentForm, got[0].Why.Incident)
			got[0].Why = Why{Code: got[0].Why.Code}
		}
		require.Equal(t, want, got[i])
	}
}

func TestWhatTheUserWantedHasNoIncident(t *testing.T) {
	g := newRig(t)
	events := g.traced()
	r := g.run()
	require.NoError(t, r.Start(t.Context(), byHand))
	r.Stop()
	require.Empty(t, r.Status().Last.Incident)
	require.Equal(t, []EventKind{EventUp, EventEnded}, []EventKind{events.all()[0].Kind, events.all()[1].Kind})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var w *Why
	require.True(t, errors.As(r.Start(ctx, byHand), &w))
	require.Equal(t, []any{CodeCancelled, ""}, []any{w.Code, w.Incident})
}

// TestC4TheUserChoosesThePdT among those of the configuration, and no other.
func TestC4TheUserChoosesThePdT(t *testing.T) {
	g := newRig(t)
	g.cfg.PdTs = []string{"urn:tlagate:cabinet:pdt:autre", "bureau"}
	r := g.run()
	require.Equal(t, g.cfg.PdTs, r.Status().PdTs)
	var w *Why
	require.ErrorAs(t, r.Start(t.Context(), byHand), &w, "the first one is not there")
	for _, name := range []string{"bureau", pdtURN} {
		act := byHand
		act.PdT = name
		require.NoError(t, r.Start(t.Context(), act))
		require.Equal(t, pdtURN, r.Status().PdT)
		r.Stop()
		<-g.ends
	}
	for _, name := range []string{"urn:tlagate:ailleurs:pdt:bureau", "burea", "BUREAU", tlaURN} {
		act := byHand
		act.PdT = name
		require.ErrorAs(t, r.Start(t.Context(), act), &w)
		require.Equal(t, CodeUnknownPdT, w.Code)
	}
}

// TestC4ABundleDoesNotChangeTheChoice: a new bundle still means the PdT that the user chose, or the start ends.
func TestC4ABundleDoesNotChangeTheChoice(t *testing.T) {
	g := newRig(t)
	g.cfg.PdTs = []string{"bureau", "salle"}
	pdt, err := pdtOf("salle", "cabinet")
	require.NoError(t, err)
	first, err := pdtOf("bureau", "cabinet")
	require.NoError(t, err)
	named := Act{PdT: "salle"}
	require.True(t, g.cfg.keeps(named, pdt))
	require.True(t, g.cfg.keeps(Act{}, first))
	g.cfg.PdTs = []string{"salle"}
	require.True(t, g.cfg.keeps(named, pdt))
	require.False(t, g.cfg.keeps(Act{}, first))
	g.cfg.PdTs = []string{"bureau"}
	require.False(t, g.cfg.keeps(named, pdt))
}
