package main

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"tlagate/cmd/internal/cli"
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
}

type limits struct {
	Connections  int           `yaml:"connections"`
	Certificates int           `yaml:"certificates"`
	Answers      int           `yaml:"answers"`
	Drain        time.Duration `yaml:"drain"`
}

func load(file string) (config, error) {
	var c config
	if err := cli.LoadYAML(file, &c); err != nil {
		return c, err
	}
	if c.Listen == "" || c.Issuer == "" || c.Database == "" || c.Identity.Cert == "" || c.Identity.Key == "" {
		return c, fmt.Errorf("cannot use the configuration %s: listen, issuer, database, identity.cert and identity.key must all be there", file)
	}
	if c.Metrics != "" {
		if err := metrics.CheckAddress(c.Metrics); err != nil {
			return c, fmt.Errorf("cannot use the configuration %s: %w", file, err)
		}
	}
	return c, nil
}

// responder gives the configuration of the responder, the delegated certificate apart.
func (c config) responder(log *slog.Logger) (ocsp.Config, error) {
	cfg := ocsp.Config{
		Database: string(c.Database), Path: c.Path, Validity: c.Validity, Poll: c.Poll, Patience: c.Patience,
		MaxIDs: c.Limits.Certificates, CacheSize: c.Limits.Answers, Connections: c.Limits.Connections, Drain: c.Limits.Drain, Log: log,
	}
	certs, err := pki.ReadCertificates(string(c.Issuer))
	if err != nil {
		return cfg, err
	}
	if len(certs) != 1 {
		return cfg, errors.New("cannot tell which CA is meant: issuer holds several certificates, want the issuing CA's alone")
	}
	cfg.Issuer = certs[0]
	return cfg, nil
}
