// Package trail is what the mains share about the audit trace (annex codes EL1, SA2): what they record at their start,
// while they run and at their end, and the commands that verify and show it.
package trail

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"sync/atomic"

	"tlagate/audit"
	"tlagate/cmd/internal/cli"
	"tlagate/integrity"
)

// Trail is the trace of a running program. Without a file it records nothing.
type Trail struct {
	Log *audit.Log // nil without a file
	app *cli.App

	whole   *integrity.Watch         // nil: there are no manifests
	rotated chan struct{}            // capacity 1
	keys    atomic.Pointer[cli.Keys] // the first that were opened
}

func newTrail(app *cli.App) *Trail { return &Trail{app: app, rotated: make(chan struct{}, 1)} }

// Open opens the trace of a program, or begins it. file is what the configuration names under audit; "" = no trace is
// kept, which is logged.
func Open(app *cli.App, program string, file cli.Path) (*Trail, error) {
	t := newTrail(app)
	return t, t.open(audit.Config{File: string(file), By: program})
}

func (t *Trail) open(cfg audit.Config) (err error) {
	if cfg.File == "" {
		t.app.Log.Warn("no audit trace is kept: name a file under audit (EL1)")
		return nil
	}
	cfg.Rotated = t.noteRotation
	t.Log, err = audit.Open(cfg)
	return err
}

// noteRotation fits audit.Config.Rotated.
func (t *Trail) noteRotation() {
	select {
	case t.rotated <- struct{}{}:
	default: // that is still to be told
	}
}

// Rotated returns a channel for one reader, who is told when a file of the trace was full.
func (t *Trail) Rotated() <-chan struct{} { return t.rotated }

// Refused is the exit status of a program that does not start because the machine is not as its manifests say:
// EX_CONFIG of sysexits. Its unit does not restart it (RestartPreventExitStatus=).
const Refused = 78

// During records what has changed on the machine and the program's start, runs f, and records the end. If that cannot
// be recorded, or the machine must not be as it is, the program does not start. While f runs, the machine is compared
// again and again; f sees by the context of its App that it has to stop.
func (t *Trail) During(m Machine, f func() error) error {
	err := t.compare(m)
	if differs, ok := errors.AsType[*integrity.Mismatch](err); ok {
		if m.refused == nil {
			return cli.ExitCode(Refused, err)
		}
		refused := m.refused
		f, m, err = func() error { return refused(differs) }, Machine{}, nil
	}
	if err != nil {
		return err
	}
	if err := t.Log.Record(audit.ProgramStart, audit.Version(cli.Running())); err != nil {
		return err
	}
	return t.run(m, f)
}

func (t *Trail) run(m Machine, f func() error) error {
	end := t.watch(m)
	err := f()
	if t.app.Context.Err() != nil && errors.Is(err, context.Canceled) {
		err = nil // told to stop while it started
	}
	if differs := end(); differs != nil {
		err = errors.Join(differs, err)
	}
	t.stop(err)
	return err
}

// stop records the program's end, and what still waits to be written; if that fails, it says so in the log.
func (t *Trail) stop(failure error) {
	why := "it was told to stop"
	if failure != nil {
		why = "it failed; its log says why"
	}
	if err := t.Log.Record(audit.ProgramStop, audit.Reason(why)); err != nil {
		t.app.Log.Error("the program's end is not in the audit trace", "error", err)
	}
	if err := t.Log.Close(); err != nil {
		t.app.Log.Error("events are missing in the audit trace", "error", err)
	}
}

// Keys opens a certificate and its key, and records that, and each change of them before it takes effect. use says what
// they are for: "client", "server" …
func (t *Trail) Keys(use string, id cli.Identity) (*cli.Keys, error) {
	keys, err := id.Open()
	if err != nil {
		return nil, cli.Usage("%w", t.failed(err, use, string(id.Key)))
	}
	t.keys.CompareAndSwap(nil, keys)
	return keys, keys.Observe(func(old, now *tls.Certificate) error {
		o := observed{t.Log, use, string(id.Cert), string(id.Key)}
		if old == nil {
			return o.loaded(now.Leaf)
		}
		return o.changed(old.Leaf, now.Leaf)
	})
}

// failed records that a key could not be used, and returns err, which says why.
func (t *Trail) failed(err error, use, file string) error {
	if e := t.Log.Record(audit.KeyFailed, audit.Use(use), audit.File(file),
		audit.Reason("key or certificate cannot be loaded")); e != nil {
		return fmt.Errorf("%w (%w)", err, e)
	}
	return err
}

// observed is a pair whose changes are recorded.
type observed struct {
	log             *audit.Log
	use, cert, file string
}

func (o observed) loaded(now *x509.Certificate) error {
	if err := o.key(audit.KeyLoaded, now); err != nil {
		return err
	}
	return o.log.Record(audit.CertificateLoaded, append(audit.Certificate(now), audit.Use(o.use),
		audit.File(o.cert))...)
}

func (o observed) changed(old, now *x509.Certificate) error {
	if !samePublic(old, now) {
		if err := o.key(audit.KeyReplaced, now); err != nil {
			return err
		}
	}
	return o.log.Record(audit.CertificateChanged, append(audit.Certificate(now), audit.Use(o.use), audit.File(o.cert),
		audit.From(old.SerialNumber.Text(16)), audit.To(now.SerialNumber.Text(16)))...)
}

// key records what becomes of the key of a certificate; its public half names it.
func (o observed) key(kind audit.Kind, of *x509.Certificate) error {
	return o.log.Record(kind, audit.Use(o.use), audit.File(o.file), audit.Fingerprint(of.RawSubjectPublicKeyInfo))
}

func samePublic(a, b *x509.Certificate) bool {
	return string(a.RawSubjectPublicKeyInfo) == string(b.RawSubjectPublicKeyInfo)
}
