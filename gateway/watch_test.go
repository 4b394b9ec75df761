package gateway

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/pki"
	"tlagate/pki/pkitest"
	"tlagate/session/link"
)

// A live session is cut when one of its certificates no longer passes; both ends are told whose (C2).
func TestC2LiveSessionIsCut(t *testing.T) {
	for name, c := range map[string]struct {
		spoil  func(r *rig, tla *link.Conn, w *world)
		reason pki.Reason
		code   link.Code
		whose  string // in the notice; "" = somebody's
	}{
		"TLA revoked": {func(r *rig, _ *link.Conn, w *world) { r.revoke(w.tla.Leaf) }, pki.Revoked,
			link.CodeRevoked, tla1},
		"PdT's client cert revoked": {func(r *rig, _ *link.Conn, w *world) { r.revoke(w.pdt.client.Leaf) }, pki.Revoked,
			link.CodeRevoked, pdt1},
		"PdT's server cert revoked": {func(r *rig, _ *link.Conn, w *world) { r.revoke(w.pdt.server.Leaf) }, pki.Revoked,
			link.CodeRevoked, pdt1},
		"issuing CA revoked": {func(r *rig, _ *link.Conn, _ *world) {
			r.ca.Root.Revoke(r.ca.Issuing.Cert)
			r.ca.WriteCRLs(r.files)
		}, pki.CARevoked, link.CodeRevoked, ""},
		"TLA expires":               {nil, pki.Expired, link.CodeExpired, tla1},
		"PdT's server cert expires": {nil, pki.Expired, link.CodeExpired, pdt1},
		"CRL becomes stale": {func(r *rig, _ *link.Conn, _ *world) {
			pkitest.WriteCRL(r.t, r.files.CRL, r.ca.Issuing.CRL(pkitest.CRLValid(-time.Hour, pkitest.Soon)))
		}, pki.CRLStale, link.CodeRevoked, ""},
	} {
		t.Run("C2 "+name, func(t *testing.T) {
			r := start(t, limited(Limits{Recheck: time.Hour})) // so that the look every Recheck plays no part
			w := &world{tla: r.ca.Issue(tla1, clients), pdt: r.pdt(pdt1)}
			switch soon := pkitest.EndsSoon(); name {
			case "TLA expires":
				w.tla = r.ca.Issue(tla1, clients, soon)
			case "PdT's server cert expires":
				w.pdt.server = r.ca.Issue(pdt1, servers, soon)
			}
			near, far := r.joined(w.tla, w.pdt)
			r.eventually("the session has begun", func() bool { return r.begun() == 1 })
			if c.spoil != nil {
				c.spoil(r, near, w)
			}
			n := requireNotice(t, c.code, near)
			require.Contains(t, n.Text, c.whose)
			require.Equal(t, *n, *requireNotice(t, c.code, far))
			r.logged("link cut", "reason", string(c.reason))
			r.logged("session ended", "reason", string(c.reason), "by", "gateway")
			r.eventually("all forgotten", func() bool { return r.connections() == 0 })
		})
	}
}

// An end that is cut while it is being joined has no session yet; the other end is told why all the same.
func TestC2CutWhileItIsJoined(t *testing.T) {
	r := start(t)
	near, far := r.joined(r.ca.Issue(tla1, clients), r.pdt(pdt1))
	r.eventually("the session has begun", func() bool { return r.begun() == 1 })
	r.g.sessions.mu.Lock()
	e := r.g.sessions.begun[0].tla
	r.g.sessions.mu.Unlock()
	e.cut.Store(true)
	e.link.Part(link.Notice{Code: link.CodeRevoked, Text: "It no longer passes.", Incident: "K7M2"})
	require.Equal(t, *requireNotice(t, link.CodeRevoked, near), *requireNotice(t, link.CodeRevoked, far))
	r.logged("session ended", "reason", "revoked", "by", "gateway")
}

type world struct {
	tla tls.Certificate
	pdt pdt
}

