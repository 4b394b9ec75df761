package main

import (
	"context"
	"errors"
	"log/slog"
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	"tlagate/bundle"
	"tlagate/cmd/internal/cli"
	"tlagate/cmd/internal/seal"
	"tlagate/pdt"
	"tlagate/pki/trust"
)

type bundleCmd struct {
	Fetch bundleFetchCmd `cmd:"" help:"Fetch a bundle: the first, or when the seal is broken. Then start the service."`
}

type bundleFetchCmd struct {
	configFlag
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
	return cfg.FetchBundle(app, cfg.Trust, cfg.Client, cfg.usable,
		bundle.Way{Gateway: c.Gateway, Dial: cfg.Dial, Hybrids: cfg.Hybrids(nil)})
}

// checkSeal refuses settings that the bundle decides.
func (c config) checkSeal() error {
	return c.Check(c.Trust, seal.Setting{Name: "gateways", Set: len(c.Gateways) > 0},
		seal.Setting{Name: "access", Set: !c.Access.empty()}, seal.Setting{Name: "limits", Set: c.Limits != limits{}},
		seal.Setting{Name: "user", Set: !c.User.isZero()},
		seal.Setting{Name: "persons (anchors, intermediates, crls, ocsp, mapping)", Set: c.Persons.NamesCAs()})
}

// usable returns why this PdT cannot work with what a bundle says; nil = it can.
func (c config) usable(b *bundle.Content) error {
	return errors.Join(c.withBundle(b).checkUsers(), c.Possible(b))
}

func (a access) empty() bool { return len(a.Practices)+len(a.TLAs) == 0 }

// withBundle fills in from a bundle what the file leaves out; nil = there is none.
func (c config) withBundle(b *bundle.Content) config {
	if b == nil {
		return c
	}
	if len(c.Gateways) == 0 {
		c.Gateways = cli.ServersOf(b.Gateways)
	}
	if c.Access.empty() {
		c.Access = access(b.Access)
	}
	if c.Limits.Absolute == 0 {
		c.Limits.Absolute = time.Duration(b.Limits.Absolute)
	}
	return c.withUsers(b)
}

// device keeps the bundle of a running service up to date; nil = there is none.
type device struct {
	*bundle.Kept
	cfg     config // of the file and the first bundle
	party   trust.Party
	log     *slog.Logger
	reached chan string // a gateway was reached
	broken  chan error  // the present bundle must not be used any more
	old     atomic.Bool // the program must be started again, once there is no session
	trust   *trust.Trust
	service *pdt.Service
	users   *usersFollow

	mu sync.Mutex // one refresh at a time
}

// refreshTime is the time between two requests for the bundle.
const refreshTime = time.Hour

// idleTime is how often a program that must be started again looks whether it has a session.
const idleTime = time.Second

func newDevice(k *bundle.Kept, cfg config, s pdt.Config, log *slog.Logger) *device {
	if k == nil {
		return nil
	}
	return &device{Kept: k, cfg: cfg, party: s.Client, log: log, reached: make(chan string, 1),
		broken: make(chan error, 1)}
}

// connect has the service tell gateways of the bundle, and tell d of gateways.
func (d *device) connect(s *pdt.Config) {
	if d == nil {
		return
	}
	s.Bundle, s.Outdated, s.Answers = d.Version, d.outdated, d.recheck
	s.Reached = func(gateway string) {
		select {
		case d.reached <- gateway:
		default: // one is waiting
		}
	}
}

// applyTo sets what a new bundle is applied to. It is called before run.
func (d *device) applyTo(trust *trust.Trust, service *pdt.Service, users *usersFollow) {
	if d != nil {
		d.trust, d.service, d.users = trust, service, users
	}
}

// with returns a configuration with what the bundle of now adds; d may be nil.
func (d *device) with(c config) config {
	if d == nil {
		return c
	}
	return c.withBundle(d.Content())
}

// run refreshes the bundle hourly, and when a gateway is reached. The error is a *bundle.Broken: the service must stop.
func (d *device) run(ctx context.Context) error {
	if d == nil {
		<-ctx.Done()
		return nil
	}
	tick, look := time.NewTicker(refreshTime), time.NewTicker(idleTime)
	defer tick.Stop()
	defer look.Stop()
	gateway := string(d.cfg.Gateways[0])
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-d.broken:
			return err
		case <-look.C:
			if d.old.Load() && !d.service.Busy() {
				return seal.ErrCrypto
			}
			continue
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
	return seal.Refresh(ctx, d.Kept, d.way(gateway), d.log, d.apply)
}

func (d *device) way(gateway string) bundle.Way {
	return bundle.Way{Gateway: gateway, Party: &d.party, Dial: d.cfg.Dial}
}

// outdated fetches the newer bundle that a gateway demands.
func (d *device) outdated(ctx context.Context, gateway string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	changed, err := d.Kept.Refresh(ctx, d.way(gateway))
	if changed {
		err = d.apply(d.Content())
	}
	return err
}

// apply puts anchors, ARLs, access table and who has to prove who they are of a new bundle in force; the rest takes a
// restart.
func (d *device) apply(c *bundle.Content) error {
	next := d.cfg
	if d.cfg.Sealed {
		next.Access = access(c.Access)
		next.User, next.Persons = userSection{}, next.Persons.Kept()
		if err := d.users.follow(next.withUsers(c), d.service); err != nil {
			return err
		}
	}
	table, err := next.Access.table()
	if err != nil {
		return err
	}
	d.service.SetAccess(table)
	limit := time.Duration(c.Limits.Absolute)
	limited := limit != 0 && limit != d.cfg.Limits.Absolute
	if d.cfg.Sealed && (limited || !reflect.DeepEqual(d.cfg.Gateways, c.Gateways)) {
		d.log.Warn("gateways or limits of the new bundle take a restart")
	}
	if d.cfg.CryptoWith(c) != d.trust.Crypto() && !d.old.Swap(true) {
		d.log.Warn("the new bundle changes what links take: the program ends after this session, to be started again",
			"crypto", d.cfg.CryptoWith(c).String())
	}
	return seal.Adopt(d.trust, c, d.log)
}

// recheck judges the signer of the present bundle by the OCSP answers that a gateway sends.
func (d *device) recheck(answers [][]byte) {
	if err := d.Recheck(answers); err != nil {
		select {
		case d.broken <- err:
		default: // it is known
		}
	}
}
