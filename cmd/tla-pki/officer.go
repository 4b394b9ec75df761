package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"

	"tlagate/audit"
	"tlagate/ca"
	"tlagate/ca/officers"
	"tlagate/ca/store"
	"tlagate/cmd/internal/cli"
	"tlagate/cmd/internal/keycmd"
	"tlagate/cmd/internal/trail"
	"tlagate/est"
	"tlagate/internal/stamp"
	"tlagate/pki"
)

// This file has what the commands of officers do through a running server.

// asOfficer issues a certificate, or has it wait.
func (c *issueCmd) asOfficer(app *cli.App) error {
	return c.afar(app, func(client *officers.Client) error {
		csr, undo, err := c.request()
		if err != nil {
			return err
		}
		var issued officers.Issued
		err = client.Do(app.Context, "issue", officers.Issue{Profile: c.Profile, Identity: c.Identity, DNS: c.DNS,
			CSR: string(csr), Days: c.Days, Why: c.Why}, &issued)
		if err != nil {
			undo()
			return err
		}
		if w := issued.Waiting; w != nil {
			printWaits(app.Stdout, w)
			fmt.Fprintf(app.Stdout, "then: tla-pki waiting --out %s %d\n", c.Out, w.ID)
			return nil
		}
		return c.deliver(app, &ca.Issued{Record: issued.Record, Chain: []byte(issued.Chain), Notes: issued.Notes})
	})
}

func (c *inviteCmd) asOfficer(app *cli.App, guests ...ca.Guest) (codes ca.Invited, err error) {
	request := officers.Invite{Seconds: int64(c.TTL / time.Second), Again: c.Again, Why: c.Why}
	for _, g := range guests {
		request.OneCode = g.OneCode
		request.Guests = append(request.Guests, officers.Guest{Identity: g.Identity.String(), DNS: g.DNS})
	}
	err = c.afar(app, func(client *officers.Client) error {
		var invited officers.Invited
		if err := client.Do(app.Context, "invite", request, &invited); err != nil {
			return err
		}
		for _, text := range invited.Codes {
			code, err := est.ParseCode(text)
			if err != nil {
				return err
			}
			codes.Codes = append(codes.Codes, code)
		}
		if n := len(codes.Codes); n != len(guests) {
			return fmt.Errorf("cannot use the answer: it has %d codes for %d devices", n, len(guests))
		}
		codes.Withdrawn = invited.Withdrawn
		return nil
	})
	return codes, err
}

func (c *withdrawCmd) asOfficer(app *cli.App) error {
	return c.afar(app, func(client *officers.Client) error {
		var done officers.Done
		if err := client.Do(app.Context, "withdraw", officers.Withdraw{ID: c.ID, Why: c.Why}, &done); err != nil {
			return err
		}
		fmt.Fprintf(app.Stdout, "withdrawn: invitation %d\n", c.ID)
		return warn(done.Warnings)
	})
}

func (c *replaceCmd) asOfficer(app *cli.App, id pki.Identity) error {
	return c.afar(app, func(client *officers.Client) error {
		var changed officers.Changed
		old := officers.Guest{Identity: id.String(), DNS: c.DNS}
		err := client.Do(app.Context, "replace", officers.Replace{Guest: old, Seconds: int64(c.TTL / time.Second),
			Reason: c.Reason, Why: c.Why}, &changed)
		if err != nil {
			return err
		}
		if changed.Code != "" {
			code, err := est.ParseCode(changed.Code)
			if err != nil {
				return err
			}
			if err := c.handing.show(app.Stdout, id, c.TTL, code); err != nil {
				return err
			}
		}
		return printChanged(app.Stdout, "revoked", changed)
	})
}

// asOfficer revokes or, without a reason, releases.
func (s selection) asOfficer(app *cli.App, a acting, name, reason string) error {
	request := officers.Revoke{Serial: s.Serial, Identity: cli.WholeURN(s.Identity), Reason: reason, Why: a.Why}
	if which, err := s.read(); err != nil {
		return err
	} else if which.Certificate != nil {
		request.Certificate = string(ca.PEM(which.Certificate))
	}
	return a.afar(app, func(client *officers.Client) error {
		var changed officers.Changed
		if err := client.Do(app.Context, name, request, &changed); err != nil {
			return err
		}
		return printChanged(app.Stdout, name+"d", changed)
	})
}

func printChanged(w io.Writer, verb string, c officers.Changed) error {
	for _, r := range c.Records {
		why := ""
		if r.Reason != "" {
			why = ": " + r.Reason
		}
		fmt.Fprintf(w, "%s %s certificate %s of %s%s\n", verb, r.Profile, r.Serial, r.Identity, why)
	}
	if l := c.List; l != nil {
		fmt.Fprintf(w, "published: number %d, %d revoked, valid until %s\n", l.Number, l.Entries, stamp.Second(l.Until))
	}
	return warn(c.Warnings)
}

