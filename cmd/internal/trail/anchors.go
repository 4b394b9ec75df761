package trail

import (
	"crypto/x509"
	"slices"

	"tlagate/audit"
	"tlagate/pki/trust"
)

// Trust returns cfg completed, so that anchors are recorded as they are loaded, and each change of them before it takes
// effect. A trace that cannot be written does not hold up a change that only takes trust away. Also, the store will
// wait for nothing once the program is told to stop.
func (t *Trail) Trust(cfg trust.Config) trust.Config {
	if t.app != nil {
		cfg.Stop = t.app.Context.Done()
	}
	if t.Log == nil {
		return cfg
	}
	cfg.Observe = func(old, now trust.Roots) error {
		before, after := listRoots(old), listRoots(now)
		if len(before) == 0 {
			return t.recordRoots(audit.AnchorLoaded, after, "")
		}
		added, removed := without(after, before), without(before, after)
		if err := t.recordRoots(audit.AnchorChanged, added, "added, or for these practices"); err != nil {
			return err
		}
		err := t.recordRoots(audit.AnchorChanged, removed, "removed, or no longer for these practices")
		if err != nil {
			t.app.Log.Error("an anchor is removed, and that is not in the audit trace", "error", err)
		}
		return nil
	}
	return cfg
}

// root is an anchor, or a CA below one.
type root struct {
	cert      *x509.Certificate
	use       string
	file      string // "" for a CA below one
	practices []string
}

func listRoots(r trust.Roots) (list []root) {
	for _, a := range r.Anchors {
		list = append(list, root{a.Cert, "anchor", a.File, a.Practices})
	}
	for _, c := range r.Intermediates {
		list = append(list, root{c, "intermediate", "", nil})
	}
	return list
}

func (r root) same(o root) bool {
	return r.cert.Equal(o.cert) && r.use == o.use && slices.Equal(r.practices, o.practices)
}

// without returns those of list that are not in other.
func without(list, other []root) (rest []root) {
	for _, r := range list {
		if !slices.ContainsFunc(other, r.same) {
			rest = append(rest, r)
		}
	}
	return rest
}

func (t *Trail) recordRoots(kind audit.Kind, list []root, why string) error {
	for _, r := range list {
		attrs := append(audit.Certificate(r.cert), audit.Use(r.use), audit.File(r.file), audit.Names(r.practices),
			audit.Reason(why))
		if err := t.Log.Record(kind, attrs...); err != nil {
			return err
		}
	}
	return nil
}
