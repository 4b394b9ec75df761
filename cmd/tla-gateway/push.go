package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	"tlagate/cmd/internal/cli"
	"tlagate/cmd/internal/trail"
	"tlagate/gateway"
	"tlagate/heads"
	"tlagate/pki/trust"
	"tlagate/push"
)

// pushSource is one source of push: a `tla-pki serve` that tells us of revocations and keeps the heads of our trace, and
// our client certificate there, if it is not that of the section client.
type pushSource struct {
	URL    string       `yaml:"url"`
	Name   string       `yaml:"name"` // that its certificate must have; empty: the host of url
	Client cli.Identity `yaml:"client"`
}

// listeners are the streams of revocations that we listen to, and what sends the heads of our trace the other way. They
// may change while the gateway runs.
type listeners struct {
	trace  *trail.Trail
	client cli.Identity // of a source that names none
	trust  *trust.Trust
	log    *slog.Logger

	mu  sync.Mutex      // protects the rest
	ctx context.Context // of run; nil = not yet
	all map[pushSource]*listener
}

// listener is one stream.
type listener struct {
	subscriber *push.Subscriber
	sender     *heads.Sender // nil = we have no trace
	keys       *cli.Keys
	ended      atomic.Bool // its certificate is no longer of interest

	stop    context.CancelFunc // nil = not started
	running sync.WaitGroup
}

// subscribe opens what each source needs; nothing is dialled before run.
func (c config) subscribe(trace *trail.Trail, trust *trust.Trust, log *slog.Logger) (*listeners, error) {
	l := &listeners{trace: trace, client: c.Client, trust: trust, log: log, all: map[pushSource]*listener{}}
	return l, l.set(c.Push)
}

// set listens to these sources and no others. A source that stays is not interrupted. On an error nothing changes.
func (l *listeners) set(sources []pushSource) error {
	l.mu.Lock()
	next, err := l.open(sources)
	var gone []*listener
	if err == nil {
		gone = l.change(next)
	}
	l.mu.Unlock()
	for _, one := range gone {
		one.end() // may take a while: whoami does not wait for it
	}
	return err
}

// change makes next the present listeners, and returns those that the caller must end. The caller holds l.mu.
func (l *listeners) change(next map[pushSource]*listener) (gone []*listener) {
	for source, one := range l.all {
		if next[source] == nil {
			gone = append(gone, one)
			l.log.Info("no longer listening for revocations", "push", source.URL)
		}
	}
	for source, one := range next {
		if l.all[source] == nil {
			one.begin(l.ctx, l.log)
		}
	}
	l.all = next
	return gone
}

// open returns the listeners of some sources: those that exist, whose keys it reads again, and new ones.
func (l *listeners) open(sources []pushSource) (map[pushSource]*listener, error) {
	next := map[pushSource]*listener{}
	for i, source := range sources {
		if one := l.all[source]; one != nil {
			one.keys.ReloadOrLog(l.log)
			next[source] = one
			continue
		}
		one, err := l.openOne(source)
		if err != nil {
			l.discard(next)
			return nil, fmt.Errorf("push[%d].%w", i, err)
		}
		next[source] = one
	}
	return next, nil
}

// discard gives up the new ones among some listeners.
func (l *listeners) discard(some map[pushSource]*listener) {
	for source, one := range some {
		if l.all[source] == nil {
			one.ended.Store(true)
		}
	}
}

func (l *listeners) openOne(source pushSource) (one *listener, err error) {
	one = &listener{}
	if one.keys, err = l.trace.Keys("push", cmp.Or(source.Client, l.client)); err != nil {
		return nil, fmt.Errorf("client: %w", err)
	}
	cfg := push.Config{URL: source.URL, Name: source.Name,
		Party: &trust.Party{Trust: l.trust, Certificate: l.trust.Staple(one.certificate)}, Log: l.log}
	if one.subscriber, err = push.New(cfg); err != nil {
		one.ended.Store(true)
		return nil, fmt.Errorf("url: %w", err)
	}
	if l.trace.Log != nil {
		one.sender, err = heads.New(heads.Config{Server: heads.Server{URL: source.URL, Name: source.Name,
			Party: cfg.Party}, Head: l.trace.Log.Head, Record: l.trace.Log.Later, Log: l.log})
	}
	return one, err
}

func (l *listener) certificate() *tls.Certificate {
	if l.ended.Load() {
		return nil
	}
	return l.keys.Certificate()
}

// begin listens until end; with a nil ctx it leaves that to run.
func (l *listener) begin(ctx context.Context, log *slog.Logger) {
	if ctx == nil {
		return
	}
	ctx, l.stop = context.WithCancel(ctx)
	l.running.Go(func() { _ = l.subscriber.Run(ctx) })
	l.running.Go(func() { l.keys.Watch(ctx, log) })
	if l.sender != nil {
		l.running.Go(func() { l.sender.Run(ctx) })
	}
}

func (l *listener) end() {
	if l.stop != nil {
		l.stop()
	}
	l.running.Wait()
	l.ended.Store(true)
}

// run listens until ctx ends.
func (l *listeners) run(ctx context.Context) {
	l.mu.Lock()
	l.ctx = ctx
	for _, one := range l.all {
		one.begin(ctx, l.log)
	}
	l.mu.Unlock()
	l.wakeSenders(ctx)
	l.mu.Lock()
	all := l.all
	l.mu.Unlock()
	for _, one := range all {
		one.end()
	}
}

// wakeSenders has a head sent whenever a file of the trace is full, until ctx ends.
func (l *listeners) wakeSenders(ctx context.Context) {
	for {
		select {
		case <-l.trace.Rotated():
			for _, sender := range l.senders() {
				sender.Wake()
			}
		case <-ctx.Done():
			return
		}
	}
}

// senders returns what sends the heads of our trace now.
func (l *listeners) senders() (all []*heads.Sender) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, one := range l.all {
		if one.sender != nil {
			all = append(all, one.sender)
		}
	}
	return all
}

// heads fits gateway.Config.Heads.
func (l *listeners) heads() (all []gateway.TraceHead) {
	for _, sender := range l.senders() {
		state := sender.State()
		all = append(all, gateway.TraceHead{URL: state.URL, Accepted: state.Accepted, Refused: state.Refused})
	}
	return all
}

// subscribers returns the present streams.
func (l *listeners) subscribers() (all []*push.Subscriber) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, one := range l.all {
		all = append(all, one.subscriber)
	}
	return all
}
