package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"

	"tlagate/cmd/internal/cli"
	"tlagate/cmd/internal/trail"
	"tlagate/pki"
	"tlagate/tla"
	ctl "tlagate/tla/control"
)

type runCmd struct{ place }

// Run is the daemon: open everything, serve, end the session first when told to stop.
func (c *runCmd) Run(app *cli.App) error {
	cli.OneProcessor()
	cfg, err := c.load()
	if err != nil {
		return err
	}
	trace, err := trail.Open(app, "tla-relay", cfg.Audit)
	if err != nil {
		return err
	}
	return trace.During(trail.Compared, func() error {
		d, err := open(app, cfg, trace)
		if err != nil {
			return err
		}
		defer d.keys.Close()
		return d.serve(app)
	})
}

type daemon struct {
	keys    *cli.Keys
	trust   *pki.Trust
	readers *tla.Readers
	relay   *tla.Relay
	server  *ctl.Server
}

func open(app *cli.App, cfg config, trace *trail.Trail) (*daemon, error) {
	d := &daemon{readers: tla.NewReaders(tla.ReadersConfig{Log: app.Log})}
	var err error
	if err = cfg.device().Finish(); err != nil {
		return nil, err
	}
	if d.keys, err = trace.Keys("client", cfg.Identity); err != nil {
		return nil, err
	}
	if d.trust, err = pki.OpenTrust(trace.Trust(cfg.Trust.Config(app.Log))); err != nil {
		return nil, err
	}
	cards, err := loadPolicy(string(cfg.Policy))
	if err != nil {
		return nil, err
	}
	r := cfg.renewer(d, app.Log)
	d.relay, err = tla.NewRelay(tla.Config{
		Gateways: cfg.Gateways, PdT: cfg.PdT, Readers: d.readers, Policy: cards, Log: app.Log,
		Party:  &pki.Party{Trust: d.trust, Certificate: d.trust.Staple(d.keys.Certificate)},
		Timers: tla.Timers{Absolute: cfg.Limits.Absolute, Inactive: cfg.Limits.Inactive},
		During: r.during, Renewal: r.renewal,
	})
	if err != nil {
		return nil, err
	}
	return d, d.listen(app, cfg.Control)
}

func (d *daemon) listen(app *cli.App, c control) (err error) {
	socket := string(c.Socket)
	if err := os.MkdirAll(filepath.Dir(socket), 0o755); err != nil {
		return err
	}
	d.server, err = ctl.Listen(ctl.Config{Socket: socket, Group: c.Group, Handle: d.relay.Handle, PIN: d.relay.EnterPIN, Log: app.Log})
	return err
}

// serve runs every part until the program is stopped, or one fails. The session ends before its parts do.
func (d *daemon) serve(app *cli.App) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var parts sync.WaitGroup
	failed := make(chan error, 3)
	for _, part := range []func(context.Context) error{d.trust.Run, d.readers.Run, d.server.Serve} {
		parts.Go(func() { failed <- part(ctx) })
	}
	app.Follow(cli.Live{Trust: d.trust, Keys: []*cli.Keys{d.keys}})
	app.Log.Info("ready: no connection is made before a user's start")
	var err error
	select {
	case <-app.Context.Done():
	case e := <-failed:
		err = withoutStop(e)
	}
	d.relay.Close()
	cancel()
	parts.Wait()
	close(failed)
	for e := range failed {
		err = errors.Join(err, withoutStop(e))
	}
	return err
}

// withoutStop leaves out that a part was told to stop.
func withoutStop(err error) error {
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}
