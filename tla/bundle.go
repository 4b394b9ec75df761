package tla

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"tlagate/bundle"
	"tlagate/internal/address"
	"tlagate/session/link"
	"tlagate/tla/control"
	"tlagate/tla/policy"
)

// Bundle is the signed configuration that a relay works with (SP1, docs/bundle.md).
type Bundle interface {
	Version() uint64
	// Usable says why the bundle must not be used (any more), or nil; a *bundle.Broken.
	Usable() error
	// Recheck checks the signer again, with present OCSP answers (DER); after a *bundle.Broken the bundle is no longer
	// trusted.
	Recheck(answers [][]byte) error
	// Update fetches a newer bundle, during a start, from the gateway that demands it, and passes it to Relay.Set.
	Update(ctx context.Context, gateway string) error
}

// ReasonChanged is the reason of CodeSeal when the bundle fetched during a start no longer means the PdT that the user
// asked for.
const ReasonChanged = "changed"

// codeRenewed ends a start during which the bundle was replaced: the same start begins again, with the new one. A user
// sees of it that they are asked for their code again (reasonAsked), since the card was powered down.
const (
	codeRenewed Code   = "bundle_renewed"
	reasonAsked string = "asked"
)

// Settings are what a new bundle changes in a running relay.
type Settings struct {
	Gateways           []string
	PdTs               []string
	Absolute, Inactive time.Duration // zero = the default
	Policy             *policy.Policy
}

// Check returns an error that names everything wrong with the settings.
func (s Settings) Check() error {
	errs := []error{address.Servers("gateways", s.Gateways)}
	if len(s.Gateways) == 0 {
		errs = append(errs, errors.New("cannot run a relay without a gateway: name one, host:port, under gateways"))
	}
	if s.Policy == nil {
		errs = append(errs, errors.New("cannot run a relay without a card policy: no command would reach a card"))
	}
	if len(s.PdTs) == 0 {
		errs = append(errs, errors.New("cannot run a relay without a PdT: name one under pdt"))
	}
	for _, name := range s.PdTs {
		_, err := pdtOf(name, "practice")
		errs = append(errs, err)
	}
	return errors.Join(append(errs, Timers{Absolute: s.Absolute, Inactive: s.Inactive}.Check())...)
}

// Set replaces the settings for sessions that start from now on. The error says why the old ones stay.
func (r *Relay) Set(s Settings) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	next := r.cfg
	next.Gateways, next.PdTs, next.Policy = s.Gateways, s.PdTs, s.Policy
	next.Timers.Absolute, next.Timers.Inactive = s.Absolute, s.Inactive
	if err := next.check(); err != nil {
		return err
	}
	next = next.withDefaults()
	r.cfg.Gateways, r.cfg.PdTs, r.cfg.Policy, r.cfg.Timers = next.Gateways, next.PdTs, next.Policy, next.Timers
	return nil
}

// End ends the session, if there is one, because of err. It does not wait for the end.
func (r *Relay) End(err error) {
	r.mu.Lock()
	l := r.live
	r.mu.Unlock()
	if l != nil {
		l.end(explain(err))
	}
}

// usable returns why the bundle must not be used; nil = it may.
func (c Config) usable() *Why {
	if c.Bundle == nil {
		return nil
	}
	if err := c.Bundle.Usable(); err != nil {
		return explain(err)
	}
	return nil
}

func (c Config) bundleVersion() uint64 {
	if c.Bundle == nil {
		return 0
	}
	return c.Bundle.Version()
}

// renew fetches the bundle that a gateway demands, and has the start begin again with it. It returns err when err is
// about something else.
func (l *live) renew(gateway string, err error) error {
	var p *link.Problem
	if l.cfg.Bundle == nil || !l.mayRenew || !errors.As(err, &p) || p.Code != link.ProblemBundleOutdated {
		return err
	}
	before := l.cfg.Bundle.Version()
	l.log.Info("the gateway demands a newer bundle", "gateway", gateway, "version", before)
	if failed := l.cfg.Bundle.Update(l.ctx, gateway); failed != nil {
		l.log.Warn("bundle not fetched", "gateway", gateway, "error", failed)
		return errors.Join(err, failed)
	}
	if l.cfg.Bundle.Version() == before {
		return err
	}
	if now := l.settings(); !now.keeps(l.act, l.pdt) {
		return &Why{Code: CodeSeal, Reason: ReasonChanged, File: "bundle",
			Detail: fmt.Sprintf("the bundle fetched names %s, the start was for %s", strings.Join(now.PdTs, ", "),
				l.pdt)}
	}
	w := &Why{Code: codeRenewed}
	if l.user.asked {
		w.Reason = reasonAsked
	}
	return w
}

// lookAtBundle ends the session when the gateway's answers revoke the signer of the bundle.
func (l *live) lookAtBundle(pieces []link.Status) {
	if l.cfg.Bundle == nil {
		return
	}
	if answers := link.Answers(pieces); len(answers) > 0 {
		if err := l.cfg.Bundle.Recheck(answers); err != nil {
			l.end(explain(err))
		}
	}
}

// sealSays reports whether the bundle is what ended an attempt: another gateway would make no difference.
func sealSays(err error) bool {
	w := (*Why)(nil)
	return errors.As(err, &w) && (w.Code == codeRenewed || w.Code == CodeSeal)
}

// Refusing returns a handler that answers local users of a relay whose seal is broken: every start fails because of
// err. Behind it there is no Relay, connection, reader or card. why has the incident number.
func Refusing(err error) (why *Why, handle func(ctx context.Context, who string, asked control.Request) any) {
	w, since := explain(err).numbered(), time.Now()
	return w, func(_ context.Context, _ string, asked control.Request) any {
		a := Answer{Version: Version, OK: true, Status: &Status{State: StateIdle, Readers: []ReaderStatus{},
			Last: &End{Why: *w, At: since}}}
		if asked.Command != "stop" && asked.Command != "status" {
			a.OK, a.Error = false, w
		}
		return a
	}
}

func sealBroken(e *bundle.Broken) *Why {
	return &Why{Code: CodeSeal, Reason: string(e.Reason), File: e.File, Detail: e.Detail}
}
