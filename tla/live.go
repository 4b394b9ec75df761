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
	"tlagate/session/link"
)

// live is one session, from the user's start to its end.
type live struct {
	cfg     Config
	log     *slog.Logger
	id      session.ID
	own     *x509.Certificate // ours
	pdt     pki.Identity      // whom the user wants, and nobody else (C4)
	act     Act               // of the user
	keepers [session.Slots]*keeper

	mayRenew bool          // a newer bundle may be fetched in this start
	settings func() Config // of the relay, now

	ctx  context.Context // ends with the session; its cause is a *Why
	stop context.CancelCauseFunc
	up   chan struct{} // closed when the PdT has accepted
	over chan struct{} // closed when cards and sockets are let go
	seen chan struct{} // capacity 1: programs at the PdT see another card

	attention
	line    atomic.Pointer[line] // once it is up: the link of now, or the last one
	notices atomic.Int64         // of gateways, in this session
	away    atomic.Pointer[away] // while the link is lost
	resumed atomic.Int64         // times that the session went on over another link
	refused atomic.Int64         // commands that the policy stopped

	refusedIncident atomic.Pointer[string] // once they are many
	test            bool                   // it is but a test before a visit
}

// line is a way to the PdT, and who is on it.
type line struct {
	gateway  string // host:port
	peers    []*trust.Peer
	link     *link.Conn
	terminal *session.Terminal // the same for all lines of a session
	served   chan error        // of Terminal.Serve, one
	cut      func()            // closes the socket, whatever hangs
	since    time.Time         // the session
}

func newLive(cfg Config, h *holder, d *desk, act Act) (*live, error) {
	own, id, err := ourselves(cfg.Party)
	if err != nil {
		return nil, err
	}
	l := &live{cfg: cfg, act: act, id: session.NewID(), own: own, up: make(chan struct{}), over: make(chan struct{}),
		seen: make(chan struct{}, 1)}
	if l.pdt, err = pdtOf(cfg.PdTs[0], id.Practice); err != nil {
		return nil, err
	}
	l.readers, l.cards = cfg.Readers, cfg.Readers.current()
	l.log = cfg.Log.With("session", l.id.String())
	l.ctx, l.stop = context.WithCancelCause(context.Background())
	for s := range l.keepers {
		l.keepers[s] = &keeper{slot: session.Slot(s), readers: cfg.Readers, holder: h, log: l.log,
			policy: cfg.Policy, refused: l.refuse,
			verifier: func(h *held) *verifier {
				return &verifier{h, d, session.Slot(s), l.pdt.String(), cfg.Timers.PIN, l.acted}
			}, attach: make(chan *session.Terminal, 1)}
	}
	return l, nil
}

// ourselves gives our certificate and identity.
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

// run is the session: cards and connection at the same time, so that a start costs few round trips.
func (l *live) run() {
	var keepers sync.WaitGroup
	for _, k := range l.keepers {
		keepers.Go(func() { k.run(l.ctx) })
	}
	l.log.Info("session asked for", "peer", l.pdt.String(), "act", string(l.act.Kind), "by", l.act.By)
	if line, err := l.connect(); err != nil {
		l.end(explain(err))
	} else {
		l.stay(line)
	}
	keepers.Wait()
	l.logEnd()
}

// stay serves the session, over one line after another, until it ends.
func (l *live) stay(n *line) {
	defer n.terminal.Close()
	l.acted()
	l.line.Store(n)
	close(l.up)
	l.log.Info("session up", "peer", l.pdt.String(), "gateway", n.gateway)
	l.trace(EventUp, n.gateway, Why{})
	var watch sync.WaitGroup
	defer watch.Wait()
	watch.Go(l.watch)
	for n != nil {
		n = l.follow(n)
	}
}

// follow serves one line until it ends; it gives the next one, or nil when the session has ended.
func (l *live) follow(n *line) *line {
	err := l.serve(n)
	if l.ctx.Err() != nil {
		return nil
	}
	f := &failure{stage: stageUp, peer: l.pdt.String(), gateway: n.gateway, err: err}
	if !resumable(err) || n.link.Ticket() == "" {
		l.end(f.why())
		return nil
	}
	next, err := l.resume(n, f)
	if err != nil {
		l.end(explain(err))
		return nil
	}
	return next
}

// serve serves one line and gives why it ended; when the session ends it says bye.
func (l *live) serve(n *line) (err error) {
	ctx, stop := context.WithCancel(l.ctx)
	var beside sync.WaitGroup
	defer beside.Wait()
	defer stop()
	for _, f := range l.cfg.During {
		beside.Go(func() { f(ctx, n.gateway) })
	}
	select {
	case err = <-n.served:
	case <-l.ctx.Done():
		l.leave(n)
	}
	return err
}

// leave tells the PdT why, for as long as it listens; the cards are powered down meanwhile.
func (l *live) leave(n *line) {
	bye := byeOf(l.why())
	go n.terminal.Leave(bye.Code, bye.Text)
	cut := time.AfterFunc(l.cfg.Timers.Leave, n.cut)
	defer cut.Stop()
	<-n.served
}

// end ends the session; the first reason wins.
func (l *live) end(w *Why) { l.stop(w.numbered()) }

// why gives the reason of the end; it must have ended.
func (l *live) why() *Why {
	var w *Why
	if errors.As(context.Cause(l.ctx), &w) {
		return w
	}
	return &Why{Code: CodeLost}
}

func (l *live) wasUp() bool { return l.line.Load() != nil }

func (l *live) state() State {
	switch {
	case l.ctx.Err() != nil:
		return StateEnding
	case l.away.Load() != nil:
		return StateReconnecting
	case l.test:
		return StateChecking
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
	l.log.Info(msg, "code", string(w.Code), "reason", w.Reason, "peer", w.Peer, "gateway", w.Gateway, "incident", w.Incident, "detail", w.Detail)
	if w.Code != codeRenewed {
		l.trace(kind, w.Gateway, *w)
	}
}

// byes gives the words for the PdT.
var byes = map[Code]session.Bye{
	CodeStopped:  {Code: session.ByeStopped, Text: "The user ended the session at the terminal."},
	CodeTimeOver: {Code: session.ByeTimeOver, Text: "The session has reached its longest time."},
	CodeInactive: {Code: session.ByeInactive, Text: "No command came for too long."},
	CodeAbsent:   {Code: session.ByeInactive, Text: "Nobody at the terminal answered."},
	CodeExpired:  {Code: session.ByeTimeOver, Text: "The terminal's certificate has ended."},
	CodeRefused:  {Code: session.ByeRefused, Text: "A certificate of this session no longer passes at the terminal."},
}

func byeOf(w *Why) session.Bye {
	if b, ok := byes[w.Code]; ok {
		return b
	}
	return session.Bye{Code: session.ByeShutdown, Text: "The relay of the terminal stops."}
}
