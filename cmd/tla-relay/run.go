package main

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"sync"

	"tlagate/bundle"
	"tlagate/cmd/internal/cli"
	"tlagate/cmd/internal/sandbox"
	"tlagate/cmd/internal/seal"
	"tlagate/cmd/internal/trail"
	"tlagate/integrity"
	"tlagate/pki/trust"
	"tlagate/session/link"
	"tlagate/tla"
	"tlagate/tla/cards"
	ctl "tlagate/tla/control"
	"tlagate/tla/startkey"
)

type runCmd struct{ withConfig }

// Run runs the daemon: it opens everything and serves; when told to stop, it ends the session first.
func (c *runCmd) Run(app *cli.App) error {
	cli.OneProcessor()
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
	trace, err := trail.Open(app, "tla-relay", cfg.Audit)
	if err != nil {
		return err
	}
	machine := cfg.machine(c.Config).OrElse(func(differs *integrity.Mismatch) error {
		return refuse(app, cfg, trace, whyOf(differs))
	})
	return trace.During(machine, func() error {
		d, err := open(app, cfg, trace)
		if broken, ok := errors.AsType[*bundle.Broken](err); ok {
			return refuse(app, cfg, trace, broken)
		}
		if err != nil {
			return err
		}
		defer d.keys.Close()
		d.config = c.Config
		if err := d.confine(); err != nil {
			return err
		}
		return d.serve(app)
	})
}

// whyOf returns what the user of a machine that is not as its manifests say is told at each start, by the number under
// which the first difference is in the trace.
func whyOf(differs *integrity.Mismatch) *tla.Why {
	first := differs.Differs[0]
	return &tla.Why{Code: tla.CodeIntegrity, Reason: string(first.Why), File: first.Path, Detail: first.String(),
		Incident: differs.Incident}
}

type daemon struct {
	config  string // its file
	keys    *cli.Keys
	trust   *trust.Trust
	readers *cards.Readers
	relay   *tla.Relay
	server  *ctl.Server
	confine func() error
	again   chan error    // receives why the program must be restarted, once no session is up
	key     *startkey.Key // nil: none
}

func open(app *cli.App, cfg config, trace *trail.Trail) (*daemon, error) {
	d := &daemon{readers: cards.NewReaders(cards.ReadersConfig{Log: app.Log}), again: make(chan error, 1)}
	var err error
	if err = cfg.device().Finish(); err != nil {
		return nil, err
	}
	if err = cfg.enrolled(); err != nil {
		return nil, err
	}
	if d.keys, err = trace.Keys("client", cfg.Identity); err != nil {
		return nil, err
	}
	if err := cfg.CheckKeys(cfg.Identity); err != nil {
		return nil, err
	}
	kept, err := cfg.Open(cfg.Trust, d.keys.Certificate, cfg.usable, trace.Bundle, app.Log)
	if err != nil {
		return nil, err
	}
	if err := cfg.Suits(seal.ContentOf(kept)); err != nil {
		return nil, err
	}
	if err := d.openRelay(cfg, kept, trace, app.Log); err != nil {
		return nil, err
	}
	if d.key, err = cfg.StartKey.open(cfg.Sealed, d.relay, app.Log); err != nil {
		return nil, err
	}
	return d, d.listen(app, cfg.Control)
}

