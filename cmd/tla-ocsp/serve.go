package main

import (
	"fmt"

	"tlagate/cmd/internal/cli"
	"tlagate/cmd/internal/trail"
	"tlagate/internal/tcp"
	"tlagate/ocsp"
)

type serveCmd struct{ configFlag }

// Run serves until SIGTERM.
func (s *serveCmd) Run(app *cli.App) error {
	c, err := load(s.Config)
	if err != nil {
		return err
	}
	if err := c.becomeOwner(s.Config); err != nil {
		return err
	}
	trace, err := trail.Open(app, "tla-ocsp", c.Audit)
	if err != nil {
		return err
	}
	return trace.During(trail.NotCompared, func() error {
		if _, err := trace.Configuration(s.Config); err != nil {
			return err
		}
		return c.serve(app, trace)
	})
}

func (c config) serve(app *cli.App, trace *trail.Trail) error {
	cfg, err := c.responder(app.Log)
	if err != nil {
		return err
	}
	keys, err := trace.Keys("ocsp", c.Identity)
	if err != nil {
		return err
	}
	defer keys.Close()
	cfg.Certificate, cfg.Trace = keys.Certificate(), trace.Log
	r, err := ocsp.Open(cfg)
	if err != nil {
		return err
	}
	l, err := tcp.Listen(app.Context, c.Listen, false)
	if err != nil {
		r.Close()
		return fmt.Errorf("cannot listen on %s: %w", c.Listen, err)
	}
	stopMetrics, err := c.serveMetrics(app, r)
	if err != nil {
		r.Close()
		l.Close()
		return err
	}
	defer stopMetrics()
	again := make(chan struct{}, 1) // one reading at a time
	again <- struct{}{}
	reload := func() { <-again; reload(app, c, keys, r); again <- struct{}{} }
	app.OnHangup(reload)
	go onChange(app.Context, c.Identity, reload)
	go keys.WarnOfEnd(app.Context, app.Log)
	app.Log.Info("listening", "address", l.Addr().String(), "issuer", cfg.Issuer.Subject.CommonName)
	return r.Serve(app.Context, l)
}

// reload takes a new delegated certificate; one that cannot sign leaves the old one in use.
func reload(app *cli.App, c config, keys *cli.Keys, r *ocsp.Responder) {
	err := keys.Reload()
	if err == nil {
		err = r.SetCertificate(keys.Certificate())
	}
	if err != nil {
		app.Log.Error("the old certificate stays in use", "error", err)
		return
	}
	app.Log.Info("certificate and key read again", "cert", string(c.Identity.Cert))
}
