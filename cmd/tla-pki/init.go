package main

import (
	"fmt"
	"time"

	"tlagate/cmd/internal/cli"
	"tlagate/pki/ca"
)

type initCmd struct {
	Dir        string        `required:"" short:"d" placeholder:"DIR" env:"TLA_PKI_DIR" help:"The CA's directory; must not exist, or be empty."`
	Name       string        `default:"TEST tlagate" help:"Name of the CA. Production trust stores refuse names that begin with TEST."`
	URL        string        `name:"url" default:"http://pki.example.invalid" help:"Where DIR/public will be served; goes into every certificate."`
	OCSPURL    string        `name:"ocsp-url" placeholder:"URL" help:"The OCSP responder; default: URL/ocsp."`
	Policy     string        `default:"2.999.1" placeholder:"OID" help:"OID above the certificate policies; 2.999 is for labs."`
	RootKey    string        `enum:"p384,p256,rsa3072,rsa4096" default:"p384" help:"Kind of the root's key: ${enum}."`
	IssuingKey string        `enum:"p256,p384,rsa3072,rsa4096" default:"p256" help:"Kind of the issuing CA's key: ${enum}."`
	CRLPeriod  time.Duration `name:"crl-period" default:"24h" help:"Time between two CRLs; they are valid two hours longer."`
}

func (c *initCmd) Run(app *cli.App) error {
	err := ca.Init(c.Dir, ca.InitConfig{
		Settings: ca.Settings{
			Name: c.Name, URL: c.URL, OCSPURL: c.OCSPURL, Policy: c.Policy, CRLPeriod: ca.Duration(c.CRLPeriod),
		},
		RootKey:    ca.KeyKind(c.RootKey),
		IssuingKey: ca.KeyKind(c.IssuingKey),
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(app.Stdout, `%[1]s: the CA %[2]q is made.
Trust anchor:  %[1]s/public/root.crt
Serve at %[3]s what is in %[1]s/public.
Now move %[1]s/root to a medium that is kept offline: whoever has root.key can make any
certificate. It is needed again for an ARL (within six months) and for a new issuing CA only.
`, c.Dir, c.Name, c.URL)
	return nil
}
