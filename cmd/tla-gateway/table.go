package main

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"tlagate/cmd/internal/cli"
	"tlagate/cmd/internal/trail"
	"tlagate/internal/stamp"
)

// view is what the commands that look have in common.
type view struct {
	reach
	JSON bool `name:"json" help:"As JSON."`
}

// filter narrows a list.
type filter struct {
	Identity string `placeholder:"URN" help:"Only of that identity."`
	Practice string `placeholder:"NAME" help:"Only of that practice."`
	Since    string `placeholder:"TIME" help:"Only from then on, in UTC: 2026-11-24, 2026-11-24T08:30:00Z, or how long ago: 36h, 30d."`
}

func (f filter) query() (url.Values, error) {
	since, err := trail.Since(f.Since)
	q := url.Values{}
	for name, value := range map[string]string{"identity": cli.WholeURN(f.Identity), "practice": f.Practice,
		"since": instant(since)} {
		if value != "" {
			q.Set(name, value)
		}
	}
	return q, err
}

// print prints v as JSON, or its table.
func (v view) print(app *cli.App, what any, fill func(t *table)) error {
	if v.JSON {
		return json.NewEncoder(app.Stdout).Encode(what)
	}
	t := &table{out: tabwriter.NewWriter(app.Stdout, 0, 0, 2, ' ', 0)}
	fill(t)
	return t.out.Flush()
}

// table is columns that are aligned.
type table struct{ out *tabwriter.Writer }

func (t *table) row(cells ...string) {
	for i, cell := range cells {
		if cell == "" {
			cell = "-"
		}
		cells[i] = cli.Line(cell)
	}
	fmt.Fprintln(t.out, strings.Join(cells, "\t"))
}

// at prints a point in time; zero = none.
func at(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return stamp.Minute(t)
}

// minute is at for a column whose head says UTC.
func minute(t time.Time) string { return strings.TrimSuffix(at(t), " UTC") }

// day prints the day of a point in time; zero = none.
func day(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return stamp.Day(t)
}

// words prints a list.
func words[T ~string](list []T) string {
	var all []string
	for _, one := range list {
		all = append(all, string(one))
	}
	return strings.Join(all, ", ")
}

// bare shortens an identity as cli.WholeURN makes it whole again: the prefix is the same in all.
func bare(urn string) string { return strings.TrimPrefix(urn, "urn:tlagate:") }

// span prints how long something lasts, or ago it was.
func span(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", max(0, d/time.Second))
	case d < time.Hour:
		return fmt.Sprintf("%d min", d/time.Minute)
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", d/time.Hour)
	}
	return fmt.Sprintf("%d d", d/(24*time.Hour))
}

// octets prints a size.
func octets(n int64) string {
	for _, unit := range []string{"B", "KiB", "MiB", "GiB"} {
		if n < 10_000 {
			return strconv.FormatInt(n, 10) + " " + unit
		}
		n /= 1024
	}
	return strconv.FormatInt(n, 10) + " TiB"
}
