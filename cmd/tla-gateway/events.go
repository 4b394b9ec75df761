package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"tlagate/audit"
	"tlagate/cmd/internal/cli"
	"tlagate/gateway"
	"tlagate/gateway/api/client"
	"tlagate/internal/stamp"
)

type eventsCmd struct {
	view
	After string `placeholder:"ID" help:"Those after the event with that id, too."`
}

// Run prints what happens, a line each, until it is stopped.
func (e *eventsCmd) Run(app *cli.App) error {
	return e.do(app, func(c *client.Client) error {
		last := e.After
		err := c.Events(app.Context, e.After, func(got client.Event) bool {
			last = got.ID
			_, err := fmt.Fprintln(app.Stdout, e.line(got.Data))
			return err == nil
		})
		if app.Context.Err() != nil {
			return nil
		}
		if err == nil {
			err = errors.New("cannot go on: the gateway ended the stream")
		}
		if last != e.After {
			err = fmt.Errorf("%w; what comes next is behind --after %s", err, last)
		}
		return err
	})
}

// line returns an event as it came, or for people.
func (e *eventsCmd) line(data []byte) string {
	var one gateway.Event
	if e.JSON || json.Unmarshal(data, &one) != nil {
		return string(data)
	}
	line := fmt.Sprintf("%s  %-15s", stamp.Instant(one.At), cli.Screen(string(one.Kind)))
	for _, part := range [][2]string{{"act", one.Act}, {"by", bare(one.Who)}, {"identity", bare(one.Identity)},
		{"pdt", bare(one.PdT)}, {"address", one.Address}, {"reason", one.Reason}, {"incident", one.Incident},
		{"session", one.Session}} {
		if part[1] != "" {
			line += "  " + part[0] + "=" + audit.Shown(part[1])
		}
	}
	return strings.TrimRight(line, " ")
}
