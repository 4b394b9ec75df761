package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"reflect"
	"sync"

	"tlagate/audit/home"
	"tlagate/bundle"
	"tlagate/cmd/internal/cli"
	"tlagate/cmd/internal/trail"
	"tlagate/gateway"
	"tlagate/metrics"
	"tlagate/pki"
	"tlagate/pki/trust"
)

type serveCmd struct{ configFlag }

// Run serves until SIGTERM.
func (s *serveCmd) Run(app *cli.App) error {
	c, rules, err := load(s.Config)
	if err != nil {
		return err
	}
	if err := c.Insist(app); err != nil {
		return err
	}
	if err := c.becomeOwner(s.Config); err != nil {
		return err
	}
	trace, err := trail.OpenKept(app, "tla-gateway", c.Audit)
	if err != nil {
		return err
	}
	return trace.During(c.machine(s.Config), func() error { return s.serve(app, trace, c, rules) })
}

func (s *serveCmd) serve(app *cli.App, trace *trail.Trail, c config, rules []gateway.Rule) error {
	if err := c.device().Finish(); err != nil {
		return err
	}
	configured, err := trace.Configuration(s.Config)
	if err != nil {
		return err
	}
	keys, store, err := c.open(trace, app.Log)
	if err != nil {
		return err
	}
	defer keys.Close()
	if err := errors.Join(presentable(store, keys, app.Log), c.Enrolment.ambiguous(keys)); err != nil {
		return err
	}
	renewer, err := c.renewer(trace, store, keys, app.Log)
	if err != nil {
		return err
	}
	if renewer == nil {
		app.Log.Info("our certificates are not renewed by themselves: that takes the sections client, and enrolment " +
			"or renewal")
		go keys.WarnOfEnd(app.Context, app.Log)
	}
	streams, err := c.subscribe(trace, store, app.Log)
	if err != nil {
		return err
	}
	bundles, err := c.shelf(store, app.Log)
	if err != nil {
		return err
	}
	sender, err := c.siem(trace, app.Log)
	if err != nil {
		return err
	}
	lines, err := home.NewReceiver(home.ReceiverConfig{Log: trace.Log, Warn: app.Log})
	if err != nil {
		return err
	}
	denied, roll, err := c.openState(app.Log)
	if err != nil {
		return err
	}
	l, err := app.Listen("listen", c.Listen, c.MPTCP)
	if err != nil {
		return err
	}
	if err := app.NoSocketLeft(); err != nil {
		return err
	}
	balancers, err := c.balancers()
	if err != nil {
		return err
	}
	lowest, err := c.lowest()
	if err != nil {
		return err
	}
	users, err := c.users(trace, store, app.Log)
	if err != nil {
		return err
	}
	party := &trust.Party{Trust: store, Certificate: store.Staple(keys.Certificate), Timeout: c.Limits.Handshake}
	g := gateway.New(gateway.Config{Party: party, Access: rules, Users: users, Limits: c.Limits.gateway(),
		Enrolment: c.Enrolment.gateway(), Push: streams.subscribers, Heads: streams.heads, Log: app.Log,
		Balancers: balancers, Bundles: bundles, RequireBundle: c.RequireBundle, Lowest: lowest,
		RefuseClones: c.Clones == clonesRefuse, Trace: trace.Log, Home: lines, Denials: denied, Roll: roll})
	operators, err := c.openAPI(app.Context, g, party, trace, streams.subscribers, app.Log)
	if err != nil {
		return err
	}
	serveMetrics, err := c.serveMetrics(app.Log, readiness{g, store, keys, trace.Log}.unready,
		append(append(sender.collectors(), operators.collectors()...), g, metrics.NewIntegrity(trace.Integrity))...)
	if err != nil {
		return err
	}
	persons := cli.NewPersonsRun(users.Persons)
	follow := &usersFollow{trace, store, persons, app.Log, users}
	app.Follow(cli.Live{Config: s.Config, Apply: s.apply(g, operators, streams, follow, c, configured, app.Log),
		Trust: store, Keys: keysOf(renewer, keys), Persons: persons})
	defer background(app.Context, func(ctx context.Context) { _ = store.Run(ctx) }, streams.run, serveMetrics,
		func(ctx context.Context) { c.renew(ctx, renewer) }, bundles.Run, trace.Index,
		sender.run, lines.Run, operators.run,
		func(ctx context.Context) { _ = persons.Run(ctx) })()
	app.LogCrypto(store)
	app.Serving(g.Alive)
	fmt.Fprintf(app.Stdout, "listening on %s\n", l.Addr())
	return g.Serve(app.Context, l)
}

