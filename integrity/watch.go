package integrity

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"tlagate/audit"
	"tlagate/internal/retry"
	"tlagate/session/incident"
)

// Every is how often a running program compares, unless its configuration says otherwise.
const Every = time.Hour

// maxSingly is how many differences have an event of their own in one comparison; the others are counted in one more.
const maxSingly = 64

// Watch compares at a program's start and while it runs.
type Watch struct {
	cfg   Config
	every time.Duration // 0 = Every
	trace *audit.Log
	log   *slog.Logger
	last  atomic.Pointer[State]
}

// State is what the last comparison has found, in numbers.
type State struct {
	At      time.Time
	Files   int // lines of all manifests
	Differs int
	Every   time.Duration
}

// Mismatch is the error of a machine that is not as its manifests say.
type Mismatch struct {
	Differs  []Difference // at least one
	Incident string       // number under which the first of them was recorded, now or earlier
}

// Error names the first difference.
func (m *Mismatch) Error() string {
	more := ""
	if n := len(m.Differs) - 1; n > 0 {
		more = fmt.Sprintf(", and %d more", n)
	}
	return fmt.Sprintf("cannot work on a machine that is not as its manifest says: %s%s; the command integrity "+
		"lists all (docs/integrity.md)", m.Differs[0], more)
}

// NewWatch returns a watch that has not compared yet. every 0 = Every.
func NewWatch(cfg Config, every time.Duration, trace *audit.Log, log *slog.Logger) *Watch {
	if every == 0 {
		every = Every
	}
	return &Watch{cfg: cfg, every: every, trace: trace, log: log}
}

// State returns what the last comparison has found; the zero State before the first. A nil Watch has none.
func (w *Watch) State() State {
	if w == nil {
		return State{}
	}
	if s := w.last.Load(); s != nil {
		return *s
	}
	return State{}
}

// Start compares at the program's start, and records what has changed since the last time. It returns a *Mismatch if
// something differs; another error, and the state stays as it was, if nothing can be recorded.
func (w *Watch) Start() error {
	r, err := w.compare()
	if err != nil {
		return err
	}
	if r.Uncovered {
		w.log.Warn("no manifest lists the configuration: a change of it is in the trace at the next start only (DL3)",
			"file", w.cfg.Configuration)
	}
	why := "as the manifests say"
	if n := len(r.Differs); n > 0 {
		why = strconv.Itoa(n) + " differ"
	}
	return r.mismatch(w.trace.Record(audit.IntegrityCompared, audit.Count(len(r.Findings)), audit.Reason(why)))
}

// Run compares again and again until ctx ends, and calls differs when something does.
func (w *Watch) Run(ctx context.Context, differs func(*Mismatch)) {
	for retry.Sleep(ctx, retry.Between(w.every-w.every/10, w.every)) {
		r, err := w.settled(ctx)
		if err != nil {
			w.log.Error("the comparison with the manifests failed; the next one makes up for it", "error", err)
			continue
		}
		if m, ok := r.mismatch(nil).(*Mismatch); ok {
			differs(m)
		}
	}
}

// settled compares; when something new differs it looks again a little later first: a package may be half unpacked.
func (w *Watch) settled(ctx context.Context) (*outcome, error) {
	k, _, err := load(w.cfg.State)
	if err != nil {
		return nil, err
	}
	if r, _ := w.cfg.examine(k); len(fresh(r.Differs, k)) > 0 && !retry.Sleep(ctx, w.every/120) {
		return nil, ctx.Err()
	}
	return w.compare()
}

// outcome is a result whose news are recorded.
type outcome struct {
	*Result
	incident string // of the news
	first    string // of the first difference
}

func (o *outcome) mismatch(err error) error {
	if err != nil || len(o.Differs) == 0 {
		return err
	}
	return &Mismatch{o.Differs, o.first}
}

// compare compares, records what is new, and keeps it.
func (w *Watch) compare() (*outcome, error) {
	k, why, err := load(w.cfg.State)
	if err != nil {
		return nil, err
	}
	r, next := w.cfg.examine(k)
	r.Lost = why
	o := &outcome{Result: r, incident: incident.New()}
	if err := w.record(o, k); err != nil {
		return nil, err
	}
	k.Manifests, k.Differs = next, o.keep(k)
	if err := k.save(w.cfg.State); err != nil {
		return nil, err
	}
	w.last.Store(&State{r.At, len(r.Findings), len(k.Differs), w.every})
	return o, nil
}

