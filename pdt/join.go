package pdt

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"tlagate/pki"
	"tlagate/session"
	"tlagate/session/link"
)

// errTimeOver ends a session at its absolute limit.
var errTimeOver = errors.New("the session has reached its longest time")

// cardSession is one card session of a TLA that has proved itself.
type cardSession struct {
	s       *Service
	id      string
	tla     pki.Identity
	gateway string
	began   time.Time
	count   counts
	w       *session.Workstation
	log     *slog.Logger
}

// serveJoined is the life of a joined link: the TLA proves itself, says hello, gets the readers or is told why not.
func (s *Service) serveJoined(ctx context.Context, cut context.CancelCauseFunc, g *gateway, l *parkedLink, j *link.Joined) {
	proved := sync.OnceFunc(g.proved)
	defer proved()
	log := g.log.With("session", j.Session)
	conn, peer, err := s.prove(ctx, l, j)
	if err != nil {
		msg := "TLA refused"
		if _, ok := errors.AsType[*pki.Rejected](err); ok {
			msg = "the TLA refused us"
		}
		log.Warn(msg, "reason", reasonOf(err), "peer", "claimed", "claimed", j.TLA, "error", err)
		return
	}
	defer conn.Close()
	c := &cardSession{s: s, id: j.Session, tla: peer.Identity, gateway: g.address, began: time.Now(),
		log: log.With("peer", peer.Identity.String())}
	if err := c.open(conn); err != nil {
		c.log.Warn("session not opened", "reason", reasonOf(err), "error", err)
		return
	}
	if err := s.checkConsent(c, peer, j); err != nil {
		proved()
		c.log.Warn("session refused: no consent of the terminal's user", "reason", "bad_consent", "error", err)
		c.w.Refuse(session.ByeRefused, "The consent of the terminal's user does not pass at this Poste de Travail.")
		return
	}
	taken := s.take(c)
	proved()
	if !taken {
		c.log.Warn("session refused", "reason", string(session.ByeBusy))
		c.w.Refuse(session.ByeBusy, "All readers of this Poste de Travail are in use by another session.")
		return
	}
	defer s.give()
	go watch(ctx, s.cfg.Server.Trust, peer, s.cfg.Recheck, cut)
	c.run(ctx)
}

// prove has the TLA prove in the inner handshake that it is the one the gateway named, and may be here.
func (s *Service) prove(ctx context.Context, l *parkedLink, j *link.Joined) (net.Conn, *pki.Peer, error) {
	want, named, err := s.access.Load().want(s.us, j)
	if err != nil {
		return nil, nil, &pki.Refusal{Reason: pki.BadIdentity, Subject: "joined record", Detail: err.Error()}
	}
	server := s.cfg.Server
	server.Certificate = l.certificate(s.cfg.Server.Certificate)
	conn, peer, err := server.Server(ctx, l, pki.ALPNCard, want)
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

// open reads the TLA's hello.
func (c *cardSession) open(conn net.Conn) error {
	if err := conn.SetReadDeadline(time.Now().Add(setUp)); err != nil {
		return err
	}
	w, err := session.OpenWorkstation(conn, session.WorkstationConfig{
		Session:  c.id,
		Timers:   session.Timers{Heartbeat: c.s.cfg.Heartbeat},
		Inserted: c.inserted,
		Removed:  c.removed,
	})
	if err != nil {
		return err
	}
	c.w = w
	return conn.SetReadDeadline(time.Time{})
}

// inserted and removed are called in the order of events, and must not block.
func (c *cardSession) inserted(n session.Slot, in session.Inserted) {
	c.log.Info("card inserted", "slot", n.String(), "epoch", in.Epoch)
	c.s.slots[n].insert(newCard(context.Background(), n, in, c.w, &c.count))
}

func (c *cardSession) removed(n session.Slot) {
	c.log.Info("card removed", "slot", n.String())
	c.s.slots[n].clear()
}

// run serves the session until it ends; its cards are gone with it.
func (c *cardSession) run(ctx context.Context) {
	limited, cancel := context.WithTimeoutCause(ctx, c.s.cfg.Limit, errTimeOver)
	defer cancel()
	stop := context.AfterFunc(limited, func() { c.leave(context.Cause(limited)) })
	defer stop()
	c.log.Info("session begins")
	err := c.w.Run(context.Background())
	for _, slot := range c.s.slots {
		slot.clear()
	}
	c.log.Info("session ended", "reason", reasonOf(err), "error", err, "lasted", time.Since(c.began).Round(time.Second),
		"commands", c.count.commands.Load(), "resets", c.count.resets.Load())
}

// leave ends the session from this side; a cut is logged with the reason of its refusal.
func (c *cardSession) leave(cause error) {
	if pki.ReasonOf(cause) != "" {
		c.log.Warn("session cut", "reason", reasonOf(cause), "error", cause)
	}
	c.w.Leave(farewellOf(cause))
}

// farewellOf tells the TLA why we end the session.
func farewellOf(cause error) (session.ByeCode, string) {
	if r, ok := errors.AsType[*pki.Refusal](cause); ok {
		return session.ByeRefused, "The Poste de Travail cut the session: " + r.Error()
	}
	if errors.Is(cause, errTimeOver) {
		return session.ByeTimeOver, "The session has reached its longest time; start a new one."
	}
	return session.ByeShutdown, "The Poste de Travail is stopping."
}