// records returns the certificates of the CA, or those with a serial number or of an identity.
func (o office) records(app *cli.App, which string) (list []store.Record, err error) {
	if o.As != "" {
		query := url.Values{}
		if which != "" {
			query.Set("which", which)
		}
		return list, o.view(app, "certificates", query, &list)
	}
	return list, o.read(app, func(authority *ca.CA) (err error) {
		if which != "" {
			list, err = authority.Find(which)
			return err
		}
		list, err = authority.List()
		return err
	})
}

// view asks the server for one of its views.
func (o office) view(app *cli.App, name string, query url.Values, into any) error {
	return o.afar(app, func(client *officers.Client) error { return client.Get(app.Context, name, query, into) })
}

// invitations returns all of the CA's.
func (o office) invitations(app *cli.App) (list []store.Invitation, err error) {
	if o.As != "" {
		return list, o.view(app, "invitations", nil, &list)
	}
	return list, o.read(app, func(authority *ca.CA) (err error) {
		list, err = authority.Invitations.List()
		return err
	})
}

// status returns the state of the PKI.
func (o office) status(app *cli.App) (list items, err error) {
	if o.As != "" {
		return list, o.view(app, "status", nil, &list)
	}
	return list, o.read(app, func(authority *ca.CA) (err error) {
		list, err = statusIn(o.Dir, authority, time.Now())
		return err
	})
}

// inventory returns the CA's keys, and what it issued.
func (o office) inventory(app *cli.App, others []keycmd.Entry) (list []keycmd.Entry, err error) {
	if o.As != "" {
		if err := o.view(app, "inventory", nil, &list); err != nil {
			return nil, err
		}
		return append(list, others...), nil
	}
	return list, o.read(app, func(authority *ca.CA) (err error) {
		list, err = inventoryOf(authority, others, time.Now())
		return err
	})
}

// afarOnly is the officer's file for commands that only go to a server.
type afarOnly struct {
	As string `required:"" placeholder:"FILE" env:"TLAGATE_PKI" help:"${office_as}"`
}

func (a afarOnly) office() office { return office{As: a.As} }

type whoamiCmd struct {
	afarOnly
	JSON bool `name:"json" help:"As JSON."`
}

// Run prints who the server takes one for.
func (c *whoamiCmd) Run(app *cli.App) error {
	var who officers.Whoami
	if err := c.office().view(app, "whoami", nil, &who); err != nil {
		return err
	}
	if c.JSON {
		return encodeJSON(app.Stdout, who)
	}
	fmt.Fprintf(app.Stdout, "%s\nroles %s\n", who.Identity, strings.Trim(fmt.Sprint(who.Roles), "[]"))
	return nil
}

type waitingCmd struct {
	afarOnly
	ID   int64  `arg:"" optional:"" help:"Only that one."`
	Out  string `short:"o" placeholder:"PREFIX" help:"Write what was issued to PREFIX.crt, a successor's approval to PREFIX.approval."`
	JSON bool   `name:"json" help:"As JSON."`
}

// Run lists what waits for a second officer, and what became of it.
func (c *waitingCmd) Run(app *cli.App) error {
	var list []officers.Waiting
	if err := c.office().view(app, "waiting", nil, &list); err != nil {
		return err
	}
	if c.ID != 0 {
		one, err := waitingUnder(list, c.ID)
		if err != nil {
			return err
		}
		list = []officers.Waiting{one}
		if c.Out != "" {
			return c.write(app, one)
		}
	}
	if c.Out != "" {
		return cli.Usage("cannot write a certificate: name its number, as tla-pki waiting shows it")
	}
	if c.JSON {
		return encodeJSON(app.Stdout, list)
	}
	printWaiting(app.Stdout, list)
	return nil
}

func waitingUnder(list []officers.Waiting, id int64) (officers.Waiting, error) {
	for _, one := range list {
		if one.ID == id {
			return one, nil
		}
	}
	return officers.Waiting{}, fmt.Errorf("cannot find what waits under the number %d", id)
}

func (c *waitingCmd) write(app *cli.App, one officers.Waiting) error {
	if one.Approval != "" {
		if err := ca.WriteNew(c.Out+".approval", []byte(one.Approval), 0o644); err != nil {
			return err
		}
		fmt.Fprintf(app.Stdout, "%s.approval: %s may begin, by tla-pki begin\n", c.Out, one.Issue.Identity)
		return nil
	}
	if one.Chain == "" {
		return fmt.Errorf("cannot write %s.crt: number %d is %s", c.Out, one.ID, one.State)
	}
	if err := ca.WriteNew(c.Out+".crt", []byte(one.Chain), 0o644); err != nil {
		return err
	}
	fmt.Fprintf(app.Stdout, "%s.crt: %s certificate %s of %s\n", c.Out, one.Issue.Profile, one.Serial,
		one.Issue.Identity)
	return nil
}

