package main

import (
	"context"
	"fmt"
	"net"

	"tlagate/cmd/internal/cli"
	"tlagate/gateway"
	"tlagate/pki"
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
	keys, err := c.Identity.Open()
	if err != nil {
		return err
	}
	trust, err := pki.OpenTrust(c.Trust.Config(app.Log))
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return fmt.Errorf("cannot listen on %s: %w", c.Listen, err)
	}
	go app.OnHangup(func() { trust.Reload(); keys.ReloadOrLog(app.Log) })
	stopTrust := background(app.Context, trust)
	defer stopTrust()
	app.Log.Info("listening", "address", l.Addr().String())
	party := &pki.Party{Trust: trust, Certificate: keys.Certificate, Timeout: c.Limits.Handshake}
	return gateway.New(gateway.Config{Party: party, Access: rules, Limits: c.Limits.gateway(), Log: app.Log}).Serve(app.Context, l)
}

// background keeps the trust store up to date until stop, also while the gateway drains.
func background(ctx context.Context, trust *pki.Trust) (stop func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = trust.Run(ctx)
	}()
	return func() { cancel(); <-done }
}
