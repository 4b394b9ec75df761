package main

import (
	"context"

	"tlagate/cmd/internal/cli"
	"tlagate/metrics"
)

// serveMetrics serves them, if the configuration says so, until stop; unready is that of metrics.Serve.
func (c config) serveMetrics(app *cli.App, unready func() []string, of ...metrics.Collector) (stop func(), err error) {
	if c.Metrics == "" {
		return func() {}, nil
	}
	registry := metrics.NewRegistry(cli.BuildVersion())
	for _, one := range of {
		if err := registry.Register(one); err != nil {
			return nil, err
		}
	}
	l, err := metrics.Listen(c.Metrics)
	if err != nil {
		return nil, err
	}
	app.Log.Info("metrics are served", "address", l.Addr().String())
	ctx, cancel := context.WithCancel(context.WithoutCancel(app.Context))
	done := make(chan struct{})
	go func() { defer close(done); metrics.Serve(ctx, l, registry, unready, app.Log) }()
	return func() { cancel(); <-done }, nil
}
