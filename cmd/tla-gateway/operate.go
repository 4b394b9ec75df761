package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"tlagate/cmd/internal/cli"
	"tlagate/gateway"
	"tlagate/gateway/api"
	"tlagate/gateway/api/client"
	"tlagate/internal/stamp"
)

// view is what the commands that look have in common.
type view struct {
	reach
	JSON bool `name:"json" help:"As JSON."`
}

// filter narrows a list.
type filter struct {
	Identity string `placeholder:"URN" help:"Only of that identity."`
	Practice string `placeholder:"NAME" help:"Only of that practice."`
	Since    string `placeholder:"TIME" help:"Only from then on, RFC 3339."`
}

func (f filter) query() url.Values {
	q := url.Values{}
	for name, value := range map[string]string{"identity": f.Identity, "practice": f.Practice, "since": f.Since} {
		if value != "" {
			q.Set(name, value)
		}
	}
	return q
}

// print prints v as JSON, or its table.
func (v view) print(app *cli.App, what any, fill func(t *table)) error {
	if v.JSON {
		return json.NewEncoder(app.Stdout).Encode(what)
	}
	t := &table{out: tabwriter.NewWriter(app.Stdout, 0, 0, 2, ' ', 0)}
	fill(t)
	return t.out.Flush()
}

// table is columns that are aligned.
type table struct{ out *tabwriter.Writer }

func (t *table) row(cells ...string) {
	for i, cell := range cells {
		if cell == "" {
			cell = "-"
		}
		cells[i] = strings.Map(oneLine, cli.Screen(cell))
	}
	fmt.Fprintln(t.out, strings.Join(cells, "\t"))
}

func oneLine(r rune) rune {
	if r == '\t' || r == '\n' {
		return ' '
	}
	return r
}

// at prints a point in time; zero = none.
func at(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return stamp.Minute(t)
}

// bare shortens an identity: the prefix is the same in all.
func bare(urn string) string { return strings.TrimPrefix(urn, "urn:tlagate:") }

// octets prints a size.
func octets(n int64) string {
	for _, unit := range []string{"B", "KiB", "MiB", "GiB"} {
		if n < 10_000 {
			return strconv.FormatInt(n, 10) + " " + unit
		}
		n /= 1024
	}
	return strconv.FormatInt(n, 10) + " TiB"
}

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

type sessionsCmd struct {
	view
	filter
	PdT string `name:"pdt" placeholder:"URN" help:"Only with that PdT."`
}

