package tla

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/session"
	"tlagate/session/link"
	"tlagate/tla/cards/cardstest"
)

// TestSA2TheUsersNumberIsTheRequests: both requests of a start carry the number that the user is told when the gateway
// refuses; another start has another.
func TestSA2TheUsersNumberIsTheRequests(t *testing.T) {
	g := newRig(t)
	g.problem = &link.Problem{Code: link.ProblemPdTAbsent, Detail: "It is not there.", Action: "Wait."}
	r := g.run()
	told := map[string]bool{}
	for range 3 {
		var w *Why
		require.ErrorAs(t, r.Start(t.Context(), byHand), &w)
		require.Regexp(t, incidentForm, w.Incident)
		require.Equal(t, []string{w.Incident, w.Incident}, []string{<-g.numbers, <-g.numbers})
		told[w.Incident] = true
	}
	require.Greater(t, len(told), 1)
	require.Empty(t, g.numbers)
}

// TestSA2TheGatewaysNumberIsShown for what the gateway ended; its trace has that one. An older gateway gives none.
func TestSA2TheGatewaysNumberIsShown(t *testing.T) {
	for _, number := range []string{"K7M2", ""} {
		t.Run("number "+number, func(t *testing.T) {
			g := newRig(t)
			g.onUp = func(l *link.Conn) {
				_ = l.WriteNotice(link.Notice{Code: link.CodeEndedByOperator, Text: "Ended.", Incident: number})
				l.Close()
			}
			events := g.traced()
			r := g.run()
			require.NoError(t, ignore(r.Start(t.Context(), byHand)))
			eventually(t, "idle", func() bool { return r.Status().State == StateIdle })
			want := number
			if number == "" {
				want = <-g.numbers
			}
			require.Equal(t, want, r.Status().Last.Incident)
			all := events.all()
			require.Equal(t, want, all[len(all)-1].Why.Incident)
		})
	}
}

// ignore leaves out why a start did not last: it may be over before it is reported to be up.
func ignore(error) error { return nil }

// TestSA2LinesAreSentInASessionOnly, and only to a gateway that takes them (C4): Home runs with each link of the
// session, and ends with it.
func TestSA2LinesAreSentInASessionOnly(t *testing.T) {
	for _, takes := range []bool{true, false} {
		g := newRigAlone(t)
		g.takesTrace = takes
		began, over := make(chan string, 9), make(chan error, 9)
		g.cfg.Home = func(ctx context.Context, id string, to *link.Conn) {
			began <- id
			if err := to.WriteTrace([]byte("{}\n")); err != nil {
				t.Error(err)
			}
			<-ctx.Done()
			over <- ctx.Err()
		}
		r := g.run()
		require.Empty(t, began)
		require.NoError(t, r.Start(t.Context(), byHand))
		id := r.Status().Session.ID
		if takes {
			require.Equal(t, id, <-began)
			require.Empty(t, over)
		}
		r.Stop()
		if takes {
			require.Error(t, <-over)
		}
		require.Empty(t, began)
	}
}

// TestSA2CommandsAreCounted: the end of a session says how many commands its cards executed.
func TestSA2CommandsAreCounted(t *testing.T) {
	g := newRig(t)
	events := g.traced()
	g.fake.Insert("left", cardstest.VitaleATR, 1)
	r := g.run()
	require.NoError(t, r.Start(t.Context(), byHand))
	slot := g.next(g.inserted)
	for range 3 {
		_, err := g.command(slot)
		require.NoError(t, err)
	}
	refused := append([]byte{0, 0xD6}, apdu[2:]...)
	_, err := g.workstation.Load().Transmit(t.Context(), slot, g.epochs[slot].Load(), refused)
	require.NoError(t, err)
	r.Stop()
	all := events.all()
	require.Equal(t, EventEnded, all[len(all)-1].Kind)
	require.EqualValues(t, 3, all[len(all)-1].Commands)
	require.Equal(t, session.SlotVitale, slot)
}
