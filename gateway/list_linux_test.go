package gateway

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"tlagate/pki"
	"tlagate/pki/trust"
)

// BenchmarkList lists and filters joined sessions, all pages of them and as the JSON that the API sends, and the peers.
func BenchmarkList(b *testing.B) {
	for _, many := range []int{500, 9000} {
		b.Run(strconv.Itoa(many), func(b *testing.B) { benchmarkList(b, many) })
	}
}

func benchmarkList(b *testing.B, many int) {
	r := begin(b)
	for i := range many {
		r.stand(i)
	}
	defer r.g.sessions.forget()
	took, worked := map[string][]time.Duration{}, map[string][]time.Duration{}
	timed := func(what string, want int, view func(cursor string) (n int, page any, next string)) {
		began, before, got := time.Now(), processor(b), 0
		for cursor, more := "", true; more; more = cursor != "" {
			var n int
			var page any
			n, page, cursor = view(cursor)
			_, err := json.Marshal(page)
			require.NoError(b, err)
			got += n
		}
		took[what] = append(took[what], time.Since(began))
		worked[what] = append(worked[what], processor(b)-before)
		require.Equal(b, want, got, what)
	}
	sessions := func(f Filter) func(string) (int, any, string) {
		return func(cursor string) (int, any, string) {
			page, next := r.g.Sessions(f, cursor, mostOnPage)
			return len(page), page, next
		}
	}
	for b.Loop() {
		timed("all", many, sessions(Filter{}))
		timed("practice", 1, sessions(Filter{Practice: "cab7"}))
		timed("identity", 1, sessions(Filter{Identity: idOf("urn:tlagate:cab7:tla:x")}))
		timed("peers", 2*many, func(cursor string) (int, any, string) {
			page, next := r.g.Peers(Filter{}, cursor, mostOnPage)
			return len(page), page, next
		})
	}
	for what := range took {
		b.ReportMetric(middle(took[what]), what+"-ms")
		b.ReportMetric(middle(worked[what]), what+"-processor-ms")
	}
}

// middle returns the median, in milliseconds.
func middle(all []time.Duration) float64 {
	slices.Sort(all)
	return all[len(all)/2].Seconds() * 1000
}

// processor returns the processor time that this process has taken: on a machine with other work, it tells more than
// the clock.
func processor(b *testing.B) time.Duration {
	var used unix.Rusage
	require.NoError(b, unix.Getrusage(unix.RUSAGE_SELF, &used))
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// forget empties the table of sessions that are none.
func (t *sessionTable) forget() {
	t.mu.Lock()
	defer t.mu.Unlock()
	clear(t.byTLA)
	t.begun = nil
}

// stand puts session i into the tables, without links.
func (r *rig) stand(i int) {
	one := func(role pki.Role) *end {
		id := pki.Identity{Practice: fmt.Sprintf("cab%d", i), Role: role, Name: "x"}
		c := &client{peer: &trust.Peer{Identity: id}, remote: "192.0.2.1:4711"}
		r.g.state.Saw(id, time.Now(), nil)
		return &end{g: r.g, client: c}
	}
	s := newSession(r.g, newID())
	s.tla, s.pdt, s.joined = one(pki.RoleTLA), one(pki.RolePdT), time.Now()
	r.g.sessions.mu.Lock()
	defer r.g.sessions.mu.Unlock()
	r.g.sessions.byTLA[s.tla.client.peer.Identity] = s
	r.g.sessions.line(s)
}