// printWaits says to who asks what the second officer does.
func printWaits(w io.Writer, one *officers.Waiting) {
	fmt.Fprintf(w, "waits for a second officer until %s: tla-pki approve %d\nkey %s: they compare it with what "+
		"tla-pki waiting shows them\n", stamp.Second(one.Until), one.ID, one.Key)
}

// printWaiting prints a paragraph for each: who compares a key wants it whole, on a line of its own.
func printWaiting(w io.Writer, list []officers.Waiting) {
	for i, one := range list {
		if i > 0 {
			fmt.Fprintln(w)
		}
		fmt.Fprintf(w, "number    %d, %s, until %s\nby        %s\nprofile   %s\nidentity  %s\nkey       %s\n", one.ID,
			one.State, stamp.Second(one.Until), one.By, one.Issue.Profile, one.Issue.Identity, one.Key)
		for _, name := range one.Issue.DNS {
			fmt.Fprintf(w, "dns       %s\n", cli.Screen(name))
		}
		if one.Issue.Days != 0 {
			fmt.Fprintf(w, "days      %d\n", one.Issue.Days)
		}
		if one.Issue.Why != "" {
			fmt.Fprintf(w, "why       %s\n", cli.Screen(one.Issue.Why))
		}
	}
}

type approveCmd struct {
	afarOnly
	ID     int64  `arg:"" help:"Number, as tla-pki waiting shows it."`
	Why    string `required:"" placeholder:"TEXT" help:"Why, for the trace."`
	Reject bool   `help:"Reject it instead."`
}

// Run has done what another officer asked for.
func (c *approveCmd) Run(app *cli.App) error {
	return c.office().afar(app, func(client *officers.Client) error {
		request := officers.Decide{ID: c.ID, Why: c.Why}
		if c.Reject {
			var done officers.Done
			if err := client.Do(app.Context, "reject", request, &done); err != nil {
				return err
			}
			fmt.Fprintf(app.Stdout, "rejected: %d\n", c.ID)
			return warn(done.Warnings)
		}
		var issued officers.Issued
		if err := client.Do(app.Context, "approve", request, &issued); err != nil {
			return err
		}
		for _, note := range issued.Notes {
			app.Log.Warn(note)
		}
		if w := issued.Waiting; w != nil && w.Approval != "" {
			fmt.Fprintf(app.Stdout, "approved: %s may begin: tla-pki waiting --out next %d\n", issued.Identity, c.ID)
			return nil
		}
		fmt.Fprintf(app.Stdout, "issued %s certificate %s of %s, until %s\n", issued.Profile, issued.Serial,
			issued.Identity, stamp.Day(issued.NotAfter))
		return nil
	})
}

type ackCmd struct {
	afarOnly
	Why string `required:"" placeholder:"TEXT" help:"What you found out, for the trace."`
}

// Run acknowledges what was done with --break-glass.
func (c *ackCmd) Run(app *cli.App) error {
	return c.office().afar(app, func(client *officers.Client) error {
		var done officers.Done
		if err := client.Do(app.Context, "acknowledge", officers.Acknowledge{Why: c.Why}, &done); err != nil {
			return err
		}
		fmt.Fprintln(app.Stdout, "acknowledged: tla-pki status no longer shows it")
		return warn(done.Warnings)
	})
}

type traceCmd struct {
	afarOnly
	Since string `placeholder:"TIME" help:"Only from then on, in UTC: 2026-11-24, 2026-11-24T08:30:00Z, or how long ago: 36h, 30d."`
	Event string `placeholder:"KIND" help:"Only events of that kind; * stands for anything: key.*"`
	JSON  bool   `name:"json" help:"The lines as they are in the file."`
}

// Run prints the newest lines of the CA's trace, as audit show does.
func (c *traceCmd) Run(app *cli.App) error {
	since, err := trail.Since(c.Since)
	if err != nil {
		return err
	}
	query := url.Values{}
	if !since.IsZero() {
		query.Set("since", stamp.Instant(since))
	}
	if c.Event != "" {
		query.Set("event", c.Event)
	}
	var lines []byte
	if err := c.office().view(app, "audit", query, &lines); err != nil {
		return err
	}
	if !c.JSON {
		lines = linesForPeople(lines, app.Columns())
	}
	_, err = app.Stdout.Write(lines)
	return err
}

// linesForPeople returns lines of a trace for people, on a screen of so many columns; what is none stays as it is.
func linesForPeople(lines []byte, columns int) []byte {
	var out bytes.Buffer
	for line := range bytes.Lines(lines) {
		var e audit.Entry
		if json.Unmarshal(line, &e) != nil {
			out.Write(line)
			continue
		}
		fmt.Fprintln(&out, trail.Readable(e, columns))
	}
	return out.Bytes()
}
