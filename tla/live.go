package tla

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"tlagate/pki"
	"tlagate/pki/trust"
	"tlagate/session"
	"tlagate/session/incident"
	"tlagate/session/link"
	"tlagate/tla/cards"
)

// live is one session, from the user's start to its end.
type live struct {
	cfg        Config
	log        *slog.Logger
	id         session.ID
	incident   string            // which gateways are told with each request
	own        *x509.Certificate // ours
	pdt        pki.Identity      // the one that the user wants, and no other (C4)
	act        Act               // of the user
	presenters [session.Slots]*presenter
	user       *user
	desk       *desk

	mayRenew bool          // a newer bundle may be fetched in this start
	settings func() Config // returns the relay's present ones

	ctx  context.Context // ends with the session; its cause is a *Why
	stop context.CancelCauseFunc
	up   chan struct{} // closed when the PdT has accepted
	over chan struct{} // closed when cards are released and sockets closed
	seen chan struct{} // capacity 1: programs at the PdT see one more card

	attention
	route   atomic.Pointer[route] // once the session is up: the present one, or the last
	notices atomic.Int64          // of gateways, in this session
	away    atomic.Pointer[away]  // while the link is lost
	resumed atomic.Int64          // how often the session went on over another link
	refused atomic.Int64          // commands that the policy stopped
	done    atomic.Uint64         // commands of programs that a card executed
	signed  atomic.Uint64         // those among them that may have used the key of a proof

	refusedIncident atomic.Pointer[string] // once they are many
	test            bool                   // it is only a rehearsal
}

// route is a way to the PdT, and the peers on it.
type route struct {
	gateway  string // host:port
	peers    []*trust.Peer
	link     *link.Conn
	terminal *session.Terminal // the same for all routes of a session
	served   chan error        // the one result of Terminal.Serve
	cut      func()            // closes the socket, whatever hangs
	since    time.Time         // when the session came up
}

func newLive(cfg Config, taker *cards.Taker, d *desk, act Act) (*live, error) {
	own, id, err := ourselves(cfg.Party)
	if err != nil {
		return nil, err
	}
	l := &live{cfg: cfg, act: act, id: session.NewID(), incident: incident.New(), own: own, up: make(chan struct{}),
		over: make(chan struct{}), seen: make(chan struct{}, 1), desk: d}
	if l.pdt, err = pdtOf(cfg.PdTs[0], id.Practice); err != nil {
		return nil, err
	}
	l.readers, l.cards = cfg.Readers, cfg.Readers.View()
	l.log = cfg.Log.With("session", l.id.String())
	l.ctx, l.stop = context.WithCancelCause(context.Background())
	for s := range l.presenters {
		l.presenters[s] = &presenter{slot: session.Slot(s), readers: cfg.Readers, taker: taker, log: l.log,
			policy: cfg.Policy, refused: l.refuse, signed: l.hasSigned, executed: &l.done,
			verifier: func(lease *cards.Lease) *pinVerifier {
				return &pinVerifier{card: lease, desk: d, slot: session.Slot(s), pdt: l.pdt.String(),
					time: cfg.Timers.PIN, used: l.acted, within: context.Background()}
			}, attach: make(chan *session.Terminal, 1)}
	}
	l.user = newUser(l)
	l.user.card.user = l.user
	return l, nil
}

// ourselves returns our certificate and identity.
func ourselves(p *trust.Party) (*x509.Certificate, pki.Identity, error) {
	pair := p.Certificate()
	if pair == nil || len(pair.Certificate) == 0 {
		return nil, pki.Identity{}, errors.New("cannot find our own certificate")
	}
	leaf, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil {
		return nil, pki.Identity{}, fmt.Errorf("cannot read our own certificate: %w", err)
	}
	id, err := pki.IdentityOf(leaf)
	return leaf, id, err
}

// run runs the session: it takes the cards and connects at the same time, so that a start costs few round trips.
func (l *live) run() {
	var presenters sync.WaitGroup
	for _, p := range l.presenters {
		presenters.Go(func() { p.run(l.ctx) })
	}
	l.log.Info("session asked for", "peer", l.pdt.String(), "act", string(l.act.Kind), "by", l.act.By)
	if first, err := l.connect(); err != nil {
		l.end(explain(err))
	} else {
		l.serveRoutes(first)
	}
	presenters.Wait()
	l.logEnd()
}

