package main

import (
	"context"
	"fmt"
	"net/url"
	"time"

	"tlagate/gateway"
	"tlagate/gateway/api/client"
	"tlagate/integration/crowd"
	"tlagate/integration/world"
)

// listed is how long an operator waits for the sessions of a gateway that has so many: all of them, page after page,
// and those of one practice.
type listed struct {
	sessions int
	all, one time.Duration
}

const (
	listTimes = 20  // each list is asked for
	fewListed = 500 // the first list has so many sessions, and there is an aim from then on
)

// list has the gateway, whose API is at that socket, list the sessions of the crowd, unless it has listed as many
// before.
func (m *remembered) list(c *crowd.Crowd, api string) error {
	l := listed{sessions: len(c.Pairs())}
	if n := len(m.lists); n > 0 && m.lists[n-1].sessions == l.sessions {
		return nil
	}
	asked := client.Local(api, "")
	defer asked.Close()
	err := world.Poll(world.Patience, "the last session in the list", func() error {
		_, err := timeList(asked, url.Values{}, l.sessions)
		return err
	})
	if err != nil {
		return err
	}
	var all, one []time.Duration
	for range listTimes {
		every, err := timeList(asked, url.Values{}, l.sessions)
		if err != nil {
			return err
		}
		its, err := timeList(asked, url.Values{"practice": {"cab7"}}, 1)
		if err != nil {
			return err
		}
		all, one = append(all, every), append(one, its)
	}
	l.all, l.one = median(all), median(one)
	m.lists = append(m.lists, l)
	return nil
}

// timeList asks for all pages of a list, which must have so many sessions, and returns how long that took.
func timeList(c *client.Client, query url.Values, want int) (time.Duration, error) {
	began, got := time.Now(), 0
	query.Set("limit", "500")
	for more := true; more; {
		var page struct {
			Sessions []gateway.SessionInfo
			Next     string
		}
		if err := c.Get(context.Background(), "sessions", query, &page); err != nil {
			return 0, err
		}
		got += len(page.Sessions)
		query.Set("cursor", page.Next)
		more = page.Next != ""
	}
	if got != want {
		return 0, fmt.Errorf("the gateway lists %d sessions, and has %d", got, want)
	}
	return time.Since(began), nil
}

// listLimit is how long a list of so many sessions may take: 50 ms for 500, 200 ms for 9 000, in between as on a line.
func listLimit(sessions int) time.Duration {
	return 50*time.Millisecond + time.Duration(sessions-fewListed)*150*time.Millisecond/8500
}
