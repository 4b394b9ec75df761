package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"tlagate/cmd/internal/cli"
	"tlagate/gateway"
	"tlagate/gateway/api"
	"tlagate/gateway/api/client"
	"tlagate/internal/stamp"
	"tlagate/pki"
)

// pages asks for page after page of a list until there is none.
func pages[T any](app *cli.App, c *client.Client, path, member string, q url.Values) ([]T, error) {
	all := []T{}
	q.Set("limit", "500")
	for {
		var page map[string]json.RawMessage
		if err := c.Get(app.Context, path, q, &page); err != nil {
			return nil, err
		}
		var some []T
		if err := json.Unmarshal(page[member], &some); err != nil {
			return nil, fmt.Errorf("cannot read the gateway's answer: %w", err)
		}
		all = append(all, some...)
		var next string
		if len(page["next"]) == 0 || json.Unmarshal(page["next"], &next) != nil || next == "" {
			return all, nil
		}
		q.Set("cursor", next)
	}
}

// known is pages of a list of the same name; when it is empty, it is told which names of the filter nobody has.
func known[T any](app *cli.App, c *client.Client, list string, q url.Values) ([]T, error) {
	all, err := pages[T](app, c, list, list, q)
	if err == nil && len(all) == 0 {
		err = tellUnknown(app, c, q)
	}
	return all, err
}

// tellUnknown says on standard error which names of a filter are those of nobody who was ever seen: a slip would look
// like an empty list.
func tellUnknown(app *cli.App, c *client.Client, q url.Values) error {
	for name, is := range map[string]string{"practice": "practice", "identity": "identity", "pdt": "identity"} {
		if !q.Has(name) {
			continue
		}
		var seen struct{ Peers []gateway.PeerInfo }
		if err := c.Get(app.Context, "peers", url.Values{is: {q.Get(name)}, "limit": {"1"}}, &seen); err != nil {
			return err
		}
		if len(seen.Peers) == 0 {
			fmt.Fprintf(app.Stderr, "no device of the %s %s has been seen here; compare it with those of tla-gateway "+
				"peers\n", is, cli.Screen(bare(q.Get(name))))
		}
	}
	return nil
}

type sessionsCmd struct {
	view
	filter
	PdT string `name:"pdt" placeholder:"URN" help:"Only with that PdT."`
}

// Run lists the sessions.
func (s *sessionsCmd) Run(app *cli.App) error {
	q, err := s.query()
	if err != nil {
		return err
	}
	if s.PdT != "" {
		q.Set("pdt", cli.WholeURN(s.PdT))
	}
	return s.do(app, func(c *client.Client) error {
		all, err := known[gateway.SessionInfo](app, c, "sessions", q)
		if err != nil {
			return err
		}
		return s.print(app, all, func(t *table) { t.sessions(all) })
	})
}

// sessions fits on 80 columns; session show has the rest.
func (t *table) sessions(all []gateway.SessionInfo) {
	t.row("SESSION", "TLA", "PDT", "AGE", "IDLE")
	for _, one := range all {
		t.row(one.ID, bare(one.TLA), near(one), span(lasts(one)), idle(one))
	}
}

// near returns the PdT of a session: by its name alone if it is of the terminal's practice.
func near(s gateway.SessionInfo) string {
	return strings.TrimPrefix(bare(s.PdT), s.Practice+":"+string(pki.RolePdT)+":")
}

// lasts returns how long a session lasts, by the gateway's clock.
func lasts(s gateway.SessionInfo) time.Duration { return time.Duration(s.Length) * time.Second }

// idle prints for how long nothing was sent in a session; "" = nothing was, over this link.
func idle(s gateway.SessionInfo) string {
	if s.LastData.IsZero() {
		return ""
	}
	return span(s.Opened.Add(lasts(s)).Sub(s.LastData))
}

type sessionCmd struct {
	Show sessionShowCmd `cmd:"" help:"Say all that the gateway knows of a session."`
	End  sessionEndCmd  `cmd:"" help:"End a session: both ends are told that an operator did."`
}

type sessionShowCmd struct {
	view
	ID string `arg:"" help:"The session, as the command sessions prints it."`
}

