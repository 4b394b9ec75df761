package main

import (
	"fmt"

	"tlagate/cmd/internal/cli"
	"tlagate/cmd/internal/flows"
)

type flowsCmd struct {
	configFlag
	flows.Command
}

// Run prints the flows that the configuration needs.
func (f *flowsCmd) Run(app *cli.App) error {
	c, _, err := load(f.Config)
	if err != nil {
		return err
	}
	return f.Print(app, f.Config, c.flows())
}

// flows returns the gateway's.
func (c config) flows() *flows.List {
	l := &flows.List{Program: "tla-gateway"}
	links := flows.Why{Code: "C2", Purpose: "links of terminals and Postes de Travail, and devices that enrol"}
	l.Listen("listen", c.Listen, links)
	for i, from := range c.ProxyFrom {
		l.ListenTo(fmt.Sprintf("proxy_from[%d]", i), c.Listen, from, flows.Why{Code: "C2",
			Purpose: "the same, by a load balancer"})
	}
	l.Listen("metrics", c.Metrics, flows.Why{Code: "G7", Purpose: "metrics"})
	if c.API != nil {
		l.Listen("api.listen", c.API.Listen, flows.Why{Code: "SP3", Purpose: "the API for operators"})
	}
	c.toPKI(l)
	l.Trust(c.Trust)
	l.Persons(c.Persons.section())
	if c.SIEM != nil {
		l.Dial("siem.address", c.SIEM.Address, flows.Why{Code: "SA2", Purpose: "the audit trace to the SIEM (syslog)"})
		l.Lists("siem.crls", c.SIEM.CRLs)
	}
	return l
}

// toPKI adds what the gateway asks of the PKI.
func (c config) toPKI(l *flows.List) {
	if c.Enrolment != nil {
		l.Dial("enrolment.to", c.Enrolment.To, flows.Why{Code: "G2",
			Purpose: "devices that enrol, and renewals of our certificates (EST)"})
	}
	l.Dial("renewal.pki", string(c.Renewal.PKI), flows.Why{Code: "G2", Purpose: "renewals of our certificates (EST)"})
	for i, source := range c.Push {
		l.Fetch(fmt.Sprintf("push[%d].url", i), source.URL, flows.Why{Code: "C2",
			Purpose: "revocations at once, and heads of the audit trace"})
	}
}
