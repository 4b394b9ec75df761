package main

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"tlagate/cmd/internal/cli"
	"tlagate/cmd/internal/enrol"
	"tlagate/cmd/internal/intact"
	"tlagate/cmd/internal/seal"
	"tlagate/cmd/internal/trail"
	"tlagate/internal/address"
	"tlagate/pdt"
	"tlagate/pki"
	"tlagate/pki/trust"
	"tlagate/session/link"
)

// config is the configuration file; deploy/examples/pdt.yaml explains it.
type config struct {
	Gateways      cli.Servers   `yaml:"gateways"`
	Client        cli.Identity  `yaml:"client"`
	Server        cli.Identity  `yaml:"server"`
	Trust         cli.Trust     `yaml:"trust"`
	Access        access        `yaml:"access"`
	User          userSection   `yaml:"user"`
	Persons       *cli.Persons  `yaml:"persons"` // nil = no person can be verified
	Driver        driver        `yaml:"driver"`
	Status        cli.Path      `yaml:"status"`
	Heartbeat     time.Duration `yaml:"heartbeat"`
	Limits        limits        `yaml:"limits"`
	Audit         cli.Path      `yaml:"audit"`
	PersonKey     cli.PersonKey `yaml:"person_key"` // by which the trace marks persons; "" = it says of nobody who they are
	Renewal       enrol.Section `yaml:"renewal"`
	cli.Proxy     `yaml:",inline"`
	cli.Hybrid    `yaml:",inline"`
	cli.ReadAhead `yaml:",inline"`
	seal.Seal     `yaml:",inline"`

	Integrity intact.Section `yaml:"integrity"`
}

type access struct {
	Practices []string `yaml:"practices"`
	TLAs      []string `yaml:"tlas"`
}

type limits struct {
	Absolute time.Duration `yaml:"absolute"`
	Grace    time.Duration `yaml:"grace"`
}

// configFlag names the configuration file of a command.
type configFlag struct {
	Config string `short:"c" default:"/etc/tlagate/pdt.yaml" placeholder:"FILE" help:"Configuration file (${default})."`
}

func (p configFlag) load() (config, error) {
	var c config
	err := cli.LoadYAML(p.Config, &c, func() error {
		c.Status = cmp.Or(c.Status, cli.Path(defaultStatus()))
		c.Driver = c.Driver.withDefaults(c.Status)
		return errors.Join(c.CheckProxy(), c.CheckHybrid(), c.CheckReadAhead(), c.CheckCrypto(), c.check(),
			c.checkSeal(), c.Integrity.Check(c.Trust, c.Audit))
	})
	return c, err
}

// AuditFile returns where the trace is.
func (p configFlag) AuditFile() (string, error) {
	c, err := p.load()
	return string(c.Audit), err
}

// machine returns what is compared of the machine.
func (c config) machine(file string) trail.Machine { return trail.Compared(file, c.Integrity, c.Trust) }

// Integrity returns what is compared with manifests.
func (p configFlag) Integrity() (intact.Section, string, cli.Trust, string, error) {
	c, err := p.load()
	return c.Integrity, p.Config, c.Trust, string(c.Audit), err
}

func defaultStatus() string {
	if runtime.GOOS == "windows" {
		return filepath.Join(os.Getenv("ProgramData"), "tlagate", "pdt.sock")
	}
	return "/run/tla-pdt/status.sock"
}

func (c config) check() error {
	_, table := c.Access.table()
	errs := []error{address.Servers("gateways", c.Gateways.Texts()), table, c.Driver.check(), c.Renewal.Check()}
	if c.Bundle == "" { // else the file alone does not say all
		errs = append(errs, c.checkUsers())
	}
	for _, d := range []struct {
		name  string
		value time.Duration
	}{{"heartbeat", c.Heartbeat}, {"limits.absolute", c.Limits.Absolute}, {"limits.grace", c.Limits.Grace}} {
		if d.value < 0 {
			errs = append(errs, fmt.Errorf("cannot use %s: %s is negative", d.name, d.value))
		}
	}
	return errors.Join(errs...)
}

// service returns the configuration for package pdt.
func (c config) service(store *trust.Trust, client, server *cli.Keys, log *slog.Logger) (pdt.Config, error) {
	cfg := pdt.Config{
		Gateways:  c.Gateways.Texts(),
		Client:    trust.Party{Trust: store, Certificate: store.Staple(client.Certificate)},
		Server:    trust.Party{Trust: store, Certificate: store.Staple(server.Certificate)},
		Status:    string(c.Status),
		Heartbeat: c.Heartbeat,
		Limit:     c.Limits.Absolute,
		Ahead:     c.Window(),
		Grace:     c.Limits.Grace,
		Dial:      c.Dial,
		Software:  link.Ours(link.ProgramPdT, cli.BuildVersion()),
		Log:       log,
	}
	var err error
	cfg.Access, err = c.Access.table()
	return cfg, err
}

func (a access) table() (pdt.Access, error) {
	table := pdt.Access{Practices: a.Practices}
	var errs []error
	for _, urn := range a.TLAs {
		id, err := pki.ParseIdentity(urn)
		if err == nil && id.Role != pki.RoleTLA {
			err = fmt.Errorf("%s is a %s, want a %s", urn, id.Role, pki.RoleTLA)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("cannot use access.tlas: %w", err))
			continue
		}
		table.TLAs = append(table.TLAs, id)
	}
	return table, errors.Join(errs...)
}

// becomeOwner makes the program run as the owner of what it writes; each command that writes calls it.
func (c config) becomeOwner(file string) error {
	return cli.Written{Config: file, Identities: []cli.Identity{c.Client, c.Server}, Trust: c.Trust,
		Files: append(c.Persons.Writes(), c.Audit, c.Bundle)}.BecomeOwner()
}
