package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"reflect"
	"sync"

	"tlagate/cmd/internal/cli"
	"tlagate/gateway"
	"tlagate/pki"
	"tlagate/pki/bundle"
)

type serveCmd struct {
	Config string `required:"" short:"c" placeholder:"FILE" help:"Configuration file (YAML)."`
}

// Run serves until SIGTERM.
func (s *serveCmd) Run(app *cli.App) error {
	c, rules, err := load(s.Config)
	if err != nil {
		return err
	}
	keys, trust, err := c.open(app.Log)
	if err != nil {
		return err
	}
	if err := presentable(trust, keys, app.Log); err != nil {
		return err
	}
	told, err := c.subscribe(trust, app.Log)
	if err != nil {
		return err
	}
	bundles, err := c.shelf(trust, app.Log)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return fmt.Errorf("cannot listen on %s: %w", c.Listen, err)
	}
	party := &pki.Party{Trust: trust, Certificate: trust.Staple(keys.Certificate), Timeout: c.Limits.Handshake}
	g := gateway.New(gateway.Config{Party: party, Access: rules, Limits: c.Limits.gateway(), Pushed: told.pushed(), Log: app.Log,
		Bundles: bundles, RequireBundle: c.RequireBundle})
	app.Follow(cli.Live{Config: s.Config, Apply: s.apply(g, c, app.Log), Trust: trust, Keys: append(told.keys, keys)})
	defer background(app.Context, trust, told, bundles)()
	fmt.Fprintf(app.Stdout, "listening on %s\n", l.Addr())
	return g.Serve(app.Context, l)
}

// apply takes over what may change in a running gateway: the access table.
func (s *serveCmd) apply(g *gateway.Gateway, running config, log *slog.Logger) func() error {
	return func() error {
		c, rules, err := load(s.Config)
		if err != nil {
			return err
		}
		if !reflect.DeepEqual(c.Access, running.Access) {
			g.SetAccess(rules)
			log.Info("access table read again", "lines", len(rules))
		}
		running.Access = c.Access
		if !reflect.DeepEqual(c, running) {
			log.Warn("the rest of the configuration has changed too: that takes a restart")
			running = c
		}
		return nil
	}
}

// open reads what the configuration names.
func (c config) open(log *slog.Logger) (*cli.Keys, *pki.Trust, error) {
	keys, err := c.Identity.Open()
	if err != nil {
		return nil, nil, err
	}
	trust, err := pki.OpenTrust(c.Trust.Config(log))
	return keys, trust, err
}

// presentable refuses to start with a certificate that every peer would refuse for what it is. What a CRL still to
// come can put right is logged.
func presentable(trust *pki.Trust, keys *cli.Keys, log *slog.Logger) error {
	_, err := verifyOurs(trust, keys)
	if reason := pki.ReasonOf(err); passing[reason] {
		log.Error("our own certificate cannot be checked, and peers cannot either, until this is put right", "reason", string(reason), "error", err)
		return nil
	}
	if err != nil {
		return fmt.Errorf("cannot serve with this certificate, peers would refuse it: %w", err)
	}
	return nil
}

// background keeps the trust store up to date until stop, also while the gateway drains.
func background(ctx context.Context, trust *pki.Trust, told *listeners, bundles *bundle.Shelf) (stop func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var running sync.WaitGroup
	running.Go(func() { _ = trust.Run(ctx) })
	running.Go(func() { told.run(ctx) })
	if bundles != nil {
		running.Go(func() { bundles.Run(ctx) })
	}
	return func() { cancel(); running.Wait() }
}

// shelf opens the bundles for devices; nil = none are served.
func (c config) shelf(trust *pki.Trust, log *slog.Logger) (*bundle.Shelf, error) {
	if c.Bundles == "" {
		return nil, nil
	}
	if _, err := os.ReadDir(string(c.Bundles)); err != nil {
		return nil, fmt.Errorf("cannot serve bundles: %w", err)
	}
	return bundle.OpenShelf(bundle.ShelfConfig{Dir: string(c.Bundles), Trust: trust, Log: log})
}
