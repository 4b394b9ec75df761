package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"strings"
	"text/tabwriter"
	"time"

	"tlagate/ca"
	"tlagate/ca/store"
	"tlagate/cmd/internal/cli"
	"tlagate/cmd/internal/owner"
	"tlagate/est"
	"tlagate/internal/stamp"
	"tlagate/pki"
)

type inviteCmd struct {
	acting
	Role     string        `short:"r" placeholder:"ROLE" help:"tla, pdt, gateway or admin."`
	Practice string        `short:"p" placeholder:"PRACTICE" help:"Practice or operator that the device belongs to."`
	Name     string        `short:"n" placeholder:"NAME" help:"Its name, one of a kind in practice and role."`
	DNS      []string      `name:"dns" placeholder:"NAME" help:"${invite_dns}"`
	TTL      time.Duration `name:"ttl" default:"24h" help:"How long the code is valid; default ${default}."`
	Again    bool          `help:"${invite_again}"`
	CSV      string        `name:"csv" placeholder:"FILE" help:"${invite_csv}"`
	Out      string        `short:"o" placeholder:"FILE" help:"${invite_out}"`
	handing
}

// handing is how a code gets to its device.
type handing struct {
	Gateway string `xor:"place" placeholder:"HOST:PORT" help:"${invite_gateway}"`
	PKI     string `name:"pki" xor:"place" placeholder:"HOST:PORT" help:"Or where it reaches the PKI itself."`
	QR      bool   `name:"qr" help:"Show the code as a QR code too."`
	QROut   string `name:"qr-out" placeholder:"FILE.png" help:"Write the QR code as an image, for you alone to read."`
}

func (c *inviteCmd) Run(app *cli.App) error {
	if err := c.check(); err != nil {
		return err
	}
	if c.CSV != "" {
		return c.inviteFleet(app)
	}
	guest := c.guest()
	if c.As != "" {
		invited, err := c.asOfficer(app, guest)
		if err != nil {
			return err
		}
		return c.showInvited(app.Stdout, guest, invited)
	}
	return c.act(app, "invite", func(authority *ca.CA) error {
		invited, err := authority.Invitations.Invite(guest)
		if errors.Is(err, ca.ErrHasCertificate) {
			return fmt.Errorf("%w; to swap the device: tla-pki replace --identity %s; for a second device under one "+
				"name: --again", err, guest.Identity)
		}
		if err != nil {
			return err
		}
		app.Log.Info("invited", "identity", guest.Identity.String(), "by", guest.By, "ttl", c.TTL)
		return c.showInvited(app.Stdout, guest, invited)
	}, c.QROut)
}

// showInvited prints the code, and whose code it made worthless: somebody may have been given that one.
func (c *inviteCmd) showInvited(w io.Writer, guest ca.Guest, invited ca.Invited) error {
	err := c.handing.show(w, guest.Identity, c.TTL, invited.Codes[0])
	for _, i := range invited.Withdrawn {
		fmt.Fprintf(w, "withdrawn: invitation %d, which %s made at %s; its code is worthless now\n", i.ID, i.MadeBy,
			stamp.Second(i.MadeAt))
	}
	return err
}

func (c *inviteCmd) check() error {
	one := c.Role != "" || c.Practice != "" || c.Name != "" || len(c.DNS) > 0
	switch {
	case c.CSV != "" && (one || c.QR || c.QROut != ""):
		return cli.Usage("cannot invite: --csv goes without --role, --practice, --name, --dns and QR codes")
	case c.CSV != "" && c.Out == "":
		return cli.Usage("cannot invite: with --csv, --out says where the codes go")
	case c.CSV == "" && (c.Role == "" || c.Practice == "" || c.Name == ""):
		return cli.Usage("cannot invite: --role, --practice and --name are wanted, or --csv")
	case c.CSV == "" && c.Out != "":
		return cli.Usage("cannot invite: --out goes with --csv")
	}
	return c.handing.check()
}

func (h handing) check() error {
	if (h.QR || h.QROut != "") && h.place() == "" {
		return cli.Usage("cannot make a QR code: it also says where to enrol, so --gateway or --pki is wanted")
	}
	return checkPlace(h.place())
}