// Run shows a session.
func (s *sessionShowCmd) Run(app *cli.App) error {
	return s.do(app, func(c *client.Client) error {
		var one gateway.SessionInfo
		if err := c.Get(app.Context, "sessions/"+url.PathEscape(s.ID), nil, &one); err != nil {
			return err
		}
		return s.print(app, one, func(t *table) {
			for _, line := range [][2]string{{"session", one.ID}, {"terminal", one.TLA}, {"from", one.TLAAddress},
				{"its TLS", one.TLATLS}, {"PdT", one.PdT}, {"from", one.PdTAddress}, {"its TLS", one.PdTTLS},
				{"opened", at(one.Opened)}, {"last data", at(one.LastData)}, {"links so far",
					strconv.Itoa(int(one.Generation))}, {"from terminal", octets(one.FromTLA)},
				{"from PdT", octets(one.FromPdT)}} {
				t.row(line[0], line[1])
			}
		})
	})
}

// doing is what the commands that act have in common.
type doing struct {
	view
	Reason string `placeholder:"TEXT" help:"Why, for the trace: the number of a case; not a person's name."`
}

// act performs an act and says so.
func (d doing) act(app *cli.App, path, identity string) error {
	if d.Reason != "" && d.BreakGlass != "" {
		return cli.Usage("cannot use --reason with --break-glass, " +
			"which is the reason that the trace keeps: leave one out")
	}
	if d.Reason = cmp.Or(d.Reason, d.BreakGlass); d.Reason == "" {
		return noReason()
	}
	return d.do(app, func(c *client.Client) error {
		body := map[string]string{"reason": d.Reason}
		if identity != "" {
			body["identity"] = identity
		}
		done, err := c.Act(app.Context, path, body)
		if err != nil {
			return err
		}
		return d.print(app, done, func(*table) { printDone(app.Stdout, done) })
	})
}

func noReason() error { return cli.Usage("missing flags: --reason=TEXT, which the trace keeps") }

func printDone(out io.Writer, done api.Done) {
	fmt.Fprintf(out, "done: %s, by %s\n", done.Act, done.By)
	if done.Note != "" {
		fmt.Fprintf(out, "but: %s\n", cli.Screen(done.Note))
	}
}

type sessionEndCmd struct {
	doing
	ID string `arg:"" help:"The session, as the command sessions prints it."`
}

// Run ends a session.
func (s *sessionEndCmd) Run(app *cli.App) error {
	return s.act(app, "sessions/"+url.PathEscape(s.ID)+"/end", "")
}

type peersCmd struct {
	view
	filter
	Role   string `placeholder:"ROLE" help:"Only of that role: tla, pdt …"`
	Here   bool   `help:"Only those that are here now."`
	Remark bool   `help:"Only those with a remark: denied, clone, version outdated, renewal late."`
	CSV    bool   `name:"csv" help:"As comma-separated values, for a spreadsheet."`
}

// Run lists who is there, and who was.
func (p *peersCmd) Run(app *cli.App) error {
	q, err := p.query()
	if err != nil {
		return err
	}
	if p.CSV && p.JSON {
		return cli.Usage("cannot print both: --csv or --json")
	}
	if p.Role != "" {
		q.Set("role", p.Role)
	}
	return p.do(app, func(c *client.Client) error {
		all, err := known[gateway.PeerInfo](app, c, "peers", q)
		if err != nil {
			return err
		}
		all = slices.DeleteFunc(all, p.leavesOut)
		if p.CSV {
			return gateway.WritePeersCSV(app.Stdout, all)
		}
		return p.print(app, all, func(t *table) { t.peers(all) })
	})
}

func (p *peersCmd) leavesOut(one gateway.PeerInfo) bool {
	return p.Here && !one.Connected || p.Remark && remark(one) == ""
}

// peers fits on 80 columns, up to the remark.
func (t *table) peers(all []gateway.PeerInfo) {
	t.row("IDENTITY", "SEEN", "ADDRESS", "VERSION", "CERT ENDS", "REMARK")
	for _, one := range all {
		t.row(bare(one.Identity), seen(one), one.Address, one.Version, day(one.CertificateEnd), remark(one))
	}
}

// seen prints when a peer was last here.
func seen(p gateway.PeerInfo) string {
	if p.Connected {
		return "now"
	}
	return stamp.Day(p.LastSeen)
}

func remark(p gateway.PeerInfo) string {
	var all []string
	if p.Denied {
		all = append(all, "denied")
	}
	if p.Outdated {
		all = append(all, "version outdated")
	}
	if p.RenewalLate {
		all = append(all, "renewal late")
	}
	if p.Clone != "" {
		all = append(all, "clone: "+p.Clone)
	}
	return strings.Join(all, ", ")
}

type parkedCmd struct{ view }

