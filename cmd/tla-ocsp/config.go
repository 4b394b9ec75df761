package main

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"tlagate/cmd/internal/cli"
	"tlagate/cmd/internal/intact"
	"tlagate/cmd/internal/trail"
	"tlagate/metrics"
	"tlagate/ocsp"
	"tlagate/pki"
)

// config is the YAML file; deploy/examples/ocsp.yaml explains each line.
type config struct {
	Listen   string        `yaml:"listen"`
	Metrics  string        `yaml:"metrics"` // 127.0.0.1:PORT, [::1]:PORT or unix:/PATH; empty: none
	Path     string        `yaml:"path"`
	Issuer   cli.Path      `yaml:"issuer"`
	Identity cli.Identity  `yaml:"identity"`
	Database cli.Path      `yaml:"database"`
	Validity time.Duration `yaml:"validity"`
	Poll     time.Duration `yaml:"poll"`
	Patience time.Duration `yaml:"patience"`
	Limits   limits        `yaml:"limits"`
	Audit    cli.Path      `yaml:"audit"`

	Integrity intact.Section `yaml:"integrity"`
}

type limits struct {
	Connections  int           `yaml:"connections"`
	Certificates int           `yaml:"certificates"`
	Answers      int           `yaml:"answers"`
	Drain        time.Duration `yaml:"drain"`
}

// configFlag names the configuration file of a command.
type configFlag struct {
	Config string `short:"c" default:"/etc/tlagate/ocsp.yaml" placeholder:"FILE" help:"Configuration; ${default}."`
}

// AuditFile returns where the trace is.
func (p configFlag) AuditFile() (string, error) {
	c, err := load(p.Config)
	return string(c.Audit), err
}

func load(file string) (config, error) {
	var c config
	err := cli.LoadYAML(file, &c, func() error {
		return errors.Join(cli.CheckListen("listen", c.Listen), c.missing(),
			c.checkMetrics(), c.Integrity.Check(cli.Trust{}, c.Audit))
	})
	return c, err
}

// machine returns what is compared of the machine.
func (c config) machine(file string) trail.Machine {
	return trail.Compared(file, c.Integrity, cli.Trust{})
}

// Integrity returns what is compared with manifests.
func (p configFlag) Integrity() (intact.Section, string, cli.Trust, string, error) {
	c, err := load(p.Config)
	return c.Integrity, p.Config, cli.Trust{}, string(c.Audit), err
}

// missing names the lines that must all be there.
func (c config) missing() error {
	var errs []error
	for _, line := range []struct{ name, value string }{
		{"issuer", string(c.Issuer)}, {"identity.cert", string(c.Identity.Cert)}, {"identity.key",
			string(c.Identity.Key)}, {"database", string(c.Database)},
	} {
		if line.value == "" {
			errs = append(errs, fmt.Errorf("%s is missing: name the file", line.name))
		}
	}
	return errors.Join(errs...)
}

// becomeOwner makes the program run as the owner of its trace, the only file that it writes.
func (c config) becomeOwner(file string) error {
	return cli.Written{Config: file, Files: []cli.Path{c.Audit}}.BecomeOwner()
}

func (c config) checkMetrics() error {
	if c.Metrics == "" {
		return nil
	}
	return metrics.CheckAddress(c.Metrics)
}

// responder returns the configuration of the responder, without the delegated certificate.
func (c config) responder(log *slog.Logger) (ocsp.Config, error) {
	cfg := ocsp.Config{
		Database: string(c.Database), Path: c.Path, Validity: c.Validity, Poll: c.Poll, Patience: c.Patience,
		MaxIDs: c.Limits.Certificates, CacheSize: c.Limits.Answers, Connections: c.Limits.Connections,
		Drain: c.Limits.Drain, Log: log,
	}
	certs, err := pki.ReadCertificates(string(c.Issuer))
	if err != nil {
		return cfg, err
	}
	if len(certs) != 1 {
		return cfg, errors.New("cannot tell which CA is meant: issuer holds several certificates, want the issuing " +
			"CA's alone")
	}
	cfg.Issuer = certs[0]
	return cfg, nil
}