func (h handing) place() string { return h.Gateway + h.PKI } // one of them is ""

func (c *inviteCmd) guest() ca.Guest {
	id := pki.Identity{Practice: c.Practice, Role: pki.Role(c.Role), Name: c.Name}
	return ca.Guest{Identity: id, DNS: c.DNS, TTL: c.TTL, By: operator(), Again: c.Again}
}

// operator names who runs this, for the books. sudo's word is worth as much as root's.
func operator() string {
	name := "unknown"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	if as := os.Getenv("SUDO_USER"); as != "" && (os.Geteuid() == 0 || owner.Note() != "") {
		name = as + " as " + name
	}
	return name
}

// show prints a code, the only time that it is anywhere. It stands alone on the first line.
func (h handing) show(w io.Writer, id pki.Identity, ttl time.Duration, code est.Code) error {
	fmt.Fprintf(w, "%s\n\nfor %s, once, within %s\n%s\n", code.Text(), id, ttl, h.advice(id.Role))
	if h.place() == "" || !h.QR && h.QROut == "" {
		return nil
	}
	return h.draw(w, h.uri(code))
}

// programs are what enrols on a device.
var programs = map[pki.Role]string{pki.RoleTLA: "tla-relay", pki.RolePdT: "tla-pdt", pki.RoleGateway: "tla-gateway"}

func (h handing) advice(role pki.Role) string {
	program, known := programs[role]
	switch {
	case !known:
		return "enrol with any EST client (RFC 7030): the code is the password of HTTP Basic"
	case h.PKI != "":
		return fmt.Sprintf("run on the device: %s enroll --pki %s", program, h.PKI)
	case h.Gateway != "":
		return fmt.Sprintf("run on the device: %s enroll --gateway %s", program, h.Gateway)
	case role == pki.RoleGateway:
		return "run on the device: " + program + " enroll --pki HOST:PORT"
	}
	return "run on the device: " + program + " enroll"
}

// uri returns a code as docs/enrolment.md, section 1, has it.
func (h handing) uri(code est.Code) string {
	way := "gateway"
	if h.PKI != "" {
		way = "pki"
	}
	return "tlagate:enroll?" + way + "=" + h.place() + "&code=" + code.Text()
}

type invitationsCmd struct {
	office
	JSON bool `name:"json" help:"As JSON."`
	All  bool `help:"Also those that are used, withdrawn or over."`
}

func (c *invitationsCmd) Run(app *cli.App) error {
	all, err := c.office.invitations(app)
	if err != nil {
		return err
	}
	list := []invitationJSON{}
	for _, i := range all {
		if state := i.State(time.Now()); c.All || state == "open" {
			list = append(list, invitationJSON{i, state})
		}
	}
	if c.JSON {
		return encodeJSON(app.Stdout, list)
	}
	return printInvitations(app.Stdout, list)
}

// invitationJSON adds what a program cannot work out by itself.
type invitationJSON struct {
	store.Invitation
	State string `json:"state"`
}

func printInvitations(w io.Writer, list []invitationJSON) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ID\tSTATE\tENDS\tBY\tIDENTITY\tDNS\tCERTIFICATE")
	for _, i := range list {
		fmt.Fprintf(table, "%d\t%s\t%s\t%s\t%s\t%s\t%s\n", i.ID, i.State, stamp.Second(i.Expiry), i.MadeBy, i.Identity,
			strings.Join(i.DNS, " "), i.Serial)
	}
	return table.Flush()
}

type withdrawCmd struct {
	acting
	ID int64 `arg:"" help:"Number of the invitation, as tla-pki invitations shows it."`
}

func (c *withdrawCmd) Run(app *cli.App) error {
	if c.As != "" {
		return c.asOfficer(app)
	}
	return c.act(app, "withdraw", func(authority *ca.CA) error {
		if err := authority.Invitations.Withdraw(c.ID); err != nil {
			return err
		}
		app.Log.Info("invitation withdrawn", "id", c.ID, "by", operator())
		fmt.Fprintf(app.Stdout, "withdrawn: invitation %d\n", c.ID)
		return nil
	})
}
