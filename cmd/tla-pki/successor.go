package main

import (
	"fmt"
	"os"

	"tlagate/ca"
	"tlagate/ca/officers"
	"tlagate/cmd/internal/cli"
	"tlagate/keys"
	"tlagate/pki"
)

// succeedCmd makes the CA that comes after one, in the root's ceremony.
type succeedCmd struct {
	caDir
	New         string `required:"" placeholder:"DIR" help:"The new CA's directory; must not exist, or be empty."`
	Name        string `required:"" help:"Its name, other than that of the CA before it."`
	URL         string `required:"" name:"url" help:"Where NEW/public will be served; goes into every certificate."`
	OCSPURL     string `name:"ocsp-url" placeholder:"URL" help:"Its OCSP responder; default: URL/ocsp."`
	IssuingKey  string `enum:"p256,p384,rsa3072,rsa4096" default:"p256" help:"Kind of its key: ${enum}."`
	IssuingSpec string `name:"issuing-key-spec" placeholder:"KEY" help:"${succeed_spec}"`
}

// Run makes it, and says what comes next.
func (c *succeedCmd) Run(app *cli.App) error {
	return c.open(app, func(authority *ca.CA) error {
		err := authority.Succeed(c.New, ca.Successor{Name: c.Name, URL: c.URL, OCSPURL: c.OCSPURL,
			IssuingKey: ca.KeyKind(c.IssuingKey), Where: keys.Spec(c.IssuingSpec)})
		if err != nil {
			return err
		}
		certs, err := pki.ReadCertificates(c.New + "/issuing/issuing.crt")
		if err != nil {
			return err
		}
		fmt.Fprintf(app.Stdout, "%s: the CA %q is made, below the same root.\nIts issuing CA: SHA-256 %s\n"+
			"It waits for two officers of %q: tla-pki propose, then approve, then begin.\n", c.New, c.Name,
			ca.Fingerprint(certs[0]), authority.Settings.Name)
		return nil
	}, c.New)
}

// proposeCmd asks, as an officer, for a successor to be approved.
type proposeCmd struct {
	afarOnly
	Certificate string `arg:"" help:"The new issuing CA's certificate, which the root has signed."`
	Why         string `placeholder:"TEXT" help:"Why, for the trace; nobody's name."`
}

// Run has it wait for a second officer.
func (c *proposeCmd) Run(app *cli.App) error {
	text, err := os.ReadFile(c.Certificate)
	if err != nil {
		return cli.Usage("cannot read the certificate: %w", err)
	}
	return c.office().afar(app, func(client *officers.Client) error {
		var issued officers.Issued
		request := officers.Succeed{Certificate: string(text), Why: c.Why}
		if err := client.Do(app.Context, "succeed", request, &issued); err != nil {
			return err
		}
		w := issued.Waiting
		if w == nil {
			return fmt.Errorf("cannot use the answer: nothing waits")
		}
		printWaits(app.Stdout, w)
		fmt.Fprintf(app.Stdout, "then: tla-pki waiting --out next %d, and tla-pki begin\n", w.ID)
		return nil
	})
}

// beginCmd has a successor serve.
type beginCmd struct {
	caDir
	Approval string `required:"" placeholder:"FILE" help:"What tla-pki waiting --out has written."`
}

// Run puts the approval into the CA's directory.
func (c *beginCmd) Run(app *cli.App) error {
	statement, err := os.ReadFile(c.Approval)
	if err != nil {
		return cli.Usage("cannot read the approval: %w", err)
	}
	return c.open(app, func(authority *ca.CA) error {
		if err := authority.Begin(statement); err != nil {
			return err
		}
		fmt.Fprintf(app.Stdout, "%s: the CA %q is in force\n", c.Dir, authority.Settings.Name)
		return nil
	})
}
