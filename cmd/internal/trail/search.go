package trail

import (
	"bufio"
	"fmt"
	"io"
	"reflect"
	"time"

	"tlagate/audit"
	"tlagate/audit/index"
	"tlagate/cmd/internal/cli"
	"tlagate/cmd/internal/room"
)

type showCmd[P Place] struct {
	target[P]
	basic
	JSON bool `name:"json" help:"The lines as they are in the file."`
}

// Run prints the trace. It does not check the chain; it names each line that cannot be read, and the exit code is 1
// then.
func (c *showCmd[P]) Run(app *cli.App) error {
	q, err := c.query(time.Now())
	if err != nil {
		return err
	}
	e, err := c.away()
	if err != nil {
		return err
	}
	if e != nil {
		return searchAway(app, e, q, 0, c.JSON)
	}
	name, err := c.Name()
	if err != nil {
		return err
	}
	return listing{file: name, query: q, mode: index.Everything, json: c.JSON, nothing: unlessAll(q)}.print(app)
}

type searchCmd[P Place] struct {
	target[P]
	filters
	Reason  string `placeholder:"WHY" help:"Only lines with that reason or code: revoked."`
	Limit   int    `placeholder:"N" help:"Only the newest N lines."`
	JSON    bool   `name:"json" help:"The lines as they are in the file."`
	NoIndex bool   `help:"Read every line, and use and make no index."`
}

// Run prints what was found, as show does.
func (c *searchCmd[P]) Run(app *cli.App) error {
	q, err := c.query(time.Now())
	if err != nil {
		return err
	}
	if c.Limit < 0 {
		return cli.Usage("cannot use --limit %d: want 1 or more", c.Limit)
	}
	q.Reason = c.Reason
	e, err := c.away()
	if err != nil {
		return err
	}
	if e != nil {
		return searchAway(app, e, q, c.Limit, c.JSON)
	}
	name, err := c.Name()
	if err != nil {
		return err
	}
	mode, err := modeFor(name, c.NoIndex)
	if err != nil {
		return err
	}
	return listing{file: name, query: q, mode: mode, limit: c.Limit, json: c.JSON, nothing: unlessAll(q)}.print(app)
}

// unlessAll returns what is said when no line is found, as after a slip; "" = nothing, since none was left out.
func unlessAll(q index.Query) string {
	if reflect.DeepEqual(q, index.Query{}) {
		return ""
	}
	return "no line fits; compare what you look for with what audit show prints"
}

// OpenIndexed opens a trace to be searched, with its indexes.
func OpenIndexed(name string) (*index.Trace, error) {
	mode, err := modeFor(name, false)
	if err != nil {
		return nil, err
	}
	return index.Open(name, mode)
}

// modeFor returns how the indexes of a trace are used. What will write them becomes the owner of the directory; where
// there is little room, they are not written.
func modeFor(name string, none bool, written ...string) (index.Mode, error) {
	files := []cli.Path{cli.Path(name)}
	for _, w := range written {
		files = append(files, cli.Path(w))
	}
	switch {
	case none && len(written) == 0:
		return index.Everything, nil
	case none:
		return index.Everything, cli.Written{Files: files}.BecomeOwner()
	case room.Lacking(name) != "":
		return index.Unwritten, cli.Written{Files: files}.BecomeOwner()
	}
	return index.Kept, cli.Written{Files: files}.BecomeOwner()
}

// listing prints the lines of a trace that are wanted.
type listing struct {
	file  string
	query index.Query
	mode  index.Mode
	limit int // only the newest; 0 = all
	json  bool

	nothing string // what is said on standard error when there is no line; "" = nothing
}

func (l listing) print(app *cli.App) error {
	trace, err := index.Open(l.file, l.mode)
	if err != nil {
		return cli.Usage("%w", err)
	}
	defer trace.Close()
	out := bufio.NewWriter(app.Stdout)
	shown, bad, err := l.write(app, trace, out)
	if err := out.Flush(); err != nil {
		return fmt.Errorf("cannot print the audit trace: %w", err)
	}
	if shown+bad == 0 && err == nil && l.nothing != "" {
		fmt.Fprintln(app.Stderr, l.nothing)
	}
	warnUnwritten(app, trace)
	switch {
	case err != nil:
		return cli.Usage("%w", err)
	case bad > 0:
		return fmt.Errorf("cannot show %d lines; see %s", bad, "audit verify")
	}
	return nil
}

// write writes the lines, and counts them and those that cannot be read.
func (l listing) write(app *cli.App, trace *index.Trace, out io.Writer) (shown, bad int, err error) {
	var newest []audit.Line
	for line, err := range trace.Search(app.Context, l.query) {
		switch {
		case err != nil:
			return shown, bad, err
		case line.Err != nil:
			bad++
			warnUnreadable(app, line)
		case l.limit == 0:
			shown++
			l.line(app, out, line)
		default:
			newest = append(newest[max(0, len(newest)+1-l.limit):], line)
		}
	}
	for _, line := range newest {
		l.line(app, out, line)
	}
	return shown + len(newest), bad, nil
}

func (l listing) line(app *cli.App, out io.Writer, line audit.Line) {
	if l.json {
		fmt.Fprintln(out, line.Text)
		return
	}
	fmt.Fprintln(out, Readable(line.Entry, app.Columns()))
}

func warnUnreadable(app *cli.App, l audit.Line) {
	fmt.Fprintf(app.Stderr, "%s, line %d cannot be read: %v\n", l.File, l.Line, l.Err)
}

// warnUnwritten says why searches stay slow.
func warnUnwritten(app *cli.App, trace *index.Trace) {
	if err := trace.Unwritten(); err != nil {
		app.Log.Warn("an index of the audit trace could not be written, and is made again each time", "error", err)
	}
}
