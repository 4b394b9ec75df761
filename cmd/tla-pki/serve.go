package main

import (
	"context"
	"crypto"
	"errors"
	"log/slog"
	"net"
	"time"

	"tlagate/ca"
	"tlagate/ca/server"
	"tlagate/cmd/internal/cli"
	"tlagate/cmd/internal/intact"
	"tlagate/cmd/internal/trail"
	"tlagate/keys"
	"tlagate/pki/trust"
)

type serveCmd struct {
	Config string `required:"" short:"c" placeholder:"FILE" help:"Configuration file (YAML)."`
}

// serveConfig is the YAML file; deploy/examples/pki.yaml explains each line.
type serveConfig struct {
	Dir      cli.Path     `yaml:"dir"`
	Listen   string       `yaml:"listen"`
	Identity cli.Identity `yaml:"identity"`
	Trust    cli.Trust    `yaml:"trust"`
	Public   string       `yaml:"public"`
	EST      string       `yaml:"est"`
	Renew    []renewed    `yaml:"renew"`
	Officers officersAt   `yaml:"officers"`
	Admins   []admin      `yaml:"admins"`
	Limits   serveLimits  `yaml:"limits"`

	Integrity intact.Section `yaml:"integrity"`

	cli.Crypto `yaml:",inline"`
}

type serveLimits struct {
	Heartbeat      time.Duration `yaml:"heartbeat"`
	Streams        int           `yaml:"streams"`
	StreamsPerPeer int           `yaml:"streams_per_peer"`
	Public         int           `yaml:"public"`
}

// Run serves until SIGTERM.
func (s *serveCmd) Run(app *cli.App) error {
	var c serveConfig
	if err := cli.LoadYAML(s.Config, &c, c.check); err != nil {
		return err
	}
	if err := c.Insist(app); err != nil {
		return err
	}
	if err := c.becomeOwner(s.Config); err != nil {
		return err
	}
	authority, err := ca.Open(string(c.Dir), ca.Options{By: "tla-pki serve", Stop: app.Context.Done(),
		Keys: keys.Config{PIN: cli.AskPIN}})
	if err != nil {
		return err
	}
	defer authority.Close()
	if err := authority.Unlock(); err != nil {
		return err
	}
	trace, err := trail.Open(app, "tla-pki serve", c.trace())
	if err != nil {
		return err
	}
	return trace.During(trail.Compared(s.Config, c.Integrity, c.Trust), func() error {
		configured, err := trace.Configuration(s.Config)
		if err != nil {
			return err
		}
		return c.run(configured, s.Config, app, trace, authority)
	})
}

func (c *serveConfig) trace() cli.Path { return cli.Path(ca.AuditFile(string(c.Dir))) }

// check reports all that is wrong with the file itself.
func (c *serveConfig) check() error {
	errs := []error{cli.CheckListen("listen", c.Listen), c.CheckCrypto(), c.checkOfficers(),
		c.Integrity.Check(c.Trust, c.trace())}
	if c.Dir == "" {
		errs = append(errs, errors.New("dir is missing: name the CA's directory"))
	}
	for _, also := range []struct{ name, value string }{{"public", c.Public}, {"est", c.EST}} {
		if also.value != "" {
			errs = append(errs, cli.CheckListen(also.name, also.value))
		}
	}
	for _, r := range c.Renew {
		errs = append(errs, r.check())
	}
	return errors.Join(errs...)
}

func (c serveConfig) run(configured *trail.Configuration, file string, app *cli.App, trace *trail.Trail,
	authority *ca.CA) error {
	own, err := trace.Keys("server", c.Identity)
	if err != nil {
		return err
	}
	defer own.Close()
	trusted := c.Trust.Config(c.Demanded(), app.Log)
	// A device has its own certificate alone from EST, and may show no other (RFC 7030 section 4.2.3).
	trusted.Intermediates = append(trusted.Intermediates, authority.Intermediates()...)
	store, err := trust.Open(trace.Trust(trusted))
	if err != nil {
		return cli.Usage("%w", err)
	}
	app.LogCrypto(store)
	go func() { _ = store.Run(app.Context) }()
	go c.renewer(authority, own, app.Log).run(app.Context)
	live := cli.Live{Config: file, Trust: store, Keys: []*cli.Keys{own}}
	return c.serve(app, live, configured, server.Config{
		CA: authority, Party: &trust.Party{Trust: store, Certificate: store.Staple(own.Certificate)}, Log: app.Log,
		Heartbeat: c.Limits.Heartbeat, Streams: c.Limits.Streams, PerPeer: c.Limits.StreamsPerPeer,
		Public: c.Limits.Public, Trace: trace.Log,
	})
}

func (c serveConfig) serve(app *cli.App, live cli.Live, configured *trail.Configuration, cfg server.Config) error {
	counter, err := c.openCounter(app, cfg.CA, cfg.Party, cfg.Trace)
	if err != nil {
		return err
	}
	defer counter.Close()
	srv, err := server.New(cfg)
	if err != nil {
		return err
	}
	defer srv.Close()
	live.Apply = counter.follow(c, live.Config, configured.Changed, app.Log)
	app.Follow(live)
	on, err := c.listen(app)
	if err != nil {
		return err
	}
	app.Serving(srv.Alive)
	return counter.beside(app.Context, func(ctx context.Context) error { return srv.Serve(ctx, on) })
}

// listen opens what the configuration names. The stream is logged last: that line says that all are open.
func (c serveConfig) listen(app *cli.App) (on server.Listeners, err error) {
	for _, l := range []struct {
		name, address, says string
		into                *net.Listener
	}{{"public", c.Public, "publishing", &on.Public}, {"est", c.EST, "enrolling", &on.EST},
		{"listen", c.Listen, "listening", &on.Events}} {
		if l.address == "" {
			continue
		}
		if *l.into, err = app.Listen(l.name, l.address, false); err != nil {
			closeAll(on)
			return on, err
		}
		app.Log.Info(l.says, "address", (*l.into).Addr().String())
	}
	if err := app.NoSocketLeft(); err != nil {
		closeAll(on)
		return on, err
	}
	return on, nil
}

func closeAll(on server.Listeners) {
	for _, l := range []net.Listener{on.Public, on.EST, on.Events} {
		if l != nil {
			l.Close()
		}
	}
}

// renewer renews our own server certificate, and what else is configured.
func (c serveConfig) renewer(authority *ca.CA, own *cli.Keys, log *slog.Logger) *renewer {
	self := renewed{Identity: c.Identity,
		signer: func() crypto.Signer { return own.Certificate().PrivateKey.(crypto.Signer) }}
	return &renewer{ca: authority, list: append([]renewed{self}, c.Renew...), log: log, told: map[string]time.Time{}}
}

func (c serveConfig) becomeOwner(file string) error {
	return cli.Written{Config: file, Identities: []cli.Identity{c.Identity}, Trust: c.Trust,
		Files: []cli.Path{c.Dir + "/ca.db"}, Groups: []string{c.Officers.Group}}.BecomeOwner()
}
