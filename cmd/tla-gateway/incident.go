package main

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"net/url"
	"strings"
	"time"

	"tlagate/audit"
	"tlagate/audit/index"
	"tlagate/cmd/internal/cli"
	"tlagate/cmd/internal/story"
	"tlagate/cmd/internal/trail"
	"tlagate/gateway/api/client"
	"tlagate/session/incident"
)

type incidentCmd struct {
	reach
	Number   string `arg:"" help:"The number that the user reads out: K7M2."`
	Terminal string `placeholder:"NAME" help:"Only of that terminal: its identity, or the name in it."`
	Since    string `placeholder:"TIME" help:"Only from then on, in UTC: 2026-11-24, 2026-11-24T08:30:00Z, or how long ago: 36h, 30d."`
	File     string `placeholder:"FILE" help:"Another trace, for instance a copy."`
	JSON     bool   `name:"json" help:"As JSON."`
}

// Run tells the newest incident of that number; the exit code is 1 when there is none. With a certificate, the gateway
// is asked; otherwise the trace is read.
func (c *incidentCmd) Run(app *cli.App) error {
	q, err := c.question()
	if err != nil {
		return err
	}
	if c.away() {
		return c.ask(app, q)
	}
	file, err := c.trace()
	if err != nil {
		return err
	}
	trace, err := trail.OpenIndexed(file)
	if err != nil {
		return cli.Usage("%w", err)
	}
	defer trace.Close()
	s, err := tell(app.Context, trace, q)
	if err != nil {
		return cli.Usage("%w", err)
	}
	if s == nil {
		return c.unknown(q, file)
	}
	return c.print(app, s)
}

// tell finds an incident in a trace; nil = there is none.
func tell(ctx context.Context, trace *index.Trace, q story.Question) (*story.Story, error) {
	return story.Find(func(w story.Want) iter.Seq2[audit.Line, error] {
		return trace.Search(ctx, index.Query{Incident: w.Incident, Session: w.Session, Identity: w.Identity,
			Since: w.From, Until: after(w.To)})
	}, q)
}

func (c *incidentCmd) print(app *cli.App, s *story.Story) error {
	if c.JSON {
		return json.NewEncoder(app.Stdout).Encode(s)
	}
	s.Print(app.Stdout)
	return nil
}

// ask has the gateway tell the incident.
func (c *incidentCmd) ask(app *cli.App, q story.Question) error {
	if c.File != "" {
		return cli.Usage("cannot use --file with a gateway: it has its own")
	}
	return c.do(app, func(asked *client.Client) error {
		query := url.Values{}
		if q.Terminal != "" {
			query.Set("terminal", q.Terminal)
		}
		if !q.Since.IsZero() {
			query.Set("since", q.Since.UTC().Format(time.RFC3339))
		}
		var s story.Story
		if err := asked.Get(app.Context, "incidents/"+q.Number, query, &s); err != nil {
			return err
		}
		return c.print(app, &s)
	})
}

// unknown says that no incident was found, and what may be the cause.
func (c *incidentCmd) unknown(q story.Question, file string) error {
	if c.Terminal != "" || c.Since != "" {
		return fmt.Errorf("cannot find such an incident %s in the trace %s: try without --terminal and --since",
			q.Number, file)
	}
	return fmt.Errorf("cannot find the incident %s in the trace %s: it was another gateway's, or only the terminal "+
		"knows it, and tells it in its next session; until then, type `tla-relay audit show --incident %[1]s` there; "+
		"a terminal that was not let in is found by `audit search --event access.refused`", q.Number, file)
}

// after returns the first time of a line that is no longer wanted, if those until a time are; zero = all are.
func after(last time.Time) time.Time {
	if last.IsZero() {
		return last
	}
	return last.Add(time.Millisecond)
}

func (c *incidentCmd) question() (story.Question, error) {
	q := story.Question{Number: incident.Of(strings.ToUpper(c.Number)), Terminal: c.Terminal}
	if q.Number == "" {
		return q, cli.Usage("cannot look for the incident %q: want letter, digit, letter, digit, such as K7M2",
			c.Number)
	}
	var err error
	q.Since, err = trail.Since(c.Since)
	return q, err
}

// trace returns the file of the trace.
func (c *incidentCmd) trace() (string, error) {
	if c.File != "" {
		return c.File, nil
	}
	file, err := configFlag{c.Config}.AuditFile()
	if err == nil && file == "" {
		err = fmt.Errorf("cannot tell an incident: the configuration names no audit trace; name one with --file")
	}
	if err != nil {
		return "", cli.Usage("%w", err)
	}
	return file, nil
}
