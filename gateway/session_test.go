package gateway

import (
	"bytes"
	"context"
	"crypto/rand"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/pki"
	"tlagate/pki/trust"
	"tlagate/session/link"
)

// The two ends of a card session authenticate each other through the gateway, and what they say arrives unaltered.
func TestJoinCarriesACardSession(t *testing.T) {
	r := start(t)
	tla, p := r.ca.Issue(tla1, clients), r.pdt(pdt1)
	far := r.park(p)
	near, err := r.tryOpen(tla, pdt1)
	require.NoError(t, err)
	j, err := far.WaitJoined()
	require.NoError(t, err)
	require.Equal(t, tla1, j.TLA)
	require.Len(t, j.Session, 32)
	require.Len(t, j.Nonce, 43)
	r.logged("joined", "session", j.Session, "tla", tla1, "pdt", pdt1)

	echoed := make(chan error, 1)
	go func() { echoed <- echo(r.party(p.server), far) }()
	ours, peer, err := r.party(tla).Client(t.Context(), near, trust.ALPNCard,
		trust.Want{Usage: servers, Identity: p.identity()})
	require.NoError(t, err)
	require.Equal(t, pdt1, peer.Identity.String())
	sent := make([]byte, 1<<20)
	_, _ = rand.Read(sent)
	go func() {
		_, _ = ours.Write(sent)
		_ = ours.CloseWrite()
	}()
	got, err := io.ReadAll(ours)
	require.NoError(t, err)
	require.True(t, bytes.Equal(sent, got))
	require.NoError(t, <-echoed)

	near.Close()
	requireNotice(t, link.CodePeerGone, far)
	end := r.logged("session ended", "session", j.Session, "reason", "closed", "by", "tla")
	require.Greater(t, end["from_tla"], float64(len(sent)))
	require.Greater(t, end["from_pdt"], float64(len(sent)))
	require.NotEmpty(t, end["duration"])
}

// echo is the PdT's end of a card session: it sends back what it gets.
func echo(p *trust.Party, l *link.Conn) error {
	c, _, err := p.Server(context.Background(), l, trust.ALPNCard,
		trust.Want{Usage: clients, Roles: []pki.Role{pki.RoleTLA}})
	if err != nil {
		return err
	}
	if _, err = io.Copy(onlyWriter{c}, onlyReader{c}); err == nil {
		err = c.CloseWrite()
	}
	return err
}

type onlyWriter struct{ io.Writer }

func (p pdt) identity() pki.Identity {
	id, _ := pki.IdentityOf(p.client.Leaf)
	return id
}

func TestPeerGone(t *testing.T) {
	r := start(t)
	tla, p := r.ca.Issue(tla1, clients), r.pdt(pdt1)
	for by, pick := range map[string]func(near, far *link.Conn) (leaves, stays *link.Conn){
		"tla": func(near, far *link.Conn) (*link.Conn, *link.Conn) { return near, far },
		"pdt": func(near, far *link.Conn) (*link.Conn, *link.Conn) { return far, near },
	} {
		t.Run(by, func(t *testing.T) {
			leaves, stays := pick(r.joined(tla, p))
			leaves.Close()
			requireNotice(t, link.CodePeerGone, stays)
			r.logged("session ended", "by", by) // "closed", or "network" when it left its status record unread
		})
	}
	r.eventually("nothing left", func() bool { return r.connections() == 0 })
}

// begun counts the sessions that have begun.
func (r *rig) begun() int {
	return r.g.sessions.count()
}

// reserved counts the TLAs that have a session, or wait for one.
func (r *rig) reserved() int {
	r.g.sessions.mu.Lock()
	defer r.g.sessions.mu.Unlock()
	return len(r.g.sessions.byTLA)
}

func (r *rig) connections() int {
	r.g.clients.mu.Lock()
	defer r.g.clients.mu.Unlock()
	require.Equal(r.t, len(r.g.clients.byConn) == 0, len(r.g.clients.perPeer) == 0)
	return len(r.g.clients.byConn)
}

// The PdT leaves while its TLA is in full flow: the TLA still learns why.
func TestPeerGoneInFullFlow(t *testing.T) {
	r := start(t)
	near, far := r.joined(r.ca.Issue(tla1, clients), r.pdt(pdt1))
	flowing := make(chan struct{})
	go func() {
		defer close(flowing)
		for near.WriteRecord(link.TypeData, make([]byte, link.MaxPayload)) == nil {
		}
	}()
	_, err := io.CopyN(io.Discard, onlyReader{far}, 1<<20)
	require.NoError(t, err)
	far.Close()
	requireNotice(t, link.CodePeerGone, near)
	<-flowing
}

