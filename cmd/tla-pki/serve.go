package main

import (
	"fmt"
	"net"
	"time"

	"tlagate/cmd/internal/cli"
	"tlagate/keys"
	"tlagate/pki"
	"tlagate/pki/ca"
	"tlagate/pki/ca/server"
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
	Limits   serveLimits  `yaml:"limits"`
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
	if err := cli.LoadYAML(s.Config, &c); err != nil {
		return err
	}
	if c.Dir == "" || c.Listen == "" {
		return fmt.Errorf("%s: dir and listen must both be given", s.Config)
	}
	own, err := c.Identity.Open()
	if err != nil {
		return err
	}
	defer own.Close()
	trust, err := pki.OpenTrust(c.Trust.Config(app.Log))
	if err != nil {
		return err
	}
	authority, err := ca.Open(string(c.Dir), ca.Options{Stop: app.Context.Done(), Keys: keys.Config{PIN: cli.AskPIN}})
	if err != nil {
		return err
	}
	defer authority.Close()
	if err := authority.Unlock(); err != nil {
		return err
	}
	app.Follow(cli.Live{Trust: trust, Keys: []*cli.Keys{own}})
	go func() { _ = trust.Run(app.Context) }()
	return c.serve(app, server.Config{
		CA: authority, Party: &pki.Party{Trust: trust, Certificate: own.Certificate}, Log: app.Log,
		Heartbeat: c.Limits.Heartbeat, Streams: c.Limits.Streams, PerPeer: c.Limits.StreamsPerPeer, Public: c.Limits.Public,
	})
}

func (c serveConfig) serve(app *cli.App, cfg server.Config) error {
	srv, err := server.New(cfg)
	if err != nil {
		return err
	}
	defer srv.Close()
	events, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return fmt.Errorf("cannot listen on %s: %w", c.Listen, err)
	}
	defer events.Close()
	var public net.Listener
	if c.Public != "" {
		if public, err = net.Listen("tcp", c.Public); err != nil {
			return fmt.Errorf("cannot listen on %s: %w", c.Public, err)
		}
		app.Log.Info("publishing", "address", public.Addr().String())
	}
	app.Log.Info("listening", "address", events.Addr().String())
	return srv.Serve(app.Context, events, public)
}
