package trail

import (
	"bufio"
	"encoding/json"
	"fmt"

	"tlagate/audit"
	"tlagate/audit/index"
	"tlagate/cmd/internal/cli"
)

// Elsewhere is a Place whose trace may be that of a server, which is asked for its lines.
type Elsewhere interface {
	// Away reports whether a server is asked.
	Away() bool
	// Search returns the newest lines that are wanted, oldest first, at most limit, and whether older ones are, too;
	// with an error, those that there are all the same.
	Search(app *cli.App, q index.Query, limit int) (lines []audit.Entry, more bool, err error)
	// Export writes lines to the file that order names, and says so.
	Export(app *cli.App, order Order) error
}

// Order is what is to be exported.
type Order struct {
	Query  index.Query
	To     []string // age1…
	Reason string
	File   string // to make
}

// away returns the server that is to be asked; nil = the trace is read here.
func (t *target[P]) away() (Elsewhere, error) {
	e, ok := any(&t.Place).(Elsewhere)
	if !ok || !e.Away() {
		return nil, nil
	}
	if t.File != "" {
		return nil, cli.Usage("cannot use --file with a server: it has its own trace")
	}
	return e, nil
}

// mostAway is how many lines a server sends at most.
const mostAway = 500

// searchAway prints lines of a server's trace.
func searchAway(app *cli.App, e Elsewhere, q index.Query, limit int, asJSON bool) error {
	if limit == 0 {
		limit = mostAway
	}
	if limit > mostAway {
		return cli.Usage("cannot use --limit %d: from afar, at most %d lines come at a time; see audit export", limit,
			mostAway)
	}
	lines, more, failed := e.Search(app, q, limit)
	out := bufio.NewWriter(app.Stdout)
	for _, line := range lines {
		if asJSON {
			_ = json.NewEncoder(out).Encode(line)
			continue
		}
		fmt.Fprintln(out, Readable(line, app.Columns()))
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("cannot print the audit trace: %w", err)
	}
	if nothing := unlessAll(q); len(lines) == 0 && failed == nil && nothing != "" {
		fmt.Fprintln(app.Stderr, nothing)
	}
	if more {
		fmt.Fprintf(app.Stderr, "these are the newest %d; older ones fit, too: narrow --since and --until, or export\n",
			len(lines))
	}
	return failed
}
