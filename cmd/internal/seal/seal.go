// Package seal is what the mains of devices share about their signed configuration (SP1): the lines that name the
// bundle, what it decides in place of local settings, and how it is opened, fetched and put into force.
package seal

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"reflect"

	"tlagate/bundle"
	"tlagate/cmd/internal/cli"
	"tlagate/est"
	"tlagate/internal/address"
	"tlagate/internal/stamp"
	"tlagate/keys"
	"tlagate/pki"
	"tlagate/pki/trust"
)

// Seal is the part of a device's configuration that names its bundle (SP1; docs/bundle.md, section 5):
//
//	bundle: /var/lib/tla-relay/bundle.p7m
//	sealed: true
type Seal struct {
	Bundle cli.Path `yaml:"bundle"` // file of what operations signed for us; empty: none
	Sealed bool     `yaml:"sealed"` // a local setting that the bundle decides is refused

	cli.Crypto `yaml:",inline"` // which the bundle may bring
}

// Setting is a line of the configuration that the bundle decides.
type Setting struct {
	Name string
	Set  bool
}

// Usable returns why a program cannot work with what a bundle says; nil = it can. A nil function accepts any.
type Usable func(*bundle.Content) error

// Check refuses, on a sealed device, the settings that its bundle decides.
func (s Seal) Check(t cli.Trust, settings ...Setting) error {
	if !s.Sealed {
		return nil
	}
	if s.Bundle == "" {
		return errors.New("cannot use sealed: there is no line bundle; name the file of the bundle there")
	}
	for _, l := range append(settings, trustSettings(t)...) {
		if l.Set {
			return fmt.Errorf("cannot use %s: this device is sealed and its bundle decides that; remove the line",
				l.Name)
		}
	}
	return nil
}

func trustSettings(t cli.Trust) []Setting {
	settings := []Setting{
		{"trust.crls", len(t.CRLs) > 0},
		{"trust.ocsp", !reflect.ValueOf(t.OCSP).IsZero()},
		{"trust.intermediates", len(t.Intermediates) > 0},
	}
	for i, a := range t.Anchors {
		settings = append(settings, Setting{fmt.Sprintf("trust.anchors[%d].practices", i), len(a.Practices) > 0})
	}
	return settings
}

