package gateway

import (
	"crypto/tls"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/audit"
	"tlagate/gateway/recent"
	"tlagate/gateway/state"
	"tlagate/pki"
	"tlagate/pki/trust"
	"tlagate/session/link"
)

// claire is an operator who acts.
var claire = Act{Who: "urn:tlagate:op:admin:claire", Role: "operate", Reason: "they asked for it", From: "192.0.2.7"}

// running waits until so many sessions have begun, and returns them.
func (r *rig) running(n int) (page []SessionInfo) {
	r.t.Helper()
	r.eventually("sessions have begun", func() bool { page, _ = r.g.Sessions(Filter{}, "", 0); return len(page) == n })
	return page
}

// TestSP3AnOperatorEndsASession: both ends are told so, with one incident number; the act is in the trace
// before the end.
func TestSP3AnOperatorEndsASession(t *testing.T) {
	r := start(t, traced(nil))
	near, far := r.joined(r.ca.Issue(tla1, clients), r.pdt(pdt1))
	id := r.running(1)[0].ID
	require.ErrorIs(t, r.g.End(newID(), claire), ErrNoSession)
	require.ErrorIs(t, r.g.End(id, Act{}), ErrNobody)
	require.NoError(t, r.g.End(id, claire))
	n := requireNotice(t, link.CodeEndedByOperator, near)
	require.NotEmpty(t, n.Incident)
	require.Equal(t, *n, *requireNotice(t, link.CodeEndedByOperator, far))
	ended := r.told(audit.SessionEnded, 1)[0]
	act := r.told(audit.OperatorAct, 1)[0]
	require.Less(t, act.Seq, ended.Seq)
	require.Equal(t, claire.Who, act.By)
	require.Equal(t, map[string]string{"act": "end", "role": "operate", "reason": claire.Reason, "session": id,
		"identity": tla1, "incident": n.Incident, "address": claire.From}, act.With)
	require.Equal(t, "ended_by_operator", ended.With["reason"])
	require.Equal(t, "operator", ended.With["role"])
	require.Equal(t, claire.Who, ended.With["peer"])
	require.Equal(t, n.Incident, ended.With["incident"])
	r.running(0)
}

// TestC1Deny: a denied identity is cut at once and refused from then on, over a restart, until it is allowed.
func TestC1Deny(t *testing.T) {
	for _, name := range []string{tla1, "urn:tlagate:cab1:tla:*", "urn:tlagate:cab1:*"} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "denials")
			r := start(t, traced(nil), denying(file))
			cert := r.ca.Issue(tla1, clients)
			near, far := r.joined(cert, r.pdt(pdt1))
			r.running(1)
			require.True(t, r.g.Knows(name))
			require.False(t, r.g.Knows(strings.Replace(name, "cab1", "cab2", 1)))
			require.NoError(t, r.g.Deny(name, claire))
			requireNotice(t, link.CodeRevoked, near)
			requireNotice(t, link.CodeRevoked, far)
			r.logged("link cut", "reason", string(pki.OnDenyList), "peer", tla1)
			r.requireDenied(cert)
			require.Equal(t, claire.Reason, r.g.Denied()[0].Reason)

			again, err := state.OpenDenials(file)
			require.NoError(t, err)
			require.Equal(t, r.g.Denied(), again.Denied())
			require.ErrorIs(t, r.g.Allow("urn:tlagate:cab9:*", claire), ErrNotListed)
			require.NoError(t, r.g.Allow(name, claire))
			_, err = r.tryOpen(cert, pdt1)
			requireProblem(t, link.ProblemPdTAbsent, err)
			require.Equal(t, []string{"deny", "allow"}, acts(r.told(audit.OperatorAct, 2)))
		})
	}
}

func acts(list []audit.Entry) (names []string) {
	for _, e := range list {
		names = append(names, e.With["act"])
	}
	return names
}

// TestC1DenyBeforeTheRequest: a peer that is denied between its handshake and its request is cut.
func TestC1DenyBeforeTheRequest(t *testing.T) {
	r := start(t)
	c := r.as(tla1)
	r.eventually("connected", func() bool { return r.connections() == 1 })
	require.NoError(t, r.g.Deny(tla1, claire))
	require.NoError(t, c.SetReadDeadline(time.Now().Add(patience)))
	_, err := c.Read(make([]byte, 1))
	require.Error(t, err)
	r.eventually("forgotten", func() bool { return r.connections() == 0 })
}

