// Command tla-pdt is the side of the Poste de Travail: `run` parks on the gateways and shows the cards of the TLA in
// session to the programs of this host; `status` says how that stands; `enroll` gets our certificates.
package main

import (
	"tlagate/cmd/internal/cli"
	"tlagate/cmd/internal/trail"
)

type grammar struct {
	Run    runCmd    `cmd:"" help:"Run the service."`
	Enroll enrollCmd `cmd:"" help:"Get our certificates from the PKI with a one-time code."`
	Bundle bundleCmd `cmd:"" help:"Fetch the signed configuration of this Poste de Travail."`
	Status statusCmd `cmd:"" help:"Show gateways, session and readers: exit 0, or 1 when the service is not running or not healthy."`
	Doctor doctorCmd `cmd:"" help:"Look for known traps of this host and its configuration; connects to the gateways: exit 1 when something is a failure."`
	Keys   keysCmd   `cmd:"" help:"List every key and certificate held: use, algorithm, where, protection, dates, status."`
	Erase  eraseCmd  `cmd:"" help:"Destroy the keys held, for good, and say how to revoke their certificates."`

	Audit trail.Command[place] `cmd:"" help:"Verify or show the audit trace."`

	Algorithms algorithmsCmd `cmd:"" help:"List the algorithms of this program, with strength and references (G5)."`
}

func main() { cli.Main("tla-pdt", &grammar{}, nil) }
