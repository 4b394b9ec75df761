package enrol

import (
	"cmp"
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"tlagate/cmd/internal/cli"
	"tlagate/est"
	"tlagate/internal/address"
	"tlagate/internal/retry"
	"tlagate/pki"
	"tlagate/pki/trust"
)

// Section is the YAML section of renewal:
//
//	renewal: {pki: "pki.internal:8445", at: 0.66}
type Section struct {
	PKI cli.Server `yaml:"pki"` // the PKI's EST server; "" = through the gateways
	At  float64    `yaml:"at"`  // share of a certificate's life; 0 = two thirds
}

// Check returns an error for a share that is none, and for a PKI whose server could never prove its name.
func (s Section) Check() error {
	var share, place error
	if s.At < 0 || s.At >= 1 {
		share = fmt.Errorf("cannot use renewal.at: %v is no share of a certificate's life, want more than 0 and less "+
			"than 1", s.At)
	}
	if s.PKI != "" {
		if _, place = est.DirectPlace(string(s.PKI)); place != nil {
			place = fmt.Errorf("cannot use renewal.pki %q: %w", address.Shown(string(s.PKI)), place)
		}
	}
	return errors.Join(share, place)
}

// Places returns where to renew: at the PKI itself if it is named, else through each of the gateways.
func (s Section) Places(gateways ...string) ([]est.Place, error) {
	if s.PKI != "" {
		direct, err := placeOf("", string(s.PKI))
		return []est.Place{direct}, err
	}
	var list []est.Place
	for _, g := range gateways {
		list = append(list, est.Place{Address: g})
	}
	return list, nil
}

// Held is one pair in use.
type Held struct {
	Pair
	Keys *cli.Keys
}

// Renewer renews the certificates of a running program (docs/enrolment.md, section 5). The first of Held is the
// client's, which authenticates the renewal of all.
type Renewer struct {
	Trust *trust.Trust
	Held  []Held
	At    float64       // share of a certificate's life after which it is renewed; 0 = two thirds
	Begin time.Duration // pause before the first attempt of a Run; 0 = 3 s
	Dial  est.Dial      // nil = net.Dialer's
	// Hybrids says to which gateways hellos go without post-quantum groups; nil = none.
	Hybrids *trust.Hybrids
	Log     *slog.Logger

	// Traced is called with each certificate that was renewed; or with nil and the Kind of a failure about which people
	// must do something. nil = nothing is called.
	Traced func(renewed *x509.Certificate, why string)

	mu    sync.Mutex // protects the rest
	state State
	next  time.Time     // not before then is renewal tried again
	pause time.Duration // the last one after a failure
}

// State says how renewal stands.
type State struct {
	Due          time.Time // of the certificate that is due first
	Warn         time.Time // from then on people are told: a third of the time after Due is over
	Ends         time.Time // of the certificate that ends first
	FailingSince time.Time // zero = it is not failing
	Reason       string    // a Kind, of the last failure
	GivenUp      bool      // nothing but a new enrolment will help
}

// Pauses after attempts that fail, at first and at most; and after one that succeeds, so that a wrong share of life
// does no harm.
const (
	firstPause = time.Minute
	maxPause   = 6 * time.Hour
	goodPause  = time.Minute
	look       = time.Minute // how often the time is looked at: clocks jump, machines sleep
)

// Run renews what is due, at one of places, tried in order, until ctx ends. Only one Run may be under way.
func (r *Renewer) Run(ctx context.Context, places []est.Place) {
	wait := cmp.Or(r.Begin, 3*time.Second)
	for retry.Sleep(ctx, wait) {
		if r.due(time.Now()) {
			r.attempt(ctx, places)
		}
		wait = r.wait(time.Now())
	}
}

// times returns those of one certificate: from when it is renewed, from when people are told, when it ends.
func (r *Renewer) times(leaf *x509.Certificate) (due, warn, ends time.Time) {
	life := leaf.NotAfter.Sub(leaf.NotBefore)
	due = leaf.NotBefore.Add(time.Duration(cmp.Or(r.At, 2.0/3) * float64(life)))
	return due, due.Add(leaf.NotAfter.Sub(due) / 3), leaf.NotAfter
}

