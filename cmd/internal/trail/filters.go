package trail

import (
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"tlagate/audit"
	"tlagate/audit/index"
	"tlagate/cmd/internal/cli"
	"tlagate/session/incident"
)

// basic are the options of show, which search and export have too.
type basic struct {
	Since    string   `placeholder:"TIME" help:"Only from then on, in UTC: 2026-11-24, 2026-11-24T08:30:00Z, or how long ago: 36h, 30d."`
	Event    []string `placeholder:"KIND" help:"Only events of that kind; * stands for anything: key.*; repeat for more."`
	Incident string   `placeholder:"NUMBER" help:"Only the events of that incident, which the user reads out: K7M2."`
}

// filters say which lines are wanted.
type filters struct {
	basic
	Until    string `placeholder:"TIME" help:"Only before then; as --since."`
	Identity string `placeholder:"URN" help:"Only what that identity did, or what is about it or its other end."`
	Practice string `placeholder:"NAME" help:"Only what is about identities of that practice."`
	Session  string `placeholder:"ID" help:"Only the events of that session."`
}

func (b basic) query(now time.Time) (q index.Query, err error) {
	if q.Since, err = parseTime("--since", b.Since, now); err != nil {
		return q, err
	}
	q.Events, q.Incident = b.Event, b.Incident
	if b.Incident != "" && incident.Of(strings.ToUpper(b.Incident)) == "" {
		return q, cli.Usage("cannot use --incident %q: want letter, digit, letter, digit, such as K7M2", b.Incident)
	}
	return q, checkPatterns(b.Event)
}

func (f filters) query(now time.Time) (q index.Query, err error) {
	if q, err = f.basic.query(now); err != nil {
		return q, err
	}
	if q.Until, err = parseTime("--until", f.Until, now); err != nil {
		return q, err
	}
	f.Identity = cli.WholeURN(f.Identity)
	q.Identity, q.Practice, q.Session = f.Identity, f.Practice, f.Session
	if err := f.checkNames(); err != nil {
		return q, err
	}
	if !q.Until.IsZero() && !q.Since.Before(q.Until) {
		return q, cli.Usage("cannot use --until %q: it is not after --since", f.Until)
	}
	return q, nil
}

// checkNames refuses what can be no identity, practice or session, since it would look as if there were nothing of it.
func (f filters) checkNames() error {
	switch {
	case f.Identity != "" && !strings.HasPrefix(f.Identity, "urn:tlagate:"):
		return cli.Usage("cannot use --identity %q: want a whole identity, urn:tlagate:PRACTICE:ROLE:NAME", f.Identity)
	case strings.Contains(f.Practice, ":"):
		return cli.Usage("cannot use --practice %q: want its name, as it is in urn:tlagate:PRACTICE:ROLE:NAME",
			f.Practice)
	}
	return nil
}

// parseTime reads a point in time, or how long ago it was; "" = the zero time.
func parseTime(option, text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if d, ok := duration(text); ok {
		return now.Add(-d), nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	return time.Time{}, cli.Usage("cannot use %s %q: want 2026-11-24, 2026-11-24T08:30:00Z, 36h or 30d", option, text)
}

// duration reads a whole number of days, or what Go writes.
func duration(text string) (time.Duration, bool) {
	if digits, ok := strings.CutSuffix(text, "d"); ok {
		days, err := strconv.ParseUint(digits, 10, 16)
		return time.Duration(days) * 24 * time.Hour, err == nil
	}
	d, err := time.ParseDuration(text)
	return d, err == nil
}

// checkPatterns refuses a pattern that matches no kind: a typing error would look like an empty trace.
func checkPatterns(patterns []string) error {
	for _, p := range patterns {
		known := slices.ContainsFunc(audit.Kinds(), func(m audit.Meaning) bool {
			ok, _ := path.Match(p, string(m.Kind))
			return ok
		})
		if !known {
			return cli.Usage("cannot use --event %q: it is no kind of event; docs/audit.md lists them", p)
		}
	}
	return nil
}
