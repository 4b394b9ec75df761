package main

import (
	"context"
	"log/slog"

	"tlagate/cmd/internal/cli"
	"tlagate/metrics"
)

// serveMetrics listens, if the configuration says so, and returns a task to run until the gateway has stopped.
func (c config) serveMetrics(log *slog.Logger, unready func() []string,
	of ...metrics.Collector) (run func(context.Context), err error) {
	if c.Metrics == "" {
		return func(context.Context) {}, nil
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
	log.Info("metrics are served", "address", l.Addr().String())
	return func(ctx context.Context) { metrics.Serve(ctx, l, registry, unready, log) }, nil
}
