package pdt

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"tlagate/internal/address"
	"tlagate/internal/pulse"
	"tlagate/pki"
	"tlagate/pki/trust"
	"tlagate/session/link"
)

const (
	// maxJoining bounds the joined links of one gateway whose TLA has not proved itself yet.
	maxJoining = 8
	// stable is how long a parked link must have lived for its end not to count as a failure.
	stable = 30 * time.Second
	// restart is how long a gateway that said it drains is expected back at any moment.
	restart = time.Minute
)

// gateway keeps links parked on one gateway.
type gateway struct {
	s       *Service
	address string
	log     *slog.Logger
	retry   backoff
	wake    chan struct{} // capacity 1: look again whether links are missing
	parks   *pulse.Loop   // run

	mu      sync.Mutex // protects the rest
	berths  int        // links parked, or on their way to it
	parked  int        // of which parked
	joining int        // links joined whose TLA has not proved itself yet
	peer    pki.Identity
	tls     pki.Negotiated // with peer
	last    error          // why a link ended or could not be parked; nil after a success
	drained time.Time      // when it last said that it drains
}

func newGateway(s *Service, address string) *gateway {
	return &gateway{s: s, address: address, log: s.cfg.Log.With("gateway", address), wake: make(chan struct{}, 1),
		parks: pulse.New(), retry: backoff{short: s.cfg.Retry, long: s.cfg.RetryMax}}
}

// run parks links until ctx ends.
func (g *gateway) run(ctx context.Context) {
	var links sync.WaitGroup
	defer links.Wait()
	defer g.parks.End()
	for ctx.Err() == nil {
		for g.claim() {
			links.Go(func() { g.serve(ctx) })
		}
		select {
		case <-ctx.Done():
		case <-g.wake:
		case <-g.parks.Asked():
		}
	}
}

// claim reserves a berth for one more link, and reports whether one was missing. A link whose TLA is proving itself is
// about to take the free pair, but one link is always kept parked.
func (g *gateway) claim() bool {
	wanted := g.s.wanted()
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.berths >= max(wanted-g.joining, 1) || g.joining >= maxJoining {
		return false
	}
	g.berths++
	return true
}

// serve is the life of one link: it waits until it may dial, parks, is joined, carries a session.
func (g *gateway) serve(ctx context.Context) {
	ctx, cut := context.WithCancelCause(ctx)
	defer cut(nil)
	l, joined, err := g.park(ctx, cut)
	if err != nil {
		g.failed(ctx, err)
		return
	}
	defer l.Close()
	g.s.serveJoined(ctx, cut, g, l, joined)
}

// park parks a link and waits until it is joined. The berth is free again when it returns.
func (g *gateway) park(ctx context.Context, cut func(error)) (l *parkedLink, joined *link.Joined, err error) {
	defer nudge(g.wake)
	if !g.retry.wait(ctx) {
		err = context.Cause(ctx)
		g.leave(false, err)
		return nil, nil, err
	}
	l, err = g.dial(ctx, cut)
	if g.renewed(ctx, err) {
		l, err = g.dial(ctx, cut)
	}
	if err != nil {
		g.putOff(err)
		g.leave(false, err)
		return nil, nil, err
	}
	g.log.Info("link parked", "peer", l.peer.Identity.String())
	g.arrive(l.peer)
	began := time.Now()
	joined, err = l.waitJoined(ctx)
	g.settle(time.Since(began), err)
	g.leave(true, err)
	return l, joined, err
}

// settle decides by the end of a parked link when to dial again.
func (g *gateway) settle(lived time.Duration, err error) {
	if err == nil || lived >= stable {
		g.retry.worked()
	}
	if err != nil {
		g.putOff(err)
	}
}

// putOff delays the next attempt, by little when somebody waits for this gateway.
func (g *gateway) putOff(err error) {
	if reasonOf(err) == string(link.CodeDraining) {
		g.mu.Lock()
		g.drained = time.Now()
		g.mu.Unlock()
	}
	hurry := g.s.hasLostSession() || g.restarts() || g.s.cfg.Client.Hybrids.Again(g.address)
	g.retry.failed(hurry, link.RetryAfter(err))
}

// restarts reports whether the gateway said recently that it drains.
func (g *gateway) restarts() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return !g.drained.IsZero() && time.Since(g.drained) < restart
}

// arrive and leave count the berths.
func (g *gateway) arrive(p *trust.Peer) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.parked++
	if again := g.peer == (pki.Identity{}) || g.last != nil; again && g.s.cfg.Reached != nil {
		g.s.cfg.Reached(g.address)
	}
	g.peer, g.tls, g.last = p.Identity, p.TLS, nil
}

func (g *gateway) leave(parked bool, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.berths--
	if parked {
		g.parked--
	}
	if err == nil {
		g.joining++
		return
	}
	g.last = err
}