// openRelay makes the relay, and the trust store under it, with what the bundle says.
func (d *daemon) openRelay(cfg config, kept *bundle.Kept, trace *trail.Trail, log *slog.Logger) (err error) {
	content := seal.ContentOf(kept)
	if d.trust, err = cfg.OpenTrust(cfg.Trust, content, trace.Trust, log); err != nil {
		return err
	}
	s, err := cfg.settings(content)
	if err != nil {
		return err
	}
	box := &box{again: d.again}
	d.confine = func() error { return box.enter(sandbox.Kernel(), cfg, s.Gateways, log) }
	r := cfg.renewer(d, trace, log)
	relay := tla.Config{
		Gateways: s.Gateways, PdTs: s.PdTs, Readers: d.readers, Policy: s.Policy, Dial: cfg.Dial, Log: log,
		Party: &trust.Party{Trust: d.trust, Certificate: d.trust.Staple(d.keys.Certificate),
			Hybrids: cfg.Hybrids(trace.Hybrids)},
		Timers: cfg.timers(s), Software: link.Ours(link.ProgramRelay, cli.BuildVersion()),
		Ahead: cfg.Window(),
		Clock: tla.OpenClock(tla.ClockConfig{File: string(cfg.Floor), Built: built(), Vouched: d.trust.Vouched,
			Log: log}),
		During: []func(context.Context, string){r.during}, Renewal: r.renewal, Storage: trace.Trouble,
		Trace: box.watched(sessions(trace)), Home: lines(trace, log),
	}
	if kept == nil {
		d.relay, err = tla.NewRelay(relay)
		return err
	}
	b := &device{Kept: kept, cfg: cfg, party: relay.Party, trust: d.trust, box: box, log: log}
	relay.Bundle, relay.During = b, append(relay.During, b.during)
	d.relay, err = tla.NewRelay(relay)
	b.relay = d.relay
	return err
}

func (d *daemon) listen(app *cli.App, c control) (err error) {
	d.server, err = c.listen(ctl.Config{Handle: d.relay.Handle, PIN: d.relay.EnterPIN, Log: app.Log})
	return err
}

func (c control) listen(cfg ctl.Config) (*ctl.Server, error) {
	cfg.Socket, cfg.Group, cfg.Local = string(c.Socket), c.Group, c.local()
	if err := os.MkdirAll(filepath.Dir(cfg.Socket), 0o755); err != nil {
		return nil, err
	}
	return ctl.Listen(cfg)
}

// refuse runs a relay whose seal is broken, or whose machine is not as signed: it only tells the user so, until it is
// stopped.
func refuse(app *cli.App, cfg config, trace *trail.Trail, why error) error {
	said, handle := tla.Refusing(why)
	sessions(trace)(tla.Event{Kind: tla.EventFailed, Why: *said})
	server, err := cfg.Control.listen(ctl.Config{Handle: handle, Log: app.Log})
	if err != nil {
		return err
	}
	if err := new(box).enter(sandbox.Kernel(), cfg, nil, app.Log); err != nil {
		return err
	}
	reason := cmp.Or(map[tla.Code]string{tla.CodeSeal: bundle.SealBroken}[said.Code], string(said.Code))
	app.Log.Error("refusing to work: no reader is used, no connection is made", "reason", reason,
		"why", said.Reason, "file", said.File, "incident", said.Incident)
	app.Serving(func() { handle(app.Context, "", ctl.Request{Command: "status"}) })
	return withoutStop(server.Serve(app.Context))
}

// serve runs every part until the program is stopped or one fails. The session ends before the parts do.
func (d *daemon) serve(app *cli.App) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var parts sync.WaitGroup
	run := []func(context.Context) error{d.trust.Run, d.readers.Run, d.server.Serve}
	if d.key != nil {
		run = append(run, d.key.Run)
	}
	failed := make(chan error, len(run))
	for _, part := range run {
		parts.Go(func() { failed <- part(ctx) })
	}
	app.Follow(cli.Live{Config: d.config, Trust: d.trust, Keys: []*cli.Keys{d.keys}})
	app.LogCrypto(d.trust)
	app.Serving(d.relay.Alive)
	app.Log.Info("ready: no connection is made before a user's start")
	var err error
	select {
	case <-app.Context.Done():
	case e := <-failed:
		err = withoutStop(e)
	case err = <-d.again:
	}
	d.relay.Close()
	cancel()
	parts.Wait()
	close(failed)
	for e := range failed {
		err = errors.Join(err, withoutStop(e))
	}
	return err
}

// withoutStop returns err, or nil if err only says that a part was told to stop.
func withoutStop(err error) error {
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}
