package main

import (
	"context"

	"tlagate/cmd/internal/cli"
	"tlagate/metrics"
	"tlagate/ocsp"
)

// serveMetrics serves them, if the configuration says so, until stop.
func (c config) serveMetrics(app *cli.App, r *ocsp.Responder) (stop func(), err error) {
	if c.Metrics == "" {
		return func() {}, nil
	}
	registry := metrics.NewRegistry(cli.BuildVersion())
	if err := registry.Register(r); err != nil {
		return nil, err
	}
	l, err := metrics.Listen(c.Metrics)
	if err != nil {
		return nil, err
	}
	app.Log.Info("metrics are served", "address", l.Addr().String())
	ctx, cancel := context.WithCancel(context.WithoutCancel(app.Context))
	done := make(chan struct{})
	go func() { defer close(done); metrics.Serve(ctx, l, registry, r.Unready, app.Log) }()
	return func() { cancel(); <-done }, nil
}
