package main

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"time"

	"tlagate/bundle"
	"tlagate/cmd/internal/cli"
	"tlagate/cmd/internal/seal"
	"tlagate/internal/retry"
	"tlagate/pki/trust"
	"tlagate/tla"
	"tlagate/tla/policy"
)

type bundleCmd struct {
	Fetch bundleFetchCmd `cmd:"" help:"Fetch the bundle of this terminal from a gateway: the first one, or when the seal is broken. Restart the relay then."`
}

type bundleFetchCmd struct {
	withConfig
	Gateway string `required:"" placeholder:"HOST:PORT" help:"The gateway."`
}

func (c *bundleFetchCmd) Run(app *cli.App) error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	if err := cfg.Insist(app); err != nil {
		return err
	}
	if err := cfg.becomeOwner(c.Config); err != nil {
		return err
	}
	return cfg.FetchBundle(app, cfg.Trust, cfg.Identity, cfg.usable,
		bundle.Way{Gateway: c.Gateway, Dial: cfg.Dial, Hybrids: cfg.Hybrids(nil)})
}

// checkSeal refuses, on a sealed device, the settings that the bundle decides.
func (c config) checkSeal() error {
	return c.Check(c.Trust, seal.Setting{Name: "gateways", Set: len(c.Gateways) > 0},
		seal.Setting{Name: "pdt", Set: len(c.choice()) > 0}, seal.Setting{Name: "policy", Set: c.Policy != ""},
		seal.Setting{Name: "limits", Set: c.Limits != limits{}})
}

// settings returns what the file says, and for what it leaves out, what the bundle says; b nil = there is none.
func (c config) settings(b *bundle.Content) (s tla.Settings, err error) {
	s = tla.Settings{Gateways: c.Gateways.Texts(), PdTs: c.choice(), Absolute: c.Limits.Absolute,
		Inactive: c.Limits.Inactive}
	if b != nil {
		if len(s.Gateways) == 0 {
			s.Gateways = b.Gateways
		}
		if len(s.PdTs) == 0 {
			s.PdTs = b.PdTs
		}
		s.Absolute = cmp.Or(s.Absolute, time.Duration(b.Limits.Absolute))
		s.Inactive = cmp.Or(s.Inactive, time.Duration(b.Limits.Inactive))
	}
	s.Policy, err = c.cardPolicy(b)
	return s, err
}

// cardPolicy returns the card policy that the file names, else the bundle's, else the one built in.
func (c config) cardPolicy(b *bundle.Content) (*policy.Policy, error) {
	if b == nil || c.Policy != "" || len(b.Policy) == 0 {
		return loadPolicy(string(c.Policy))
	}
	var table policy.Table
	if err := cli.DecodeYAML(b.Policy, &table); err != nil { // YAML reads JSON
		return nil, fmt.Errorf("cannot use the card policy of the bundle: %w", err)
	}
	return policy.Compile(table)
}

// device is the bundle of a running relay.
type device struct {
	*bundle.Kept
	cfg   config
	party *trust.Party
	trust *trust.Trust
	relay *tla.Relay
	box   *box
	log   *slog.Logger
}

// refreshTime is how often the bundle is asked for in a session, after its beginning.
const refreshTime = time.Hour

// Update implements tla.Bundle, for a start at a gateway that demands a newer bundle.
func (d *device) Update(ctx context.Context, gateway string) error {
	changed, err := d.Refresh(ctx, d.way(gateway))
	if changed {
		err = d.apply(d.Content())
	}
	return err
}

func (d *device) way(gateway string) bundle.Way {
	return bundle.Way{Gateway: gateway, Party: d.party, Dial: d.cfg.Dial}
}

// during refreshes the bundle in a session, and ends the session when the present bundle must not be used any more.
func (d *device) during(ctx context.Context, gateway string) {
	defer d.box.leave()
	for {
		if err := seal.Refresh(ctx, d.Kept, d.way(gateway), d.log, d.apply); err != nil {
			d.relay.End(err)
			return
		}
		if !retry.Sleep(ctx, refreshTime) {
			return
		}
	}
}

// apply puts a new bundle in force: its anchors and ARLs at once, the rest from the next session on.
func (d *device) apply(c *bundle.Content) error {
	s, err := d.cfg.settings(c)
	if err == nil {
		err = d.relay.Set(s)
	}
	if err != nil {
		return err
	}
	d.box.fit(d.cfg.ways(s.Gateways), d.log)
	if d.cfg.CryptoWith(c) != d.trust.Crypto() && d.box.outgrow(seal.ErrCrypto) {
		d.log.Warn("the new bundle changes what links take: the program ends after this session, to be started again",
			"crypto", d.cfg.CryptoWith(c).String())
	}
	return seal.Adopt(d.trust, c, d.log)
}
