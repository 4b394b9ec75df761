package gateway

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"tlagate/audit"
	"tlagate/gateway/fleet"
	"tlagate/gateway/recent"
	"tlagate/gateway/state"
	"tlagate/pki"
	"tlagate/session/link"
)

// Act says who acts, and why.
type Act struct {
	Who    string // identity of role admin, or "root (break-glass)"
	Role   string // the operator's role that lets them: operate, security
	Reason string
	From   string // IP address, or what the request came by
}

// What an act may be, in the trace and in events.
const (
	actEnd    = "end"
	actDeny   = "deny"
	actAllow  = "allow"
	actDrain  = "drain"
	actResume = "resume"
)

// Why an act is refused.
var (
	ErrNoSession   = errors.New("cannot end the session: none that runs here has this id")
	ErrNobody      = errors.New("cannot act: it is not said who acts, and why")
	ErrStopping    = errors.New("cannot serve again: the gateway is stopping")
	ErrNotDraining = errors.New("cannot serve again: the gateway is not draining")
	ErrNotListed   = state.ErrNotListed
	ErrNotDenied   = state.ErrNotDenied
	ErrUnwritten   = state.ErrUnwritten
)

// Done is the error of an act that is done all the same, since it takes trust away: it is not in the trace yet, or will
// not outlive a restart.
type Done struct{ Err error }

// Error returns what is missing.
func (d *Done) Error() string { return "it is done, but: " + d.Err.Error() }

// Unwrap returns what is missing.
func (d *Done) Unwrap() error { return d.Err }

// done returns a *Done if something is missing.
func done(missing ...error) error {
	if err := errors.Join(missing...); err != nil {
		return &Done{err}
	}
	return nil
}

// operator is an act on its way into the trace.
type operator struct {
	Act
	what  string
	attrs []audit.Attr
	event recent.Event // what watchers are told, without who and act
}

func (o operator) line() []audit.Attr {
	return append(o.attrs, audit.By(o.Who), audit.Role(o.Role), audit.Act(o.what), audit.Reason(o.Reason),
		audit.Address(o.From))
}

// record records an act before it is done. When it takes trust away it is done whatever the error is, and its line
// follows as soon as it can be written.
func (o operator) record(g *Gateway, takesAway bool) error {
	if o.Who == "" || o.Reason == "" {
		return ErrNobody
	}
	err := g.trace.log.Record(audit.OperatorAct, o.line()...)
	if err != nil {
		g.log.Error("an operator's act is not in the audit trace", "act", o.what, "by", o.Who, "done", takesAway,
			"error", err)
		if !takesAway {
			return err
		}
		g.trace.log.Later(audit.OperatorAct, o.line()...)
	}
	g.log.Warn("an operator acts", "act", o.what, "by", o.Who, "role", o.Role, "reason", o.Reason, "from", o.From,
		"session", o.event.Session, "identity", o.event.Identity)
	e := o.event
	e.Kind, e.Act, e.Who, e.Reason = recent.Acted, o.what, o.Who, o.Reason
	g.lately.events.Publish(e)
	return err
}

// End ends a session: both ends are told that an operator did, with an incident number (SP3). The error is
// ErrNoSession, ErrNobody, or a *Done.
func (g *Gateway) End(id string, a Act) error {
	s := g.state.Session(id)
	if s == nil {
		return ErrNoSession
	}
	n := numbered(endedNotice, string(link.CodeEndedByOperator))
	who := s.tla.client.identity()
	about := []audit.Attr{audit.Session(id), audit.Identity(who), audit.Incident(n.Incident)}
	err := operator{a, actEnd, about,
		recent.Event{Session: id, Identity: who, Incident: n.Incident}}.record(g, true)
	if errors.Is(err, ErrNobody) {
		return err
	}
	s.end(n, string(link.CodeEndedByOperator), byOperator, audit.Peer(a.Who))
	return done(err)
}

var endedNotice = link.Notice{Code: link.CodeEndedByOperator, Text: "An operator has ended the session."}

// byOperator is who ended a session, in log, trace and metrics.
const byOperator = "operator"

