package main

import (
	"errors"

	"tlagate/cmd/internal/cli"
	"tlagate/cmd/internal/trail"
	"tlagate/metrics"
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
	return trace.During(c.machine(s.Config), func() error {
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
	l, err := app.Listen("listen", c.Listen, false)
	if err = errors.Join(err, app.NoSocketLeft()); err != nil {
		r.Close()
		return err
	}
	stopMetrics, err := c.serveMetrics(app, r.Unready, r, metrics.NewIntegrity(trace.Integrity))
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
	app.Serving(r.Alive)
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