// Status returns how the renewal of the present certificates stands.
func (r *Renewer) Status() State {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.state.Due, r.state.Warn, r.state.Ends = time.Time{}, time.Time{}, time.Time{}
	for _, h := range r.Held {
		due, warn, ends := r.times(h.Keys.Certificate().Leaf)
		r.state.Due, r.state.Warn, r.state.Ends = earlier(r.state.Due, due), earlier(r.state.Warn, warn),
			earlier(r.state.Ends, ends)
	}
	r.forgive()
	return r.state
}

// forgive forgets failures if nothing is due any more: somebody may have replaced a certificate by hand.
func (r *Renewer) forgive() {
	if time.Now().Before(r.state.Due) {
		r.state.FailingSince, r.state.Reason, r.state.GivenUp = time.Time{}, "", false
		r.next, r.pause = time.Time{}, 0
	}
}

func earlier(a, b time.Time) time.Time {
	if a.IsZero() || b.Before(a) {
		return b
	}
	return a
}

// Warnings returns sentences for people; none before State.Warn.
func (r *Renewer) Warnings() []string {
	s := r.Status()
	if !s.GivenUp && time.Now().Before(s.Warn) {
		return nil
	}
	text := "A certificate ends on " + s.Ends.Format(time.DateOnly) + " and has not been renewed."
	if s.Reason != "" {
		text += " Last failure: " + s.Reason + "; the log says more."
	}
	return []string{text}
}

func (r *Renewer) due(now time.Time) bool {
	due := r.Status().Due
	r.mu.Lock()
	defer r.mu.Unlock()
	return !now.Before(due) && !now.Before(r.next)
}

func (r *Renewer) wait(now time.Time) time.Duration {
	due := r.Status().Due
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.next.After(due) {
		due = r.next
	}
	return min(max(due.Sub(now), time.Millisecond), look)
}

// attempt renews what is due now.
func (r *Renewer) attempt(ctx context.Context, places []est.Place) {
	err := r.hopeless(time.Now())
	for _, h := range r.Held {
		if due, _, _ := r.times(h.Keys.Certificate().Leaf); err == nil && !time.Now().Before(due) {
			err = r.renew(ctx, places, h)
		}
	}
	if ctx.Err() != nil && err != nil {
		return // it was broken off, which is no failure
	}
	r.note(err)
}

// hopeless returns an error if the client's certificate has ended or is known to be revoked: it cannot renew anything.
func (r *Renewer) hopeless(now time.Time) error {
	own := r.Held[0].Keys.Certificate()
	if now.After(own.Leaf.NotAfter) {
		return &Failure{Kind: Ended}
	}
	chain, err := pki.ParseChain(own.Certificate)
	if err != nil {
		return err
	}
	_, err = r.Trust.VerifyKnown(chain, trust.Want{Usage: x509.ExtKeyUsageClientAuth})
	if r, ok := errors.AsType[*pki.Refusal](err); ok && r.Revokes() {
		return &Failure{Kind: Revoked, Cause: err}
	}
	return nil
}

// nextKey returns a new key; or the one in hardware, which is open already: a TPM may have no room to open it twice.
func (h Held) nextKey() (key crypto.Signer, release func(), err error) {
	if present, ok := h.Keys.Certificate().PrivateKey.(crypto.Signer); ok && h.Files.Key.Hardware() {
		return present, func() {}, nil
	}
	made, err := h.Pair.nextKey()
	if err != nil {
		return nil, nil, err
	}
	return made, func() { _ = made.Close() }, nil
}

// renew replaces one pair; the old certificate stays good until its end.
func (r *Renewer) renew(ctx context.Context, places []est.Place, h Held) error {
	key, release, err := h.nextKey()
	if err != nil {
		return &Failure{Kind: Files, Cause: err}
	}
	defer release()
	chain, place, err := r.ask(ctx, places, h, key)
	if err != nil {
		return explain(err, place)
	}
	r.settle(ctx, chain, h.Profile.Usage)
	if err := errors.Join(h.install(chain), h.Keys.Reload()); err != nil {
		return &Failure{Kind: Files, Cause: err}
	}
	r.trace(chain[0], "")
	r.Log.Info("certificate renewed", "profile", h.Profile.Label, "serial", fmt.Sprintf("%x", chain[0].SerialNumber),
		"until", chain[0].NotAfter, "at", place.Address)
	return nil
}

