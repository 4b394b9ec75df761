package trail

import (
	"errors"
	"fmt"
	"io"
	"time"

	"tlagate/audit"
	"tlagate/cmd/internal/cli"
	"tlagate/internal/stamp"
)

// Command has the commands `audit …` of a program. P knows where its trace is.
type Command[P Place] struct {
	Verify     VerifyCmd[P] `cmd:"" help:"Check the chain of the audit trace: exit 0, 1 when it is broken, 2 when it cannot be read."`
	Reading[P] `embed:""`
}

// Reading has those that show what is in the trace.
type Reading[P Place] struct {
	Show   showCmd[P]   `cmd:"" help:"Print the audit trace."`
	Search searchCmd[P] `cmd:"" help:"Print the lines about somebody or something, found by an index, which is made when it is missing."`
	Export exportCmd[P] `cmd:"" help:"Encrypt lines for those who may read them; the export is recorded first."`
}

// Place knows where a program's trace is, by the program's own options.
type Place interface{ AuditFile() (string, error) }

// target is a trace by name, or the program's own.
type target[P Place] struct {
	Place P      `embed:""`
	File  string `placeholder:"FILE" help:"Another trace, for instance a copy; its head and its full files must be beside it."`
}

// Name returns the file of the trace.
func (t target[P]) Name() (string, error) {
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

// VerifyCmd is `audit verify`.
type VerifyCmd[P Place] struct {
	target[P]
	Export string   `placeholder:"FILE" help:"Check a decrypted export instead; - reads it from standard input."`
	Anchor []string `placeholder:"FILE" help:"Certificates of CAs (PEM): whoever signed what was purged, or a head, must be a gateway below one; repeat for more."`
}

// Checks returns what the command demands of the gateways that have signed something.
func (c *VerifyCmd[P]) Checks() (audit.Checks, error) {
	checks, err := signers(c.Anchor)
	if err != nil {
		err = cli.Usage("%w", err)
	}
	return checks, err
}

// Run verifies the trace, and prints what was seen.
func (c *VerifyCmd[P]) Run(app *cli.App) error {
	if c.Export != "" {
		return verifyExport(app, c.Export)
	}
	name, err := c.Name()
	if err != nil {
		return err
	}
	checks, err := c.Checks()
	if err != nil {
		return err
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

// twelveMonths is how long a gateway's trace must be kept (SA2), at least.
const twelveMonths = 365 * 24 * time.Hour

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
		if kept := p.At.Sub(p.Until); kept < twelveMonths {
			fmt.Fprintf(w, "note: line %d removes what was kept for %d days only, not for twelve months (SA2): "+
				"ask why\n", p.Line, int(kept.Hours()/24))
		}
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
