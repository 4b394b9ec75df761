package main

import (
	"fmt"
	"time"

	"tlagate/cmd/internal/cli"
	"tlagate/gateway"
	"tlagate/pki"
)

// config is the YAML file; deploy/examples/gateway.yaml explains each line.
type config struct {
	Listen   string       `yaml:"listen"`
	Identity cli.Identity `yaml:"identity"`
	Trust    cli.Trust    `yaml:"trust"`
	Access   []accessLine `yaml:"access"`
	Limits   limits       `yaml:"limits"`
}

type accessLine struct {
	TLA string `yaml:"tla"`
	PdT string `yaml:"pdt"`
}

type limits struct {
	Handshake       time.Duration `yaml:"handshake"`
	Absolute        time.Duration `yaml:"absolute"`
	Drain           time.Duration `yaml:"drain"`
	Heartbeat       time.Duration `yaml:"heartbeat"`
	Recheck         time.Duration `yaml:"recheck"`
	Connections     int           `yaml:"connections"`
	Handshakes      int           `yaml:"handshakes"`
	HandshakesPerIP int           `yaml:"handshakes_per_ip"`
	ParkedPerPdT    int           `yaml:"parked_per_pdt"`
}

// load reads the file and what it names, but for certificates and CRLs.
func load(file string) (config, []gateway.Rule, error) {
	var c config
	if err := cli.LoadYAML(file, &c); err != nil {
		return c, nil, err
	}
	if c.Listen == "" {
		return c, nil, fmt.Errorf("%s: listen is missing: write listen: \":8443\"", file)
	}
	rules, err := c.rules()
	if err != nil {
		return c, nil, fmt.Errorf("%s: %w", file, err)
	}
	return c, rules, nil
}

// rules reads the access table.
func (c config) rules() ([]gateway.Rule, error) {
	var rules []gateway.Rule
	for i, line := range c.Access {
		tla, err := identityOf(line.TLA, pki.RoleTLA)
		if err != nil {
			return nil, fmt.Errorf("access[%d].tla: %w", i, err)
		}
		pdt, err := identityOf(line.PdT, pki.RolePdT)
		if err != nil {
			return nil, fmt.Errorf("access[%d].pdt: %w", i, err)
		}
		rules = append(rules, gateway.Rule{TLA: tla, PdT: pdt})
	}
	return rules, nil
}

func identityOf(urn string, role pki.Role) (pki.Identity, error) {
	id, err := pki.ParseIdentity(urn)
	if err == nil && id.Role != role {
		err = fmt.Errorf("%s has role %s, want %s", urn, id.Role, role)
	}
	return id, err
}

func (l limits) gateway() gateway.Limits {
	return gateway.Limits{
		Absolute: l.Absolute, Drain: l.Drain, Heartbeat: l.Heartbeat, Recheck: l.Recheck,
		Connections: l.Connections, Handshakes: l.Handshakes, HandshakesPerIP: l.HandshakesPerIP, ParkedPerPdT: l.ParkedPerPdT,
	}
}
