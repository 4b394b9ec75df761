package dialer

import (
	"context"
	"net"
	"net/netip"
	"time"
)

// delay is the head start of each address (RFC 8305, Connection Attempt Delay, recommends 250 ms).
const delay = 250 * time.Millisecond

// outcome is the end of one dial.
type outcome struct {
	at   int
	conn net.Conn
	err  error
}

// race connects to whichever address answers first. It dials the next address when a dial has failed, or delay has
// passed. When all have failed, it returns the error of the first address, which is the one that the system prefers.
func race(ctx context.Context, addresses []netip.Addr,
	dial func(context.Context, netip.Addr) (net.Conn, error)) (net.Conn, error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop() // the losers
	outcomes := make(chan outcome, len(addresses))
	turn := time.NewTimer(0)
	defer turn.Stop()
	var first error
	for started, failed := 0, 0; failed < len(addresses); {
		select {
		case <-turn.C:
			if started < len(addresses) {
				go func(at int) {
					conn, err := dial(ctx, addresses[at])
					outcomes <- outcome{at, conn, err}
				}(started)
				started++
				turn.Reset(delay)
			}
		case o := <-outcomes:
			if o.err == nil {
				go closeLate(outcomes, started-failed-1)
				return o.conn, nil
			}
			if failed++; o.at == 0 {
				first = o.err
			}
			turn.Reset(0)
		}
	}
	return nil, first
}

// closeLate closes the connections that n losers of the race make all the same.
func closeLate(outcomes <-chan outcome, n int) {
	for range n {
		if o := <-outcomes; o.conn != nil {
			o.conn.Close()
		}
	}
}
