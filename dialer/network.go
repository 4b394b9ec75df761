package dialer

import (
	"context"
	"net"
	"sync"
	"time"

	"tlagate/internal/retry"
)

// Network tells when this machine's addresses or routes have changed: what could not be reached before may be reached
// now, and a dial that began before goes out by an address that is no more. The zero value is ready.
type Network struct {
	mu      sync.Mutex    // protects changed
	changed chan struct{} // closed at the next change; nil: nobody waits
}

const (
	settle   = 250 * time.Millisecond // shortest time between two changes that are told: one plug is a dozen of the kernel's
	maxMoves = 3                      // times that one dial begins again: changes without end must not keep it from its end
)

// Changed is closed at the next change.
func (n *Network) Changed() <-chan struct{} {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.changed == nil {
		n.changed = make(chan struct{})
	}
	return n.changed
}

// Moved says that there was a change.
func (n *Network) Moved() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.changed != nil {
		close(n.changed)
		n.changed = nil
	}
}

// Watch tells of changes until ctx ends. The error says why it cannot; on systems that it does not know it never tells
// of any.
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

// Over makes a dial begin again when the network changes under it.
func (n *Network) Over(dial Func) Func {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		for range maxMoves {
			moved := n.Changed()
			conn, err := within(ctx, moved, dial, network, address)
			if err == nil || ctx.Err() != nil || !over(moved) {
				return conn, err
			}
		}
		return dial(ctx, network, address)
	}
}

// within dials until moved is closed.
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

func over(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