// keep returns what differs, by path, each under the number with which it was recorded.
func (o *outcome) keep(k *kept) map[string]recorded {
	all := map[string]recorded{}
	for _, d := range slices.Backward(o.Differs) { // the first, as in fresh
		all[d.Path] = recorded{d, o.incident}
		if k.has(d) {
			all[d.Path] = recorded{d, k.Differs[d.Path].Incident}
		}
		o.first = all[d.Path].Incident
	}
	return all
}

// has reports whether that difference is recorded already.
func (k *kept) has(d Difference) bool {
	old, was := k.Differs[d.Path]
	return was && old.Why == d.Why && old.Found == d.Found
}

// fresh returns the differences that were not there the last time, each path once: of one that two manifests list, the
// first counts.
func fresh(all []Difference, k *kept) (list []Difference) {
	seen := map[string]bool{}
	for _, d := range all {
		if !seen[d.Path] && !k.has(d) {
			list = append(list, d)
		}
		seen[d.Path] = true
	}
	return list
}

// record records the manifests that are new, what differs now and did not, and what is again as it should be.
func (w *Watch) record(o *outcome, k *kept) error {
	var events []event
	if o.Lost != "" {
		events = append(events, event{audit.IntegrityCompared, []audit.Attr{audit.Reason(o.Lost)}})
	}
	for _, m := range o.Manifests {
		if m.New {
			events = append(events, event{audit.IntegrityManifest, []audit.Attr{audit.File(m.File),
				audit.Manifest(m.Name), audit.Version(m.Version), audit.Number(int64(m.Number)),
				audit.Identity(m.Signer), audit.Serial(m.Chain[0].SerialNumber), audit.Fingerprint(m.DER)}})
		}
	}
	news := fresh(o.Differs, k)
	mended := o.mended(k)
	events = append(append(events, o.worse(news)...), better(mended)...)
	for _, e := range events {
		if err := w.trace.Record(e.kind, e.attrs...); err != nil {
			return err
		}
	}
	w.tell(o, news, mended)
	return nil
}

type event struct {
	kind  audit.Kind
	attrs []audit.Attr
}

// worse returns the events of differences.
func (o *outcome) worse(news []Difference) (list []event) {
	for i, d := range news {
		if i == maxSingly {
			rest := audit.Count(len(news) - i)
			return append(list, event{audit.IntegrityDiffers, []audit.Attr{rest, audit.Reason("more"),
				audit.Incident(o.incident)}})
		}
		list = append(list, event{audit.IntegrityDiffers, []audit.Attr{audit.File(d.Path), audit.Reason(string(d.Why)),
			audit.From(d.Want), audit.To(d.Found), audit.Incident(o.incident)}})
	}
	return list
}

// mended returns the paths of what is again as it should be.
func (o *outcome) mended(k *kept) (paths []string) {
	now := map[string]bool{}
	for _, d := range o.Differs {
		now[d.Path] = true
	}
	for _, path := range slices.Sorted(maps.Keys(k.Differs)) {
		if !now[path] {
			paths = append(paths, path)
		}
	}
	return paths
}

// better returns the events of what is again as it should be.
func better(mended []string) (list []event) {
	for _, some := range audit.Lists(mended) {
		list = append(list, event{audit.IntegrityRestored, []audit.Attr{audit.Count(len(some)), audit.Names(some)}})
	}
	return list
}

// tell logs what is new.
func (w *Watch) tell(o *outcome, news []Difference, mended []string) {
	for _, path := range mended[:min(len(mended), maxSingly)] {
		w.log.Info("this file is again as its manifest says", "file", path)
	}
	for _, d := range news[:min(len(news), maxSingly)] {
		w.log.Error("this machine is not as its manifest says (DL3)", "file", d.Path, "why", string(d.Why),
			"want", d.Want, "found", d.Found, "incident", o.incident)
	}
	if len(news) == 0 && len(o.Differs) == 0 {
		w.log.Debug("this machine is as its manifests say", "lines", len(o.Findings))
	}
}
