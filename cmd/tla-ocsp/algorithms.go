package main

import (
	"tlagate/audit"
	"tlagate/audit/export"
	"tlagate/audit/host"
	"tlagate/bundle"
	"tlagate/cmd/internal/cli"
	"tlagate/integrity"
	"tlagate/keys"
	"tlagate/ocsp"
	"tlagate/pki"
	"tlagate/pki/revocation"
	"tlagate/session/incident"
)

type algorithmsCmd struct{ cli.AlgorithmsCmd }

// Run prints what the packages of this program say.
func (c *algorithmsCmd) Run(app *cli.App) error {
	return c.Print(app, pki.Algorithms(), revocation.Algorithms(), keys.Algorithms(), ocsp.Algorithms(),
		audit.Algorithms(), export.Algorithms(), host.Algorithms(), bundle.Algorithms(), incident.Algorithms(),
		integrity.Algorithms())
}