// TestC2OthersStay: a cut leaves other peers alone.
func TestC2OnlyTheRevokedAreCut(t *testing.T) {
	r := start(t)
	tla, p := r.ca.Issue(tla1, clients), r.pdt(pdt1)
	idle, good := r.ca.Issue(tla2, clients), r.ca.Issue("urn:tlagate:cab1:tla:t3", clients)
	parked := r.pdt(pdt2)
	near, far := r.joined(tla, p)
	stay, stayFar := r.joined(good, p)
	waiting := r.park(parked)
	c := r.dial(idle)
	request(t, c, "GET", link.PathWhoami, nil)
	r.revoke(tla.Leaf, idle.Leaf, parked.server.Leaf)
	requireNotice(t, link.CodeRevoked, near)
	requireNotice(t, link.CodeRevoked, far)
	n := requireNotice(t, link.CodeRevoked, waiting)
	require.Contains(t, n.Text, pdt2)
	requireClosed(t, c)
	r.logged("connection cut", "reason", "revoked", "peer", tla2)
	r.logged("link cut", "reason", "revoked", "peer", pdt2)
	require.NoError(t, stay.WriteRecord(link.TypeData, []byte("still")))
	_, payload, err := stayFar.ReadRecord()
	require.NoError(t, err)
	require.Equal(t, "still", string(payload))
}

// A revoked peer cannot delay the cut by reading nothing.
func TestC2CutDoesNotWaitForThePeer(t *testing.T) {
	r := start(t)
	tla := r.ca.Issue(tla1, clients)
	near, far := r.joined(tla, r.pdt(pdt1))
	stuck := make(chan struct{})
	go func() { // the PdT sends until the gateway can no longer write to the TLA, which reads nothing
		defer close(stuck)
		for far.WriteRecord(link.TypeData, make([]byte, link.MaxPayload)) == nil {
		}
	}()
	r.revoke(tla.Leaf)
	requireNotice(t, link.CodeRevoked, far)
	<-stuck
	r.eventually("all forgotten", func() bool { return r.connections() == 0 })
	near.Close()
}

// revoke publishes a CRL, which the gateway finds by itself.
func (r *rig) revoke(certs ...*x509.Certificate) {
	r.ca.Issuing.Revoke(certs...)
	r.ca.WriteCRLs(r.files)
}

func TestDrain(t *testing.T) {
	r := start(t, limited(Limits{Drain: time.Hour}))
	tla, p := r.ca.Issue(tla1, clients), r.pdt(pdt1)
	near, far := r.joined(tla, p)
	waiting := r.park(p)
	idle, idlePdT := r.as("urn:tlagate:cab1:tla:t3"), r.dial(p.client)
	request(t, idle, "GET", link.PathWhoami, nil)
	request(t, idlePdT, "GET", link.PathWhoami, nil)
	r.stop()
	requireNotice(t, link.CodeDraining, waiting)
	for _, l := range []*link.Conn{near, far} {
		kind, payload, err := l.ReadRecord()
		require.NoError(t, err)
		require.Equal(t, link.TypeNotice, kind)
		require.Contains(t, string(payload), "draining")
	}
	resp, body := request(t, idle, "GET", link.PathOpen+"?pdt=p1", nil)
	require.Equal(t, link.ProblemDraining, codeOf(t, resp, body))
	resp, body = request(t, idlePdT, "GET", link.PathPark, declaring(p.server))
	require.Equal(t, link.ProblemDraining, codeOf(t, resp, body))
	_, err := net.Dial("tcp", r.addr)
	require.Error(t, err, "nobody listens")
	require.NoError(t, near.WriteRecord(link.TypeData, []byte("last words")))
	_, payload, err := far.ReadRecord()
	require.NoError(t, err)
	require.Equal(t, "last words", string(payload), "the session goes on")
	require.Empty(t, r.ended)
	near.Close()
	requireNotice(t, link.CodePeerGone, far)
	require.NoError(t, <-r.ended)
	requireClosed(t, idle)
}

func TestDrainCutsWhoStays(t *testing.T) {
	r := start(t, limited(Limits{Drain: 100 * time.Millisecond}))
	near, far := r.joined(r.ca.Issue(tla1, clients), r.pdt(pdt1))
	r.stop()
	requireNotice(t, link.CodeDraining, near)
	requireNotice(t, link.CodeDraining, far)
	require.NoError(t, <-r.ended)
	r.logged("session ended", "reason", "draining", "by", "gateway")
}

// A TLA that waits for a PdT is told at once that the gateway is stopping.
func TestDrainEndsWaiting(t *testing.T) {
	r := start(t, limited(Limits{JoinWait: time.Hour}))
	opened := make(chan error, 1)
	open := r.askingLate(tla1)
	go func() { _, err := open(t.Context()); opened <- err }()
	r.eventually("TLA waits", func() bool { return r.reserved() == 1 })
	r.stop()
	requireProblem(t, link.ProblemDraining, <-opened)
}
