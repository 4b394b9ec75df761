package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"sync"

	"tlagate/cmd/internal/cli"
	"tlagate/pdt"
	"tlagate/pki"
)

type runCmd struct{ place }

// Run opens everything and serves until the program is stopped.
func (c *runCmd) Run(app *cli.App) error {
	cli.OneProcessor()
	cfg, err := c.load()
	if err != nil {
		return err
	}
	d, err := open(cfg, app.Log)
	if err != nil {
		return err
	}
	return d.serve(app)
}

// daemon is the service with what is reloaded under it.
type daemon struct {
	client, server *cli.Keys
	trust          *pki.Trust
	service        *pdt.Service
}

func open(cfg config, log *slog.Logger) (d *daemon, err error) {
	d = new(daemon)
	if d.client, err = cfg.Client.Open(); err != nil {
		return nil, err
	}
	if d.server, err = cfg.Server.Open(); err != nil {
		return nil, err
	}
	if d.trust, err = pki.OpenTrust(cfg.Trust.Config(log)); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(string(cfg.Status)), 0o755); err != nil {
		return nil, err
	}
	service, err := cfg.service(d.trust, d.client, d.server, log)
	if err != nil {
		return nil, err
	}
	d.service, err = pdt.New(service)
	return d, err
}

// serve runs the service, and the trust store under it, until the program is stopped.
func (d *daemon) serve(app *cli.App) error {
	ctx, stop := context.WithCancel(app.Context)
	defer stop()
	var parts sync.WaitGroup
	failed := make(chan error, 2)
	app.OnHangup(func() { d.reload(app.Log) })
	for _, part := range []func(context.Context) error{d.trust.Run, d.service.Run} {
		parts.Go(func() { defer stop(); failed <- part(ctx) })
	}
	parts.Wait()
	return errors.Join(withoutStop(<-failed), withoutStop(<-failed))
}

func (d *daemon) reload(log *slog.Logger) {
	d.trust.Reload()
	d.client.ReloadOrLog(log)
	d.server.ReloadOrLog(log)
}

// withoutStop leaves out that a part was told to stop.
func withoutStop(err error) error {
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}
