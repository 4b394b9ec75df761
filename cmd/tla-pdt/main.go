// Command tla-pdt is the side of the Poste de Travail: `run` parks links on the gateways and shows the cards of the TLA
// in session to the programs of this host; `status` shows its state; `enroll` gets our certificates.
package main

import (
	"github.com/alecthomas/kong"

	"tlagate/cmd/internal/cli"
	"tlagate/cmd/internal/intact"
	"tlagate/cmd/internal/trail"
)

type grammar struct {
	Run     runCmd     `cmd:"" help:"Run the service."`
	Enroll  enrollCmd  `cmd:"" help:"Get our certificates from the PKI with a one-time code."`
	Bundle  bundleCmd  `cmd:"" help:"Fetch the signed configuration of this Poste de Travail."`
	Status  statusCmd  `cmd:"" help:"Show gateways, session and readers: exit 1 when it does not run or is not healthy."`
	Readers readersCmd `cmd:"" help:"Print pcscd's configuration of our readers (reader.conf)."`
	Doctor  doctorCmd  `cmd:"" help:"Look for known traps here; connects to the gateways: exit 1 when something fails."`
	Flows   flowsCmd   `cmd:"" help:"List every network flow that the configuration needs, or make a packet filter of them."`
	Keys    keysCmd    `cmd:"" help:"List every key and certificate: use, algorithm, where, protection, dates, status."`
	Erase   eraseCmd   `cmd:"" help:"Destroy the keys held, for good, and say how to revoke their certificates."`

	Audit trail.Command[configFlag] `cmd:"" help:"Verify, show, search or export the audit trace."`

	Integrity intact.Command[configFlag] `cmd:"" help:"Compare this machine with its signed manifests, line by line (DL3)."`

	Algorithms algorithmsCmd `cmd:"" help:"List the algorithms of this program, with strength and references (G5)."`
}

func main() { cli.Main("tla-pdt", &grammar{}, nil, about) }

var about = kong.Description("The side of the workstation (Poste de Travail): the cards of a terminal, in readers " +
	"of this machine.")
