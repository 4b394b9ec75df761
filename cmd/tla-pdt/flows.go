package main

import (
	"tlagate/cmd/internal/cli"
	"tlagate/cmd/internal/flows"
)

type flowsCmd struct {
	configFlag
	flows.Command
}

// Run prints the flows that the configuration needs, and the bundle that it names.
func (f *flowsCmd) Run(app *cli.App) error {
	c, err := f.load()
	if err != nil {
		return err
	}
	content, err := c.doctored(true).Content()
	if err != nil {
		return err
	}
	if content != nil {
		c = c.withBundle(content)
		c.Trust.OCSP.Responders = append(c.Trust.OCSP.Responders, content.Sources.OCSP...)
		c.Trust.CRLs = append(c.Trust.CRLs, cli.PathsOf(content.Sources.CRLs)...)
	}
	return f.Print(app, f.Config, c.flows())
}

// flows returns those of the Poste de Travail: nothing reaches it.
func (c config) flows() *flows.List {
	l := &flows.List{Program: "tla-pdt"}
	l.Gateways(c.Proxy, c.Gateways.Texts())
	if c.Proxy.URL == "" {
		l.Dial("renewal.pki", string(c.Renewal.PKI), flows.Why{Code: "G2",
			Purpose: "renewals of our certificates (EST)"})
	}
	l.Trust(c.Trust)
	l.Persons(c.Persons)
	return l
}