func TestOneSessionATLA(t *testing.T) {
	r := start(t)
	tla, p := r.ca.Issue(tla1, clients), r.pdt(pdt1)
	near, far := r.joined(tla, p)
	r.park(p)
	_, err := r.tryOpen(tla, pdt1)
	requireProblem(t, link.ProblemTLABusy, err)
	r.logged("request refused", "reason", "tla_busy", "peer", tla1)
	_, err = r.tryOpen(r.ca.Issue("urn:tlagate:cab1:tla:t3", clients), pdt1)
	require.NoError(t, err, "another TLA may")
	near.Close()
	requireNotice(t, link.CodePeerGone, far)
	r.joined(tla, p)
}

func TestOpenWaitsForAParkedLink(t *testing.T) {
	r := start(t, limited(Limits{JoinWait: patience}))
	opened := make(chan error, 1)
	open := r.askingLate(tla1)
	go func() {
		l, err := open(context.Background())
		if err == nil {
			l.Close()
		}
		opened <- err
	}()
	r.eventually("TLA reserved", func() bool { return r.reserved() == 1 })
	far := r.park(r.pdt("urn:tlagate:cab1:pdt:other"))
	_, err := r.tryPark(r.pdt(pdt1), unhurried)
	require.NoError(t, err)
	require.NoError(t, <-opened)
	require.Equal(t, 1, r.parked(), "the other PdT's link is left alone")
	far.Close()
}

// A TLA that goes away while it waits may open again.
func TestOpenGivenUp(t *testing.T) {
	r := start(t, limited(Limits{JoinWait: time.Hour}))
	ctx, cancel := context.WithCancel(t.Context())
	open := r.askingLate(tla1)
	opened := make(chan error, 1)
	go func() { _, err := open(ctx); opened <- err }()
	r.eventually("TLA reserved", func() bool { return r.reserved() == 1 })
	cancel()
	require.ErrorIs(t, <-opened, context.Canceled)
	r.eventually("TLA free again", func() bool { return r.reserved() == 0 })
}

func TestTheLinkHeardFromLastIsJoined(t *testing.T) {
	r := start(t)
	p := r.pdt(pdt1)
	first, second := r.park(p), r.park(p)
	before := time.Now()
	require.NoError(t, first.WriteRecord(link.TypePing, make([]byte, 8)))
	r.eventually("ping heard", func() bool {
		r.g.parked.mu.Lock()
		defer r.g.parked.mu.Unlock()
		return r.g.parked.all()[0].link.Heard().After(before)
	})
	_, err := r.tryOpen(r.ca.Issue(tla1, clients), pdt1)
	require.NoError(t, err)
	_, err = first.WaitJoined()
	require.NoError(t, err)
	second.Close()
}

// A PdT that speaks first, as soon as it is joined, is heard.
func TestPdTMaySpeakFirst(t *testing.T) {
	r := start(t)
	tla, p := r.ca.Issue(tla1, clients), r.pdt(pdt1)
	for range 20 {
		far := r.park(p)
		said := make(chan error, 1)
		go func() {
			_, err := far.WaitJoined()
			if err == nil {
				err = far.WriteRecord(link.TypeData, []byte("first"))
			}
			said <- err
		}()
		near, err := r.tryOpen(tla, pdt1)
		require.NoError(t, err)
		require.NoError(t, <-said)
		got := make([]byte, 5)
		_, err = io.ReadFull(near, got)
		require.NoError(t, err)
		require.Equal(t, "first", string(got))
		near.Close()
		requireNotice(t, link.CodePeerGone, far)
	}
}

// A join passes over a dead parked link.
func TestJoinPassesOverALinkThatIsGone(t *testing.T) {
	r := start(t)
	p := r.pdt(pdt1)
	good := r.park(p)
	bad := r.park(p)
	bad.Close()
	_, err := r.tryOpen(r.ca.Issue(tla1, clients), pdt1)
	for err != nil { // the gateway took the bad one in the moment before it knew
		requireProblem(t, link.ProblemPdTAbsent, err)
		_, err = r.tryOpen(r.ca.Issue(tla1, clients), pdt1)
	}
	_, err = good.WaitJoined()
	require.NoError(t, err)
}

// TestLinkThatWasPassedOverEndsNothing: a link that is closing was offered a session, which another link then took. The
// end of the first does not end the session.
func TestLinkThatWasPassedOverEndsNothing(t *testing.T) {
	r := start(t)
	p := r.pdt(pdt1)
	good := r.park(p)
	bad := r.park(p)
	r.g.parked.mu.Lock()
	e := r.g.parked.byPdT[p.identity()][1]
	r.g.parked.mu.Unlock()
	e.end(link.Notice{Code: link.CodeRevoked}, "revoked")
	near, err := r.tryOpen(r.ca.Issue(tla1, clients), pdt1)
	require.NoError(t, err)
	_, err = good.WaitJoined()
	require.NoError(t, err)
	requireNotice(t, link.CodeRevoked, bad)
	bad.Close()
	r.logged("parked link ended", "peer", pdt1)
	require.NoError(t, good.WriteRecord(link.TypeData, []byte("data")))
	for {
		typ, payload, err := near.ReadRecord()
		require.NoError(t, err)
		if typ == link.TypeData {
			require.Equal(t, "data", string(payload))
			return
		}
	}
}

