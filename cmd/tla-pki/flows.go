package main

import (
	"tlagate/cmd/internal/cli"
	"tlagate/cmd/internal/flows"
)

type flowsCmd struct {
	Config string `required:"" short:"c" placeholder:"FILE" help:"Configuration file (YAML) of serve."`
	flows.Command
}

// Run prints the flows that the configuration of serve needs.
func (f *flowsCmd) Run(app *cli.App) error {
	var c serveConfig
	if err := cli.LoadYAML(f.Config, &c, c.check); err != nil {
		return err
	}
	return f.Print(app, f.Config, c.flows())
}

// flows returns those of the CA's server.
func (c serveConfig) flows() *flows.List {
	l := &flows.List{Program: "tla-pki"}
	l.Listen("listen", c.Listen, flows.Why{Code: "C2", Purpose: "revocations to gateways, and heads of their traces"})
	l.Listen("public", c.Public, flows.Why{Code: "C2", Purpose: "revocation lists and CA certificates"})
	l.Listen("est", c.EST, flows.Why{Code: "G2", Purpose: "enrolment and renewal (EST)"})
	l.Listen("officers.listen", c.Officers.Listen, flows.Why{Code: "SP3", Purpose: "the API for officers"})
	l.Trust(c.Trust)
	return l
}
