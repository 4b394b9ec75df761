package trail

import (
	"encoding/json"
	"fmt"
	"iter"
	"strings"
	"time"

	"tlagate/audit"
	"tlagate/cmd/internal/cli"
	"tlagate/cmd/internal/story"
	"tlagate/session/incident"
)

// Incident is the command that tells an incident. P knows where the trace is.
type Incident[P Place] struct {
	target[P]
	Number   string `arg:"" help:"The number that the user reads out: K7M2."`
	Terminal string `placeholder:"NAME" help:"Only of that terminal: its identity, or the name in it."`
	Since    string `placeholder:"TIME" help:"Only from then on: 2026-11-24, 2026-11-24T08:30:00Z, or how long ago, for instance 36h."`
	JSON     bool   `name:"json" help:"As JSON."`
}

// Run prints the story of the newest incident of that number; the exit code is 1 when there is none.
func (c *Incident[P]) Run(app *cli.App) error {
	number := incident.Of(strings.ToUpper(c.Number))
	if number == "" {
		return cli.Usage("cannot look for the incident %q: want letter, digit, letter, digit, such as K7M2", c.Number)
	}
	name, err := c.name()
	if err != nil {
		return err
	}
	since, err := parseSince(c.Since, time.Now())
	if err != nil {
		return err
	}
	s, err := story.Find(func() iter.Seq2[audit.Line, error] { return audit.Read(name) },
		story.Question{Number: number, Terminal: c.Terminal, Since: since})
	if err != nil {
		return cli.Usage("%w", err)
	}
	if s == nil {
		return fmt.Errorf("cannot find the incident %s in the trace %s: what only the terminal knows comes with its "+
			"next session", number, name)
	}
	if c.JSON {
		return json.NewEncoder(app.Stdout).Encode(s)
	}
	s.Print(app.Stdout)
	return nil
}
