package main

import (
	"fmt"
	"net"

	"tlagate/cmd/internal/cli"
	"tlagate/ocsp"
	"tlagate/pki"
)

type serveCmd struct {
	Config string `required:"" short:"c" placeholder:"FILE" help:"Configuration file (YAML)."`
}

// Run serves until SIGTERM.
func (s *serveCmd) Run(app *cli.App) error {
	c, err := load(s.Config)
	if err != nil {
		return err
	}
	cfg, err := c.responder(app.Log)
	if err != nil {
		return err
	}
	if cfg.Certificate, err = pki.LoadCertificate(string(c.Identity.Cert), string(c.Identity.Key)); err != nil {
		return err
	}
	r, err := ocsp.Open(cfg)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", c.Listen)
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
	app.OnHangup(func() { reload(app, c, r) })
	go onChange(app.Context, c.Identity, func() { reload(app, c, r) })
	app.Log.Info("listening", "address", l.Addr().String(), "issuer", cfg.Issuer.Subject.CommonName)
	return r.Serve(app.Context, l)
}

// reload takes a new delegated certificate; one that cannot sign leaves the old one in use.
func reload(app *cli.App, c config, r *ocsp.Responder) {
	pair, err := pki.LoadCertificate(string(c.Identity.Cert), string(c.Identity.Key))
	if err == nil {
		err = r.SetCertificate(pair)
	}
	if err != nil {
		app.Log.Error("the old certificate stays in use", "err", err)
		return
	}
	app.Log.Info("certificate and key read again", "cert", string(c.Identity.Cert))
}
