package main

import (
	"errors"

	"tlagate/cmd/internal/cli"
	"tlagate/cmd/internal/doctor"
	"tlagate/cmd/internal/intact"
	"tlagate/internal/local"
	"tlagate/pdt"
)

type doctorCmd struct {
	configFlag
	JSON    bool `name:"json" help:"Print it as JSON."`
	Offline bool `help:"Do not connect to the gateways."`
}

// Run looks for the known traps of this workstation. It connects to the gateways, as run does by itself.
func (c *doctorCmd) Run(app *cli.App) error {
	cfg, err := c.load()
	if err := c.online(app, cfg); err != nil {
		return err
	}
	here, d := doctor.Here("tla-pdt"), cfg.doctored(c.Offline)
	daemon, _ := local.Listener(string(cfg.Status)) // else nobody
	here.Daemon, here.PCSCD = &daemon.PID, cfg.Driver.accounts()
	checks := append(doctor.Configuration(c.Config, err, cfg.unusable(d, err)), here.Clock())
	driver := cfg.examined(here, c.Config)
	checks = append(checks, driver.PolkitOfPrograms(), here.Service(driver.PCSC, driver.Expected), here.APDULog())
	checks = append(append(checks, driver.Checks()...), here.Memory()...)
	if cli.Usable(err) {
		checks = append(append(checks, d.Checks()...), cfg.usersCheck(d), doctor.Disk(string(cfg.Audit)))
		checks = append(checks, doctor.Integrity(cfg.Integrity.Configured(), func() (string, error) {
			return intact.Summary(cfg.Integrity, c.Config, cfg.Trust, string(cfg.Audit))
		})...)
		if !c.Offline {
			for _, g := range cfg.dialled(d) {
				checks = append(checks, d.Gateway(g, cfg.Dial))
			}
		}
	}
	checks = append(checks, here.NoNetwork())
	return doctor.Report(app, checks, c.JSON)
}

// online has a doctor that connects keep to what the configuration demands of links.
func (c *doctorCmd) online(app *cli.App, cfg config) error {
	if c.Offline {
		return nil
	}
	return cfg.Insist(app)
}

func (c config) doctored(offline bool) doctor.Device {
	return doctor.Device{Offline: offline, Identities: map[string]cli.Identity{"client": c.Client, "server": c.Server},
		Own: "client", Trust: c.Trust, Seal: c.Seal, Hybrids: c.Hybrids(nil)}
}

// unusable returns why the service would refuse to start with this file and bundle; a bundle that cannot be used has a
// finding of its own.
func (c config) unusable(d doctor.Device, loaded error) error {
	content, err := d.Content()
	if err != nil || !cli.Usable(loaded) {
		return nil
	}
	whole := c.withBundle(content)
	return errors.Join(pdt.CheckGateways(whole.Gateways.Texts()), whole.checkUsers())
}

// dialled returns the gateways of the file, or of the bundle; a bundle that cannot be used has a finding of its own.
func (c config) dialled(d doctor.Device) []string {
	content, err := d.Content()
	if err != nil {
		return c.Gateways.Texts()
	}
	return c.withBundle(content).Gateways.Texts()
}
