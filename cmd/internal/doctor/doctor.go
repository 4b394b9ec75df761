// Package doctor looks for the traps that tlagate's programs are known to fall into, and says of each what was found
// and what to do (docs/doctor.md). It changes nothing. Checks of the system read below a root directory, so that tests
// can have their own.
package doctor

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"tlagate/cmd/internal/cli"
)

// State is the outcome of a check.
type State string

// The states.
const (
	OK      State = "ok"
	Warning State = "warning"
	Failure State = "failure"       // exit status 1
	Unknown State = "not checkable" // Found says why
)

// Finding is the result of one check: a sentence on what was found, and one on what to do.
type Finding struct {
	Check string `json:"check"`
	State State  `json:"state"`
	Found string `json:"found"`
	Do    string `json:"do,omitempty"` // "" = nothing
}

// Check looks for one trap. Run need not fill in Finding.Check.
type Check struct {
	Name string
	Run  func(context.Context) Finding
}

// Good returns the finding that nothing is wrong. format is as for fmt.Sprintf, here and below.
func Good(format string, args ...any) Finding {
	return Finding{State: OK, Found: fmt.Sprintf(format, args...)}
}

// Warn returns a finding of what may do harm.
func Warn(do, format string, args ...any) Finding {
	return Finding{State: Warning, Found: fmt.Sprintf(format, args...), Do: do}
}

// Fail returns a finding of what does harm.
func Fail(do, format string, args ...any) Finding {
	return Finding{State: Failure, Found: fmt.Sprintf(format, args...), Do: do}
}

// Cannot returns why a check has no result, and how to get one.
func Cannot(do, format string, args ...any) Finding {
	return Finding{State: Unknown, Found: fmt.Sprintf(format, args...), Do: do}
}

// elsewhere returns the finding of a check for a trap that this system does not have.
func elsewhere() Finding { return Cannot("", "not on this system") }

// examine runs checks one after another.
func examine(ctx context.Context, checks []Check) []Finding {
	var all []Finding
	for _, c := range checks {
		f := c.Run(ctx)
		f.Check = c.Name
		all = append(all, f)
	}
	return all
}

// Report runs checks and prints their findings. Its error is exit status 1 if there is a failure.
func Report(app *cli.App, checks []Check, asJSON bool) error {
	all := examine(app.Context, checks)
	write := printTable
	if asJSON {
		write = printJSON
	}
	if err := write(app.Stdout, all); err != nil {
		return err
	}
	if count(all, Failure) > 0 {
		return cli.ExitCode(1, nil)
	}
	return nil
}

// count returns how many findings have a state.
func count(all []Finding, s State) (n int) {
	for _, f := range all {
		if f.State == s {
			n++
		}
	}
	return n
}

// printTable prints a table for people, with what to do on a line of its own.
func printTable(w io.Writer, all []Finding) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, f := range all {
		fmt.Fprintf(t, "%s\t%s\t%s\n", strings.ToUpper(string(f.State)), f.Check, cli.Line(f.Found))
		if f.Do != "" {
			fmt.Fprintf(t, "\t\t-> %s\n", cli.Line(f.Do))
		}
	}
	fmt.Fprintf(t, "RESULT\t\t%d failures, %d warnings, %d not checkable, %d ok\n", count(all, Failure),
		count(all, Warning), count(all, Unknown), count(all, OK))
	return t.Flush()
}

// printJSON prints the findings as a JSON array.
func printJSON(w io.Writer, all []Finding) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(all)
}
