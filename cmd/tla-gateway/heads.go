package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"tlagate/cmd/internal/cli"
	"tlagate/cmd/internal/trail"
	"tlagate/heads"
	"tlagate/internal/stamp"
	"tlagate/pki/trust"
)

// auditVerifyCmd is `audit verify`, which can also compare the trace with what the PKI knows of it.
type auditVerifyCmd struct {
	trail.VerifyCmd[configFlag] `embed:""`

	Heads headsFlag `placeholder:"[FILE]" help:"Compare with the heads that the PKI keeps: those in FILE, which tla-pki heads printed, or fetched from the servers under push."`
}

// headsFlag is --heads with or without a file.
type headsFlag struct {
	set  bool
	file string // "" = the PKI servers of the configuration
}

// IsBool says that the flag may stand alone.
func (*headsFlag) IsBool() bool { return true }

// Decode takes the word behind the flag, if there is one.
func (f *headsFlag) Decode(ctx *kong.DecodeContext) error {
	f.set = true
	if next := ctx.Scan.Peek(); next.Type == kong.FlagValueToken || next.IsValue() && isWord(next.String()) {
		f.file = ctx.Scan.Pop().String()
	}
	return nil
}

func isWord(s string) bool { return s != "" && !strings.HasPrefix(s, "-") }

// Run verifies the chain, and then compares. It exits with 0, with 1 when the trace is broken or not the one that the
// PKI knows, or with 2 when something cannot be read.
func (c *auditVerifyCmd) Run(app *cli.App) error {
	if err := c.VerifyCmd.Run(app); err != nil || !c.Heads.set {
		return err
	}
	name, err := c.Name()
	if err != nil {
		return err
	}
	checks, err := c.Checks()
	if err != nil {
		return err
	}
	if c.Heads.file != "" {
		return compareFile(app, name, c.Heads.file, checks.Purge)
	}
	return c.fetch(app, name, checks.Purge)
}

func compareFile(app *cli.App, trace, file string, check heads.Check) error {
	f, err := os.Open(file)
	if err != nil {
		return cli.Usage("cannot read the heads: %w", err)
	}
	defer f.Close()
	known, err := heads.Read(f, check)
	if err != nil {
		return cli.Usage("cannot use the heads in %s: %w", file, err)
	}
	return compare(app.Stdout, trace, file, known)
}

// fetch compares with what each PKI server of the configuration keeps.
func (c *auditVerifyCmd) fetch(app *cli.App, trace string, check heads.Check) error {
	conf, _, err := load(c.Place.Config)
	if err != nil {
		return err
	}
	if len(conf.Push) == 0 {
		return cli.Usage("cannot fetch heads: the configuration names no PKI server under push; name a file of heads")
	}
	store, err := trust.Open(conf.Trust.Config(conf.Demanded(), slog.New(slog.DiscardHandler)))
	if err != nil {
		return cli.Usage("%w", err)
	}
	var errs []error
	for i, source := range conf.Push {
		known, err := source.heads(app.Context, store, conf.Client, check)
		if err != nil {
			errs = append(errs, cli.Usage("push[%d]: %w", i, err))
			continue
		}
		errs = append(errs, compare(app.Stdout, trace, source.URL, known))
	}
	return errors.Join(errs...)
}

// heads fetches our heads from a source.
func (s pushSource) heads(ctx context.Context, store *trust.Trust, client cli.Identity,
	check heads.Check) (heads.Known, error) {
	keys, err := cmp.Or(s.Client, client).Open()
	if err != nil {
		return heads.Known{}, err
	}
	defer keys.Close()
	return heads.Server{URL: s.URL, Name: s.Name,
		Party: &trust.Party{Trust: store, Certificate: store.Staple(keys.Certificate)}}.Fetch(ctx, check)
}

// compare prints what comparing shows; from is where the heads come from.
func compare(w io.Writer, trace, from string, known heads.Known) error {
	c, err := heads.Compare(trace, known)
	if err != nil {
		return cli.ExitCode(1, fmt.Errorf("%w (heads of %s)", err, from))
	}
	fmt.Fprintf(w, "%d lines, the last one %d, are those that the PKI knows of %s (%s)\n", c.Same, c.Last,
		known.Gateway, from)
	for _, serial := range known.Signers {
		fmt.Fprintf(w, "signed with the key of certificate %x\n", serial)
	}
	if c.Before > 0 {
		fmt.Fprintf(w, "note: %d heads are of lines that were purged\n", c.Before)
	}
	if time.Since(known.Newest) > heads.Late {
		fmt.Fprintf(w, "note: the newest head came at %s; what came later could have been rewritten\n",
			stamp.Minute(known.Newest))
	}
	return nil
}
