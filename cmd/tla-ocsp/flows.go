package main

import (
	"tlagate/cmd/internal/cli"
	"tlagate/cmd/internal/flows"
)

type flowsCmd struct {
	configFlag
	flows.Command
}

// Run prints the flows that the configuration needs.
func (f *flowsCmd) Run(app *cli.App) error {
	c, err := load(f.Config)
	if err != nil {
		return err
	}
	return f.Print(app, f.Config, c.flows())
}

// flows returns the responder's.
func (c config) flows() *flows.List {
	l := &flows.List{Program: "tla-ocsp"}
	l.Listen("listen", c.Listen, flows.Why{Code: "C2", Purpose: "OCSP requests"})
	l.Listen("metrics", c.Metrics, flows.Why{Code: "G7", Purpose: "metrics"})
	return l
}
