// Command tla-pki is the device CA's tool: it makes the CA, issues, revokes, publishes
// CRLs, and explains to a person why a certificate is accepted or refused.
package main

import (
	"errors"
	"path/filepath"

	"github.com/alecthomas/kong"

	"tlagate/ca"
	"tlagate/cmd/internal/cli"
	"tlagate/cmd/internal/intact"
	"tlagate/cmd/internal/owner"
	"tlagate/cmd/internal/trail"
	"tlagate/keys"
)

type grammar struct {
	Init        initCmd        `cmd:"" help:"Make a CA: a root that can be kept offline, and an issuing CA."`
	Issue       issueCmd       `cmd:"" help:"Issue a certificate, from a certificate request or with a new key."`
	Invite      inviteCmd      `cmd:"" help:"Make a one-time code for a device to enrol, or a file of them."`
	Invitations invitationsCmd `cmd:"" help:"List the invitations; never their codes."`
	Withdraw    withdrawCmd    `cmd:"" help:"Make the code of an invitation worthless."`
	Replace     replaceCmd     `cmd:"" help:"Swap a device: revoke the old one, invite the new one under its name."`
	Revoke      revokeCmd      `cmd:"" help:"Revoke certificates, for good or on hold, and publish the new list."`
	Release     releaseCmd     `cmd:"" help:"Make certificates on hold good again, and publish the new list."`
	CRL         crlCmd         `cmd:"" name:"crl" help:"Publish a new CRL, or the root's ARL."`
	Status      statusCmd      `cmd:"" help:"${main_status}"`
	Serve       serveCmd       `cmd:"" help:"Push revocations to gateways, serve and renew the lists, enrol devices."`
	Flows       flowsCmd       `cmd:"" help:"List the network flows of serve, or make a packet filter of them."`
	List        listCmd        `cmd:"" help:"List every certificate."`
	Inventory   inventoryCmd   `cmd:"" help:"List keys and certificates: the CA's, those issued, configuration files'."`
	Show        showCmd        `cmd:"" help:"Show the certificates with a serial number or of an identity."`
	Backup      backupCmd      `cmd:"" help:"Make an encrypted backup of the CA, check one, or make a key for them."`
	Medium      mediumCmd      `cmd:"" help:"${main_medium}"`
	Restore     restoreCmd     `cmd:"" help:"Make a CA from a backup, and bring its books up to the published lists."`
	Adopt       adoptCmd       `cmd:"" help:"Enter what restored books have lost: certificates, serial numbers."`
	Heads       headsCmd       `cmd:"" help:"${main_heads}"`
	Bundle      bundleCmd      `cmd:"" help:"Sign, show and verify the configuration bundles of devices."`
	Verify      verifyCmd      `cmd:"" help:"Say why a certificate is accepted (exit 0), refused (1), or neither (2)."`

	Succeed succeedCmd `cmd:"" help:"${main_succeed}"`
	Propose proposeCmd `cmd:"" help:"Ask, as an officer, for a CA that the root has signed to come after this one."`
	Begin   beginCmd   `cmd:"" help:"Have a CA that comes after another serve, once two officers have approved it."`

	Request requestCmd `cmd:"" help:"Make a key, in a token for instance, and a certificate request of it, as an officer or operator."`
	Whoami  whoamiCmd  `cmd:"" help:"Say who the running server takes you for, and your roles."`
	Waiting waitingCmd `cmd:"" help:"List what waits for a second officer, and what became of it."`
	Approve approveCmd `cmd:"" help:"Approve, as a second officer, what another one asked for; or reject it."`
	Ack     ackCmd     `cmd:"" name:"acknowledge" help:"Say, as an officer, that you know of what was done past you."`
	Trace   traceCmd   `cmd:"" help:"Print the CA's audit trace, as an officer with the role audit."`

	Audit trail.Command[auditPlace] `cmd:"" help:"Verify, show, search or export the audit trace of the CA, DIR/audit.jsonl."`

	Manifest  manifestCmd            `cmd:"" help:"List, sign, show and verify manifests, with which programs compare their machine."`
	Integrity intact.Command[served] `cmd:"" help:"Compare this machine with the manifests of serve, line by line (DL3)."`

	Algorithms algorithmsCmd `cmd:"" help:"List the algorithms of this program, with strength and references (G5)."`
}

// caDir is where the CA is.
type caDir struct {
	Dir  string `required:"" short:"d" placeholder:"DIR" env:"TLA_PKI_DIR" help:"The CA's directory."`
	Root string `placeholder:"DIR" help:"Directory with the root's key, when it is not DIR/root."`
}

// auditPlace is the trace that a command is about.
type auditPlace struct {
	Dir string `short:"d" placeholder:"DIR" env:"TLA_PKI_DIR" help:"The CA's directory."`
}

// AuditFile is where the trace is.
func (p auditPlace) AuditFile() (string, error) {
	if p.Dir == "" {
		return "", errors.New("name the CA's directory with --dir, or a trace with --file")
	}
	return ca.AuditFile(p.Dir), nil
}

// open opens the CA, as the directory's owner when root runs this, and runs f on it. Out are files that f writes
// elsewhere.
func (d caDir) open(app *cli.App, f func(*ca.CA) error, out ...string) error {
	if err := becomeOwner(d.Dir, out...); err != nil {
		return err
	}
	c, err := ca.Open(d.Dir, ca.Options{Root: d.Root, Stop: app.Context.Done(), Keys: keys.Config{PIN: cli.AskPIN}})
	if err != nil {
		return err
	}
	defer c.Close()
	return f(c)
}

// becomeOwner makes root the owner of a CA's directory, or of the one that it is made in.
func becomeOwner(dir string, out ...string) error {
	return owner.Plan{Written: append([]string{filepath.Join(dir, "ca.db")}, out...)}.Become()
}

func main() {
	cli.Main("tla-pki", &grammar{}, nil, options()...)
}

func options() []kong.Option {
	return []kong.Option{
		kong.Description("The device CA of tlagate."),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		names,
		help,
	}
}
