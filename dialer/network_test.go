package dialer

import (
	"context"
	"errors"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// TestC3DialBeginsAgainWhenTheNetworkChanges: a dial that can no longer succeed is given up; one ends even if the
// network keeps changing.
func TestC3DialBeginsAgainWhenTheNetworkChanges(t *testing.T) {
	t.Run("the second one gets through", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			n, tries := new(Network), 0
			time.AfterFunc(time.Second, n.Moved)
			conn, err := n.Over(func(ctx context.Context, _, _ string) (net.Conn, error) {
				if tries++; tries == 1 {
					<-ctx.Done()
					return nil, ctx.Err()
				}
				return &net.TCPConn{}, nil
			})(t.Context(), "tcp", "gw.test:443")
			require.NoError(t, err)
			require.NotNil(t, conn)
			require.Equal(t, 2, tries)
		})
	})
	t.Run("it changes all the time", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			n, tries := new(Network), 0
			ctx, stop := context.WithCancel(t.Context())
			var changes sync.WaitGroup
			defer changes.Wait()
			defer stop()
			changes.Go(func() {
				for ctx.Err() == nil {
					n.Moved()
					time.Sleep(settle)
				}
			})
			_, err := n.Over(func(ctx context.Context, _, _ string) (net.Conn, error) {
				tries++
				select {
				case <-ctx.Done():
					return nil, ctx.Err()
				case <-time.After(time.Second):
					return &net.TCPConn{}, nil
				}
			})(ctx, "tcp", "gw.test:443")
			require.NoError(t, err)
			require.Equal(t, maxMoves+1, tries)
		})
	})
	t.Run("an error without a change is one", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			tries, refused := 0, errors.New("refused")
			_, err := new(Network).Over(func(context.Context, string, string) (net.Conn, error) {
				tries++
				return nil, refused
			})(t.Context(), "tcp", "gw.test:443")
			require.ErrorIs(t, err, refused)
			require.Equal(t, 1, tries)
		})
	})
	t.Run("the caller gives up", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, stop := context.WithTimeout(t.Context(), time.Second)
			defer stop()
			_, err := new(Network).Over(new(network).dial)(ctx, "tcp", "192.0.2.1:443")
			require.ErrorIs(t, err, context.DeadlineExceeded)
		})
	})
}

func TestNetworkWatchEnds(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- new(Network).Watch(ctx) }()
	stop()
	require.NoError(t, <-done)
}