func TestC1DenyRefusesWhatIsNoIdentity(t *testing.T) {
	r := start(t)
	for _, bad := range []string{"", "*", "urn:tlagate:*", "urn:tlagate:cab1:*:t1", "urn:tlagate:cab1:doctor:*",
		"urn:tlagate:cab1:tla:t*", "urn:tlagate:cab1:tla:t1:*", "urn:tlagate:cab 1:*"} {
		require.ErrorIs(t, r.g.Deny(bad, claire), ErrNotDenied, bad)
	}
	require.Empty(t, r.g.Denied())
}

func denying(file string) option {
	return func(r *rig, c *Config) {
		var err error
		c.Denials, err = state.OpenDenials(file)
		require.NoError(r.t, err)
	}
}

// requireDenied requires the handshake of a denied peer to end with an alert.
func (r *rig) requireDenied(cert tls.Certificate) {
	r.t.Helper()
	_, err := r.tryOpen(cert, pdt1)
	require.Error(r.t, err)
	r.eventually("refused", func() bool {
		list := r.g.Refusals(Filter{Identity: idOf(tla1)}, 1)
		return len(list) == 1 && list[0].Reason == string(pki.OnDenyList) && !list[0].Proven
	})
	var rejected *trust.Rejected
	if errors.As(r.party(cert).Explain(err), &rejected) {
		require.Empty(r.t, rejected.Reason)
	}
}

// TestSP3DrainAndResume: a draining gateway takes nobody and asks everybody to move; then it serves again.
func TestSP3DrainAndResume(t *testing.T) {
	r := start(t, traced(nil), limited(Limits{Drain: 50 * time.Millisecond}))
	tla, p := r.ca.Issue(tla1, clients), r.pdt(pdt1)
	near, far := r.joined(tla, p)
	parked := r.park(r.pdt("urn:tlagate:cab1:pdt:p9"))
	r.running(1)
	require.ErrorIs(t, r.g.Resume(claire), ErrNotDraining)
	require.NoError(t, r.g.Drain(claire))
	require.NoError(t, r.g.Drain(claire))
	for _, l := range []*link.Conn{near, far, parked} {
		requireNotice(t, link.CodeDraining, l)
	}
	_, err := r.tryOpen(tla, pdt1)
	requireProblem(t, link.ProblemDraining, err)
	_, err = r.tryPark(p, unhurried)
	requireProblem(t, link.ProblemDraining, err)
	require.NoError(t, r.g.Resume(claire))
	r.joined(tla, p)
	r.running(1)
	require.NoError(t, r.g.Drain(claire), "the gateway can stop while it drains")
}

// TestSP3ResumeKeepsSessions: sessions that have not moved when the gateway serves again stay.
func TestSP3ResumeKeepsSessions(t *testing.T) {
	r := start(t, limited(Limits{Drain: patience}))
	near, far := r.joined(r.ca.Issue(tla1, clients), r.pdt(pdt1))
	r.running(1)
	require.NoError(t, r.g.Drain(claire))
	require.NoError(t, r.g.Resume(claire))
	r.g.drains.running.Wait()
	exchange(t, 1, [2]*link.Conn{near, far})
	require.NoError(t, r.g.End(r.running(1)[0].ID, claire))
}