// followLowest puts other lowest versions in force.
func followLowest(g *gateway.Gateway, c, running config, log *slog.Logger) error {
	if maps.Equal(c.MinVersion, running.MinVersion) && c.RequireVersion == running.RequireVersion {
		return nil
	}
	lowest, err := c.lowest()
	if err != nil {
		return err
	}
	g.SetLowest(lowest)
	log.Info("lowest versions read again", "programs", len(c.MinVersion))
	return nil
}

// apply returns a function that reads the configuration again and puts in force what may change in a running gateway:
// the sources of pushed revocations, who has to prove who they are, the access table, the lowest versions of devices'
// programs, and what administrators may do.
func (s *serveCmd) apply(g *gateway.Gateway, operators *apiServer, streams *listeners, users *usersFollow,
	running config, configured *trail.Configuration, log *slog.Logger) func() error {
	return func() error {
		c, rules, err := load(s.Config)
		if err != nil {
			return err
		}
		who, changed, err := users.next(c, running)
		if err != nil {
			return err
		}
		if err := streams.set(c.Push); err != nil {
			return err
		}
		if changed {
			users.set(g, who) // before the access table, which may name persons
		}
		running.User, running.Persons, running.PersonKey = c.User, c.Persons, c.PersonKey
		if !reflect.DeepEqual(c.Push, running.Push) {
			log.Info("sources of pushed revocations read again", "sources", len(c.Push))
		}
		if !reflect.DeepEqual(c.Access, running.Access) {
			g.SetAccess(rules)
			log.Info("access table read again", "lines", len(rules))
		}
		if err := followLowest(g, c, running, log); err != nil {
			return err
		}
		if err := operators.follow(c.API, running.API, log); err != nil {
			return err
		}
		running.Access, running.Push = c.Access, c.Push
		if c.API != nil && running.API != nil {
			running.API.Admins = c.API.Admins
		}
		running.MinVersion, running.RequireVersion = c.MinVersion, c.RequireVersion
		if !reflect.DeepEqual(c, running) {
			log.Warn("the rest of the configuration has changed too: that takes a restart")
			running = c
		}
		return configured.Changed()
	}
}

// open reads the keys and the trust that the configuration names.
func (c config) open(trace *trail.Trail, log *slog.Logger) (*cli.Keys, *trust.Trust, error) {
	keys, err := trace.Keys("server", c.Identity)
	if err != nil {
		return nil, nil, err
	}
	trust, err := trust.Open(trace.Trust(c.Trust.Config(c.Demanded(), log)))
	if err != nil {
		return nil, nil, errors.Join(cli.Usage("%w", err), keys.Close())
	}
	return keys, trust, nil
}

// presentable refuses to start with a certificate that every peer would refuse. It only logs what a later CRL or OCSP
// answer can put right.
func presentable(trust *trust.Trust, keys *cli.Keys, log *slog.Logger) error {
	_, err := verifyOurs(trust, keys)
	if reason := pki.ReasonOf(err); temporary[reason] {
		log.Error("our own certificate cannot be checked, and peers cannot either, until this is put right",
			"reason", string(reason), "error", err)
		return nil
	}
	if err != nil {
		return fmt.Errorf("cannot serve with this certificate, peers would refuse it: %w", err)
	}
	return nil
}

// background runs tasks until stop is called, also while the gateway drains: what keeps trust, certificates and bundles
// up to date, and metrics.
func background(ctx context.Context, tasks ...func(context.Context)) (stop func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var running sync.WaitGroup
	for _, task := range tasks {
		running.Go(func() { task(ctx) })
	}
	return func() { cancel(); running.Wait() }
}

// shelf opens the bundles for devices; nil = none are served.
func (c config) shelf(trust *trust.Trust, log *slog.Logger) (*bundle.Shelf, error) {
	if c.Bundles == "" {
		return nil, nil
	}
	if _, err := os.ReadDir(string(c.Bundles)); err != nil {
		return nil, fmt.Errorf("cannot serve bundles: %w", err)
	}
	return bundle.OpenShelf(bundle.ShelfConfig{Dir: string(c.Bundles), Trust: trust, Log: log})
}
