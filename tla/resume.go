package tla

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"

	"tlagate/dialer"
	"tlagate/internal/retry"
	"tlagate/pki"
	"tlagate/pki/trust"
	"tlagate/session"
	"tlagate/session/link"
	"tlagate/session/ticket"
)

// A session outlives its link (docs/protocol.md, section 4.1). This is the one place that dials without an act of the
// user: inside a session that the user has started, for as long as its grace time (C4).

// away says since when the link is lost, and until when the relay tries to get it back.
type away struct{ since, until time.Time }

// again is what a further route of a session needs.
type again struct {
	ticket   string
	terminal *session.Terminal
	since    time.Time // when the session came up
	dial     dialer.Func
}

// resume gets a lost link back within the grace time, through any gateway. The error says why that ended the session.
func (l *live) resume(r *route, lost *failure) (*route, error) {
	ctx, cancel := context.WithTimeout(l.ctx, l.cfg.Timers.Grace)
	var network dialer.Network
	var watch sync.WaitGroup
	defer watch.Wait()
	defer cancel()
	watch.Go(func() { l.watchNetwork(ctx, &network) })
	now := time.Now()
	l.away.Store(&away{now, now.Add(l.cfg.Timers.Grace)})
	defer l.away.Store(nil)
	w := lost.why()
	l.log.Warn("link lost; getting it back", "code", string(w.Code), "reason", w.Reason, "gateway", r.gateway,
		"detail", w.Detail, "grace", l.cfg.Timers.Grace)
	a := &again{r.link.Ticket(), r.terminal, r.since, network.Over(l.cfg.Dial)}
	moved := network.Changed()
	asked := time.Duration(0) // the gateway asked for so long a pause
	for redial := (retry.Backoff{First: l.cfg.Timers.Redial, Most: l.cfg.Timers.RedialMax}); ; {
		select {
		case <-time.After(max(retry.Between(1, redial.Next()), min(asked, l.cfg.Timers.RedialMax))):
		case <-moved:
			l.log.Info("the network has changed: dialling at once")
		case <-ctx.Done():
		}
		moved = network.Changed()
		if ctx.Err() != nil {
			break
		}
		next, err := l.round(ctx, order(l.cfg.Gateways, r.gateway, lost.err), a)
		if err == nil {
			l.back(next, time.Since(now))
			return next, nil
		}
		if final(err) {
			return nil, err
		}
		asked = askedPause(err)
		if lost.last == nil || !isOver(ctx) { // else it only says that the grace time is over
			lost.last = err
		}
	}
	return nil, l.notBack(lost)
}

// askedPause returns how long a gateway wants to be left alone that has too many of us. Of any other problem it returns
// 0: what pdt_absent waits for may come at any moment, and the grace time is short.
func askedPause(err error) time.Duration {
	if p, ok := errors.AsType[*link.Problem](err); ok && p.Code == link.ProblemTooMany {
		return p.RetryAfter
	}
	return 0
}

// isOver reports whether the grace time is over: a deadline that has passed fails a dial a moment before ctx ends.
func isOver(ctx context.Context) bool {
	deadline, ok := ctx.Deadline()
	return ctx.Err() != nil || ok && !time.Now().Before(deadline)
}

// watchNetwork watches for changes of the network while a link is lost, and at no other time (C4).
func (l *live) watchNetwork(ctx context.Context, n *dialer.Network) {
	if err := n.Watch(ctx); err != nil {
		l.log.Warn("changes of the network are not seen: gateways are dialled again only at intervals",
			"error", err)
	}
}

// back makes r the session's route, after the link was lost for that long.
func (l *live) back(r *route, after time.Duration) {
	l.route.Store(r)
	l.resumed.Add(1)
	l.log.Info("session resumed", "gateway", r.gateway, "away", after.Round(time.Millisecond))
}

// notBack returns why the session ends, when its link was not got back.
func (l *live) notBack(lost *failure) error {
	if cause := context.Cause(l.ctx); cause != nil {
		return cause
	}
	w := lost.why()
	w.Detail = fmt.Sprintf("the link was not got back within %v: %s", l.cfg.Timers.Grace, w.Detail)
	if lost.last != nil {
		w.Detail += "; last try: " + lost.last.Error()
	}
	return w
}

// order returns the gateways, the present one first unless it is draining.
func order(gateways []string, now string, lost error) []string {
	list := slices.Clone(gateways)
	at := max(slices.Index(list, now), 0)
	if n := (*link.Notice)(nil); errors.As(lost, &n) && n.Code == link.CodeDraining {
		at++
	}
	return slices.Concat(list[at:], list[:at])
}

// round tries each gateway once. The error is final when the session cannot be resumed through any.
func (l *live) round(ctx context.Context, gateways []string, a *again) (*route, error) {
	var open error // of a gateway that may let us in later
	var shut error // of one that will not
	for _, gateway := range gateways {
		try := &attempt{live: l, ctx: ctx, gateway: gateway, again: a}
		n, err := try.run()
		if err == nil {
			return n, nil
		}
		f := try.failed(err)
		switch w := f.why(); {
		case ctx.Err() != nil:
			return nil, f
		case f.over():
			return nil, &refused{w}
		case w.passing():
			open = f
		default:
			shut = &refused{w}
		}
	}
	if open != nil {
		return nil, open
	}
	return nil, shut
}

// refused is a failure that another try cannot mend.
type refused struct{ *Why }

func (r *refused) Unwrap() error { return r.Why }

func final(err error) bool { return errors.As(err, new(*refused)) }

// over reports whether the PdT or the gateway has said that the session is over.
func (f *failure) over() bool {
	var n *link.Notice
	return !session.Resumable(f.err) || errors.As(f.err, &n) && !link.Resumable(n)
}

// passing reports whether what went wrong can go right a moment later.
func (w *Why) passing() bool {
	switch w.Code {
	case CodeProblem:
		return slices.Contains([]string{string(link.ProblemPdTAbsent), string(link.ProblemDraining),
			string(link.ProblemTooMany), string(link.ProblemTLABusy)}, w.Reason)
	case CodeRefused:
		return w.Reason == string(pki.HandshakeFailed) || w.Reason == string(pki.HandshakeSlow)
	}
	return w.Code != CodeRejected
}

// resumable reports whether a session whose route ended with err may go on over another.
func resumable(err error) bool {
	return session.Resumable(err) && link.Resumable(err) && !errors.As(err, new(*trust.Rejected)) &&
		!errors.As(err, new(*pki.Refusal))
}

// greetAgain says hello on a further route, once the ticket for the next one has come: whatever breaks now, we have a
// ticket that was not used.
func (a *attempt) greetAgain(inner net.Conn) (*route, error) {
	generation, err := ticket.Generation(a.again.ticket)
	if err == nil && a.link.Ticket() == "" {
		err = &Why{Code: CodeProtocol, Detail: "the gateway gave no ticket for the next link"}
	}
	if err != nil {
		inner.Close()
		return nil, err
	}
	a.again.ticket = a.link.Ticket()
	ctx, cancel := context.WithTimeout(a.ctx, a.step(a.cfg.Timers.Hello))
	defer cancel()
	if err := a.again.terminal.Resume(ctx, inner, generation); err != nil {
		return nil, a.tell(err)
	}
	return a.newRoute(a.again.terminal, a.again.since), nil
}