// serveRoutes serves the session, over one route after another, until it ends.
func (l *live) serveRoutes(r *route) {
	defer r.terminal.Close()
	l.acted()
	l.route.Store(r)
	close(l.up)
	l.log.Info("session up", "peer", l.pdt.String(), "gateway", r.gateway)
	l.trace(EventUp, r.gateway, Why{})
	var watch sync.WaitGroup
	defer watch.Wait()
	watch.Go(l.watch)
	for r != nil {
		r = l.follow(r)
	}
}

// follow serves one route until it ends; it returns the next one, or nil when the session has ended.
func (l *live) follow(r *route) *route {
	err := l.serve(r)
	if l.ctx.Err() != nil {
		return nil
	}
	f := &failure{stage: stageUp, peer: l.pdt.String(), gateway: r.gateway, err: err}
	if !resumable(err) || r.link.Ticket() == "" {
		l.end(f.why())
		return nil
	}
	next, err := l.resume(r, f)
	if err != nil {
		l.end(explain(err))
		return nil
	}
	return next
}

// serve serves one route and returns why it ended; if the session ends, it says bye.
func (l *live) serve(r *route) (err error) {
	ctx, stop := context.WithCancel(l.ctx)
	var beside sync.WaitGroup
	defer beside.Wait()
	defer stop()
	for _, f := range l.cfg.During {
		beside.Go(func() { f(ctx, r.gateway) })
	}
	if l.cfg.Home != nil && r.link.TakesTrace() {
		beside.Go(func() { l.cfg.Home(ctx, l.id.String(), r.link) })
	}
	select {
	case err = <-r.served:
	case <-l.ctx.Done():
		l.leave(r)
	}
	return err
}

// leave tells the PdT why the session ends, and waits no longer than Timers.Leave; the cards are powered down
// meanwhile.
func (l *live) leave(r *route) {
	bye := byeOf(l.why())
	go r.terminal.Leave(bye.Code, bye.Text)
	cut := time.AfterFunc(l.cfg.Timers.Leave, r.cut)
	defer cut.Stop()
	<-r.served
}

// end ends the session; the first reason wins. A gateway that ended it has given it a number; any other incident has
// the one that gateways know from the requests.
func (l *live) end(w *Why) { l.stop(w.numberedAs(l.incident)) }

// why returns why the session ended; it must have ended.
func (l *live) why() *Why {
	var w *Why
	if errors.As(context.Cause(l.ctx), &w) {
		return w
	}
	return &Why{Code: CodeLost}
}

func (l *live) wasUp() bool { return l.route.Load() != nil }

// cardsIn returns the numbers of the cards of a session that are in.
func cardsIn(readers *cards.Readers) map[uint64]bool {
	in := map[uint64]bool{}
	occupants, _ := readers.Now()
	for _, o := range occupants {
		if o != nil {
			in[o.Number] = true
		}
	}
	return in
}

func (l *live) state() State {
	switch {
	case l.ctx.Err() != nil:
		return StateEnding
	case l.away.Load() != nil:
		return StateReconnecting
	case l.test:
		return StateRehearsing
	case l.wasUp():
		return StateUp
	}
	return StateStarting
}

func (l *live) logEnd() {
	w := l.why()
	msg, kind := "session not started", EventFailed
	if l.wasUp() {
		msg, kind = "session ended", EventEnded
	}
	l.log.Info(msg, "code", string(w.Code), "reason", w.Reason, "peer", w.Peer, "gateway", w.Gateway,
		"incident", w.Incident, "detail", w.Detail)
	l.traceRest()
	if w.Code != codeRenewed {
		l.trace(kind, w.Gateway, *w)
	}
}

// byes maps the code of an end to what the PdT is told.
var byes = map[Code]session.Bye{
	CodeStopped:   {Code: session.ByeStopped, Text: "The user ended the session at the terminal."},
	CodeTimeOver:  {Code: session.ByeTimeOver, Text: "The session has reached its longest time."},
	CodeInactive:  {Code: session.ByeInactive, Text: "No command came for too long."},
	CodeAbsent:    {Code: session.ByeInactive, Text: "Nobody at the terminal answered."},
	CodeExpired:   {Code: session.ByeTimeOver, Text: "The terminal's certificate has ended."},
	CodeCardOut:   {Code: session.ByeUser, Text: "The card of the terminal's user is out."},
	CodeOtherCard: {Code: session.ByeUser, Text: "The card of another person was put in at the terminal."},
	CodeRefused:   {Code: session.ByeRefused, Text: "A certificate of this session no longer passes at the terminal."},
}

func byeOf(w *Why) session.Bye {
	if b, ok := byes[w.Code]; ok {
		return b
	}
	return session.Bye{Code: session.ByeShutdown, Text: "The relay of the terminal stops."}
}
