package main

import (
	"fmt"
	"io"
	"net/url"
	"strconv"
	"time"

	"tlagate/audit"
	"tlagate/audit/export"
	"tlagate/audit/index"
	"tlagate/cmd/internal/cli"
	"tlagate/cmd/internal/trail"
	"tlagate/gateway/api"
	"tlagate/gateway/api/client"
	"tlagate/internal/files"
)

// anyTrace is the trace of this machine's gateway; or, with a certificate, of the gateway that it is shown.
type anyTrace struct{ reach }

// AuditFile returns where the trace of this machine's gateway is.
func (a anyTrace) AuditFile() (string, error) { return configFlag{a.Config}.AuditFile() }

// Away reports whether a gateway is asked.
func (a *anyTrace) Away() bool { return a.away() }

// Search asks the gateway for lines.
func (a *anyTrace) Search(app *cli.App, q index.Query, limit int) (lines []audit.Entry, more bool, err error) {
	var found api.Found
	err = a.do(app, func(c *client.Client) error {
		return c.Get(app.Context, "audit", searched(q, limit), &found)
	})
	if err == nil && found.Unreadable > 0 {
		err = fmt.Errorf("cannot show %d lines; see %s", found.Unreadable, "audit verify")
	}
	return found.Lines, found.More, err
}

// searched returns a query as the API's parameters.
func searched(q index.Query, limit int) url.Values {
	values := url.Values{"limit": {strconv.Itoa(limit)}, "event": q.Events}
	for name, value := range map[string]string{"identity": q.Identity, "practice": q.Practice, "reason": q.Reason,
		"session": q.Session, "incident": q.Incident, "since": instant(q.Since), "until": instant(q.Until)} {
		if value != "" {
			values.Set(name, value)
		}
	}
	return values
}

func instant(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

// Export has the gateway export lines, and writes the file, whole or not at all.
func (a *anyTrace) Export(app *cli.App, order trail.Order) error {
	var about api.Exported
	err := a.do(app, func(c *client.Client) error {
		return c.Export(app.Context, api.ExportOrder{Reason: order.Reason, To: order.To, Filters: order.Query},
			func(e api.Exported, from io.Reader) error {
				about = e
				return place(order.File, from)
			})
	})
	if err != nil {
		return err
	}
	return trail.PrintExport(app, order.File, trail.Lines(about))
}

// place makes an export of what comes from a gateway.
func place(file string, from io.Reader) error {
	if err := export.Free(file); err != nil {
		return err
	}
	s, err := files.Stage(file, 0o600, func(out io.Writer) error { _, err := io.Copy(out, from); return err })
	if err == nil {
		defer s.Discard()
		err = s.PlaceNew()
	}
	if err != nil {
		return fmt.Errorf("cannot write the export %s: %w", file, err)
	}
	return nil
}
