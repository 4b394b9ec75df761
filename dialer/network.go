package dialer

import (
	"context"
	"net"
	"sync"
	"time"

	"tlagate/internal/retry"
)

// Network tells when this machine's addresses or routes have changed: what could not be reached before may be reached
// now, and a dial that began before leaves by an address that is gone. The zero value is ready.
type Network struct {
	mu      sync.Mutex    // protects changed
	changed chan struct{} // closed at the next change; nil = nobody waits
}

const (
	// settle is the shortest time between two changes that are told: one plug causes a dozen messages of the kernel.
	settle = 250 * time.Millisecond
	// maxMoves is how often one dial begins again, so that it ends even if the network keeps changing.
	maxMoves = 3
)

// Changed returns a channel that is closed at the next change.
func (n *Network) Changed() <-chan struct{} {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.changed == nil {
		n.changed = make(chan struct{})
	}
	return n.changed
}

// Moved tells that there was a change.
func (n *Network) Moved() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.changed != nil {
		close(n.changed)
		n.changed = nil
	}
}

// Watch tells of changes of this machine until ctx ends. It returns an error only if it cannot watch; except on Linux
// it sees no change.
func (n *Network) Watch(ctx context.Context) error {
	events := make(chan struct{}, 1)
	if err := subscribe(ctx, events); err != nil {
		return err
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-events:
		}
		n.Moved()
		if !retry.Sleep(ctx, settle) {
			return nil
		}
	}
}

// Over returns dial, begun again whenever the network changes before it ends.
func (n *Network) Over(dial Func) Func {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		for range maxMoves {
			moved := n.Changed()
			conn, err := within(ctx, moved, dial, network, address)
			if err == nil || ctx.Err() != nil || !isClosed(moved) {
				return conn, err
			}
		}
		return dial(ctx, network, address)
	}
}

// within dials, and gives up when moved is closed.
func within(ctx context.Context, moved <-chan struct{}, dial Func, network, address string) (net.Conn, error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		select {
		case <-moved:
			stop()
		case <-ctx.Done():
		}
	}()
	return dial(ctx, network, address)
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
