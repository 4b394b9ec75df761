package tla

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"time"

	"tlagate/dialer"
	"tlagate/internal/address"
	"tlagate/pki"
	"tlagate/pki/trust"
	"tlagate/session"
	"tlagate/session/link"
	"tlagate/tla/policy"
)

// connect tries the gateways in order until the PdT has accepted. The error is that of the attempt that got furthest.
func (l *live) connect() (*route, error) {
	var best *failure
	gateways := l.cfg.Gateways
	for range hellos {
		n, f, err := l.tryEach(gateways, best)
		if n != nil || err != nil {
			return n, err
		}
		best = f
		gateways = unanswered(l.cfg.Party.Hybrids, gateways)
		if best.final() || l.ctx.Err() != nil || len(gateways) == 0 {
			break
		}
	}
	return nil, best.why()
}

// hellos is how often one start says hello to a gateway that does not answer: twice, and then once without hybrids.
const hellos = 3

// unanswered returns the gateways that may answer another hello.
func unanswered(h *trust.Hybrids, gateways []string) (list []string) {
	for _, g := range gateways {
		if h.Again(g) {
			list = append(list, g)
		}
	}
	return list
}

// tryEach tries gateways in order. It returns the first route; or the failure that got furthest, which may be best, the
// one of an earlier round; or an error that ends the start.
func (l *live) tryEach(gateways []string, best *failure) (*route, *failure, error) {
	for _, gateway := range gateways {
		a := &attempt{live: l, ctx: l.ctx, gateway: gateway}
		n, err := a.run()
		if err == nil {
			return n, nil, nil
		}
		if errors.Is(err, errAsking) {
			return nil, nil, &asked{gateway, a.peers}
		}
		if err = l.renew(gateway, err); sealSays(err) {
			return nil, nil, err
		}
		f := a.failed(err)
		if best == nil || f.stage > best.stage {
			best = f
		}
		if f.final() {
			break
		}
	}
	return nil, best, nil
}

// attempt is a try to reach the PdT through one gateway: for a session's first route, or for a further one.
type attempt struct {
	*live
	ctx     context.Context // ends it
	again   *again          // nil: this is the first route
	gateway string
	stage   stage
	peers   []*trust.Peer
	socket  net.Conn
	link    *link.Conn
}

func (a *attempt) run() (*route, error) {
	outer, err := a.dial()
	if err != nil {
		return nil, err
	}
	inner, err := a.join(outer)
	if err != nil {
		return nil, err
	}
	return a.greet(inner)
}

// dial connects to the gateway and authenticates it. Its name is looked up here, and only here.
func (a *attempt) dial() (*tls.Conn, error) {
	ctx, cancel := context.WithTimeout(a.ctx, a.step(a.cfg.Timers.Dial))
	defer cancel()
	var err error
	at, _ := address.Server(a.gateway) // checked with the configuration
	if a.socket, err = a.dialer()(ctx, "tcp", at.String()); err != nil {
		return nil, err
	}
	a.stage = stageOuter
	return a.prove(a.socket, trust.ALPNOuter, a.cfg.Timers.Open,
		trust.Want{Usage: x509.ExtKeyUsageServerAuth, Roles: []pki.Role{pki.RoleGateway},
			DNSName: at.Name, Dialled: a.gateway})
}

// dialer returns what connects; for a further route, a connection begins anew when the network changes.
func (a *attempt) dialer() dialer.Func {
	if a.again != nil {
		return a.again.dial
	}
	return a.cfg.Dial
}

// step returns the limit of one step of an attempt; the grace time must be enough for several attempts.
func (a *attempt) step(limit time.Duration) time.Duration {
	if a.again != nil {
		return min(limit, a.cfg.Timers.Grace/6)
	}
	return limit
}

// prove sets up one TLS layer and authenticates the peer; it closes conn on error.
func (a *attempt) prove(conn net.Conn, alpn string, limit time.Duration, want trust.Want) (*tls.Conn, error) {
	ctx, cancel := context.WithTimeout(a.ctx, a.step(limit))
	defer cancel()
	over, peer, err := a.cfg.Party.Client(ctx, conn, alpn, want)
	if err != nil {
		return nil, err
	}
	a.peers = append(a.peers, peer)
	return over, nil
}

// join asks for the PdT and authenticates it: a gateway that joins us to another one is found out here.
func (a *attempt) join(outer *tls.Conn) (net.Conn, error) {
	a.stage = stageOpen
	ctx, limit, cancel := withStandstill(a.ctx, a.step(a.cfg.Timers.Open))
	defer cancel()
	cfg := link.Config{Heartbeat: a.cfg.Timers.Heartbeat, Consent: a.consent, Prover: a.proverFor(outer, limit),
		OnNotice: a.noted, OnStatus: a.informed, Bundle: a.cfg.bundleVersion(), Incident: a.incident,
		Client: a.cfg.Software, Instance: a.cfg.instance}
	var err error
	if a.again != nil {
		a.link, err = link.Reopen(ctx, outer, a.pdt.String(), a.id.String(), a.again.ticket, cfg)
	} else {
		a.link, err = link.Open(ctx, outer, a.pdt.String(), a.id.String(), cfg)
	}
	if err != nil {
		return nil, err
	}
	a.stage = stageInner
	return a.prove(a.link, trust.ALPNCard, a.cfg.Timers.Hello,
		trust.Want{Usage: x509.ExtKeyUsageServerAuth, Roles: []pki.Role{pki.RolePdT}, Identity: a.pdt})
}

