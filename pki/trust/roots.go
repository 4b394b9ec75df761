package trust

import (
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"sync"

	"tlagate/pki"
	"tlagate/pki/internal/certutil"
	"tlagate/pki/internal/describe"
)

// roots are the anchors and configured intermediates of one moment; they never change once published.
type roots struct {
	profile       Profile
	anchors       []Anchor
	intermediates []*x509.Certificate
}

// rootFiles watches the files that the roots come from.
type rootFiles struct {
	mu      sync.Mutex // one reading at a time; protects the rest
	watch   *pki.FileWatch
	failure string // of the last reading, so that it is logged once
	refused bool   // the observer refused the last roots: they are to be tried again
}

// Anchors returns the anchors of the store.
func (t *Trust) Anchors() []Anchor { return slices.Clone(t.roots.Load().anchors) }

// openRoots reads the roots at the start: if any cannot be read, that is an error.
func (t *Trust) openRoots() error {
	t.roots.Store(&roots{})
	var files []string
	for _, a := range t.cfg.Anchors {
		files = append(files, a.File)
	}
	t.rootFiles.watch = pki.NewFileWatch(append(files, t.cfg.Intermediates...)...)
	r, err := t.loadRoots()
	if err == nil {
		err = t.observeRoots(r)
	}
	if err == nil {
		t.roots.Store(r)
	}
	return err
}

// readRoots reads the roots again when a file has changed. If a file is broken, all roots stay as they were.
func (t *Trust) readRoots(force bool) {
	f := &t.rootFiles
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.watch.Changed() && !force && !f.refused {
		return
	}
	r, err := t.loadRoots()
	if err == nil && !r.equal(t.roots.Load()) {
		err = t.observeRoots(r)
		f.refused = err != nil
	}
	if err != nil {
		if err.Error() != f.failure {
			t.log.Error("cannot read anchors and intermediates, the ones before stay in force", "error", err)
		}
		f.failure = err.Error()
		return
	}
	f.failure = ""
	if !r.equal(t.roots.Load()) {
		t.adopt(r)
		t.log.Info("anchors and intermediates read again", "anchors", len(r.anchors),
			"intermediates", len(r.intermediates))
		t.TellChanged()
	}
}

// observeRoots asks the observer whether r may become the present roots.
func (t *Trust) observeRoots(r *roots) error {
	if t.cfg.Observe == nil {
		return nil
	}
	old := t.roots.Load()
	return t.cfg.Observe(Roots{old.anchors, old.intermediates}, Roots{r.anchors, r.intermediates})
}

// adopt makes r the present roots. The Store learns the CAs, so that their CRLs and answers can be judged as they come.
func (t *Trust) adopt(r *roots) {
	t.roots.Store(r)
	t.learnRoots()
}

// learnRoots tells the Store every CA that leads to an anchor.
func (t *Trust) learnRoots() {
	r := t.roots.Load()
	for _, a := range r.anchors {
		t.Learn(a.Cert)
	}
	for _, ca := range r.intermediates {
		if t.leadsToAnchor(r, ca) {
			t.Learn(ca)
		}
	}
}

func (r *roots) equal(o *roots) bool {
	same := func(a, b Anchor) bool { return a.Cert.Equal(b.Cert) && slices.Equal(a.Practices, b.Practices) }
	return slices.EqualFunc(r.anchors, o.anchors, same) &&
		slices.EqualFunc(r.intermediates, o.intermediates, (*x509.Certificate).Equal)
}

