package pki_test

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/pki"
	"tlagate/pki/pkitest"
)

// TestEL1AnchorsAreObserved: an observer is asked before anchors are taken; while it refuses, the old ones stay, and
// the new ones are tried again.
func TestEL1AnchorsAreObserved(t *testing.T) {
	w, other := newWorld(t), pkitest.NewNamed(t, "TEST second")
	var mu sync.Mutex
	var seen [][2]pki.Roots
	refuse := errors.New("cannot trace it")
	w.cfg.Poll = 5 * time.Millisecond
	w.cfg.Observe = func(old, now pki.Roots) error {
		mu.Lock()
		defer mu.Unlock()
		seen = append(seen, [2]pki.Roots{old, now})
		return refuse
	}
	count := func() int { mu.Lock(); defer mu.Unlock(); return len(seen) }
	_, err := pki.OpenTrust(w.cfg)
	require.ErrorIs(t, err, refuse)
	require.Empty(t, seen[0][0].Anchors)
	require.Equal(t, w.files.Anchor, seen[0][1].Anchors[0].File)

	refuse = nil
	trust := w.open()
	mu.Lock()
	refuse, seen = errors.New("cannot trace it"), nil
	mu.Unlock()
	run(t, trust)
	pkitest.WriteCertificates(t, w.files.Anchor, w.Root.Cert, other.Root.Cert)
	require.Eventually(t, func() bool { return count() > 2 }, patience, time.Millisecond, "it is tried again")
	require.Len(t, trust.Anchors(), 1)
	mu.Lock()
	refuse = nil
	mu.Unlock()
	require.Eventually(t, func() bool { return len(trust.Anchors()) == 2 }, patience, time.Millisecond)
	n := count()
	trust.Reload()
	require.Equal(t, n, count(), "what has not changed is not told")
}