// greet says hello, shows the cards that are in, and waits for the PdT to accept.
func (a *attempt) greet(inner net.Conn) (*route, error) {
	a.stage = stageHello
	if a.again != nil {
		return a.greetAgain(inner)
	}
	terminal, err := session.OpenTerminal(inner, session.TerminalConfig{ID: a.id,
		Timers:    session.Timers{Heartbeat: a.cfg.Timers.Heartbeat},
		OnCommand: a.used, OnPIN: a.usedPIN, OnShown: a.shown, Ahead: a.cfg.Ahead, OnTaken: a.taken})
	if err != nil {
		inner.Close()
		return nil, err
	}
	for _, p := range a.presenters {
		p.attach <- terminal
	}
	r := a.newRoute(terminal, time.Now())
	if err := a.accepted(r); err != nil {
		terminal.Close()
		return nil, err
	}
	return r, nil
}

// newRoute returns the route, and starts serving the terminal's end of the card session.
func (a *attempt) newRoute(t *session.Terminal, since time.Time) *route {
	r := &route{gateway: a.gateway, peers: a.peers, link: a.link, terminal: t, served: make(chan error, 1),
		cut: func() { a.socket.Close() }, since: since}
	go func() { r.served <- a.tell(t.Serve(context.Background())) }()
	return r
}

// accepted waits for the PdT's hello; without it, it closes the connection.
func (a *attempt) accepted(r *route) error {
	timer := time.NewTimer(a.cfg.Timers.Hello)
	defer timer.Stop()
	var err error
	select {
	case <-r.terminal.Up():
		return nil
	case err := <-r.served:
		return err
	case <-timer.C:
		err = &Why{Code: CodeTimeout, Detail: "the PdT did not answer the hello"}
	case <-a.ctx.Done():
		err = context.Cause(a.ctx)
	}
	r.cut()
	<-r.served
	return err
}

// tell turns a read error of the card session into what the layers below know: an alert of the PdT, or a notice of the
// gateway, which may have come before the connection broke.
func (a *attempt) tell(err error) error {
	err = a.cfg.Party.Explain(err)
	if notice := a.link.Notice(); notice != nil && explain(err).Code == CodeLost {
		return notice
	}
	return err
}

// informed takes in the revocation data that the gateway brings about our own certificate, the PdT's, and its own. The
// first of it comes, and is read, before any byte of the PdT.
func (a *attempt) informed(pieces []link.Status) {
	for _, s := range pieces {
		a.cfg.Party.Trust.TakeStatus(pki.Status(s))
	}
	a.lookAtBundle(pieces)
}

// noted takes in a notice. A gateway must not be able to fill the log.
func (a *attempt) noted(n link.Notice) {
	if a.notices.Add(1) <= 20 {
		a.log.Warn("notice of the gateway", "code", string(n.Code), "text", n.Text, "gateway", a.gateway,
			"incident", n.Incident)
	}
	if n.Code == link.CodeDraining && a.link.Ticket() != "" {
		// The session moves to another gateway. If there is none, it waits for this one, which need not wait for us.
		a.socket.Close()
	}
}

func (a *attempt) used(session.Slot) { a.commanded() }

// taken counts a command that the card executed before it was given.
func (a *attempt) taken(session.Slot) { a.done.Add(1) }

func (a *attempt) usedPIN(s session.Slot) {
	a.used(s)
	a.refuse(s, policy.Verdict{Why: "it came with a PIN (SP4)"})
}

// failed returns and logs where, and at which peer, the attempt failed.
func (a *attempt) failed(err error) *failure {
	err = a.cfg.Party.Explain(err)
	if a.ctx.Err() != nil {
		err = context.Cause(a.ctx)
	}
	f := &failure{stage: a.stage, peer: a.suspect(), gateway: a.gateway, err: err, lack: a.user.lack}
	w, peer, claimed := f.why(), f.peer, ""
	if r := (*pki.Refusal)(nil); errors.As(err, &r) {
		peer, claimed = "claimed", r.Claimed.String()
	}
	a.log.Warn("attempt failed", "code", string(w.Code), "reason", w.Reason, "cause", w.Cause, "peer", peer,
		"claimed", claimed, "gateway", a.gateway, "detail", w.Detail)
	return f
}

// suspect returns the peer at this stage: its identity once proven, before that what it should be.
func (a *attempt) suspect() string {
	switch {
	case a.stage >= stageInner:
		return a.pdt.String()
	case len(a.peers) > 0:
		return a.peers[0].Identity.String()
	}
	return string(pki.RoleGateway)
}
