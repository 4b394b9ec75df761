// Command tla-relay is the TLA's end of tlagate: `run` is the daemon, which opens no network connection by itself;
// `enroll` gets its certificate; `start`, `stop`, `stay` and `status` are for the user.
package main

import (
	"github.com/alecthomas/kong"

	"tlagate/cmd/internal/cli"
	"tlagate/cmd/internal/intact"
	"tlagate/cmd/internal/trail"
)

type grammar struct {
	Run    runCmd    `cmd:"" help:"Run the daemon: watch the readers and wait for a user's start."`
	Enroll enrollCmd `cmd:"" help:"Get this terminal's certificate with a one-time code."`
	Start  startCmd  `cmd:"" help:"Start a session with the Poste de Travail; exit 0 once it is up."`
	Check  checkCmd  `cmd:"" help:"Test before a visit: clock, readers, cards, certificate, link, Poste de Travail; no card is taken."`
	UI     uiCmd     `cmd:"" name:"ui" help:"The user's screen: start, stop, PIN, test; keyboard or numeric keypad."`
	Stop   stopCmd   `cmd:"" help:"End the session: the cards are powered down."`
	Stay   stayCmd   `cmd:"" help:"Say that you are still there: the session goes on."`
	Status statusCmd `cmd:"" help:"Show the session, the readers and the cards."`
	Keys   keysCmd   `cmd:"" help:"List every key and certificate held: use, algorithm, where, protection, dates, status."`
	Erase  eraseCmd  `cmd:"" help:"Destroy the keys held, for good, and say how to revoke their certificates."`
	PIN    pinCmd    `cmd:"" name:"pin" help:"Enter the PIN that a program of the Poste de Travail asks for: it stays in the terminal."`
	Bundle bundleCmd `cmd:"" help:"Fetch the signed configuration of this terminal."`
	Doctor doctorCmd `cmd:"" help:"Look for known traps of this machine and its configuration, without a connection: exit 1 when something is a failure."`
	Flows  flowsCmd  `cmd:"" help:"List every network flow that the configuration needs, or make a packet filter of them."`
	Policy policyCmd `cmd:"" help:"Show the card policy, or say what becomes of a command."`

	Audit trail.Command[withConfig] `cmd:"" help:"Verify, show, search or export the audit trace."`

	Integrity intact.Command[withConfig] `cmd:"" help:"Compare this machine with its signed manifests, line by line (DL3)."`

	Algorithms algorithmsCmd `cmd:"" help:"List the algorithms of this program, with strength and references (G5)."`
}

func main() { cli.Main("tla-relay", &grammar{}, nil, about) }

var about = kong.Description("The side of the terminal (TLA): its cards, for programs of a workstation, while its " +
	"user wants it.")
