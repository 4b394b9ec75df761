package main

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"

	"tlagate/cmd/internal/cli"
	"tlagate/gateway/api"
	"tlagate/gateway/api/client"
	"tlagate/push"
)

type statusCmd struct{ view }

// gatewayStatus is what the gateway says of itself.
type gatewayStatus struct {
	Gateways   []api.Self     `json:"gateways"`
	Revocation api.Revocation `json:"revocation"`
}

// Run says whether the gateway serves, and by which lists it judges.
func (s *statusCmd) Run(app *cli.App) error {
	return s.do(app, func(c *client.Client) error {
		var now gatewayStatus
		if err := c.Get(app.Context, "gateways", nil, &now); err != nil {
			return err
		}
		if err := c.Get(app.Context, "revocation", nil, &now.Revocation); err != nil {
			return err
		}
		return s.print(app, now, func(t *table) {
			for _, g := range now.Gateways {
				t.self(g)
			}
			t.revocation(now.Revocation)
		})
	})
}

func (t *table) self(g api.Self) {
	state := "serving"
	if g.Draining {
		state = "draining: takes no more sessions"
	}
	for _, line := range [][2]string{{"gateway", g.Identity}, {"version", g.Version}, {"crypto", g.Crypto},
		{"started", at(g.Started)}, {"state", state}, {"sessions", strconv.Itoa(g.Sessions)},
		{"parked", strconv.Itoa(g.Parked)}, {"denied", strconv.Itoa(g.Denied)},
		{"trace", traceState(g.Trace)}} {
		t.row(line[0], line[1])
	}
}

func traceState(s *api.TraceState) string {
	switch {
	case s == nil:
		return "none is kept"
	case s.Failing != "":
		return "cannot be written: " + s.Failing
	case s.Held != "":
		return "kept; nothing is purged, held " + s.Held
	}
	return "kept"
}

func (t *table) revocation(r api.Revocation) {
	for _, l := range r.Lists {
		t.row(strings.TrimSpace("list "+l.Of), l.Source)
		t.row(" ", cmp.Or(l.Error, fmt.Sprintf("of %q: %d revoked, until %s", l.Issuer, l.Entries, at(l.NextUpdate))))
	}
	for _, s := range r.Streams {
		t.row("stream", s.URL)
		t.row(" ", streamState(s))
	}
}

func streamState(s push.State) string {
	state := map[bool]string{true: "up", false: "down"}[s.Up] + " since " + cmp.Or(at(s.Since), "the start")
	if s.Why != "" {
		state += ": " + s.Why
	}
	return state
}

// look is how often drained looks.
const look = 500 * time.Millisecond

// drained returns when the gateway has no session any more.
func drained(app *cli.App, c *client.Client) error {
	for {
		var now gatewayStatus
		if err := c.Get(app.Context, "gateways", nil, &now); err != nil {
			return fmt.Errorf("cannot tell whether sessions are left: %w", err)
		}
		if len(now.Gateways) > 0 && now.Gateways[0].Sessions == 0 {
			return nil
		}
		select {
		case <-time.After(look):
		case <-app.Context.Done():
			return fmt.Errorf("stopped waiting: sessions are left")
		}
	}
}
