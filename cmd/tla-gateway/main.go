// Command tla-gateway is the meeting point of TLAs and PdTs.
package main

import (
	"github.com/alecthomas/kong"

	"tlagate/cmd/internal/cli"
	"tlagate/cmd/internal/intact"
	"tlagate/cmd/internal/trail"
)

type grammar struct {
	Serve  serveCmd  `cmd:"" help:"Run the gateway."`
	Check  checkCmd  `cmd:"" help:"Read the configuration and everything it names, and say what is wrong."`
	Flows  flowsCmd  `cmd:"" help:"List every network flow that the configuration needs, or make a packet filter of them."`
	Enroll enrollCmd `cmd:"" help:"Get our certificates from the PKI with a one-time code."`
	Keys   keysCmd   `cmd:"" help:"List every key and certificate: use, algorithm, where, protection, dates, status."`
	Erase  eraseCmd  `cmd:"" help:"Destroy the keys held, for good, and say how to revoke their certificates."`

	Status   statusCmd   `cmd:"" help:"Say whether the gateway serves, how much, and by which lists it judges certificates."`
	Sessions sessionsCmd `cmd:"" help:"List the sessions that run."`
	Session  sessionCmd  `cmd:"" help:"Show a session, or end it."`
	Peers    peersCmd    `cmd:"" help:"List the devices that are here, and those that were: last seen, version, end of the certificate."`
	Parked   parkedCmd   `cmd:"" help:"List the links of PdTs that wait for a terminal."`
	Refusals refusalsCmd `cmd:"" help:"List who was refused lately, and why; in parentheses, who they say that they are, without proof."`
	Denials  denialsCmd  `cmd:"" help:"List whom operators deny."`
	Deny     denyCmd     `cmd:"" help:"Refuse an identity from now on, and cut it: at once, over restarts too."`
	Allow    allowCmd    `cmd:"" help:"Take a denial back."`
	Drain    drainCmd    `cmd:"" help:"Take no more sessions, and have those that run move to another gateway."`
	Resume   resumeCmd   `cmd:"" help:"Serve again after drain."`
	Events   eventsCmd   `cmd:"" help:"Print what happens, as it happens."`
	Whoami   whoamiCmd   `cmd:"" help:"Say who we are to the gateway, and what we may do there."`

	Audit     auditCmd     `cmd:"" help:"Verify, show, search or export the audit trace, or keep it for an investigation."`
	PersonKey personKeyCmd `cmd:"" help:"The key by which persons are marked in the audit trace: make, take over, look."`

	Incident incidentCmd `cmd:"" help:"Tell what happened under an incident number: what the user saw, what each side recorded, what to do."`

	Integrity intact.Command[configFlag] `cmd:"" help:"Compare this machine with its signed manifests, line by line (DL3)."`

	Algorithms algorithmsCmd `cmd:"" help:"List the algorithms of this program, with strength and references (G5)."`
}

// auditCmd has what the other programs have, and what concerns the purge.
type auditCmd struct {
	Verify auditVerifyCmd `cmd:"" help:"Check the chain of the audit trace: exit 0, 1 when it is broken, 2 when it cannot be read."`

	trail.Reading[anyTrace] `embed:""`

	Person trail.PersonCmd[configFlag] `cmd:"" help:"Find the lines about a person, or, as a security officer, whom a line is about."`

	Hold    keepCmd `cmd:"" help:"Purge nothing of the audit trace until it is released, for an investigation."`
	Release keepCmd `cmd:"" help:"End a hold: what is old enough is purged again."`
}

func main() { cli.Main("tla-gateway", &grammar{}, nil, about) }

var about = kong.Description("The meeting point of terminals (TLA) and workstations (PdT): it joins their links, " +
	"and can read none of what they carry.")
