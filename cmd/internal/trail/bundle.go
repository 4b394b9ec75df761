package trail

import (
	"crypto/x509"
	"strconv"

	"tlagate/audit"
	"tlagate/bundle"
)

// actions maps the events of a bundle to the trace's names for them.
var actions = map[bundle.Action]audit.Kind{
	bundle.Loaded: audit.BundleLoaded, bundle.Changed: audit.BundleChanged, bundle.Refused: audit.BundleRefused,
	bundle.Ended: audit.SealBroken,
}

// Bundle records what happens to a device's bundle (SP1), as bundle.Config.Event wants it: a load or a change before it
// takes effect.
func (t *Trail) Bundle(e bundle.Event) error {
	with := []audit.Attr{audit.File(e.File)}
	if e.Version > 0 {
		with = append(with, audit.Version(strconv.FormatUint(e.Version, 10)))
	}
	if e.Reason != "" {
		with = append(with, audit.Reason(string(e.Reason)))
	}
	return t.Log.Record(actions[e.Action], with...)
}

// Enrolment records that an enrolment begins, runs it, and records how it ended (G2).
func (t *Trail) Enrolment(enrol func() error) error {
	if err := t.Log.Record(audit.EnrolmentBegun); err != nil {
		return err
	}
	err := enrol()
	kind := audit.EnrolmentDone
	if err != nil {
		kind = audit.EnrolmentRefused
	}
	t.Note(kind)
	return err
}

// Renewal records that a certificate was renewed, or, if it is nil, why none was (G2).
func (t *Trail) Renewal(renewed *x509.Certificate, why string) {
	if renewed == nil {
		t.Note(audit.RenewalFailed, audit.Reason(why))
		return
	}
	t.Note(audit.RenewalDone, audit.Certificate(renewed)...)
}

// Note records what has happened already; if that fails, it says so in the log, and the event waits until it can be
// written.
func (t *Trail) Note(kind audit.Kind, with ...audit.Attr) {
	if err := t.Log.Record(kind, with...); err != nil {
		t.app.Log.Error("an event is not in the audit trace", "event", string(kind), "error", err)
		t.Log.Later(kind, with...)
	}
}
