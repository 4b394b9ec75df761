package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"sync"

	"tlagate/cmd/internal/cli"
	"tlagate/cmd/internal/seal"
	"tlagate/cmd/internal/trail"
	"tlagate/pdt"
	"tlagate/pki/trust"
)

type runCmd struct{ configFlag }

// Run opens everything and serves until the program is stopped.
func (c *runCmd) Run(app *cli.App) error {
	cli.OneProcessor()
	cfg, err := c.load()
	if err != nil {
		return err
	}
	if err := cfg.Insist(app); err != nil {
		return err
	}
	if err := cfg.becomeOwner(c.Config); err != nil {
		return err
	}
	trace, err := trail.Open(app, "tla-pdt", cfg.Audit)
	if err != nil {
		return err
	}
	return trace.During(cfg.machine(c.Config), func() error {
		d, err := open(cfg, trace, app.Log)
		if err != nil {
			return err
		}
		defer d.client.Close()
		defer d.server.Close()
		app.Follow(cli.Live{Config: c.Config, Apply: c.apply(d, cfg, app.Log), Trust: d.trust,
			Keys: []*cli.Keys{d.client, d.server}, Persons: d.users.running})
		return d.serve(app)
	})
}

// daemon is the service, and what is reloaded while it runs.
type daemon struct {
	client, server *cli.Keys
	trust          *trust.Trust
	users          *usersFollow
	service        *pdt.Service
	driver         func(context.Context) error // serves the driver of the readers
	renew          func(context.Context) error
	bundle         *device // nil = none
}

func open(cfg config, trace *trail.Trail, log *slog.Logger) (d *daemon, err error) {
	d = new(daemon)
	if err := cfg.device().Finish(); err != nil {
		return nil, err
	}
	if d.client, err = trace.Keys("client", cfg.Client); err != nil {
		return nil, err
	}
	if d.server, err = trace.Keys("server", cfg.Server); err != nil {
		return nil, err
	}
	if err := cfg.CheckKeys(cfg.Client, cfg.Server); err != nil {
		return nil, err
	}
	kept, err := cfg.Open(cfg.Trust, d.client.Certificate, cfg.usable, trace.Bundle, log)
	if err != nil {
		return nil, err
	}
	content := seal.ContentOf(kept)
	if err := cfg.Suits(content); err != nil {
		return nil, err
	}
	cfg = cfg.withBundle(content)
	if err := cfg.checkUsers(); err != nil {
		return nil, err
	}
	if d.trust, err = cfg.OpenTrust(cfg.Trust, content, trace.Trust, log); err != nil {
		return nil, err
	}
	if d.users, err = cfg.openUsers(trace, d.trust, log); err != nil {
		return nil, err
	}
	renewer, renew, err := cfg.renewer(d, trace, log)
	if err != nil {
		return nil, err
	}
	d.renew = renew
	if err := os.MkdirAll(filepath.Dir(string(cfg.Status)), 0o755); err != nil {
		return nil, err
	}
	service, err := cfg.service(d.trust, d.client, d.server, log)
	if err != nil {
		return nil, err
	}
	if service.Readers, d.driver, err = cfg.Driver.open(log); err != nil {
		return nil, err
	}
	service.Users = d.users.now
	mark, err := trail.Marks(cfg.PersonKey, log)
	if err != nil {
		return nil, err
	}
	service.Consented, service.Trace, service.Home = trace.Consent, sessions(trace, mark), lines(trace, log)
	service.Warnings = func() []string { return append(renewer.Warnings(), sentences(trace.Trouble())...) }
	service.Client.Hybrids = cfg.Hybrids(trace.Hybrids)
	d.bundle = newDevice(kept, cfg, service, log)
	d.bundle.connect(&service)
	if d.service, err = pdt.New(service); err != nil {
		return nil, err
	}
	d.bundle.applyTo(d.trust, d.service, d.users)
	return d, nil
}

// serve runs the service, and the trust store under it, until the program is stopped.
func (d *daemon) serve(app *cli.App) error {
	ctx, stop := context.WithCancel(app.Context)
	defer stop()
	app.LogCrypto(d.trust)
	app.Serving(d.service.Alive)
	var parts sync.WaitGroup
	all := []func(context.Context) error{d.trust.Run, d.users.running.Run, d.driver, d.service.Run, d.renew,
		d.bundle.run}
	failed := make([]error, len(all))
	for i, part := range all {
		parts.Go(func() { defer stop(); failed[i] = withoutStop(part(ctx)) })
	}
	parts.Wait()
	return errors.Join(failed...)
}

// apply returns a function that reads the configuration again and puts in force what may change in a running service:
// who has to prove who they are, and the access table.
func (c *runCmd) apply(d *daemon, running config, log *slog.Logger) func() error {
	return func() error {
		cfg, err := c.load()
		if err != nil {
			return err
		}
		table, err := cfg.Access.table()
		if err != nil {
			return err
		}
		whole := d.bundle.with(cfg)
		if err := whole.checkUsers(); err != nil {
			return err
		}
		if err := d.users.follow(whole, d.service); err != nil {
			return err
		}
		running.User, running.Persons = cfg.User, cfg.Persons
		if !reflect.DeepEqual(cfg.Access, running.Access) {
			d.service.SetAccess(table)
			log.Info("access table read again", "practices", len(table.Practices), "tlas", len(table.TLAs))
		}
		running.Access = cfg.Access
		if !reflect.DeepEqual(cfg, running) {
			log.Warn("the rest of the configuration has changed too: that takes a restart")
			running = cfg
		}
		return nil
	}
}

// withoutStop returns nil for a part that ended because it was stopped.
func withoutStop(err error) error {
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// sentences returns a list of the sentence; an empty one when it is "".
func sentences(sentence string) []string {
	if sentence == "" {
		return nil
	}
	return []string{sentence}
}