// Run lists the links that wait for a terminal.
func (p *parkedCmd) Run(app *cli.App) error {
	return p.do(app, func(c *client.Client) error {
		all, err := pages[gateway.ParkedInfo](app, c, "parked", "parked", url.Values{})
		if err != nil {
			return err
		}
		return p.print(app, all, func(t *table) { t.parked(all) })
	})
}

// parked fits on 80 columns.
func (t *table) parked(all []gateway.ParkedInfo) {
	t.row("PDT", "SINCE (UTC)", "HEARD (UTC)", "ADDRESS")
	for _, one := range all {
		t.row(bare(one.PdT), minute(one.Since), minute(one.Heard), one.Address)
	}
}

type refusalsCmd struct {
	view
	filter
	Limit int `default:"100" placeholder:"N" help:"Only the newest N, at most 500; ${default}."`
}

// Run lists who was refused, the last first.
func (r *refusalsCmd) Run(app *cli.App) error {
	q, err := r.query()
	if err != nil {
		return err
	}
	return r.do(app, func(c *client.Client) error {
		q.Set("limit", strconv.Itoa(r.Limit))
		var got struct{ Refusals []gateway.RefusalInfo }
		if err := c.Get(app.Context, "refusals", q, &got); err != nil {
			return err
		}
		if len(got.Refusals) == 0 {
			if err := tellUnknown(app, c, q); err != nil {
				return err
			}
		}
		return r.print(app, got.Refusals, func(t *table) { t.refusals(got.Refusals) })
	})
}

// refusals fits on 80 columns, with reasons of the usual length.
func (t *table) refusals(all []gateway.RefusalInfo) {
	t.row("AT (UTC)", "WHO", "ADDRESS", "REASON, INCIDENT")
	for _, one := range all {
		why := one.Reason
		if one.Incident != "" {
			why += ", " + one.Incident
		}
		t.row(minute(one.At), refused(one), one.Address, why)
	}
}

// refused prints who was: in parentheses, who says to be that without proof.
func refused(r gateway.RefusalInfo) string {
	if r.Identity == "" || r.Proven {
		return bare(r.Identity)
	}
	return "(" + bare(r.Identity) + ")"
}

type denialsCmd struct{ view }

// Run lists whom operators deny.
func (d *denialsCmd) Run(app *cli.App) error {
	return d.do(app, func(c *client.Client) error {
		all, err := pages[gateway.DenialInfo](app, c, "denials", "denials", url.Values{})
		if err != nil {
			return err
		}
		return d.print(app, all, func(t *table) {
			t.row("IDENTITY", "SINCE (UTC)", "BY", "REASON")
			for _, one := range all {
				t.row(bare(one.Identity), minute(one.At), bare(one.Who), one.Reason)
			}
		})
	})
}

type denyCmd struct {
	doing
	Identity string `arg:"" help:"urn:tlagate:PRACTICE:ROLE:NAME, as tables print it, too; PRACTICE:ROLE:* is all of that role, PRACTICE:* the whole practice."`
}

// Run denies an identity.
func (d *denyCmd) Run(app *cli.App) error { return d.act(app, "denials", cli.WholeURN(d.Identity)) }

type allowCmd struct {
	doing
	Identity string `arg:"" help:"As it was denied."`
}

// Run takes a denial back.
func (a *allowCmd) Run(app *cli.App) error {
	return a.act(app, "denials/"+url.PathEscape(cli.WholeURN(a.Identity))+"/allow", "")
}

type drainCmd struct {
	doing
	Wait bool `help:"Return when no session is left: those that have not moved after limits.drain are ended."`
}

// Run has the gateway take no more sessions.
func (d *drainCmd) Run(app *cli.App) error {
	if err := d.act(app, "drain", ""); err != nil || !d.Wait {
		return err
	}
	return d.do(app, func(c *client.Client) error { return drained(app, c) })
}

type resumeCmd struct{ doing }

// Run has the gateway serve again.
func (r *resumeCmd) Run(app *cli.App) error { return r.act(app, "resume", "") }

type whoamiCmd struct{ view }

// Run says who we are to the gateway, and what we may do.
func (w *whoamiCmd) Run(app *cli.App) error {
	return w.do(app, func(c *client.Client) error {
		var who api.Who
		if err := c.Get(app.Context, "whoami", nil, &who); err != nil {
			return err
		}
		return w.print(app, who, func(t *table) {
			t.row("gateway", who.Gateway)
			t.row("identity", who.Identity)
			t.row("by", who.Via)
			t.row("roles", cmp.Or(words(who.Roles),
				"none: the gateway's configuration names it in no line of api.admins"))
			t.row("may", words(who.May))
			t.row("until", at(who.NotAfter))
		})
	})
}
