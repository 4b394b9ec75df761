package pdt

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/session/link"
)

// outage is a gateway that cannot be reached; it records, by the bubble's clock, when it was tried.
type outage struct{ tries []time.Duration }

func (o *outage) dial(began time.Time) func(context.Context, string, string) (net.Conn, error) {
	return func(context.Context, string, string) (net.Conn, error) {
		o.tries = append(o.tries, time.Since(began))
		return nil, errors.New("no route")
	}
}

// away runs, for so long, what parks a link on the gateway that cannot be reached.
func away(t *testing.T, g *gateway, d time.Duration) []time.Duration {
	t.Helper()
	o := new(outage)
	g.s.cfg.Dial = o.dial(time.Now())
	ctx, stop := context.WithTimeout(t.Context(), d)
	defer stop()
	for ctx.Err() == nil {
		g.mu.Lock()
		g.berths++
		g.mu.Unlock()
		_, _, _ = g.park(ctx, nil)
	}
	return o.tries
}

// requireSpaced checks the pauses between attempts, except the first.
func requireSpaced(t *testing.T, tries []time.Duration, least, most time.Duration) {
	t.Helper()
	require.Greater(t, len(tries), 2)
	for i := 2; i < len(tries); i++ {
		require.GreaterOrEqual(t, tries[i]-tries[i-1], least, "%v", tries)
		require.LessOrEqual(t, tries[i]-tries[i-1], most, "%v", tries)
	}
}

// aloneWith returns a service with one gateway, and with the program's pauses.
func aloneWith(current *cardSession) (*Service, *gateway) {
	s := &Service{cfg: Config{Log: slog.New(slog.DiscardHandler)}.withDefaults(), current: current}
	g := newGateway(s, "gw.test:1")
	s.gateways = []*gateway{g}
	return s, g
}

// TestC3GatewayAwayFor25Seconds: while a session waits, gateways are tried so often that one which is back after 25 s
// is found within the 30 s of grace. Without a session there is no hurry, but it is found within 10 s.
func TestC3GatewayAwayFor25Seconds(t *testing.T) {
	t.Run("a session is kept", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			_, g := aloneWith(&cardSession{lost: time.Now()})
			tries := away(t, g, 25*time.Second)
			requireSpaced(t, tries, 500*time.Millisecond, 2*time.Second)
			require.Greater(t, tries[len(tries)-1], 23*time.Second)
		})
	})
	t.Run("none", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			_, g := aloneWith(nil)
			tries := away(t, g, 5*time.Minute)
			require.LessOrEqual(t, tries[1], 2*time.Second, "the first failure may be a hiccup")
			requireSpaced(t, tries, 5*time.Second, 10*time.Second)
		})
	})
	t.Run("a session loses its link in the middle of a pause", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c := new(cardSession)
			s, g := aloneWith(c)
			time.AfterFunc(61*time.Second, func() {
				c.mu.Lock()
				c.lost = time.Now()
				c.mu.Unlock()
				s.hurry()
			})
			before, after := 0, []time.Duration{61 * time.Second}
			for _, at := range away(t, g, 90*time.Second) {
				if at < 61*time.Second {
					before++
				} else {
					after = append(after, at)
				}
			}
			require.Less(t, before, 14)
			requireSpaced(t, append([]time.Duration{0}, after...), 0, 2*time.Second)
		})
	})
}

// TestC3GatewayThatDrainsIsExpectedBack: for a minute, pauses are short.
func TestC3GatewayThatDrainsIsExpectedBack(t *testing.T) {
	for _, said := range []error{&link.Notice{Code: link.CodeDraining}, &link.Problem{Code: link.ProblemDraining}} {
		synctest.Test(t, func(t *testing.T) {
			_, g := aloneWith(nil)
			g.putOff(said)
			requireSpaced(t, away(t, g, 50*time.Second), 500*time.Millisecond, 2*time.Second)
			time.Sleep(restart)
			requireSpaced(t, away(t, g, 50*time.Second), 5*time.Second, 10*time.Second)
		})
	}
}

// TestC3NetworkChangeEndsThePause: the gateway is dialled at the moment of the change.
func TestC3NetworkChangeEndsThePause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, g := aloneWith(nil)
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		go s.dialOnChange(ctx)
		const change = 42 * time.Second
		time.AfterFunc(change, s.cfg.Network.Moved)
		tries := away(t, g, time.Minute)
		require.Contains(t, tries, change)
		require.Less(t, len(tries), 15)
	})
}

// TestAttemptsThatFailTogetherCountOnce: several links of one gateway break in the same outage.
func TestAttemptsThatFailTogetherCountOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := backoff{short: time.Second, long: time.Minute}
		b.failed(false, 0)
		next := b.at()
		b.failed(false, 0)
		require.Equal(t, next, b.at())
		b.worked()
		require.True(t, b.wait(t.Context()))
	})
}

// TestC1RetryAfterIsHonoured: a gateway that has too many of us is left alone for as long as it asks, and never for
// longer than the longest pause.
func TestC1RetryAfterIsHonoured(t *testing.T) {
	for asked, want := range map[time.Duration]time.Duration{
		7 * time.Second: 7 * time.Second, time.Hour: 10 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			_, g := aloneWith(&cardSession{lost: time.Now()}) // in a hurry
			g.putOff(&link.Problem{Code: link.ProblemTooMany, RetryAfter: asked})
			require.Equal(t, want, time.Until(g.retry.at()))
		})
	}
}