// proved ends the joining of a link: its TLA is known, or refused.
func (g *gateway) proved() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.joining--
	nudge(g.wake)
}

// failed logs why a link is not there.
func (g *gateway) failed(ctx context.Context, err error) {
	if errors.Is(context.Cause(ctx), context.Canceled) {
		return // the service stops
	}
	pause := max(time.Until(g.retry.at()), 0).Round(time.Millisecond)
	g.log.Warn("no link to the gateway", "reason", reasonOf(err), "peer", g.peerName(), "error", err, "retry_in", pause)
}

// peerName returns the gateway's identity for logs.
func (g *gateway) peerName() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return cmp.Or(g.peer.String(), "claimed")
}

// parkedLink is a link to a proven gateway.
type parkedLink struct {
	*link.Conn
	party    *trust.Party
	peer     *trust.Peer
	declared *tls.Certificate // ours in card sessions, whose status the gateway sends the TLA
	joined   atomic.Bool
}

// dial connects, authenticates both ends, and asks to park. From then on the gateway's certificate is watched: cut is
// called when it no longer passes.
func (g *gateway) dial(ctx context.Context, cut func(error)) (*parkedLink, error) {
	limit := g.s.step()
	bounded, cancel := context.WithTimeout(ctx, 3*limit)
	defer cancel()
	l := &parkedLink{party: &g.s.cfg.Client}
	conn, err := g.handshake(bounded, limit, l)
	if err != nil {
		return nil, err
	}
	cfg := link.Config{Heartbeat: g.s.cfg.Heartbeat, OnNotice: func(n link.Notice) { g.noticed(l, n) },
		OnStatus: g.informed, Bundle: g.s.cfg.bundle(), Client: g.s.cfg.Software, Instance: g.s.instance}
	l.declared = g.s.cfg.Server.Certificate()
	asking, cancel := context.WithTimeout(bounded, limit)
	defer cancel()
	l.Conn, err = link.Park(asking, conn, l.declared.Certificate, cfg)
	if err != nil {
		return nil, l.party.Explain(err)
	}
	go watch(ctx, peerOf(l.party.Trust, l.peer), g.s.cfg.Recheck, cut)
	return l, nil
}

// handshake connects and makes the TLS connection.
func (g *gateway) handshake(ctx context.Context, limit time.Duration, l *parkedLink) (conn net.Conn, err error) {
	at, _ := address.Server(g.address) // checked with the configuration
	c, err := g.connect(ctx, limit, at.HostPort)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	want := trust.Want{Usage: x509.ExtKeyUsageServerAuth, Roles: []pki.Role{pki.RoleGateway},
		DNSName: at.Name, Dialled: g.address}
	conn, l.peer, err = l.party.Client(ctx, c, trust.ALPNOuter, want)
	return conn, err
}

// connect makes the TCP connection, within its own share of the time.
func (g *gateway) connect(ctx context.Context, limit time.Duration, at address.HostPort) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return g.s.cfg.Dial(ctx, "tcp", at.String())
}

// certificate returns the certificate that was declared with the link, even if it has been renewed since: the TLA could
// not check another. If it has not, it is returned with its newest staple.
func (l *parkedLink) certificate(newest func() *tls.Certificate) func() *tls.Certificate {
	return func() *tls.Certificate {
		if now := newest(); now != nil && slices.EqualFunc(now.Certificate, l.declared.Certificate, slices.Equal) {
			return now
		}
		return l.declared
	}
}

// informed takes the OCSP answers and lists that the gateway sends: about the TLA's certificate, ours and its own, and
// that of the TLA's user.
func (g *gateway) informed(pieces []link.Status) {
	persons := g.s.users.Load().Persons
	for _, s := range pieces {
		if piece := pki.Status(s); persons != nil && persons.Concerns(piece) {
			persons.TakePassedOn(piece)
		} else {
			g.s.cfg.Server.Trust.TakeStatus(piece)
		}
	}
	if answers := link.Answers(pieces); len(answers) > 0 && g.s.cfg.Answers != nil {
		g.s.cfg.Answers(answers)
	}
}

// noticed logs a notice of the gateway; a parked link is closed by it.
func (g *gateway) noticed(l *parkedLink, n link.Notice) {
	g.log.Info("notice of the gateway", "reason", string(n.Code), "peer", l.peer.Identity.String(), "text", n.Text,
		"incident", n.Incident)
	if !l.joined.Load() {
		_ = l.CloseWith(&n)
	}
}

// waitJoined waits until the gateway joins the link with a TLA.
func (l *parkedLink) waitJoined(ctx context.Context) (*link.Joined, error) {
	stop := context.AfterFunc(ctx, func() { _ = l.CloseWith(context.Cause(ctx)) })
	defer stop()
	joined, err := l.WaitJoined()
	if err != nil {
		_ = l.Close()
		return nil, l.party.Explain(err)
	}
	l.joined.Store(true)
	return joined, nil
}
