package integration

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/integration/crowd"
	"tlagate/pki"
	"tlagate/session/consent/consenttest"
	"tlagate/session/link"
)

// TestC2TimeToCutByCommand times a revocation with the real programs: from the start and the end of `tla-pki revoke`,
// through `tla-pki serve` and tla-gateway, to the notice at both ends of the session. CUT=sessions,cuts sets its size:
// CUT=2000,100 for the table in docs/push.md.
func TestC2TimeToCutByCommand(t *testing.T) {
	sessions, cuts := 12, 3
	if env := os.Getenv("CUT"); env != "" {
		_, err := fmt.Sscanf(env, "%d,%d", &sessions, &cuts)
		require.NoError(t, err)
	}
	b := newCutBed(t)
	all := b.sessions(sessions)
	var fromStart, fromEnd []time.Duration
	for _, s := range all[:cuts] {
		begun := time.Now()
		b.pki(t, "revoke", "--serial", s.serial, "--reason", "keyCompromise")
		done := time.Now()
		for range 2 {
			last := <-s.ended
			var n *link.Notice
			require.ErrorAs(t, last.err, &n)
			require.Equal(t, link.CodeRevoked, n.Code, n.Text)
			fromStart, fromEnd = append(fromStart, last.at.Sub(begun)), append(fromEnd, last.at.Sub(done))
		}
	}
	for _, s := range all[cuts:] {
		require.Empty(t, s.ended, "who is not revoked stays")
	}
	t.Logf("`tla-pki revoke` → an end has the notice, at %d sessions, %d revoked one by one: from the command's "+
		"start %s; from its end %s",
		sessions, cuts, spread(fromStart), spread(fromEnd))
}

func spread(times []time.Duration) string {
	slices.Sort(times)
	at := func(percent int) time.Duration {
		return times[(len(times)-1)*percent/100].Round(100 * time.Microsecond)
	}
	return fmt.Sprintf("p50 %s, p99 %s, longest %s", at(50), at(99), at(100))
}

// cutBed is a deployment whose links end in this process, with certificates of the lab's CA.
type cutBed struct {
	*pushBed
	crowd *crowd.Crowd
}

// newCutBed starts the gateway, with further lines of its configuration.
func newCutBed(t *testing.T, gateway ...string) *cutBed {
	b := &cutBed{pushBed: newPushBed(t)}
	b.startCut(t, gateway...)
	var err error
	b.crowd, err = crowd.New(b.Lab)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.crowd.Close()) })
	return b
}

func (b *cutBed) startCut(t *testing.T, gateway ...string) {
	t.Helper()
	lines := append(gateway, b.PushLines(b.push), "limits: {connections_per_peer: 10000}")
	require.NoError(t, b.StartGateway(lines...))
	logged(t, b.GatewayProc, 0, "revocations are pushed")
}

// cutSession is a live session, both ends of which this process reads, as programs do.
type cutSession struct {
	serial string    // of its TLA's certificate
	ended  chan last // one from each end
}

type last struct {
	at  time.Time
	err error
}

// practices is how many PdTs share the sessions; the sessions of one PdT are opened one after the other.
const practices = 8

// sessions opens n sessions.
func (b *cutBed) sessions(n int) []*cutSession {
	all, errs := make([]*cutSession, n), make([]error, practices)
	var running sync.WaitGroup
	for p := range practices {
		running.Go(func() { errs[p] = b.practice(p, all) })
	}
	running.Wait()
	for _, err := range errs {
		require.NoError(b.t, err)
	}
	return all
}

// practice opens those of all sessions that belong to one PdT.
func (b *cutBed) practice(p int, all []*cutSession) error {
	pdt := fmt.Sprintf("urn:tlagate:cab%d:pdt:p", p)
	client, err := b.crowd.Issue("pdt-client", pdt)
	if err != nil {
		return err
	}
	server, err := b.crowd.Issue("pdt-server", pdt, "pdt.invalid")
	for i := p; i < len(all) && err == nil; i += practices {
		all[i], err = b.session(client, server, fmt.Sprintf("urn:tlagate:cab%d:tla:t%d", p, i))
	}
	return err
}

func (b *cutBed) session(client, server tls.Certificate, urn string) (*cutSession, error) {
	r, err := b.ready(client, server, urn)
	if err != nil {
		return nil, err
	}
	near, err := r.open()
	if err != nil {
		return nil, err
	}
	if _, err := r.far.WaitJoined(); err != nil {
		return nil, err
	}
	s := &cutSession{r.serial, make(chan last, 2)}
	for _, l := range []*link.Conn{near, r.far} {
		go func() {
			_, err := io.Copy(io.Discard, struct{ io.Reader }{l})
			s.ended <- last{time.Now(), err}
		}()
	}
	return s, nil
}

// readySession is one that only has to be opened: both ends are connected, and the PdT's is parked.
type readySession struct {
	b          *cutBed
	id, serial string
	tla        tls.Certificate
	pdt        string
	near       net.Conn
	far        *link.Conn
}

func (b *cutBed) ready(client, server tls.Certificate, urn string) (*readySession, error) {
	tla, err := b.crowd.Issue("tla", urn)
	if err != nil {
		return nil, err
	}
	us, err := pki.IdentityOf(tla.Leaf)
	if err != nil {
		return nil, err
	}
	serial := tla.Leaf.SerialNumber
	r := &readySession{b: b, id: fmt.Sprintf("%032x", serial), serial: serial.Text(16), tla: tla,
		pdt: pki.Identity{Practice: us.Practice, Role: pki.RolePdT, Name: "p"}.String()}
	parked, err := b.crowd.Dial(client)
	if err != nil {
		return nil, err
	}
	if r.far, err = link.Park(context.Background(), parked, server.Certificate, link.Config{}); err != nil {
		return nil, err
	}
	b.t.Cleanup(func() { r.far.Close() })
	if r.near, err = b.crowd.Dial(tla); err == nil {
		b.t.Cleanup(func() { r.near.Close() })
	}
	return r, err
}

// open opens it as its terminal does, and returns once that has the 101.
func (r *readySession) open() (*link.Conn, error) {
	near, err := link.Open(context.Background(), r.near, r.pdt, r.id,
		link.Config{Consent: consenttest.By(r.tla, r.pdt, r.id)})
	if err == nil {
		r.b.t.Cleanup(func() { near.Close() })
	}
	return near, err
}
