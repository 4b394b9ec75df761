package main

import (
	"crypto/x509"
	"fmt"
	"os"
	"time"

	"tlagate/bundle"
	"tlagate/cmd/internal/cli"
	"tlagate/internal/stamp"
	"tlagate/pki/revocation"
	"tlagate/pki/trust"
)

// signerOptions has the options of verify that matter for who signed a bundle or a manifest.
type signerOptions struct {
	Anchor       []string  `required:"" short:"a" placeholder:"FILE" sep:"none" help:"${bundle_anchor}"`
	CRL          []string  `name:"crl" placeholder:"FILE" sep:"none" help:"${bundle_crl}"`
	OCSP         []string  `name:"ocsp" placeholder:"FILE" sep:"none" help:"OCSP answers, DER; repeat for more."`
	NoRevocation bool      `help:"Do not ask whether the signer is revoked."`
	At           time.Time `placeholder:"TIME" help:"Judge as at that time."`
}

func (o *signerOptions) open() (*trust.Trust, error) {
	cfg := trust.Config{NoRevocation: o.NoRevocation, Clock: o.now, Revocation: revocation.Config{CRLs: o.CRL}}
	for _, file := range o.Anchor {
		cfg.Anchors = append(cfg.Anchors, trust.AnchorFile{File: file, Practices: []string{"*"}})
	}
	return trust.Open(cfg)
}

func (o *signerOptions) now() time.Time {
	if o.At.IsZero() {
		return time.Now()
	}
	return o.At
}

// signer explains why a signer is accepted or refused, for what is valid until then; zero: for ever.
func (o *signerOptions) signer(app *cli.App, store *trust.Trust, chain []*x509.Certificate, until time.Time) error {
	for _, file := range o.OCSP {
		der, err := os.ReadFile(file)
		if err != nil {
			return cli.Usage("cannot read the OCSP answer: %w", err)
		}
		if err := store.AddStatus(der); err != nil {
			app.Log.Warn("an OCSP answer does not pass", "file", file, "error", err)
		}
	}
	verdict, err := store.Verify(chain, bundle.Want)
	explain(app.Stdout, verdict, false)
	if err == nil && !until.IsZero() && o.now().After(until) {
		err = fmt.Errorf("it was valid until %s", stamp.Second(until))
	}
	return err
}
