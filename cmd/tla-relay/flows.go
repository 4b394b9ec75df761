package main

import (
	"tlagate/cmd/internal/cli"
	"tlagate/cmd/internal/doctor"
	"tlagate/cmd/internal/flows"
)

type flowsCmd struct {
	withConfig
	flows.Command
}

// Run prints the flows that the configuration needs, and the bundle that it names.
func (f *flowsCmd) Run(app *cli.App) error {
	c, err := f.load()
	if err != nil {
		return err
	}
	content, err := doctor.Device{Offline: true, Identities: map[string]cli.Identity{"identity": c.Identity},
		Own: "identity", Trust: c.Trust, Seal: c.Seal, Usable: c.usable}.Content()
	if err != nil {
		return err
	}
	s, err := c.settings(content)
	if err != nil {
		return err
	}
	return f.Print(app, f.Config, c.flows(s.Gateways))
}

// flows returns the relay's: nothing reaches it, and it reaches its gateways alone (C4).
func (c config) flows(gateways []string) *flows.List {
	l := &flows.List{Program: "tla-relay"}
	l.Gateways(c.Proxy, gateways)
	return l
}
