package main

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"tlagate/ca"
	"tlagate/ca/store"
	"tlagate/cmd/internal/cli"
	"tlagate/internal/retry"
	"tlagate/internal/stamp"
	"tlagate/keys"
	"tlagate/pki"
)

// renewed is one of the PKI's own certificates that tla-pki serve renews, for the same key.
type renewed struct {
	cli.Identity `yaml:",inline"` // certificate, and its key if that is at hand
	CSR          cli.Path         `yaml:"csr"` // or a request that the key has signed once

	signer func() crypto.Signer // the key, when it is open
}

func (r renewed) check() error {
	if r.Cert == "" || (r.Key == "") == (r.CSR == "") {
		return errors.New("cannot use renew: each line names cert, and either key or csr")
	}
	return nil
}

// renewer renews them, and warns of those that nobody has renewed.
type renewer struct {
	ca   *ca.CA
	list []renewed
	log  *slog.Logger
	told map[string]time.Time // of a warning, by serial number or file
}

const (
	renewEvery = time.Hour
	tellEvery  = 24 * time.Hour
)

// run looks now and hourly, until ctx ends.
func (r *renewer) run(ctx context.Context) {
	for r.look(time.Now()); retry.Sleep(ctx, renewEvery); {
		r.look(time.Now())
	}
}

func (r *renewer) look(now time.Time) {
	for _, one := range r.list {
		if err := r.renew(one); err != nil {
			r.warn(now, string(one.Cert), "one of our own certificates is not renewed", "cert", string(one.Cert),
				"error", err)
		}
	}
	own, err := r.ca.Own.List()
	if err != nil {
		r.log.Error("cannot see when our own certificates end", "error", err)
		return
	}
	for _, c := range own {
		if c.Status == store.Revoked {
			r.warn(now, c.Serial, "the issuing CA was revoked: make a new CA", "reason", c.Reason, "serial", c.Serial)
		} else if !now.Before(c.RenewalDue()) {
			r.warn(now, c.Serial, "a certificate of the PKI should be renewed", "profile", c.Profile,
				"identity", c.Identity,
				"serial", c.Serial, "until", stamp.Instant(c.NotAfter))
		}
	}
}

// warn says something once a day.
func (r *renewer) warn(now time.Time, about, text string, attrs ...any) {
	if now.Sub(r.told[about]) >= tellEvery {
		r.told[about] = now
		r.log.Warn(text, attrs...)
	}
}

// renew replaces the certificate's file, when it is time. Its users read it again when it changes.
func (r *renewer) renew(one renewed) error {
	chain, err := pki.ReadCertificates(string(one.Cert))
	if err != nil {
		return err
	}
	if _, due, err := r.ca.Own.Due(chain[0]); err != nil || !due {
		return err
	}
	csr, err := one.request()
	if err != nil {
		return fmt.Errorf("cannot ask for the next certificate: %w", err)
	}
	issued, err := r.ca.Own.Renew(chain[0], csr)
	if err != nil {
		return err
	}
	if err := ca.Replace(string(one.Cert), issued.Chain, 0o644); err != nil {
		return err
	}
	r.log.Info("one of our own certificates is renewed", "cert", string(one.Cert), "serial", issued.Serial,
		"until", stamp.Instant(issued.NotAfter))
	return nil
}

func (r renewed) request() ([]byte, error) {
	switch {
	case r.signer != nil:
		return ca.NewCSR(r.signer())
	case r.CSR != "":
		return os.ReadFile(string(r.CSR))
	}
	// nobody is there to be asked for a PIN
	key, err := keys.Open(r.Key, keys.Config{WrappingKey: string(r.WrappingKey)})
	if err != nil {
		return nil, err
	}
	defer key.Close()
	return ca.NewCSR(key)
}
