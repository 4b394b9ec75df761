package main

import (
	"errors"
	"fmt"

	"tlagate/cmd/internal/cli"
	"tlagate/cmd/internal/enrol"
	"tlagate/cmd/internal/intact"
	"tlagate/cmd/internal/trail"
	"tlagate/gateway"
	"tlagate/gateway/fleet"
	"tlagate/metrics"
	"tlagate/push"
	"tlagate/session/user"
)

// config is the configuration file; deploy/examples/gateway.yaml explains it.
type config struct {
	Listen    string          `yaml:"listen"`
	MPTCP     bool            `yaml:"mptcp"`      // take Multipath TCP
	ProxyFrom []string        `yaml:"proxy_from"` // load balancers, whose connections begin with a PROXY header
	Metrics   string          `yaml:"metrics"`    // 127.0.0.1:PORT, [::1]:PORT or unix:/PATH; "" = none
	Identity  cli.Identity    `yaml:"identity"`
	Client    cli.Identity    `yaml:"client"`
	Trust     cli.Trust       `yaml:"trust"`
	Push      []pushSource    `yaml:"push"`
	Enrolment *enrolment      `yaml:"enrolment"`
	Renewal   enrol.Section   `yaml:"renewal"`
	Access    []accessLine    `yaml:"access"`
	User      cli.User        `yaml:"user"`
	Persons   *personsSection `yaml:"persons"` // nil = no person can be verified
	Limits    limits          `yaml:"limits"`
	Audit     cli.Trace       `yaml:"audit"`
	SIEM      *siemSection    `yaml:"siem"` // nil = the trace is sent nowhere
	API       *apiSection     `yaml:"api"`  // nil = it is not served

	PersonKey cli.PersonKey `yaml:"person_key"` // without it no person is in the trace

	// State is the directory of what the gateway keeps over restarts beside the trace; "" = the trace's.
	State cli.Path `yaml:"state"`

	Bundles       cli.Path `yaml:"bundles"`        // directory of the bundles for devices; "" = none
	RequireBundle bool     `yaml:"require_bundle"` // refuse devices without one

	MinVersion     map[string]string `yaml:"min_version"`     // of each program; none = all are let in
	RequireVersion bool              `yaml:"require_version"` // refuse devices that report none
	Clones         string            `yaml:"clones"`          // tell or refuse; "" = tell

	Integrity intact.Section `yaml:"integrity"`

	cli.Crypto `yaml:",inline"`
}

// configFlag names the configuration file of a command.
type configFlag struct {
	Config string `short:"c" default:"/etc/tlagate/gateway.yaml" placeholder:"FILE" help:"Configuration; ${default}."`
}

// AuditFile returns where the trace is.
func (p configFlag) AuditFile() (string, error) {
	c, _, err := load(p.Config)
	return string(c.Audit.File), err
}

// AuditTrace returns what the configuration says of the trace.
func (p configFlag) AuditTrace() (cli.Trace, error) {
	c, _, err := load(p.Config)
	return c.Audit, err
}

// machine returns what is compared of the machine.
func (c config) machine(file string) trail.Machine { return trail.Compared(file, c.Integrity, c.Trust) }

// Integrity returns what is compared with manifests.
func (p configFlag) Integrity() (intact.Section, string, cli.Trust, string, error) {
	c, _, err := load(p.Config)
	return c.Integrity, p.Config, c.Trust, string(c.Audit.File), err
}

// BecomeOwner makes the program run as the owner of what the gateway writes.
func (p configFlag) BecomeOwner() error {
	c, _, err := load(p.Config)
	if err != nil {
		return err
	}
	return c.becomeOwner(p.Config)
}

type accessLine struct {
	TLA         string   `yaml:"tla"`
	PdT         string   `yaml:"pdt"`
	Persons     []string `yaml:"persons"`     // the users who may, by their national identifier
	Professions []string `yaml:"professions"` // likewise, by their profession
}

// load reads the file, but not what it names. When the error is only faults of single settings (cli.Usable), the rest
// of the configuration can be used.
func load(file string) (config, []gateway.Rule, error) {
	var c config
	var rules []gateway.Rule
	err := cli.LoadYAML(file, &c, func() (err error) {
		rules, err = c.rules()
		return errors.Join(cli.CheckListen("listen", c.Listen), c.checkBalancers(), c.checkMetrics(), err,
			c.Limits.check(), c.Enrolment.check(), c.Renewal.Check(), c.checkPush(), c.SIEM.check(c.Audit.File),
			c.API.check(), c.CheckCrypto(), c.checkFleet(), c.checkUsers(rules),
			c.Integrity.Check(c.Trust, c.Audit.File))
	})
	return c, rules, err
}

func (c config) checkPush() error {
	var errs []error
	for i, source := range c.Push {
		if _, err := push.CheckURL(source.URL, source.Name); err != nil {
			errs = append(errs, fmt.Errorf("push[%d].url: %w", i, err))
		}
	}
	return errors.Join(errs...)
}

// lowest returns which versions of devices' programs are let in.
func (c config) lowest() (fleet.Lowest, error) {
	l, err := fleet.ParseLowest(c.MinVersion, c.RequireVersion)
	if err != nil {
		return l, fmt.Errorf("min_version: %w", err)
	}
	return l, nil
}

// The values of clones.
const (
	clonesTell   = "tell"
	clonesRefuse = "refuse"
)

func (c config) checkFleet() error {
	_, err := c.lowest()
	if c.Clones != "" && c.Clones != clonesTell && c.Clones != clonesRefuse {
		err = errors.Join(err, fmt.Errorf("clones: cannot use %q: want %s or %s", c.Clones, clonesTell, clonesRefuse))
	}
	return err
}

func (c config) checkMetrics() error {
	if c.Metrics == "" {
		return nil
	}
	return metrics.CheckAddress(c.Metrics)
}

// rules reads the access table.
func (c config) rules() ([]gateway.Rule, error) {
	var rules []gateway.Rule
	var errs []error
	for i, line := range c.Access {
		rule, err := gateway.ParseRule(line.TLA, line.PdT)
		if err != nil {
			errs = append(errs, fmt.Errorf("access[%d].%w", i, err))
			continue
		}
		rule.Who = user.Who{Persons: line.Persons, Professions: line.Professions}
		rules = append(rules, rule)
	}
	return rules, errors.Join(errs...)
}

// becomeOwner makes the program run as the owner of what it writes; each command that writes calls it.
func (c config) becomeOwner(file string) error {
	denied, seen := c.stateFiles()
	return cli.Written{Config: file, Identities: []cli.Identity{c.Client, c.Identity}, Trust: c.Trust,
		Files: append(c.Persons.writes(), c.Audit.File, c.PersonKey.File, denied, seen)}.BecomeOwner()
}
