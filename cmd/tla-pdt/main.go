// Command tla-pdt is the side of the Poste de Travail: `run` parks on the gateways and shows the cards of the TLA in
// session to the programs of this host; `status` says how that stands.
package main

import "tlagate/cmd/internal/cli"

type grammar struct {
	Run    runCmd    `cmd:"" help:"Run the service."`
	Bundle bundleCmd `cmd:"" help:"Fetch the signed configuration of this Poste de Travail."`
	Status statusCmd `cmd:"" help:"Show gateways, session and readers: exit 0, or 1 when the service is not running or not healthy."`
}

func main() { cli.Main("tla-pdt", &grammar{}, nil) }
