package trust_test

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/pki/pkitest"
	"tlagate/pki/pkitest/bed"
	"tlagate/pki/trust"
)

// TestEL1AnchorsAreObserved: the observer is asked before anchors come into force; while it refuses, the old ones stay,
// and the new ones are tried again.
func TestEL1AnchorsAreObserved(t *testing.T) {
	w, other := bed.New(t), pkitest.NewNamed(t, "TEST second")
	var mu sync.Mutex
	var seen [][2]trust.Roots
	refuse := errors.New("cannot trace it")
	w.Config.Poll = 5 * time.Millisecond
	w.Config.Observe = func(old, now trust.Roots) error {
		mu.Lock()
		defer mu.Unlock()
		seen = append(seen, [2]trust.Roots{old, now})
		return refuse
	}
	count := func() int { mu.Lock(); defer mu.Unlock(); return len(seen) }
	_, err := trust.Open(w.Config)
	require.ErrorIs(t, err, refuse)
	require.Empty(t, seen[0][0].Anchors)
	require.Equal(t, w.Files.Anchor, seen[0][1].Anchors[0].File)

	refuse = nil
	trust := w.Open()
	mu.Lock()
	refuse, seen = errors.New("cannot trace it"), nil
	mu.Unlock()
	bed.Start(t, trust)
	pkitest.WriteCertificates(t, w.Files.Anchor, w.Root.Cert, other.Root.Cert)
	require.Eventually(t, func() bool { return count() > 2 }, bed.Patience, time.Millisecond, "it is tried again")
	require.Len(t, trust.Anchors(), 1)
	mu.Lock()
	refuse = nil
	mu.Unlock()
	require.Eventually(t, func() bool { return len(trust.Anchors()) == 2 }, bed.Patience, time.Millisecond)
	n := count()
	trust.Reload()
	require.Equal(t, n, count(), "without a change it is not called")
}
