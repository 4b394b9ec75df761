package main

import (
	"tlagate/audit"
	"tlagate/audit/export"
	"tlagate/audit/host"
	"tlagate/audit/persons"
	"tlagate/bundle"
	"tlagate/cmd/internal/cli"
	"tlagate/est"
	"tlagate/integrity"
	"tlagate/keys"
	"tlagate/pki"
	"tlagate/pki/revocation"
	"tlagate/session"
	"tlagate/session/consent"
	"tlagate/session/incident"
	"tlagate/session/proof"
	"tlagate/session/ticket"
)

type algorithmsCmd struct{ cli.AlgorithmsCmd }

// Run prints what the packages of this program say.
func (c *algorithmsCmd) Run(app *cli.App) error {
	return c.Print(app, pki.TLSAlgorithms(), pki.Algorithms(), revocation.Algorithms(), keys.Algorithms(),
		consent.Algorithms(), proof.Algorithms(), ticket.Algorithms(), session.Algorithms(), bundle.Algorithms(),
		est.Algorithms(), audit.Algorithms(), export.Algorithms(), persons.Algorithms(), host.Algorithms(),
		integrity.Algorithms(),
		incident.Algorithms())
}