// TestSA1Sessions: a session's view says who, from where, since when and how much.
func TestSA1Sessions(t *testing.T) {
	r := start(t, allowing(tla2, pdt1))
	near, far := r.joined(r.ca.Issue(tla1, clients), r.pdt(pdt1))
	require.Zero(t, r.running(1)[0].LastData)
	_, err := near.Write([]byte("12345"))
	require.NoError(t, err)
	_, err = far.Read(make([]byte, 5))
	require.NoError(t, err)
	r.joined(r.ca.Issue(tla2, clients), r.pdt(pdt1))
	all := r.running(2)
	s := all[0]
	require.Equal(t, []any{tla1, pdt1, "cab1", uint32(1), int64(5), int64(0), "127.0.0.1", "127.0.0.1"},
		[]any{s.TLA, s.PdT, s.Practice, s.Generation, s.FromTLA, s.FromPdT, s.TLAAddress, s.PdTAddress})
	require.Contains(t, s.TLATLS, "TLS")
	require.False(t, s.Opened.IsZero() || s.LastData.Before(s.Opened))
	one, ok := r.g.Session(all[1].ID)
	require.True(t, ok)
	require.Equal(t, tla2, one.TLA)
	_, ok = r.g.Session(newID())
	require.False(t, ok)

	first, next := r.g.Sessions(Filter{}, "", 1)
	require.Equal(t, all[0].ID, first[0].ID)
	second, none := r.g.Sessions(Filter{}, next, 1)
	require.Equal(t, all[1].ID, second[0].ID)
	require.Empty(t, none)
	for n, f := range map[string]Filter{"12": {PdT: idOf(pdt1)}, "1": {Identity: idOf(tla1)}, "2": {Practice: "cab2"},
		"": {Since: time.Now().Add(time.Hour)}, "12 ": {Practice: "cab1"}, " ": {PdT: idOf(pdt2)}} {
		got, _ := r.g.Sessions(f, "", 0)
		require.Len(t, got, len(strings.TrimSpace(n)), "%+v", f)
	}
}

// TestSA1Peers: who is here and who was, until when their certificates are good, over a restart.
func TestSA1Peers(t *testing.T) {
	file := filepath.Join(t.TempDir(), "seen")
	roll, err := state.OpenRoll(file)
	require.NoError(t, err)
	r := start(t, func(_ *rig, c *Config) { c.Roll = roll })
	p := r.pdt(pdt1)
	r.park(p)
	c := r.as(tla2)
	r.eventually("both are here", func() bool { return r.connections() == 2 })
	c.Close()
	r.eventually("one is gone", func() bool { return r.connections() == 1 })
	page, next := r.g.Peers(Filter{}, "", 1)
	require.Len(t, page, 1)
	require.Equal(t, []any{pdt1, pki.RolePdT, "cab1", "127.0.0.1", true, false},
		[]any{page[0].Identity, page[0].Role, page[0].Practice, page[0].Address, page[0].Connected,
			page[0].RenewalLate})
	require.Equal(t, p.client.Leaf.NotAfter.UTC(), page[0].CertificateEnd)
	page, next = r.g.Peers(Filter{}, next, 1)
	require.Empty(t, next)
	require.Equal(t, tla2, page[0].Identity)
	require.False(t, page[0].Connected)
	page, _ = r.g.Peers(Filter{Role: pki.RoleTLA, Practice: "cab1"}, "", 0)
	require.Empty(t, page)
	require.Equal(t, pdt1, r.g.Parked()[0].PdT)

	r.stop()
	require.NoError(t, <-r.ended)
	again, err := state.OpenRoll(file)
	require.NoError(t, err)
	require.Equal(t, roll.Seen("", 0, nil), again.Seen("", 0, nil))
	require.Len(t, again.Seen("", 0, nil), 2)
}

// TestC1ADeviceThatIsRefusedAgainAndAgainHidesNobody: neither from the list nor from who watches.
func TestC1ADeviceThatIsRefusedAgainAndAgainHidesNobody(t *testing.T) {
	r := start(t)
	events, cancel := r.g.Events(0)
	defer cancel()
	busy := &link.Problem{Code: link.ProblemTLABusy}
	peer := func(urn string) *client {
		return &client{peer: &trust.Peer{Identity: idOf(urn)}, remote: "192.0.2.1:1"}
	}
	other := idOf("urn:tlagate:cab2:tla:t2")
	r.g.lately.request(peer(other.String()), "/v1/open", "", busy)
	for range 2 * mostRefusals {
		r.g.lately.request(peer(tla1), "/v1/open", "", busy)
	}
	require.Len(t, r.g.Refusals(Filter{Identity: other}, 0), 1)
	require.Less(t, len(r.g.Refusals(Filter{Identity: idOf(tla1)}, 0)), 2*refusalBurst)
	require.Less(t, len(events), 1+2*refusalBurst)
	r.g.lately.request(peer(other.String()), "/v1/open", "", busy)
	require.Len(t, r.g.Refusals(Filter{Identity: other}, 0), 2)
}

