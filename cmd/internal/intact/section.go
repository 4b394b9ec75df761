// Package intact is what the mains share about signed manifests of their machine (annex codes DL3, EL1): the section of
// the configuration, and the command that lists what differs.
package intact

import (
	"cmp"
	"crypto/x509"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"tlagate/bundle"
	"tlagate/cmd/internal/cli"
	"tlagate/integrity"
	"tlagate/internal/address"
	"tlagate/pki/revocation"
	"tlagate/pki/trust"
)

// Section is the part of a configuration that names manifests (docs/integrity.md):
//
//	integrity:
//	  manifests: [/usr/share/tlagate/tla-relay.p7m, /var/lib/tla-relay/site.p7m]
//	  anchors: [root.crt]
//	  on_mismatch: report
//	  every: 1h
type Section struct {
	Manifests  []cli.Path    `yaml:"manifests"`
	Anchors    []cli.Path    `yaml:"anchors"`     // roots of those who sign them; none = the anchors of trust
	OnMismatch string        `yaml:"on_mismatch"` // report or stop; "" = report
	Every      time.Duration `yaml:"every"`       // 0 = 1h
}

// The values of on_mismatch.
const (
	Report = "report"
	Stop   = "stop"
)

// shortest and longest are the bounds of every.
const (
	shortest = time.Second
	longest  = 24 * time.Hour
)

// Check returns what is wrong with the section, in a configuration with this trust, and that trace.
func (s Section) Check(t cli.Trust, trace cli.Path) error {
	var errs []error
	if s.OnMismatch != "" && s.OnMismatch != Report && s.OnMismatch != Stop {
		errs = append(errs, fmt.Errorf("cannot use integrity.on_mismatch: %q is neither %s nor %s", s.OnMismatch,
			Report, Stop))
	}
	if s.Every != 0 && (s.Every < shortest || s.Every > longest) {
		errs = append(errs, fmt.Errorf("cannot use integrity.every: %s is not from %s to %s", s.Every, shortest,
			longest))
	}
	if len(s.Manifests) == 0 && (len(s.Anchors) > 0 || s.OnMismatch != "" || s.Every != 0) {
		errs = append(errs, errors.New("cannot use integrity: it names no manifests"))
	}
	if s.Configured() && trace == "" {
		errs = append(errs, errors.New("cannot use integrity without an audit trace: name a file under audit"))
	}
	if s.Configured() && len(s.anchors(t)) == 0 {
		errs = append(errs, errors.New("integrity.anchors is missing: name the root of who signs the manifests"))
	}
	for _, file := range append(s.Manifests, s.Anchors...) {
		if address.IsURL(string(file)) {
			errs = append(errs, fmt.Errorf("cannot use integrity: %s is no file", address.Shown(string(file))))
		}
	}
	return errors.Join(errs...)
}

// Configured reports whether there are manifests to compare with.
func (s Section) Configured() bool { return len(s.Manifests) > 0 }

// Stops reports whether the program is to stop when something differs.
func (s Section) Stops() bool { return s.OnMismatch == Stop }

func (s Section) anchors(t cli.Trust) (files []string) {
	for _, a := range t.Anchors {
		files = append(files, string(a.File))
	}
	if len(s.Anchors) > 0 {
		files = cli.Texts(s.Anchors)
	}
	return files
}

// Config returns what is compared. trace is the file of the audit trace, beside which the state is kept.
func (s Section) Config(config string, t cli.Trust, trace string) integrity.Config {
	if whole, err := filepath.Abs(config); err == nil {
		config = whole
	}
	return integrity.Config{Manifests: cli.Texts(s.Manifests), Judge: s.judge(t), State: trace + ".integrity",
		Configuration: config}
}

// judge returns a function that judges signers by the anchors, and by the revocation data of trust that are in files:
// nothing is fetched, and what cannot be known is no reason to refuse one.
func (s Section) judge(t cli.Trust) func([]*x509.Certificate, time.Time) error {
	return func(chain []*x509.Certificate, taken time.Time) error {
		store, err := trust.Open(s.store(t))
		if err != nil {
			return err
		}
		_, err = store.VerifyKept(chain, bundle.Want, taken)
		return err
	}
}

func (s Section) store(t cli.Trust) trust.Config {
	cfg := trust.Config{Production: t.Production, Intermediates: cli.Texts(t.Intermediates),
		Revocation: revocation.Config{DenyList: string(t.DenyList), Denials: string(t.Denials),
			Answers: string(t.Answers), ARL: string(t.ARL)}}
	for _, file := range s.anchors(t) {
		cfg.Anchors = append(cfg.Anchors, trust.AnchorFile{File: file, Practices: []string{"*"}})
	}
	for _, l := range t.CRLs {
		if !address.IsURL(string(l)) {
			cfg.CRLs = append(cfg.CRLs, string(l))
		}
	}
	return cfg
}

// Interval returns how often a running program compares.
func (s Section) Interval() time.Duration { return cmp.Or(s.Every, integrity.Every) }

// Reads returns the files that a comparison reads: manifests, anchors, and what the manifests list now.
func (s Section) Reads() []string {
	all := append(cli.Texts(s.Manifests), cli.Texts(s.Anchors)...)
	for _, file := range s.Manifests {
		m, err := integrity.ReadFile(string(file))
		if err != nil {
			continue // that is a difference, which the comparison finds
		}
		for _, e := range m.Files {
			if e.Kind == integrity.File || e.Kind == integrity.Dir {
				all = append(all, e.Path)
			}
		}
	}
	return all
}
