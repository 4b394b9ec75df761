package main

import (
	"crypto/x509"
	"errors"
	"fmt"

	"tlagate/cmd/internal/cli"
	"tlagate/pki"
)

type checkCmd struct {
	Config string `required:"" short:"c" placeholder:"FILE" help:"Configuration file (YAML)."`
}

// Run reads what serve would read and verifies our own certificate as a peer would.
func (s *checkCmd) Run(app *cli.App) error {
	c, rules, err := load(s.Config)
	if err != nil {
		return err
	}
	keys, err := c.Identity.Open()
	if err != nil {
		return err
	}
	trust, err := pki.OpenTrust(c.Trust.Config(app.Log))
	if err != nil {
		return err
	}
	fmt.Fprintf(app.Stdout, "listen      %s\n", c.Listen)
	fmt.Fprintf(app.Stdout, "access      own practice, and %d lines\n", len(rules))
	own, err := chain(keys)
	if err != nil {
		return err
	}
	verdict, err := trust.Verify(own, pki.Want{Usage: x509.ExtKeyUsageServerAuth, Roles: []pki.Role{pki.RoleGateway}})
	if err != nil {
		return fmt.Errorf("our own certificate would be refused: %w", err)
	}
	fmt.Fprintf(app.Stdout, "identity    %s, until %s\n", verdict.Identity, verdict.NotAfter.UTC().Format("2006-01-02 15:04 MST"))
	for _, r := range verdict.Revocation {
		fmt.Fprintf(app.Stdout, "crl         %s, number %s, until %s\n", r.Source, r.Number, r.NextUpdate.UTC().Format("2006-01-02 15:04 MST"))
	}
	fmt.Fprintln(app.Stdout, "configuration is good")
	return nil
}

func chain(keys *cli.Keys) ([]*x509.Certificate, error) {
	var own []*x509.Certificate
	for _, der := range keys.Certificate().Certificate {
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, fmt.Errorf("cannot read our own certificate: %w", err)
		}
		own = append(own, cert)
	}
	if len(own) == 0 {
		return nil, errors.New("cannot find our own certificate")
	}
	return own, nil
}
