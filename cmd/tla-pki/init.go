package main

import (
	"cmp"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"tlagate/ca"
	"tlagate/cmd/internal/cli"
	"tlagate/keys"
)

type initCmd struct {
	Dir         string        `required:"" short:"d" placeholder:"DIR" env:"TLA_PKI_DIR" help:"${init_dir}"`
	Name        string        `default:"TEST tlagate" help:"${init_name}"`
	URL         string        `name:"url" placeholder:"URL" help:"${init_url}"`
	OCSPURL     string        `name:"ocsp-url" placeholder:"URL" help:"The OCSP responder; default: URL/ocsp."`
	Policy      string        `placeholder:"OID" help:"${init_policy}"`
	RootKey     string        `enum:"p384,p256,rsa3072,rsa4096" default:"p384" help:"Kind of the root's key: ${enum}."`
	IssuingKey  string        `enum:"p256,p384,rsa3072,rsa4096" default:"p256" help:"Kind of the issuing key: ${enum}."`
	RootSpec    string        `name:"root-key-spec" placeholder:"KEY" help:"${init_root_spec}"`
	IssuingSpec string        `name:"issuing-key-spec" placeholder:"KEY" help:"${init_issuing_spec}"`
	Wrapping    string        `name:"wrapping-key" placeholder:"FILE" help:"${init_wrapping}"`
	CRLPeriod   time.Duration `name:"crl-period" default:"24h" help:"${init_crlperiod}"`
	Admin       []string      `name:"admin" sep:"none" placeholder:"URN=KEY" help:"${init_admin}"`
}

func (c *initCmd) Run(app *cli.App) error {
	first, err := c.firstOfficers()
	if err != nil {
		return err
	}
	if err := becomeOwner(c.Dir); err != nil {
		return err
	}
	wrapping, err := c.wrapping()
	if err != nil {
		return err
	}
	err = ca.Init(c.Dir, ca.InitConfig{
		Settings: ca.Settings{
			Name: c.Name, URL: c.URL, OCSPURL: c.OCSPURL, Policy: c.Policy, CRLPeriod: ca.Duration(c.CRLPeriod),
			RootKey: keys.Spec(c.RootSpec), IssuingKey: keys.Spec(c.IssuingSpec), WrappingKey: wrapping,
		},
		Keys:       keys.Config{PIN: cli.AskPIN},
		RootKey:    ca.KeyKind(c.RootKey),
		IssuingKey: ca.KeyKind(c.IssuingKey),
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(app.Stdout, `%[1]s: the CA %[2]q is made.
Trust anchor:  %[1]s/public/root.crt
Serve at %[3]s what is in %[1]s/public.
Now %[4]s: whoever has the root's key can make any
certificate. It is needed again for an ARL (within six months) and for a new issuing CA only.
`, c.Dir, c.Name, cmp.Or(c.URL, ca.LabURL), c.offline())
	return c.issueFirst(app, first)
}

// offline says what to do with the root's key.
func (c *initCmd) offline() string {
	if keys.Spec(c.RootSpec).Hardware() {
		return "take the root's token away and keep it offline"
	}
	return "move " + c.Dir + "/root to a medium that is kept offline"
}

// wrapping returns the wrapping key's name as the CA keeps it, which may be used from any directory.
func (c *initCmd) wrapping() (string, error) {
	if c.Wrapping == "" || strings.HasPrefix(c.Wrapping, "credential:") {
		return c.Wrapping, nil
	}
	return filepath.Abs(c.Wrapping)
}
