package trail

import (
	"context"
	"errors"
	"runtime"
	"sync"

	"tlagate/audit/host"
	"tlagate/cmd/internal/cli"
	"tlagate/cmd/internal/intact"
	"tlagate/integrity"
	"tlagate/internal/retry"
)

// Machine says what of the machine is compared (EL1, DL3): with the last comparison, and with signed manifests. The
// zero Machine is not compared.
type Machine struct {
	host    bool
	section intact.Section
	config  string
	trust   cli.Trust
	refused func(*integrity.Mismatch) error
}

// OrElse returns the machine of a program that runs f when it must not start because of the machine.
func (m Machine) OrElse(f func(*integrity.Mismatch) error) Machine {
	m.refused = f
	return m
}

// Compared returns the machine of a program whose configuration is that file, with this section integrity; by trust it
// judges who signs manifests.
func Compared(config string, section intact.Section, trust cli.Trust) Machine {
	return Machine{runtime.GOOS == "linux", section, config, trust, nil}
}

// compare compares at the start, and records what has changed. The error is a *integrity.Mismatch if the program must
// not start because of it.
func (t *Trail) compare(m Machine) error {
	if t.Log == nil {
		return nil
	}
	if err := t.compareHost(m, false); err != nil || !m.section.Configured() {
		return err
	}
	t.whole = integrity.NewWatch(m.section.Config(m.config, m.trust, t.Log.File()), m.section.Every, t.Log, t.app.Log)
	err := t.whole.Start()
	if differs, ok := errors.AsType[*integrity.Mismatch](err); ok && !m.section.Stops() {
		t.app.Log.Error("going on all the same", "line", "on_mismatch: report", "incident", differs.Incident)
		return nil
	}
	return err
}

func (t *Trail) compareHost(m Machine, again bool) error {
	if !m.host {
		return nil
	}
	return host.Compare(host.Config{State: t.Log.File() + ".host", Log: t.Log, Again: again,
		Covered: m.section.Configured()})
}

// watch compares again and again. When something differs, and the configuration wants that, the program is told to
// stop. The function that it returns ends this, and returns why the program was told to stop; nil = it was not.
func (t *Trail) watch(m Machine) (end func() error) {
	ctx, stop := context.WithCancelCause(t.app.Context)
	t.app.Context = ctx
	watching, done := context.WithCancel(ctx)
	var running sync.WaitGroup
	running.Go(func() { t.watchHost(watching, m) })
	running.Go(func() { t.watchFiles(watching, m, stop) })
	return func() error {
		done()
		running.Wait()
		defer stop(nil)
		if why, ok := errors.AsType[*integrity.Mismatch](context.Cause(ctx)); ok {
			return why
		}
		return nil
	}
}

func (t *Trail) watchHost(ctx context.Context, m Machine) {
	for t.Log != nil && m.host && retry.Sleep(ctx, retry.Jitter(m.section.Interval())) {
		if err := t.compareHost(m, true); err != nil {
			t.app.Log.Error("the machine cannot be compared; the next time makes up for it", "error", err)
		}
	}
}

func (t *Trail) watchFiles(ctx context.Context, m Machine, stop context.CancelCauseFunc) {
	if t.whole == nil || !m.section.Configured() {
		return
	}
	t.whole.Run(ctx, func(why *integrity.Mismatch) {
		if m.section.Stops() {
			t.app.Log.Error("stopping", "line", "on_mismatch: stop", "incident", why.Incident)
			stop(why)
		}
	})
}

// Integrity returns what the last comparison with manifests has found; configured is false if there are none.
func (t *Trail) Integrity() (s integrity.State, configured bool) {
	return t.whole.State(), t.whole != nil
}