func (t *Trust) loadRoots() (*roots, error) {
	r := &roots{profile: t.cfg.Profile, anchors: slices.Clone(t.cfg.Known), intermediates: slices.Clone(t.cfg.KnownCAs)}
	var errs []error
	for _, c := range slices.Concat(certsOf(r.anchors), r.intermediates) {
		errs = append(errs, t.checkNotOfDevices(c, "bundle"))
	}
	for _, a := range t.cfg.Anchors {
		certs, err := t.loadCAs(a.File)
		errs = append(errs, err)
		for _, c := range certs {
			r.anchors = append(r.anchors, Anchor{c, slices.Clone(a.Practices), a.File})
		}
	}
	for _, file := range t.cfg.Intermediates {
		certs, err := t.loadCAs(file)
		errs = append(errs, err)
		r.intermediates = append(r.intermediates, certs...)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	if len(r.anchors) == 0 && r.profile == RFC5280 && len(t.cfg.Anchors) > 0 {
		return nil, &pki.Refusal{Reason: pki.BadCertificate, Subject: t.cfg.Anchors[0].File,
			Detail: "crypto/x509 can read no anchor of it"}
	}
	if len(r.anchors) == 0 {
		return nil, errors.New("cannot verify any peer: the trust store names no anchor")
	}
	return r, nil
}

func (t *Trust) loadCAs(file string) ([]*x509.Certificate, error) {
	if t.cfg.Profile == RFC5280 {
		return pki.ReadCAs(file, t.log)
	}
	certs, err := pki.ReadCertificates(file)
	if err != nil {
		return nil, err
	}
	for _, c := range certs {
		if t.cfg.Production && isTestCA(c) {
			return nil, &pki.Refusal{Reason: pki.TestCA, Subject: file,
				Detail: describe.CA(c) + ": " + t.testCARefused()}
		}
		if !c.IsCA {
			return nil, &pki.Refusal{Reason: pki.NotCA, Subject: file,
				Detail: fmt.Sprintf("%s is no CA", describe.Name(c.Subject.CommonName))}
		}
		if err := t.checkNotOfDevices(c, file); err != nil {
			return nil, err
		}
	}
	return certs, nil
}

// checkNotOfDevices refuses a CA of components in a store of persons.
func (t *Trust) checkNotOfDevices(ca *x509.Certificate, where string) error {
	if t.persons == nil || !t.persons.isDevices(ca) {
		return nil
	}
	return &pki.Refusal{Reason: pki.NameSpace, Subject: where, Detail: fmt.Sprintf(
		"%s is a CA of components here, and vouches for no person", describe.Name(ca.Subject.CommonName))}
}

// Strays returns the intermediates from which no good signatures lead to an anchor: what they issued does not pass.
func (t *Trust) Strays() (list []*x509.Certificate) {
	r := t.roots.Load()
	for _, ca := range r.intermediates {
		if !t.leadsToAnchor(r, ca) {
			list = append(list, ca)
		}
	}
	return list
}

// RootsOnly reports whether all CAs of the store are roots. Peers have to send their issuing CA then.
func (t *Trust) RootsOnly() bool {
	r := t.roots.Load()
	return len(r.intermediates) == 0 && !slices.ContainsFunc(r.anchors, func(a Anchor) bool {
		return !certutil.SelfIssued(a.Cert)
	})
}

// leadsToAnchor reports whether good signatures lead from a CA to an anchor; nothing else about it is judged.
func (t *Trust) leadsToAnchor(r *roots, ca *x509.Certificate) bool {
	paths, _ := r.findPaths([]*x509.Certificate{ca}, circumstances{})
	return slices.ContainsFunc(paths, func(p path) bool {
		v := &verification{t: t, path: p, now: t.now()}
		_, weak := v.checkAlgorithms()
		_, bad := v.checkSignatures()
		return weak == nil && bad == nil
	})
}

// SetAnchors replaces the anchors that have no file (Config.Known), at once. On an error those from before stay.
func (t *Trust) SetAnchors(anchors []Anchor) error {
	f := &t.rootFiles
	f.mu.Lock()
	defer f.mu.Unlock()
	before := t.cfg.Known
	t.cfg.Known = slices.Clone(anchors)
	r, err := t.loadRoots()
	if err == nil && !r.equal(t.roots.Load()) {
		err = t.observeRoots(r)
	}
	if err != nil {
		t.cfg.Known = before
		return err
	}
	if !r.equal(t.roots.Load()) {
		t.adopt(r)
		t.log.Info("anchors replaced", "anchors", len(r.anchors))
		t.TellChanged()
	}
	return nil
}