// CheckKeys refuses, on a sealed device, private keys that lie unencrypted in a file (SP2).
func (s Seal) CheckKeys(identities ...cli.Identity) error {
	for _, id := range identities {
		if !s.Sealed {
			return nil
		}
		about, err := keys.Inspect(id.Key, keys.Config{WrappingKey: string(id.WrappingKey)})
		if err == nil && !about.Protection.Hidden() {
			err = fmt.Errorf("cannot use the key %s: this device is sealed, and it is not protected; encrypt it "+
				"under a wrapping_key, or keep it in hardware (docs/keys.md)", about.Where)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Open reads the bundle as at a start of the program; it returns nil if there is none. The error may be a
// *bundle.Broken. certificate is the device's own; event is called with what happens to the bundle, for the audit
// trace; nil = nothing is called.
func (s Seal) Open(t cli.Trust, certificate func() *tls.Certificate, usable Usable, event func(bundle.Event) error,
	log *slog.Logger) (*bundle.Kept, error) {
	if s.Bundle == "" {
		return nil, nil
	}
	c := s.config(t, certificate, log)
	c.Usable, c.Event = usable, event
	return bundle.Open(c)
}

// config returns where the bundle is and what it is judged by.
func (s Seal) config(t cli.Trust, certificate func() *tls.Certificate, log *slog.Logger) bundle.Config {
	trust := t.Config(s.Foreseen(), log)
	c := bundle.Config{File: string(s.Bundle), Certificate: certificate, Crypto: trust.Crypto, ARL: trust.ARL,
		DenyList:   trust.DenyList,
		Production: trust.Production, Log: log}
	for _, a := range trust.Anchors {
		c.Anchors = append(c.Anchors, a.File)
	}
	for _, l := range trust.CRLs {
		if !address.IsURL(l) {
			c.CRLs = append(c.CRLs, l)
		}
	}
	return c
}

// ContentOf returns what a bundle says; nil = there is none.
func ContentOf(k *bundle.Kept) *bundle.Content {
	if k == nil {
		return nil
	}
	return k.Content()
}

// FetchBundle gets the first bundle, or another one when the seal is broken, from a gateway. way needs no Party.
func (s Seal) FetchBundle(app *cli.App, t cli.Trust, id cli.Identity, usable Usable, way bundle.Way) error {
	if s.Bundle == "" {
		return errors.New("cannot fetch the bundle: the configuration has no line bundle that names its file")
	}
	pair, err := id.Open()
	if err != nil {
		return err
	}
	defer pair.Close()
	cfg := s.config(t, pair.Certificate, app.Log)
	cfg.Usable = usable
	c, err := bundle.Fetch(app.Context, cfg, way)
	if err != nil {
		return err
	}
	fmt.Fprintf(app.Stdout, "%s: version %d for %s, issued %s\n", s.Bundle, c.Version, c.For,
		stamp.Minute(c.Issued))
	return nil
}

// FirstBundle returns what fetches the bundle right after an enrolment, if one is configured and the enrolment was
// through a gateway, which completes the way; otherwise it has to be fetched by hand.
func (s Seal) FirstBundle(app *cli.App, t cli.Trust, id cli.Identity, usable Usable,
	way bundle.Way) func(est.Place) error {
	return func(at est.Place) error {
		if s.Bundle == "" || at.Name != "" {
			return nil
		}
		way.Gateway = at.Address
		return s.FetchBundle(app, t, id, usable, way)
	}
}

// under returns the trust section as package trust wants it, with what a bundle adds; c nil = there is none. The pinned
// root alone makes no peer trusted: with a bundle, an anchor of the file counts only if it names practices, which that
// of a sealed device must not.
func (s Seal) under(t cli.Trust, c *bundle.Content, log *slog.Logger) (trust.Config, error) {
	cfg := t.Config(s.CryptoWith(c), log)
	if c == nil {
		return cfg, nil
	}
	var err error
	if cfg.Known, err = c.TrustAnchors(); err != nil {
		return cfg, err
	}
	all := cfg.Anchors
	cfg.Anchors = nil
	for _, a := range all {
		if len(a.Practices) > 0 {
			cfg.Anchors = append(cfg.Anchors, a)
		}
	}
	cfg.OCSP.Responders = append(cfg.OCSP.Responders, c.Sources.OCSP...)
	cfg.CRLs = append(cfg.CRLs, c.Sources.CRLs...)
	return cfg, nil
}

// Adopt puts the anchors and ARLs of a bundle into force, at once.
func Adopt(trust *trust.Trust, c *bundle.Content, log *slog.Logger) error {
	anchors, err := c.TrustAnchors()
	if err != nil {
		return err
	}
	if err := trust.SetAnchors(anchors); err != nil {
		return err
	}
	lists, err := c.Lists()
	for _, der := range lists {
		if err := trust.AddARL(der); err != nil { // a newer one may be at hand
			log.Info("ARL of the bundle not taken", "reason", string(pki.ReasonOf(err)), "error", err)
		}
	}
	return err
}

// OpenTrust opens the trust store of a device, with what its bundle adds; traced completes its configuration, for the
// audit trace.
func (s Seal) OpenTrust(t cli.Trust, c *bundle.Content, traced func(trust.Config) trust.Config,
	log *slog.Logger) (*trust.Trust, error) {
	cfg, err := s.under(t, c, log)
	if err != nil {
		return nil, err
	}
	trust, err := trust.Open(traced(cfg))
	if err != nil {
		return nil, cli.Usage("%w", err)
	}
	if c == nil {
		return trust, nil
	}
	return trust, Adopt(trust, c, log)
}

// Refresh asks a gateway for another bundle, and has apply put it into force. The error is a *bundle.Broken if the
// present one must not be used any more; other failures are logged.
func Refresh(ctx context.Context, k *bundle.Kept, w bundle.Way, log *slog.Logger,
	apply func(*bundle.Content) error) error {
	changed, err := k.Refresh(ctx, w)
	if changed {
		err = apply(k.Content())
	}
	if unusable := k.Usable(); unusable != nil {
		return unusable
	}
	if err != nil && ctx.Err() == nil {
		log.Warn("bundle not refreshed", "gateway", w.Gateway, "error", err)
	}
	return nil
}
