package main

import (
	"tlagate/audit"
	"tlagate/audit/export"
	"tlagate/audit/host"
	"tlagate/bundle"
	"tlagate/ca"
	"tlagate/ca/backup"
	"tlagate/ca/server"
	"tlagate/cmd/internal/cli"
	"tlagate/est"
	"tlagate/heads"
	"tlagate/integrity"
	"tlagate/keys"
	"tlagate/pki"
	"tlagate/pki/revocation"
	"tlagate/session/incident"
)

type algorithmsCmd struct{ cli.AlgorithmsCmd }

// Run prints what the packages of this program say.
func (c *algorithmsCmd) Run(app *cli.App) error {
	return c.Print(app, pki.TLSAlgorithms(), pki.Algorithms(), revocation.Algorithms(), keys.Algorithms(),
		ca.Algorithms(),
		server.Algorithms(), backup.Algorithms(), bundle.Algorithms(), est.Algorithms(), heads.Algorithms(),
		audit.Algorithms(), export.Algorithms(), host.Algorithms(), integrity.Algorithms(),
		incident.Algorithms())
}