// Deny refuses an identity from now on, over restarts too, and cuts it: a URN, urn:tlagate:PRACTICE:ROLE:*, or
// urn:tlagate:PRACTICE:*. It stands beside the CA's revocation, not in its place. The error wraps ErrNotDenied, or is
// ErrNobody or a *Done.
func (g *Gateway) Deny(identity string, a Act) error {
	if err := state.CheckPattern(identity); err != nil {
		return fmt.Errorf("%w: %w", ErrNotDenied, err)
	}
	err := onIdentity(a, actDeny, identity).record(g, true)
	if errors.Is(err, ErrNobody) {
		return err
	}
	saved := g.state.Deny(state.Denial{Identity: identity, Who: a.Who, Role: a.Role, Reason: a.Reason,
		At: time.Now().UTC().Truncate(time.Second)})
	if errors.Is(saved, ErrNotDenied) {
		return saved
	}
	if saved != nil {
		g.log.Error("an operator's denial is in force, and will not outlive a restart", "identity", identity,
			"error", saved)
	}
	g.watcher.cutDenied()
	return done(err, saved)
}

func onIdentity(a Act, what, identity string) operator {
	return operator{a, what, []audit.Attr{audit.Identity(identity)}, recent.Event{Identity: identity}}
}

// Allow takes a denial back, of this very identity or pattern, and the suspicion that it was cloned. An error means
// that both stay: ErrNotListed, ErrNobody, ErrUnwritten, or that the trace cannot be written.
func (g *Gateway) Allow(identity string, a Act) error {
	denied, clone := g.state.Has(identity), g.suspects(identity)
	if !denied && !clone {
		return ErrNotListed
	}
	if err := onIdentity(a, actAllow, identity).record(g, false); err != nil {
		return err
	}
	if denied {
		if err := g.state.Allow(identity); err != nil {
			g.log.Error("an operator's denial stays in force: it cannot be taken back", "identity", identity,
				"error", err)
			return err
		}
	}
	if clone {
		id, _ := pki.ParseIdentity(identity) // it is in a list of ours
		g.ForgetClone(id)
	}
	return nil
}

// suspects reports whether two programs seem to use an identity.
func (g *Gateway) suspects(identity string) bool {
	return slices.ContainsFunc(g.Clones(), func(c fleet.Clone) bool { return c.Identity.String() == identity })
}

// DenialInfo is an entry of the operators' deny list.
type DenialInfo = state.Denial

// Denied returns the operators' deny list, sorted by identity.
func (g *Gateway) Denied() []DenialInfo { return g.state.Denied() }

// Covers reports whether a name of the deny list, an identity or a pattern, is about a peer.
func Covers(name string, id pki.Identity) bool { return state.Covers(name, id) }

// Knows reports whether one of those is here, or was, whom a name of the deny list is about.
func (g *Gateway) Knows(name string) bool {
	return len(g.state.Seen("", 1, func(s *state.Seen) bool { return state.Covers(name, s.Identity) })) > 0
}

// Denies reports whether an operator denies a peer.
func (g *Gateway) Denies(id pki.Identity) bool { return g.state.Denies(id) }

// Drain takes no more sessions, and asks everybody to use another gateway; sessions that have not moved after
// Limits.Drain are ended so that they do (docs/protocol.md, section 2). The error is ErrNobody or a *Done. Draining
// twice does nothing more.
func (g *Gateway) Drain(a Act) error {
	err := operator{Act: a, what: actDrain}.record(g, true)
	if errors.Is(err, ErrNobody) {
		return err
	}
	g.drains.begin()
	return done(err)
}

// Resume serves again after Drain. An error means that it does not: ErrNotDraining, ErrStopping, ErrNobody, or that the
// trace cannot be written.
func (g *Gateway) Resume(a Act) error {
	g.drains.mu.Lock()
	defer g.drains.mu.Unlock()
	if g.drains.stopped {
		return ErrStopping
	}
	if g.drains.resumed == nil {
		return ErrNotDraining
	}
	if err := (operator{Act: a, what: actResume}).record(g, false); err != nil {
		return err
	}
	g.drains.resumed()
	g.drains.resumed = nil
	g.parked.reopen()
	g.sessions.reopen()
	return nil
}

// Draining reports whether the gateway takes no sessions, since an operator said so or it is stopping.
func (g *Gateway) Draining() bool { return g.sessions.isDraining() }

// deniedError is why a peer is cut that operators deny.
func deniedError(c *client) error {
	return &pki.Refusal{Reason: pki.OnDenyList, Subject: c.identity(), Detail: "an operator of this gateway denies it",
		Claimed: c.peer.Identity, Serial: c.peer.Chain[0].SerialNumber}
}
