package main

import (
	"errors"
	"fmt"
	"time"

	"tlagate/bundle"
	"tlagate/cmd/internal/cli"
	"tlagate/cmd/internal/enrol"
	"tlagate/cmd/internal/intact"
	"tlagate/cmd/internal/seal"
	"tlagate/cmd/internal/trail"
	"tlagate/internal/address"
	"tlagate/tla"
)

const (
	defaultConfig = "/etc/tlagate/relay.yaml"
	defaultSocket = "/run/tla-relay/control.sock"
)

// config is the configuration file; deploy/examples/relay.yaml explains it.
type config struct {
	Gateways cli.Servers  `yaml:"gateways"`
	PdT      string       `yaml:"pdt"`
	PdTs     []string     `yaml:"pdts"`
	Identity cli.Identity `yaml:"identity"`
	Trust    cli.Trust    `yaml:"trust"`
	Policy   cli.Path     `yaml:"policy"` // card policy; empty: the one built in
	Control  control      `yaml:"control"`
	Limits   limits       `yaml:"limits"`

	Heartbeat time.Duration `yaml:"heartbeat"`

	Audit         cli.Path `yaml:"audit"`
	Renewal       renewal  `yaml:"renewal"`
	StartKey      startKey `yaml:"start_key"`
	Floor         cli.Path `yaml:"clock_floor"` // empty: memory
	cli.Proxy     `yaml:",inline"`
	cli.Hybrid    `yaml:",inline"`
	cli.ReadAhead `yaml:",inline"`
	seal.Seal     `yaml:",inline"`
	Box           confinement `yaml:",inline"`

	Integrity intact.Section `yaml:"integrity"`
}

// renewal names no PKI: a relay reaches the PKI through the gateway of its session, or not at all (C4).
type renewal struct {
	At float64 `yaml:"at"`
}

type control struct {
	Socket cli.Path `yaml:"socket"`
	Group  string   `yaml:"group"`
	Seat   string   `yaml:"seat"` // seatLogind or seatNone; empty: seatNone, or seatLogind when sealed
}

type limits struct {
	Absolute time.Duration `yaml:"absolute"`
	Inactive time.Duration `yaml:"inactive"`
	Grace    time.Duration `yaml:"grace"`
	Human    time.Duration `yaml:"human"`
}

// AuditFile returns the name of the trace's file.
func (w withConfig) AuditFile() (string, error) {
	c, err := w.load()
	return string(c.Audit), err
}

// machine returns what is compared of the machine.
func (c config) machine(file string) trail.Machine { return trail.Compared(file, c.Integrity, c.Trust) }

// Integrity returns what is compared with manifests.
func (w withConfig) Integrity() (intact.Section, string, cli.Trust, string, error) {
	c, err := w.load()
	return c.Integrity, w.Config, c.Trust, string(c.Audit), err
}

// withConfig says which configuration a command uses.
type withConfig struct {
	Config string `short:"c" default:"/etc/tlagate/relay.yaml" placeholder:"FILE" help:"Configuration file; /etc/tlagate/relay.yaml if not given."`
}

func (w withConfig) load() (config, error) {
	var c config
	err := cli.LoadYAML(w.Config, &c, func() error {
		return errors.Join(address.Servers("gateways", c.Gateways.Texts()), c.Control.finish(c.Sealed), c.CheckProxy(),
			c.CheckHybrid(), c.CheckReadAhead(), c.CheckCrypto(), c.checkFiles(), c.checkChoice(),
			enrol.Section{At: c.Renewal.At}.Check(), c.timers(tla.Settings{Absolute: c.Limits.Absolute,
				Inactive: c.Limits.Inactive}).Check(), c.checkSeal(), c.checkSandbox(),
			c.Integrity.Check(c.Trust, c.Audit))
	})
	if c.Control.Socket == "" {
		c.Control.Socket = defaultSocket
	}
	return c, err
}

// usable returns why this terminal cannot work with what a bundle says; nil = it can.
func (c config) usable(b *bundle.Content) error {
	_, err := c.settings(b)
	return errors.Join(err, c.Possible(b))
}

// timers returns those of the file, with what s adds.
func (c config) timers(s tla.Settings) tla.Timers {
	return tla.Timers{Absolute: s.Absolute, Inactive: s.Inactive, Human: c.Limits.Human, Grace: c.Limits.Grace,
		Heartbeat: c.Heartbeat}
}

// choice returns the PdTs that the user may choose from.
func (c config) choice() []string {
	if c.PdT != "" {
		return []string{c.PdT}
	}
	return c.PdTs
}

func (c config) checkChoice() error {
	if c.PdT != "" && len(c.PdTs) > 0 {
		return errors.New("cannot use both pdt and pdts: name the only one, or the list")
	}
	return nil
}

// checkFiles refuses settings by which the relay would fetch something: before a start it must have no connection (C4),
// and afterwards only the one to the gateway.
func (c config) checkFiles() error {
	var errs []error
	if len(c.Trust.OCSP.Responders) > 0 || c.Trust.OCSP.FromAIA {
		errs = append(errs, errors.New("cannot use trust.ocsp: a relay asks no responder (C4); the gateway brings it "+
			"the answers"))
	}
	for _, n := range append(append(c.Trust.Reads(), c.Trust.Writes()...), c.Policy) {
		if address.IsURL(string(n)) {
			errs = append(errs, fmt.Errorf("cannot use %s: a relay fetches nothing (C4); name a file, and have it "+
				"brought there", address.Shown(string(n))))
		}
	}
	return errors.Join(errs...)
}

// becomeOwner makes the program the owner of the files that it may write; each command that writes calls it first.
func (c config) becomeOwner(file string) error {
	return cli.Written{Config: file, Identities: []cli.Identity{c.Identity}, Trust: c.Trust,
		Files:   []cli.Path{c.Audit, c.Floor, c.Bundle},
		Devices: []cli.Path{c.StartKey.Device}, Groups: []string{c.Control.Group}}.BecomeOwner()
}
