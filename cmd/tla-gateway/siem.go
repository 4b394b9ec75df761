package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"

	"tlagate/audit/siem"
	"tlagate/cmd/internal/cli"
	"tlagate/cmd/internal/trail"
	"tlagate/internal/address"
	"tlagate/internal/stamp"
	"tlagate/metrics"
	"tlagate/pki/revocation"
	"tlagate/pki/trust"
)

// siemSection says where the trace is sent (docs/audit.md, section SIEM). The server is none of ours: it has anchors of
// its own.
type siemSection struct {
	Address  string       `yaml:"address"`  // HOST:PORT, mostly of port 6514
	Name     string       `yaml:"name"`     // that its certificate must have; empty: the host of address
	Anchor   cli.Path     `yaml:"anchor"`   // PEM: the CAs that may vouch for it
	CRLs     []cli.Path   `yaml:"crls"`     // files or URLs of their lists; none: revocation is not checked
	Identity cli.Identity `yaml:"identity"` // our certificate, if the server asks; empty: the section client
}

// server returns where it is, and the name that it proves.
func (s *siemSection) server() (address.Peer, error) {
	if s.Name != "" {
		return address.Server(address.Beside(s.Name, s.Address))
	}
	return address.Server(s.Address)
}

// check reports what is wrong with the section itself; audit is the trace.
func (s *siemSection) check(audit cli.Path) error {
	if s == nil {
		return nil
	}
	var errs []error
	if audit == "" {
		errs = append(errs, errors.New("siem: there is no trace to send: name a file under audit"))
	}
	if s.Anchor == "" {
		errs = append(errs, errors.New("siem.anchor is missing: name the file of the CA that vouches for the server"))
	}
	if _, err := s.server(); err != nil {
		errs = append(errs, fmt.Errorf("cannot use siem.address %q: %w", address.Shown(s.Address), err))
	}
	return errors.Join(errs...)
}

// trust returns the configuration of the server's trust store. It takes what our own links take.
func (c config) siemTrust(log *slog.Logger) trust.Config {
	return trust.Config{Profile: trust.Foreign, Anchors: []trust.AnchorFile{{File: string(c.SIEM.Anchor)}},
		Crypto: c.Demanded(), Log: log, NoRevocation: len(c.SIEM.CRLs) == 0,
		Revocation: revocation.Config{CRLs: cli.Texts(c.SIEM.CRLs)}}
}

// siemIdentity returns which certificate of ours the server may see; the zero Identity = none.
func (c config) siemIdentity() cli.Identity {
	if c.SIEM.Identity != (cli.Identity{}) {
		return c.SIEM.Identity
	}
	return c.Client
}

// outlet is what sends the trace. A nil outlet sends nothing.
type outlet struct {
	sender *siem.Sender
	trust  *trust.Trust
	keys   *cli.Keys // nil = none is shown
	log    *slog.Logger
}

// siem opens what sending needs; nothing is dialled before run.
func (c config) siem(trace *trail.Trail, log *slog.Logger) (*outlet, error) {
	if c.SIEM == nil {
		return nil, nil
	}
	server, err := c.SIEM.server()
	if err != nil {
		return nil, err
	}
	o := &outlet{log: log}
	if o.trust, err = trust.Open(c.siemTrust(log)); err != nil {
		return nil, fmt.Errorf("siem: %w", err)
	}
	party := &trust.Party{Trust: o.trust}
	if id := c.siemIdentity(); id != (cli.Identity{}) {
		if o.keys, err = trace.Keys("siem", id); err != nil {
			return nil, fmt.Errorf("siem: %w", err)
		}
		party.Certificate = func() *tls.Certificate { return o.keys.Certificate() }
	}
	o.sender = siem.New(siem.Config{Trace: string(c.Audit.File), Server: server, Party: party, App: "tla-gateway",
		Log: log})
	return o, nil
}

// collectors returns what has metrics.
func (o *outlet) collectors() []metrics.Collector {
	if o == nil {
		return nil
	}
	return []metrics.Collector{o.sender}
}

// run sends until ctx ends, and keeps up to date what that needs.
func (o *outlet) run(ctx context.Context) {
	if o == nil {
		return
	}
	tasks := []func(context.Context){o.sender.Run, func(ctx context.Context) { _ = o.trust.Run(ctx) }}
	if o.keys != nil {
		tasks = append(tasks, func(ctx context.Context) { o.keys.Watch(ctx, o.log) })
	}
	stop := background(ctx, tasks...)
	<-ctx.Done()
	stop()
	if o.keys != nil {
		_ = o.keys.Close()
	}
}

// siem tries to open what sending the trace needs, and says whom it goes to. It connects to nobody.
func (r *report) siem(c config) {
	if c.SIEM == nil || c.SIEM.Anchor == "" {
		return
	}
	if server, err := c.SIEM.server(); err == nil {
		r.line("siem", "the trace is sent to %s, which must prove the name %s", server.HostPort, server.Name)
	}
	store, err := trust.Open(c.siemTrust(slog.New(slog.DiscardHandler)))
	if err != nil {
		r.unreadable(fmt.Errorf("siem: %w", err))
		return
	}
	for _, a := range store.Anchors() {
		r.line("siem", "anchor %s, until %s", a.Cert.Subject.CommonName, stamp.Minute(a.Cert.NotAfter))
		r.warnOfEnd("this anchor", a.Cert.NotAfter, soonCert)
	}
	for _, l := range store.Lists() {
		r.list(l)
	}
	if len(c.SIEM.CRLs) == 0 {
		r.warning("whether the SIEM's certificate is revoked is not checked: name its CA's lists under siem.crls")
	}
	if c.SIEM.Identity != (cli.Identity{}) {
		r.pair("siem.identity", c.SIEM.Identity)
	}
}
