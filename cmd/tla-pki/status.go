package main

import (
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"tlagate/ca"
	"tlagate/ca/officers"
	"tlagate/ca/store"
	"tlagate/cmd/internal/cli"
	"tlagate/cmd/internal/room"
	"tlagate/internal/stamp"
)

type statusCmd struct {
	office
	JSON bool `name:"json" help:"As JSON."`
}

// Run shows the state of the PKI itself, and exits 1 when there is something to do.
func (c *statusCmd) Run(app *cli.App) error {
	found, err := c.office.status(app)
	if err != nil {
		return err
	}
	if c.JSON {
		err = encodeJSON(app.Stdout, found)
	} else {
		err = printStatus(app.Stdout, found)
	}
	return errors.Join(err, found.judge())
}

// statusIn is statusOf, and who acted past the officers lately.
func statusIn(dir string, authority *ca.CA, now time.Time) (items, error) {
	list, err := statusOf(authority, now)
	if err != nil {
		return nil, err
	}
	emergencies, err := officers.Emergencies(dir)
	if err != nil {
		return append(list, item{What: "break-glass", About: err.Error(), State: "unknown",
			Do: "look at the trace"}), nil
	}
	for _, e := range emergencies {
		if until := e.At.Add(officers.Shown); now.Before(until) && e.Seen == "" {
			list = append(list, item{What: "break-glass", State: "used", Until: &until,
				About: fmt.Sprintf("%s by %s at %s: %s", e.Act, e.Account, stamp.Second(e.At), e.Why),
				Do:    "ask why no officer could do it; then tla-pki acknowledge"})
		}
	}
	return list, nil
}

// item is one thing that a PKI depends on.
type item struct {
	What  string     `json:"what"`
	About string     `json:"about"`
	State string     `json:"state"` // ok, or what is the matter
	Until *time.Time `json:"until,omitempty"`
	Do    string     `json:"do,omitempty"` // "" when nothing is to be done
}

type items []item

const fine = "ok"

func statusOf(authority *ca.CA, now time.Time) (items, error) {
	own, err := authority.Own.List()
	if err != nil {
		return nil, err
	}
	var list items
	for _, r := range own {
		list = append(list, certificateItem(r, now))
	}
	return append(list, listItem(authority, "CRL", "tla-pki crl; tla-pki serve does it by itself", now),
		listItem(authority, "ARL", "bring the root's key: tla-pki crl --arl", now),
		clockItem(authority.Clock.Check()),
		diskItem(authority.Public("crl.der"))), nil
}

func diskItem(file string) item {
	if lacking := room.Lacking(file); lacking != "" {
		return item{What: "disk", About: lacking, State: "full", Do: "make room"}
	}
	return item{What: "disk", About: "there is room where " + file + " is", State: fine}
}

// renewals says how a certificate of each profile is renewed, when it does not renew itself.
var renewals = map[string]string{
	"root": "a new CA must reach every device before", "issuing": "a new CA must reach every device before",
	"gateway-client": "look at the gateway: it renews its own",
	"gateway-server": "look at the gateway: it renews its own",
	"admin":          "tla-pki issue --profile admin, which another officer approves; or revoke it",
}

func certificateItem(r store.Record, now time.Time) item {
	i := item{What: r.Profile, About: r.Identity, State: fine, Until: &r.NotAfter}
	switch {
	case r.Status == store.Revoked:
		i.State, i.Do = "revoked", "make a new CA: docs/ca.md, section 5"
		return i
	case r.Expired(now):
		i.State = "ended"
	case !now.Before(r.RenewalDue()):
		i.State = "ends"
	default:
		return i
	}
	if i.Do = renewals[r.Profile]; i.Do == "" {
		i.Do = "tla-pki issue --profile " + r.Profile + ", or a line under renew of tla-pki serve"
	}
	return i
}

// arlNotice is how long before its end a list of the root is asked for.
const arlNotice = 30 * 24 * time.Hour

func listItem(authority *ca.CA, name, do string, now time.Time) item {
	read := authority.Lists.CRL
	if name == "ARL" {
		read = authority.Lists.ARL
	}
	list, err := read()
	unlisted := 0
	if err == nil {
		unlisted, err = authority.Lists.Unlisted(name == "ARL")
	}
	if err != nil {
		return item{What: name, About: err.Error(), State: "missing", Do: do}
	}
	i := item{What: name, About: fmt.Sprintf("number %d, %d revoked", list.Number, list.Entries), State: fine,
		Until: &list.NextUpdate}
	late := list.NextUpdate.Add(-time.Hour)
	if name == "ARL" {
		late = list.NextUpdate.Add(-arlNotice)
	}
	switch {
	case now.After(list.NextUpdate):
		i.State, i.Do = "ended", do
	case unlisted > 0:
		i.State, i.Do = "behind", do
		i.About += fmt.Sprintf("; the books differ by %d", unlisted)
	case now.After(late):
		i.State, i.Do = "ends", do
	}
	return i
}

func clockItem(err error) item {
	if err != nil {
		return item{What: "clock", About: err.Error(), State: "doubted", Do: "docs/ca.md, section 8"}
	}
	return item{What: "clock", About: "fits the last CRL", State: fine}
}

func printStatus(w io.Writer, list items) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "WHAT\tSTATE\tUNTIL\tABOUT\tDO")
	for _, i := range list {
		until := "-"
		if i.Until != nil {
			until = stamp.Second(*i.Until)
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", i.What, i.State, until, i.About, i.Do)
	}
	return table.Flush()
}

func (l items) judge() error {
	n := 0
	for _, i := range l {
		if i.State != fine {
			n++
		}
	}
	if n == 0 {
		return nil
	}
	return fmt.Errorf("cannot call the PKI healthy: %d of %d items want something done", n, len(l))
}