// A record that an end may not send ends its link with a notice, and the session with it.
func TestProtocolBroken(t *testing.T) {
	r := start(t)
	tla, p := r.ca.Issue(tla1, clients), r.pdt(pdt1)
	records := map[string][]byte{"joined": {1, 0, 2, '{', '}'}, "notice": {6, 0, 2, '{', '}'},
		"unknown type": {9, 0, 0}, "too long": {2, 0xff, 0xff}}
	for name, b := range records {
		t.Run("joined TLA sends "+name, func(t *testing.T) {
			near, far := r.joined(tla, p)
			_, err := near.Conn.Write(b)
			require.NoError(t, err)
			requireNotice(t, link.CodeProtocol, near)
			requireNotice(t, link.CodePeerGone, far)
			r.logged("session ended", "reason", "protocol", "by", "tla")
		})
	}
	records["data"] = []byte{2, 0, 1, 0}
	for name, b := range records {
		t.Run("parked PdT sends "+name, func(t *testing.T) {
			far := r.park(p)
			_, err := far.Conn.Write(b)
			require.NoError(t, err)
			requireNotice(t, link.CodeProtocol, far)
			r.logged("parked link ended", "reason", "protocol", "peer", pdt1)
		})
	}
}

func TestStatusAndPingsDoNotPass(t *testing.T) {
	r := start(t)
	near, far := r.joined(r.ca.Issue(tla1, clients), r.pdt(pdt1))
	require.NoError(t, near.WriteStatus([]link.Status{{DER: []byte("x")}}))
	require.NoError(t, near.WriteRecord(link.TypePing, make([]byte, 8)))
	require.NoError(t, near.WriteRecord(link.TypeData, []byte("y")))
	kind, payload, err := far.ReadRecord()
	require.NoError(t, err)
	require.Equal(t, link.TypeData, kind)
	require.Equal(t, []byte("y"), payload)
}

func TestTimeOver(t *testing.T) {
	r := start(t, limited(Limits{Absolute: 50 * time.Millisecond}))
	near, far := r.joined(r.ca.Issue(tla1, clients), r.pdt(pdt1))
	requireNotice(t, link.CodeTimeOver, near)
	requireNotice(t, link.CodeTimeOver, far)
	r.logged("session ended", "reason", "time_over", "by", "gateway")
}

// A half-open link is cut after three heartbeats without an answer, joined or parked.
func TestSilentEnds(t *testing.T) {
	r := start(t, limited(Limits{Heartbeat: time.Second}))
	p := r.pdt(pdt1)
	far, joined := r.park(p), make(chan error, 1)
	go func() { _, err := far.WaitJoined(); joined <- err }() // reads, while the TLA comes
	near, err := r.tryOpen(r.ca.Issue(tla1, clients), pdt1)   // nobody reads near: its pings are not answered
	require.NoError(t, err)
	require.NoError(t, <-joined)
	requireNotice(t, link.CodePeerGone, far)
	r.logged("session ended", "reason", "dead", "by", "tla")
	near.Close()
	silent, err := r.tryPark(p, unhurried)
	require.NoError(t, err)
	r.logged("parked link ended", "reason", "dead", "peer", pdt1)
	require.Zero(t, r.parked())
	silent.Close()
}

func TestParkedLimit(t *testing.T) {
	r := start(t, limited(Limits{ParkedPerPdT: 3}))
	p := r.pdt(pdt1)
	links := []*link.Conn{r.park(p), r.park(p), r.park(p)}
	_, err := r.tryPark(p, unhurried)
	requireProblem(t, link.ProblemTooMany, err)
	r.logged("request refused", "reason", "too_many", "peer", pdt1)
	r.park(r.pdt("urn:tlagate:cab1:pdt:p9"))
	links[1].Close()
	r.eventually("link gone", func() bool { return r.parked() == 3 })
	r.park(p)
}

func TestConnectionsOfOnePeer(t *testing.T) {
	r := start(t, limited(Limits{ConnectionsPerPeer: 2}))
	cert := r.ca.Issue(tla1, clients)
	first := r.dial(cert)
	r.dial(cert)
	r.eventually("both there", func() bool { return r.connections() == 2 })
	requireClosed(t, r.dial(cert))
	r.logged("connection refused", "reason", "too_many", "peer", tla1)
	request(t, r.as(tla2), "GET", link.PathWhoami, nil)
	first.Close()
	r.eventually("one gone", func() bool { return r.connections() == 2 }) // the other, and that of tla2
	request(t, r.dial(cert), "GET", link.PathWhoami, nil)
}

// requireClosed reads until the other end closes; a timeout fails.
func requireClosed(t testing.TB, c net.Conn) {
	t.Helper()
	require.NoError(t, c.SetReadDeadline(time.Now().Add(patience)))
	_, err := io.Copy(io.Discard, onlyReader{c})
	require.NotErrorIs(t, err, os.ErrDeadlineExceeded)
}
