package main

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"tlagate/cmd/internal/cli"
	"tlagate/pdt"
)

type statusCmd struct {
	configFlag
	JSON bool `help:"Print it as JSON."`
}

// Run asks the service that runs with the same configuration.
func (c *statusCmd) Run(app *cli.App) error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	st, raw, err := pdt.AskStatus(string(cfg.Status))
	if err != nil {
		return err
	}
	if c.JSON {
		_, err = app.Stdout.Write(raw)
	} else {
		err = show(app.Stdout, st, time.Now())
	}
	if err == nil && !st.Healthy {
		err = cli.ExitCode(1, nil)
	}
	return err
}

// show prints the status in plain words. Whoever answers at the socket may say anything.
func show(w io.Writer, st *pdt.Status, now time.Time) error {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	row := func(name, text string) { fmt.Fprintf(t, "%s\t%s\n", cli.Line(name), cli.Line(text)) }
	row("identity", st.Identity)
	row("running for", now.Sub(st.Since).Round(time.Second).String())
	for _, c := range st.Certificates {
		row(c.Use+" certificate", "until "+c.NotAfter.Local().Format("2006-01-02 15:04"))
	}
	for _, g := range st.Gateways {
		row("gateway "+g.Address, describeGateway(g, now))
	}
	row("session", describeSession(st.Session, now))
	if s := st.Session; s != nil {
		row("its user", describeUser(s.User))
		row("read ahead", describeAhead(s))
	}
	for _, s := range st.Slots {
		row(s.Role+" card", describeSlot(s))
	}
	for _, w := range st.Warnings {
		row("WARNING", w)
	}
	for _, p := range st.Problems {
		row("PROBLEM", p)
	}
	return t.Flush()
}

func describeGateway(g pdt.GatewayStatus, now time.Time) string {
	text := g.State
	switch {
	case g.Parked == 1:
		text += ", 1 link"
	case g.Parked > 1:
		text += fmt.Sprintf(", %d links", g.Parked)
	case !g.RetryAt.IsZero():
		text += fmt.Sprintf(", next attempt in %s", max(g.RetryAt.Sub(now), 0).Round(time.Second))
	}
	if g.TLS != nil {
		text += ", " + g.TLS.String()
	}
	if !g.WithoutHybrids.IsZero() {
		text += "; without post-quantum groups until " + g.WithoutHybrids.Local().Format("15:04")
	}
	if g.Error != "" {
		text += fmt.Sprintf("; last failure: %s (%s)", g.Error, g.Reason)
	}
	return text
}

func describeSession(s *pdt.SessionStatus, now time.Time) string {
	if s == nil {
		return "none"
	}
	text := fmt.Sprintf("%s of %s for %s through %s, %d commands, %d resets", s.ID, s.TLA,
		now.Sub(s.Since).Round(time.Second), s.Gateway, s.Commands, s.Resets)
	if s.TLS.Version != "" {
		text += ", " + s.TLS.String()
	}
	if !s.Lost.IsZero() {
		text += fmt.Sprintf(", link lost for %s", now.Sub(s.Lost).Round(time.Second))
	}
	return text
}

func describeAhead(s *pdt.SessionStatus) string {
	switch {
	case s.ReadAhead == 0:
		return "off, here or at the terminal"
	case s.Ahead == nil:
		return "nothing yet"
	}
	return fmt.Sprintf("%d answers, %d taken by programs, %d dropped", s.Ahead.Read(), s.Ahead.Taken, s.Ahead.Dropped)
}

func describeUser(u *pdt.UserStatus) string {
	if u == nil {
		return "nobody whom this Poste de Travail verified"
	}
	text := u.Identifier
	if u.Profession != "" {
		text += ", " + u.Profession
	}
	return text + ", verified at " + u.At.Local().Format("2006-01-02 15:04")
}

func describeSlot(s pdt.SlotStatus) string {
	text := "absent"
	if s.Card {
		text = "present, ATR " + s.ATR
	}
	if d := s.Driver; d != nil {
		text += describeDriver(*d, s.Card)
	}
	return text
}

// describeDriver says whether programs see the card, if there is one, and have asked for it.
func describeDriver(d pdt.DriverState, card bool) string {
	switch {
	case d.Error != "" && !d.Connected:
		return ", driver cannot be reached"
	case d.Shown && d.Asked:
		return ", shown to programs"
	case d.Shown:
		return ", shown to programs, no program has asked yet"
	case card && !d.Connected:
		return ", no driver is connected"
	}
	return ""
}
