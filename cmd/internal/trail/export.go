package trail

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"tlagate/audit"
	"tlagate/audit/export"
	"tlagate/audit/index"
	"tlagate/cmd/internal/cli"
	"tlagate/internal/recipients"
	"tlagate/internal/stamp"
)

type exportCmd[P Place] struct {
	target[P]
	filters
	LineReason string   `placeholder:"WHY" help:"Only lines with that reason or code: revoked."`
	NoIndex    bool     `help:"Read every line, and use and make no index."`
	To         []string `sep:"none" required:"" placeholder:"AGE" help:"Who can read it: age1…, or a file with one a line; repeat for more."`
	Output     string   `short:"o" required:"" placeholder:"FILE" help:"The file to make, which must not exist."`
	Reason     string   `required:"" placeholder:"WHY" help:"Why it is exported: this is recorded in the trace, with your account."`
}

// Run records the export, and makes it.
func (c *exportCmd[P]) Run(app *cli.App) error {
	q, err := c.query(time.Now())
	if err != nil {
		return err
	}
	q.Reason = c.LineReason
	to, err := c.recipients()
	if err != nil {
		return err
	}
	e, err := c.away()
	if err != nil {
		return err
	}
	if e != nil {
		return e.Export(app, Order{q, to.Names(), c.Reason, c.Output})
	}
	name, err := c.Name()
	if err != nil {
		return err
	}
	who := audit.Account()
	mode, err := modeFor(name, c.NoIndex, c.Output)
	if err != nil {
		return err
	}
	if err := c.record(app, name, q, who); err != nil {
		return err
	}
	return c.make(app, name, mode, export.Config{Query: q, Program: app.Program, Recipients: to, To: c.Output})
}

// recipients returns who can read the export, and refuses what cannot be made.
func (c *exportCmd[P]) recipients() (recipients.List, error) {
	if strings.TrimSpace(c.Reason) == "" {
		return nil, cli.Usage("cannot export without a --reason: say why, it is recorded")
	}
	if err := export.Free(c.Output); err != nil {
		return nil, err
	}
	to, err := recipients.Parse(c.To)
	if err == nil && len(to) == 0 {
		err = errors.New("cannot export: --to names no recipient")
	}
	if err != nil {
		return nil, cli.Usage("%w", err)
	}
	return to, nil
}

// record records the export before it is made, in the trace that it is of, which must exist.
func (c *exportCmd[P]) record(app *cli.App, name string, q index.Query, who audit.Attr) error {
	if _, err := os.Stat(name); err != nil {
		return cli.Usage("cannot read the audit trace: %w", err)
	}
	log, err := audit.Open(audit.Config{File: name, By: app.Program})
	if err != nil {
		return err
	}
	return log.Record(audit.OperatorAct, audit.Act("export"), who, audit.Reason(c.Reason), audit.File(c.Output),
		audit.Identity(q.Identity), audit.Practice(q.Practice), audit.Session(q.Session), audit.Incident(q.Incident))
}

func (c *exportCmd[P]) make(app *cli.App, name string, mode index.Mode, cfg export.Config) error {
	trace, err := index.Open(name, mode)
	if err != nil {
		return cli.Usage("%w", err)
	}
	defer trace.Close()
	cfg.Trace = trace
	h, err := export.Make(app.Context, cfg)
	warnUnwritten(app, trace)
	if err != nil {
		return err
	}
	return PrintExport(app, c.Output, Lines{h.Count, h.Unreadable, h.First, h.Last, h.Chain, h.Hash})
}

// Lines says which lines are in an export.
type Lines struct {
	Count, Unreadable int
	First, Last       uint64
	Chain             bool // they are one range of the chain
	Hash              string
}

// PrintExport says what is in an export that was made. It is an error if lines could not be read.
func PrintExport(app *cli.App, file string, l Lines) error {
	what := "a selection"
	if l.Chain {
		what = "one range of the chain"
	}
	fmt.Fprintf(app.Stdout, "%s: %d lines, %d to %d, %s\nlast hash: %s\n", file, l.Count, l.First, l.Last, what, l.Hash)
	if l.Unreadable > 0 {
		return fmt.Errorf("cannot export %d lines, which cannot be read; the others are in %s; see audit verify",
			l.Unreadable, file)
	}
	return nil
}

// verifyExport verifies a decrypted export; - is standard input.
func verifyExport(app *cli.App, file string) error {
	in := app.Stdin
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return cli.Usage("cannot read the export: %w", err)
		}
		defer f.Close()
		in = io.Reader(f)
	}
	h, r, err := export.Verify(in)
	if _, broken := errors.AsType[*audit.Broken](err); err != nil && !broken {
		return cli.Usage("%w", err)
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(app.Stdout, "lines %d to %d are one chain, from %s to %s\nlast hash: %s\nhash before line %d: %s\n"+
		"That they are those of the trace, a head of it shows, or the trace itself: compare a number and its hash.\n",
		r.First, r.Last, stamp.Instant(r.From), stamp.Instant(r.To), r.Hash, r.First, h.Before)
	return nil
}
