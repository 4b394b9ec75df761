package main

import (
	"context"
	"log/slog"

	"tlagate/bundle"
	"tlagate/cmd/internal/cli"
	"tlagate/cmd/internal/enrol"
	"tlagate/cmd/internal/trail"
	"tlagate/est"
)

type enrollCmd struct {
	configFlag
	enrol.Command
}

// Run gets our two certificates with a one-time code.
func (e *enrollCmd) Run(app *cli.App) error {
	c, err := e.load()
	if err != nil {
		return err
	}
	places, err := c.places()
	if err != nil {
		return err
	}
	usual := est.Place{}
	if len(places) > 0 {
		usual = places[0]
	}
	if err := c.Insist(app); err != nil {
		return err
	}
	if err := c.becomeOwner(e.Config); err != nil {
		return err
	}
	trace, err := trail.Open(app, "tla-pdt enroll", c.Audit)
	if err != nil {
		return err
	}
	device := c.device()
	device.Hybrids = c.Hybrids(trace.Hybrids)
	return trace.Enrolment(func() error {
		return e.Command.Run(app, device, usual, enrol.English("tla-pdt", "Next: start tla-pdt."),
			c.FirstBundle(app, c.Trust, c.Client, c.usable, bundle.Way{Dial: c.Dial, Hybrids: device.Hybrids}))
	})
}

// places are where the PKI can be asked.
func (c config) places() ([]est.Place, error) { return c.Renewal.Places(c.Gateways.Texts()...) }

// device names our certificates. The client certificate authenticates the renewal of both.
func (c config) device() enrol.Device {
	return enrol.Device{Dial: c.Dial, Trust: c.Trust, Crypto: c.Foreseen(), Pairs: []enrol.Pair{
		{Name: "client", Files: c.Client, Profile: est.PdTClient},
		{Name: "server", Files: c.Server, Profile: est.PdTServer},
	}}
}

// renewer returns what renews our certificates, and the task that has it do so while the service runs.
func (c config) renewer(d *daemon, trace *trail.Trail, log *slog.Logger) (r *enrol.Renewer,
	run func(context.Context) error, err error) {
	places, err := c.places()
	if err != nil {
		return nil, nil, err
	}
	pairs := c.device().Pairs
	r = &enrol.Renewer{Trust: d.trust, At: c.Renewal.At, Dial: c.Dial, Hybrids: c.Hybrids(trace.Hybrids), Log: log,
		Traced: trace.Renewal,
		Held:   []enrol.Held{{Pair: pairs[0], Keys: d.client}, {Pair: pairs[1], Keys: d.server}}}
	return r, func(ctx context.Context) error { r.Run(ctx, places); return ctx.Err() }, nil
}
