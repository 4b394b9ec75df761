package trail

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"tlagate/audit"
	"tlagate/cmd/internal/cli"
	"tlagate/internal/stamp"
)

// Command has the commands `audit verify` and `audit show` of a program. P knows where its trace is.
type Command[P Place] struct {
	Verify verifyCmd[P] `cmd:"" help:"Check the chain of the audit trace: exit 0, 1 when it is broken, 2 when it cannot be read."`
	Show   showCmd[P]   `cmd:"" help:"Print the audit trace."`
}

// Place knows where a program's trace is, by the program's own options.
type Place interface{ AuditFile() (string, error) }

// target is a trace by name, or the program's own.
type target[P Place] struct {
	Place P      `embed:""`
	File  string `placeholder:"FILE" help:"Another trace, for instance a copy; its head and its full files must be beside it."`
}

func (t target[P]) name() (string, error) {
	if t.File != "" {
		return t.File, nil
	}
	name, err := t.Place.AuditFile()
	if err == nil && name == "" {
		err = errors.New("the configuration names no audit trace; name one with --file")
	}
	if err != nil {
		return "", cli.Usage("%w", err)
	}
	return name, nil
}

type verifyCmd[P Place] struct {
	target[P]
	Anchor []string `placeholder:"FILE" help:"Certificates of CAs (PEM): whoever signed what was purged must be a gateway below one; repeat for more."`
}

// Run verifies the trace, and prints what was seen.
func (c *verifyCmd[P]) Run(app *cli.App) error {
	name, err := c.name()
	if err != nil {
		return err
	}
	checks, err := signers(c.Anchor)
	if err != nil {
		return cli.Usage("%w", err)
	}
	report, err := checks.VerifyFile(name)
	var broken *audit.Broken
	if err != nil && !errors.As(err, &broken) {
		return cli.Usage("%w", err)
	}
	if err == nil {
		printReport(app.Stdout, report)
	}
	return err
}

func printReport(w io.Writer, r audit.Report) {
	if r.Lines > 0 {
		fmt.Fprintf(w, "%d lines of %d files are one chain, %d to %d, from %s to %s\nlast hash: %s\n",
			r.Lines, r.Files, r.First, r.Last, stamp.Instant(r.From), stamp.Instant(r.To), r.Hash)
	} else {
		fmt.Fprintln(w, "no line")
	}
	for _, p := range r.Purged {
		fmt.Fprintf(w, "note: line %d says that lines up to %d, of %s, are purged; signed by %s, serial %x\n", p.Line,
			p.Number, stamp.Instant(p.Until), plain(nameOf(p.Certificate)), p.Certificate.SerialNumber)
	}
	for _, seq := range r.Recovered {
		fmt.Fprintf(w, "note: the trace was not in order when line %d was written; it says why\n", seq)
	}
	for _, seq := range r.Back {
		fmt.Fprintf(w, "note: the clock was set back before line %d\n", seq)
	}
	if r.Torn > 0 {
		fmt.Fprintf(w, "note: %d octets at the end are half a line; the next event sets them aside\n", r.Torn)
	}
}

type showCmd[P Place] struct {
	target[P]
	Since    string   `placeholder:"TIME" help:"Only from then on: 2026-11-24, 2026-11-24T08:30:00Z, or how long ago, for instance 36h."`
	Event    []string `placeholder:"KIND" help:"Only events of that kind; * stands for anything: key.*; repeat for more."`
	Incident string   `placeholder:"NUMBER" help:"Only the events of that incident, which the user reads out: K7M2."`
	JSON     bool     `name:"json" help:"The lines as they are in the file."`
}

// Run prints the trace. It does not check the chain; it names each line that cannot be read, and the exit code is 1
// then.
func (c *showCmd[P]) Run(app *cli.App) error {
	name, err := c.name()
	if err != nil {
		return err
	}
	since, err := parseSince(c.Since, time.Now())
	if err != nil {
		return err
	}
	if err := checkPatterns(c.Event); err != nil {
		return err
	}
	bad := 0
	for line, err := range audit.Read(name) {
		switch {
		case err != nil:
			return cli.Usage("%w", err)
		case line.Err != nil:
			bad++
			fmt.Fprintf(app.Stderr, "%s, line %d cannot be read: %v\n", line.File, line.Line, line.Err)
		case !line.Entry.Time().Before(since) && c.wanted(line.Entry):
			c.print(app.Stdout, line)
		}
	}
	if bad > 0 {
		return fmt.Errorf("cannot show %d lines; see %s", bad, "audit verify")
	}
	return nil
}

func (c *showCmd[P]) wanted(e audit.Entry) bool {
	if c.Incident != "" && !strings.EqualFold(c.Incident, e.With["incident"]) {
		return false
	}
	return len(c.Event) == 0 || slices.ContainsFunc(c.Event, func(pattern string) bool {
		ok, _ := path.Match(pattern, string(e.Event))
		return ok
	})
}

func (c *showCmd[P]) print(w io.Writer, line audit.Line) {
	if c.JSON {
		fmt.Fprintln(w, line.Text)
		return
	}
	fmt.Fprintln(w, readable(line.Entry))
}

// readable returns an entry as one line: time, number, event, program, then name=value.
func readable(e audit.Entry) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %6d  %s", e.At, e.Seq, plain(string(e.Event)))
	if e.By != "" {
		fmt.Fprintf(&b, "  by %s", plain(e.By))
	}
	if e.Said != nil {
		fmt.Fprintf(&b, "  (its line %d of %s)", e.Said.Seq, plain(e.Said.At))
	}
	for _, name := range slices.Sorted(maps.Keys(e.With)) {
		fmt.Fprintf(&b, "  %s=%s", plain(name), plain(e.With[name]))
	}
	return b.String()
}

// plain quotes what could be misread, or have an effect on a terminal: others may have written the line.
func plain(s string) string {
	if strings.ContainsFunc(s, func(r rune) bool { return r == ' ' || r == '"' || r == '=' || !unicode.IsGraphic(r) }) {
		return strconv.QuoteToGraphic(s)
	}
	return s
}

func parseSince(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if d, err := time.ParseDuration(text); err == nil {
		return now.Add(-d), nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	return time.Time{}, cli.Usage("cannot use --since %q: want 2026-11-24, 2026-11-24T08:30:00Z or 36h", text)
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
