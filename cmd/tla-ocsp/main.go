// Command tla-ocsp answers OCSP requests about the certificates of a CA that tla-pki keeps.
package main

import (
	"github.com/alecthomas/kong"

	"tlagate/cmd/internal/cli"
	"tlagate/cmd/internal/intact"
	"tlagate/cmd/internal/trail"
)

type grammar struct {
	Serve serveCmd `cmd:"" help:"Run the responder."`
	Check checkCmd `cmd:"" help:"Read the configuration and everything it names, and say what is wrong."`
	Flows flowsCmd `cmd:"" help:"List every network flow that the configuration needs, or make a packet filter of them."`

	Audit trail.Command[configFlag] `cmd:"" help:"Verify or show the audit trace."`

	Integrity intact.Command[configFlag] `cmd:"" help:"Compare this machine with its signed manifests, line by line (DL3)."`

	Algorithms algorithmsCmd `cmd:"" help:"List the algorithms of this program, with strength and references (G5)."`
}

func main() { cli.Main("tla-ocsp", &grammar{}, nil, about) }

var about = kong.Description("The OCSP responder of a CA that tla-pki keeps: it says whether certificates are revoked.")
