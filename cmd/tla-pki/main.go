// Command tla-pki is the device CA's tool: it makes the CA, issues, revokes, publishes
// CRLs, and explains to a person why a certificate is accepted or refused.
package main

import (
	"github.com/alecthomas/kong"

	"tlagate/cmd/internal/cli"
	"tlagate/pki/ca"
)

type grammar struct {
	Init    initCmd    `cmd:"" help:"Make a CA: a root that can be kept offline, and an issuing CA."`
	Issue   issueCmd   `cmd:"" help:"Issue a certificate, from a certificate request or with a new key."`
	Revoke  revokeCmd  `cmd:"" help:"Revoke certificates, for good or on hold, and publish the list that says so."`
	Release releaseCmd `cmd:"" help:"Make certificates on hold good again, and publish the list that says so."`
	CRL     crlCmd     `cmd:"" name:"crl" help:"Publish a new CRL, or the root's ARL."`
	Serve   serveCmd   `cmd:"" help:"Tell gateways of revocations at once, publish the lists over HTTP, and renew the CRL."`
	List    listCmd    `cmd:"" help:"List every certificate."`
	Show    showCmd    `cmd:"" help:"Show the certificates with a serial number or of an identity."`
	Bundle  bundleCmd  `cmd:"" help:"Sign, show and verify the configuration bundles of devices."`
	Verify  verifyCmd  `cmd:"" help:"Say why a certificate is accepted or refused: exit 0, 1, or 2 if that cannot be told."`
}

// caDir is where the CA is.
type caDir struct {
	Dir  string `required:"" short:"d" placeholder:"DIR" env:"TLA_PKI_DIR" help:"The CA's directory."`
	Root string `placeholder:"DIR" help:"Directory with the root's key, when it is not DIR/root."`
}

// open opens the CA and runs f on it.
func (d caDir) open(app *cli.App, f func(*ca.CA) error) error {
	c, err := ca.Open(d.Dir, ca.Options{Root: d.Root, Stop: app.Context.Done()})
	if err != nil {
		return err
	}
	defer c.Close()
	return f(c)
}

func main() {
	cli.Main("tla-pki", &grammar{}, nil, options()...)
}

func options() []kong.Option {
	return []kong.Option{
		kong.Description("The device CA of tlagate."),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.Vars{"log_level": "warn"},
	}
}
