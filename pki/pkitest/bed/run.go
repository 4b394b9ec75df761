package bed

import (
	"context"
	"crypto/tls"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"tlagate/pki/pkitest"
	"tlagate/pki/trust"
)

// Verify returns why a trust store refuses a peer, or nil.
func Verify(store *trust.Trust, peer tls.Certificate) error {
	_, err := store.Verify(pkitest.Chain(peer), trust.Want{Usage: peer.Leaf.ExtKeyUsage[0]})
	return err
}

// Running starts Run, and ends it with the test: it must leave no goroutine.
func Running(t *testing.T, trust *trust.Trust) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- trust.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.ErrorIs(t, <-done, context.Canceled)
		goleak.VerifyNone(t, goleak.IgnoreCurrent())
	})
}

// Await waits until a condition holds, and tries it at each change of revocation data.
func Await(t *testing.T, trust *trust.Trust, holds func() bool) {
	t.Helper()
	deadline := time.After(Patience)
	for {
		changed := trust.Changed()
		if holds() {
			return
		}
		select {
		case <-changed:
		case <-deadline:
			require.FailNow(t, "the condition never held")
		}
	}
}

// RequireClosed wants c to be closed: the change was announced.
func RequireClosed(t *testing.T, c <-chan struct{}) {
	t.Helper()
	select {
	case <-c:
	default:
		require.Fail(t, "the change was not announced")
	}
}

// Start runs a trust store until the test ends.
func Start(t *testing.T, trust *trust.Trust) {
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); _ = trust.Run(ctx) }()
	t.Cleanup(func() { stop(); <-ended })
}
