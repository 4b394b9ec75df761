package main

import (
	"context"
	"log/slog"
	"reflect"
	"sync"
	"time"

	"tlagate/bundle"
	"tlagate/cmd/internal/cli"
	"tlagate/pdt"
	"tlagate/pki/trust"
)

type bundleCmd struct {
	Fetch bundleFetchCmd `cmd:"" help:"Fetch the bundle of this Poste de Travail from a gateway: the first one, or when the seal is broken. Start the service then."`
}

type bundleFetchCmd struct {
	place
	Gateway string `required:"" placeholder:"HOST:PORT" help:"The gateway."`
}

func (c *bundleFetchCmd) Run(app *cli.App) error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	if err := cfg.becomeOwner(c.Config); err != nil {
		return err
	}
	return cfg.FetchBundle(app, cfg.Trust, cfg.Client, c.Gateway, cfg.Dial)
}

// checkSeal refuses what the bundle decides.
func (c config) checkSeal() error {
	return c.Check(c.Trust, cli.Line{Name: "gateways", Set: len(c.Gateways) > 0},
		cli.Line{Name: "access", Set: !c.Access.empty()}, cli.Line{Name: "limits", Set: c.Limits != limits{}})
}

func (a access) empty() bool { return len(a.Practices)+len(a.TLAs) == 0 }

// under fills in from a bundle what the file leaves out; nil = there is none.
func (c config) under(b *bundle.Content) config {
	if b == nil {
		return c
	}
	if len(c.Gateways) == 0 {
		c.Gateways = b.Gateways
	}
	if c.Access.empty() {
		c.Access = access(b.Access)
	}
	if c.Limits.Absolute == 0 {
		c.Limits.Absolute = time.Duration(b.Limits.Absolute)
	}
	return c
}

// device is the bundle of a running service; nil = there is none.
type device struct {
	*bundle.Kept
	cfg     config // as the file and the first bundle have it
	party   trust.Party
	log     *slog.Logger
	reached chan string // a gateway was reached
	broken  chan error  // the bundle at hand must not be used any more
	trust   *trust.Trust
	service *pdt.Service

	mu sync.Mutex // one refresh at a time
}

// refreshTime is how often the bundle is asked for.
const refreshTime = time.Hour

func newDevice(k *bundle.Kept, cfg config, s pdt.Config, log *slog.Logger) *device {
	if k == nil {
		return nil
	}
	return &device{Kept: k, cfg: cfg, party: s.Client, log: log, reached: make(chan string, 1), broken: make(chan error, 1)}
}

// tell has the service speak of the bundle.
func (d *device) tell(s *pdt.Config) {
	if d == nil {
		return
	}
	s.Bundle, s.Outdated, s.Answers = d.Version, d.outdated, d.look
	s.Reached = func(gateway string) {
		select {
		case d.reached <- gateway:
		default: // one is waiting
		}
	}
}

// serve says what a new bundle is applied to; it comes before run.
func (d *device) serve(trust *trust.Trust, service *pdt.Service) {
	if d != nil {
		d.trust, d.service = trust, service
	}
}

// run refreshes the bundle hourly, and when a gateway is reached. The error is a *bundle.Broken: the service must stop.
func (d *device) run(ctx context.Context) error {
	if d == nil {
		<-ctx.Done()
		return nil
	}
	tick := time.NewTicker(refreshTime)
	defer tick.Stop()
	gateway := d.cfg.Gateways[0]
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-d.broken:
			return err
		case <-tick.C:
		case gateway = <-d.reached:
		}
		if err := d.refresh(ctx, gateway); err != nil {
			return err
		}
	}
}

func (d *device) refresh(ctx context.Context, gateway string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return cli.Refresh(ctx, d.Kept, d.way(gateway), d.log, d.apply)
}

func (d *device) way(gateway string) bundle.Way {
	return bundle.Way{Gateway: gateway, Party: &d.party, Dial: d.cfg.Dial}
}

// outdated is for a gateway that demands a newer one.
func (d *device) outdated(ctx context.Context, gateway string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	changed, err := d.Kept.Refresh(ctx, d.way(gateway))
	if changed {
		err = d.apply(d.Content())
	}
	return err
}

// apply puts a new bundle in force: anchors, ARLs and access table at once; the rest takes a restart.
func (d *device) apply(c *bundle.Content) error {
	next := d.cfg
	if d.cfg.Sealed {
		next.Access = access(c.Access)
	}
	table, err := next.Access.table()
	if err != nil {
		return err
	}
	d.service.SetAccess(table)
	if d.cfg.Sealed && (!reflect.DeepEqual(d.cfg.Gateways, c.Gateways) || c.Limits.Absolute != 0 && time.Duration(c.Limits.Absolute) != d.cfg.Limits.Absolute) {
		d.log.Warn("gateways or limits of the new bundle take a restart")
	}
	return cli.Adopt(d.trust, c, d.log)
}

// look judges the signer of the bundle at hand by what a gateway brings.
func (d *device) look(answers [][]byte) {
	if err := d.Recheck(answers); err != nil {
		select {
		case d.broken <- err:
		default: // it is known
		}
	}
}