// Run lists the sessions.
func (s *sessionsCmd) Run(app *cli.App) error {
	return s.do(app, func(c *client.Client) error {
		q := s.query()
		if s.PdT != "" {
			q.Set("pdt", s.PdT)
		}
		all, err := pages[gateway.SessionInfo](app, c, "sessions", "sessions", q)
		if err != nil {
			return err
		}
		return s.print(app, all, func(t *table) {
			t.row("SESSION", "TLA", "PDT", "OPENED", "FROM TLA", "FROM PDT", "ADDRESS")
			for _, one := range all {
				t.row(one.ID, bare(one.TLA), bare(one.PdT), at(one.Opened), octets(one.FromTLA), octets(one.FromPdT),
					one.TLAAddress)
			}
		})
	})
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
	if d.Reason == "" {
		d.Reason = d.BreakGlass
	}
	if d.Reason == "" {
		return cli.Usage("missing flags: --reason=TEXT")
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
	Role string `placeholder:"ROLE" help:"Only of that role: tla, pdt …"`
}

// Run lists who is there, and who was.
func (p *peersCmd) Run(app *cli.App) error {
	return p.do(app, func(c *client.Client) error {
		q := p.query()
		if p.Role != "" {
			q.Set("role", p.Role)
		}
		all, err := pages[gateway.PeerInfo](app, c, "peers", "peers", q)
		if err != nil {
			return err
		}
		return p.print(app, all, func(t *table) {
			t.row("IDENTITY", "HERE", "LAST SEEN", "ADDRESS", "VERSION", "CERTIFICATE UNTIL", "REMARK")
			for _, one := range all {
				t.row(bare(one.Identity), yes(one.Connected), at(one.LastSeen), one.Address, one.Version,
					at(one.CertificateEnd), remark(one))
			}
		})
	})
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func remark(p gateway.PeerInfo) string {
	var all []string
	if p.Denied {
		all = append(all, "denied")
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
		var got struct{ Parked []gateway.ParkedInfo }
		if err := c.Get(app.Context, "parked", nil, &got); err != nil {
			return err
		}
		return p.print(app, got.Parked, func(t *table) {
			t.row("PDT", "SINCE", "LAST HEARD", "ADDRESS")
			for _, one := range got.Parked {
				t.row(bare(one.PdT), at(one.Since), at(one.Heard), one.Address)
			}
		})
	})
}

type refusalsCmd struct {
	view
	filter
	Limit int `default:"100" placeholder:"N" help:"Only the newest N, at most 500; ${default}."`
}

// Run lists who was refused, the last first.
func (r *refusalsCmd) Run(app *cli.App) error {
	return r.do(app, func(c *client.Client) error {
		q := r.query()
		q.Set("limit", strconv.Itoa(r.Limit))
		var got struct{ Refusals []gateway.RefusalInfo }
		if err := c.Get(app.Context, "refusals", q, &got); err != nil {
			return err
		}
		return r.print(app, got.Refusals, func(t *table) {
			t.row("AT", "WHAT", "WHO", "PROVEN", "ADDRESS", "REASON", "INCIDENT")
			for _, one := range got.Refusals {
				t.row(at(one.At), one.What, bare(one.Identity), yes(one.Proven), one.Address, one.Reason, one.Incident)
			}
		})
	})
}

type denialsCmd struct{ view }

// Run lists whom operators deny.
func (d *denialsCmd) Run(app *cli.App) error {
	return d.do(app, func(c *client.Client) error {
		var got struct{ Denials []gateway.DenialInfo }
		if err := c.Get(app.Context, "denials", nil, &got); err != nil {
			return err
		}
		return d.print(app, got.Denials, func(t *table) {
			t.row("IDENTITY", "SINCE", "BY", "REASON")
			for _, one := range got.Denials {
				t.row(bare(one.Identity), at(one.At), bare(one.Who), one.Reason)
			}
		})
	})
}

type denyCmd struct {
	doing
	Identity string `arg:"" help:"urn:tlagate:PRACTICE:ROLE:NAME; with * in place of the name, all of that role."`
}

// Run denies an identity.
func (d *denyCmd) Run(app *cli.App) error { return d.act(app, "denials", d.Identity) }

type allowCmd struct {
	doing
	Identity string `arg:"" help:"As it was denied."`
}

// Run takes a denial back.
func (a *allowCmd) Run(app *cli.App) error {
	return a.act(app, "denials/"+url.PathEscape(a.Identity)+"/allow", "")
}

type drainCmd struct{ doing }

// Run has the gateway take no more sessions.
func (d *drainCmd) Run(app *cli.App) error { return d.act(app, "drain", "") }

type resumeCmd struct{ doing }

// Run has the gateway serve again.
func (r *resumeCmd) Run(app *cli.App) error { return r.act(app, "resume", "") }

type eventsCmd struct {
	reach
	After string `placeholder:"ID" help:"Those after the event with that id, too."`
}

// Run prints what happens, a line of JSON each, until it is stopped.
func (e *eventsCmd) Run(app *cli.App) error {
	return e.do(app, func(c *client.Client) error {
		err := c.Events(app.Context, e.After, func(got client.Event) bool {
			_, err := fmt.Fprintln(app.Stdout, string(got.Data))
			return err == nil
		})
		if app.Context.Err() != nil {
			return nil
		}
		if err == nil {
			err = fmt.Errorf("cannot go on: the gateway ended the stream")
		}
		return err
	})
}

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
			t.row("roles", fmt.Sprint(who.Roles))
			t.row("may", fmt.Sprint(who.May))
			t.row("until", at(who.NotAfter))
		})
	})
}