// TestSA1Refusals: refused requests and handshakes are remembered, the last first.
func TestSA1Refusals(t *testing.T) {
	r := start(t)
	_, err := r.tryOpen(r.ca.Issue(tla1, clients), pdt1)
	requireProblem(t, link.ProblemPdTAbsent, err)
	list := r.g.Refusals(Filter{}, 0)
	require.Len(t, list, 1)
	require.Equal(t, []any{"request", tla1, true, "127.0.0.1", "pdt_absent", "open"},
		[]any{list[0].What, list[0].Identity, list[0].Proven, list[0].Address, list[0].Reason, list[0].Request})
	require.Empty(t, r.g.Refusals(Filter{Role: pki.RolePdT}, 0))
	for i := range 2 * mostRefusals {
		r.g.lately.stranger(fmt.Sprintf("192.0.2.1:%d", i), &pki.Refusal{Reason: pki.NoCertificate})
	}
	list = r.g.Refusals(Filter{}, 0)
	require.Len(t, list, mostRefusals/2+1)
	require.Len(t, r.g.Refusals(Filter{Identity: idOf(tla1)}, 0), 1, "strangers do not hide a peer")
	require.Len(t, r.g.Refusals(Filter{}, 3), 3)
}

// TestSA1Events: a watcher sees what happens, in order.
func TestSA1Events(t *testing.T) {
	r := start(t)
	events, cancel := r.g.Events(0)
	defer cancel()
	r.joined(r.ca.Issue(tla1, clients), r.pdt(pdt1))
	id := r.running(1)[0].ID
	require.NoError(t, r.g.End(id, claire))
	var kinds []recent.Kind
	var last recent.Event
	for len(kinds) < 5 {
		select {
		case last = <-events:
			kinds = append(kinds, last.Kind)
		case <-time.After(patience):
			require.Fail(t, "no event", kinds)
		}
	}
	require.Equal(t, []recent.Kind{recent.FirstSeen, recent.FirstSeen, recent.SessionOpened, recent.Acted,
		recent.SessionEnded}, kinds)
	require.Equal(t, id, last.Session)
	require.Equal(t, "ended_by_operator", last.Reason)
}

// TestSA1PeersCSV: what a peer says of itself is text, also for a spreadsheet.
func TestSA1PeersCSV(t *testing.T) {
	var out strings.Builder
	require.NoError(t, WritePeersCSV(&out, []PeerInfo{{Identity: tla1, Role: pki.RoleTLA, Version: "=1+1", OS: "a,b"}}))
	lines := strings.Split(out.String(), "\n")
	require.Equal(t, strings.Count(lines[0], ","), strings.Count(lines[1], ",")-1)
	require.Contains(t, lines[1], `,'=1+1,"a,b",`)
}

// TestG7MetricsOfTheFleet: a PdT that was here and is not parked counts as missing; a certificate near its end as late.
func TestG7MetricsOfTheFleet(t *testing.T) {
	roll, err := state.OpenRoll("")
	require.NoError(t, err)
	now := time.Now()
	saw := func(urn string, at time.Time, from, until time.Duration) {
		roll.Saw(idOf(urn), at, func(s *state.Seen) {
			s.From, s.Until, s.Parked = now.Add(from), now.Add(until), at
		})
	}
	saw(pdt1, now.Add(-time.Hour), -time.Hour, time.Hour)
	saw(pdt2, now.Add(-25*time.Hour), -10*time.Hour, time.Hour)
	saw("urn:tlagate:cab2:pdt:p3", now.Add(-31*24*time.Hour), -10*time.Hour, time.Hour)
	r := start(t, func(_ *rig, c *Config) { c.Roll = roll })
	require.NoError(t, r.g.Deny(tla2, claire))
	m := r.metered()
	require.Equal(t, []float64{1, 1, 0, 1}, []float64{m["tlagate_pdts_missing{}"],
		m["tlagate_peers_renewal_late{role=pdt}"],
		m["tlagate_peers_renewal_late{role=tla}"], m["tlagate_denied{by=operator}"]})
	r.park(r.pdt(pdt1))
	r.becomes("tlagate_pdts_missing{}", 0)
	r.joined(r.ca.Issue(tla1, clients), r.pdt(pdt1))
	r.becomes("tlagate_pdts_missing{}", 0)
}

func idOf(urn string) pki.Identity { i, _ := pki.ParseIdentity(urn); return i }
