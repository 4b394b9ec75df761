package pdt

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"tlagate/pki"
	"tlagate/pki/trust"
	"tlagate/session"
	"tlagate/session/link"
)

// serveJoined is the life of a joined link: the TLA authenticates itself, says hello, and gets the readers or is told
// why not.
func (s *Service) serveJoined(ctx context.Context, cut context.CancelCauseFunc, g *gateway,
	l *parkedLink, j *link.Joined) {
	proved := sync.OnceFunc(g.proved)
	defer proved()
	log := g.log.With("session", j.Session)
	conn, peer, err := s.authenticate(ctx, l, j)
	if err != nil {
		msg := "TLA refused"
		if _, ok := errors.AsType[*trust.Rejected](err); ok {
			msg = "the TLA refused us"
		}
		log.Warn(msg, "reason", reasonOf(err), "peer", "claimed", "claimed", j.TLA, "error", err)
		s.failed(g, j, reasonOf(err), err)
		return
	}
	defer conn.Close()
	go watch(ctx, peerOf(s.cfg.Server.Trust, peer), s.cfg.Recheck, cut)
	log = log.With("peer", peer.Identity.String())
	if c := s.session(); j.Generation > 1 && c.is(j.Session, peer.Identity) {
		defer s.home(ctx, j.Session, l)()
		go c.watchUser(ctx, cut)
		c.resume(ctx, proved, conn, way{g.address, peer.TLS}, j.Generation)
		return
	}
	c := &cardSession{s: s, id: j.Session, tla: peer.Identity, way: way{g.address, peer.TLS}, began: time.Now(),
		log: log}
	if err := c.open(conn); err != nil {
		c.log.Warn("session not opened", "reason", reasonOf(err), "error", err)
		s.failed(g, j, reasonOf(err), err)
		return
	}
	refusal := s.admit(c, l.peer.Identity, peer, j)
	proved()
	if refusal != nil {
		s.failed(g, j, c.whyRefused(refusal), nil)
		c.w.Refuse(refusal.Code, refusal.Text)
		return
	}
	s.trace(c.up(g))
	defer s.home(ctx, j.Session, l)()
	go c.watchUser(ctx, cut)
	c.begin(ctx)
}

// home has lines of our trace sent over a link of a session, until stop is called.
func (s *Service) home(ctx context.Context, session string, l *parkedLink) (stop func()) {
	if s.cfg.Home == nil || !l.TakesTrace() {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	running.Go(func() { s.cfg.Home(ctx, session, l.Conn) })
	return func() { cancel(); _ = l.Close(); running.Wait() }
}

// admit gives a new session the readers, or returns the bye that says why not.
func (s *Service) admit(c *cardSession, gateway pki.Identity, peer *trust.Peer, j *link.Joined) *session.Bye {
	if j.Generation > 1 {
		c.log.Warn("session refused: it is not one that can be resumed here", "reason", string(session.ByeGone))
		return &session.Bye{Code: session.ByeGone, Text: "This Poste de Travail does not have the session any more."}
	}
	if err := s.checkConsent(c, peer, j); err != nil {
		c.log.Warn("session refused: no consent of the terminal's user", "reason", "bad_consent", "error", err)
		return &session.Bye{Code: session.ByeRefused,
			Text: "The consent of the terminal's user does not pass at this Poste de Travail."}
	}
	if bye := s.checkUser(c, gateway, j); bye != nil {
		return bye
	}
	if !s.acquire(c) {
		c.log.Warn("session refused", "reason", string(session.ByeBusy))
		return &session.Bye{Code: session.ByeBusy,
			Text: "All readers of this Poste de Travail are in use by another session."}
	}
	return nil
}

// authenticate has the TLA prove in the inner handshake that it is the one that the gateway named, and may open a
// session.
func (s *Service) authenticate(ctx context.Context, l *parkedLink, j *link.Joined) (net.Conn, *trust.Peer, error) {
	want, named, err := s.access.Load().want(s.us, j)
	if err != nil {
		return nil, nil, &pki.Refusal{Reason: pki.BadIdentity, Subject: "joined record", Detail: err.Error()}
	}
	server := s.cfg.Server
	server.Certificate = l.certificate(s.cfg.Server.Certificate)
	conn, peer, err := server.Server(ctx, l, trust.ALPNCard, want)
	if err != nil {
		return nil, nil, err
	}
	if peer.Identity != named {
		conn.Close()
		return nil, nil, &pki.Refusal{Reason: pki.WrongPeer, Subject: peer.Identity.String(),
			Detail: fmt.Sprintf("the gateway announced %s", named)}
	}
	return conn, peer, nil
}
