package gateway

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/pki"
	"tlagate/session/link"
)

// byAClock has the gateway, and its peers, judge certificates and lists by a clock that is so far ahead.
func byAClock(ahead *atomic.Int64) option {
	return func(r *rig, c *Config) {
		r.clock = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
		r.openTrust()
		c.Party.Trust = r.trust
	}
}

// TestC2AClockThatJumps: no session goes on by a clock by which its certificates or lists do not pass, whichever way it
// was set; and all is well again, by itself, once it is right. The clock is one of this test: a process cannot have the
// machine's jump for itself alone.
//
// Fault: a clock jumps.
func TestC2AClockThatJumps(t *testing.T) {
	for name, c := range map[string]struct {
		by     time.Duration
		reason pki.Reason
	}{
		"forwards, past the ends of lists": {27 * time.Hour, pki.CRLStale},
		"backwards":                        {-48 * time.Hour, pki.NotYetValid},
	} {
		t.Run(name, func(t *testing.T) {
			var ahead atomic.Int64
			r := start(t, limited(Limits{Recheck: 20 * time.Millisecond}), byAClock(&ahead))
			tla, p := r.ca.Issue(tla1, clients), r.pdt(pdt1)
			near, far := r.joined(tla, p)
			r.eventually("the session has begun", func() bool { return r.begun() == 1 })
			ahead.Store(int64(c.by))
			requireNotice(t, link.CodeRevoked, near)
			requireNotice(t, link.CodeRevoked, far)
			r.logged("link cut", "reason", string(c.reason))
			r.eventually("all forgotten", func() bool { return r.connections() == 0 })

			ahead.Store(0)
			near, far = r.joined(tla, p)
			require.NoError(t, near.WriteRecord(link.TypeData, []byte("as before")))
			_, payload, err := far.ReadRecord()
			require.NoError(t, err)
			require.Equal(t, "as before", string(payload))
		})
	}
}

// TestC4TicketsGoByNoClockThatIsSet: else a session whose gateway's clock was set back would get no ticket for as long.
func TestC4TicketsGoByNoClockThatIsSet(t *testing.T) {
	r := start(t)
	near, _ := r.joined(r.ca.Issue(tla1, clients), r.pdt(pdt1))
	r.eventually("the session has begun", func() bool { return r.begun() == 1 })
	r.g.sessions.mu.Lock()
	s := r.g.sessions.begun[0]
	r.g.sessions.mu.Unlock()
	require.Contains(t, s.ticketAt.Load().String(), "m=", "a monotonic reading")
	near.Close()
}
