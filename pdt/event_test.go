package pdt

import (
	"context"
	"crypto/x509"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/pki"
	"tlagate/session"
	"tlagate/session/link"
)

// events keeps what a service reports.
type events struct {
	mu  sync.Mutex
	all []Event
}

func (e *events) take(new Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	new.Length = 0
	e.all = append(e.all, new)
}

// waitFor waits for n events, and returns them.
func (e *events) waitFor(t *testing.T, n int) (all []Event) {
	t.Helper()
	eventually(t, func() bool {
		e.mu.Lock()
		defer e.mu.Unlock()
		all = append([]Event(nil), e.all...)
		return len(all) >= n
	}, "events are missing")
	require.Len(t, all, n)
	return all
}

// TestSA2SessionsAreReported: what began, what was refused and why, and how it ended, with the commands that the
// terminal answered.
func TestSA2SessionsAreReported(t *testing.T) {
	l := newLab(t)
	g, reader, seen := newFakeGateway(l), newDirectReader(), &events{}
	newPoste(l, []*fakeGateway{g}, func(c *Config) { c.Readers[session.SlotCPS], c.Trace = reader, seen.take })
	tla := g.start(l.certificate(theTLA, x509.ExtKeyUsageClientAuth), theTLA).up(t)
	require.NoError(t, tla.Insert(session.SlotCPS, vitaleATR, session.T1, echoCard{}))
	_, err := (<-reader.cards).Transmit(t.Context(), selectMF)
	require.NoError(t, err)
	other := pki.Identity{Practice: "cabinet", Role: pki.RoleTLA, Name: "terminal2"}
	busy := g.start(l.certificate(other, x509.ExtKeyUsageClientAuth), other)
	require.Equal(t, session.ByeBusy, busy.ended(t).Code)
	tla.Leave(session.ByeStopped, "")
	<-tla.end
	require.Equal(t, []Event{
		{Kind: EventUp, Session: tla.id.String(), TLA: theTLA.String(), Gateway: "gw.test:1",
			Proof: "user_required"}, // no line says user: off, so what is missing is told
		{Kind: EventFailed, Session: busy.id.String(), TLA: other.String(), Gateway: "gw.test:1", Reason: "busy"},
		{Kind: EventEnded, Session: tla.id.String(), TLA: theTLA.String(), Gateway: "gw.test:1", Reason: "stopped",
			Commands: 1},
	}, seen.waitFor(t, 3))
}

// TestSA2ARefusedTerminalIsReported, by what the gateway named.
func TestSA2ARefusedTerminalIsReported(t *testing.T) {
	l := newLab(t)
	g, seen := newFakeGateway(l), &events{}
	newPoste(l, []*fakeGateway{g}, func(c *Config) { c.Trace = seen.take })
	id := session.NewID().String()
	cert := l.certificate(foreignTLA, x509.ExtKeyUsageClientAuth)
	_, _ = g.openAs(cert, link.Joined{Generation: 1, TLA: foreignTLA.String(), Session: id})
	got := seen.waitFor(t, 1)[0]
	require.Equal(t, []any{EventFailed, id, foreignTLA.String()}, []any{got.Kind, got.Session, got.TLA})
	require.NotEmpty(t, got.Reason)
}

// TestSA2LinesAreSentInASessionOnly: none from a parked link (C4), none to a gateway that takes none; what sends them
// ends with the session.
func TestSA2LinesAreSentInASessionOnly(t *testing.T) {
	for _, taken := range []bool{true, false} {
		t.Run(map[bool]string{true: "taken", false: "not taken"}[taken], func(t *testing.T) {
			l := newLab(t)
			g := newFakeGateway(l)
			if taken {
				g.more = link.HeaderTrace + ": " + link.TakesTrace + "\r\n"
			}
			began, over, seen := make(chan string, 9), make(chan error, 9), &events{}
			p := newPoste(l, []*fakeGateway{g}, func(c *Config) {
				c.Trace = seen.take
				c.Home = func(ctx context.Context, id string, to *link.Conn) {
					began <- id
					<-ctx.Done()
					over <- ctx.Err()
				}
			})
			p.parked(t, 0, 2)
			require.Empty(t, began)
			tla := g.start(l.certificate(theTLA, x509.ExtKeyUsageClientAuth), theTLA).up(t)
			if taken {
				require.Equal(t, tla.id.String(), <-began)
			}
			require.Empty(t, over)
			tla.Leave(session.ByeStopped, "")
			<-tla.end
			seen.waitFor(t, 2)
			if taken {
				require.Error(t, <-over)
			}
			require.Empty(t, began)
		})
	}
}

// TestSA2TheGatewaysIncident is reported with the session that the gateway ended.
func TestSA2TheGatewaysIncident(t *testing.T) {
	n := &link.Notice{Code: link.CodeRevoked, Incident: "K7M2"}
	require.Equal(t, "K7M2", incidentOf(n))
	require.Empty(t, incidentOf(errGrace))
	c := &cardSession{s: &Service{}, number: "A2A2"}
	require.Equal(t, []string{"A2A2", "K7M2"}, []string{c.ended(errGrace).Incident, c.ended(n).Incident})
}