func (r *Renewer) trace(renewed *x509.Certificate, why string) {
	if r.Traced != nil {
		r.Traced(renewed, why)
	}
}

// settle waits a little, while the old certificate stays in use, until the OCSP responders that are asked here know the
// new one: peers that have no CRL want its OCSP answer stapled from the first handshake on. If none is asked, it does
// not wait.
func (r *Renewer) settle(ctx context.Context, chain []*x509.Certificate, usage x509.ExtKeyUsage) {
	ctx, cancel := context.WithTimeout(ctx, settleTime)
	defer cancel()
	for {
		_, err := r.Trust.Verify(chain, trust.Want{Usage: usage})
		if !slices.Contains(unsettled, pki.ReasonOf(err)) || !retry.Sleep(ctx, settleTime/20) {
			return
		}
	}
}

const settleTime = 10 * time.Second

// unsettled are the reasons with responders that have not heard of a certificate yet.
var unsettled = []pki.Reason{pki.OCSPUnknown, pki.OCSPError, pki.OCSPMissing}

// ask asks one place after the other until one answers with a certificate, or that the fault is ours.
func (r *Renewer) ask(ctx context.Context, places []est.Place, h Held, key crypto.Signer) (chain []*x509.Certificate,
	place est.Place, err error) {
	err = errors.New("there is no gateway or PKI to ask")
	for _, place = range places {
		client := &est.Client{Place: place, Trust: r.Trust, Certificate: r.Held[0].Keys.Certificate, Dial: r.Dial,
			Hybrids: r.Hybrids}
		chain, err = client.Reenrol(ctx, key, h.Profile, h.Keys.Certificate().Leaf)
		if err == nil || errors.As(err, new(*est.Problem)) || ctx.Err() != nil {
			break
		}
	}
	return chain, place, err
}

// note keeps how the attempt went, and logs a failure.
func (r *Renewer) note(err error) {
	now, s := time.Now(), r.Status()
	r.mu.Lock()
	defer r.mu.Unlock()
	if err == nil {
		r.state.FailingSince, r.state.Reason, r.state.GivenUp = time.Time{}, "", false
		r.next, r.pause = now.Add(goodPause), 0
		return
	}
	f := explain(err, est.Place{})
	if r.state.FailingSince.IsZero() {
		r.state.FailingSince = now
	}
	r.state.Reason, r.state.GivenUp = string(f.Kind), f.Kind == Ended || f.Kind == Revoked
	r.next = now.Add(r.nextPause(s.Ends.Sub(now)))
	r.tell(f, now, s)
}

// nextPause returns the pause after a failure: it doubles each time, with jitter, but leaves room for many attempts
// before the end.
func (r *Renewer) nextPause(left time.Duration) time.Duration {
	r.pause = min(max(2*r.pause, firstPause), maxPause)
	if r.state.GivenUp {
		r.pause = maxPause
	}
	pause := min(r.pause, max(left/20, firstPause))
	return retry.Between(pause*3/4, pause*5/4)
}

// tell logs a failure, at first as a warning, and as an error once people must do something about it.
func (r *Renewer) tell(f *Failure, now time.Time, s State) {
	level, msg := slog.LevelWarn, "certificate not renewed yet"
	switch {
	case r.state.GivenUp:
		level, msg = slog.LevelError, "certificate cannot be renewed: enrol again"
	case now.After(s.Warn) || f.Kind == Rejected:
		level, msg = slog.LevelError, "certificate not renewed: somebody has to see to it"
	}
	if level == slog.LevelError {
		r.trace(nil, string(f.Kind))
	}
	r.Log.Log(context.Background(), level, msg, "reason", string(f.Kind), "error", f, "ends", s.Ends,
		"failing_since", r.state.FailingSince, "next", r.next)
}
