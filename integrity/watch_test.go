package integrity_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/integrity"
)

// patience is for what must happen, on however slow a machine.
const patience = 2 * time.Minute

// TestDL3ADifferenceKeepsItsNumber: after a restart, too, what a user is told has the number under which the difference
// that it names was recorded.
func TestDL3ADifferenceKeepsItsNumber(t *testing.T) {
	b := newBed(t)
	requireNumbers := func(path string) {
		t.Helper()
		for range 2 {
			m, ok := errors.AsType[*integrity.Mismatch](b.watch(0).Start())
			require.True(t, ok)
			require.Equal(t, path, m.Differs[0].Path)
			require.NotEmpty(t, m.Incident)
			require.Equal(t, b.numberOf(path), m.Incident)
		}
	}
	dropIn := dropIns + "/tpm.conf"
	b.write(unit, "[service]\n")
	requireNumbers(unit)
	b.write(dropIn, "[Service]\n")
	requireNumbers(dropIn)
	b.write(dropIn, "[Service]\nDeviceAllow=/dev/tpmrm0\n")
	requireNumbers(unit)
	b.write(unit, "[SERVICE]\n")
	requireNumbers(unit)
}

// TestDL3WhileItRuns: a change while the program runs is found, recorded once, and so is that it was mended.
func TestDL3WhileItRuns(t *testing.T) {
	b := newBed(t)
	w := b.watch(time.Millisecond)
	require.Zero(t, w.State())
	require.NoError(t, w.Start())
	require.Positive(t, w.State().Files)
	ctx, stop := context.WithCancel(t.Context())
	told, ended := make(chan *integrity.Mismatch, 1), make(chan struct{})
	go func() {
		defer close(ended)
		w.Run(ctx, func(m *integrity.Mismatch) {
			select {
			case told <- m:
			default:
			}
		})
	}()
	b.write(unit, "[service]\n")
	require.Equal(t, unit, (<-told).Differs[0].Path)
	require.Eventually(t, func() bool { return w.State().Differs == 1 }, patience, time.Millisecond)
	b.write(unit, "[Service]\n")
	require.Eventually(t, func() bool { return w.State().Differs == 0 }, patience, time.Millisecond)
	stop()
	<-ended
	lines := b.news()
	require.Len(t, lines, 4)
	require.Contains(t, lines[2], "integrity.differs file="+unit+" reason=changed")
	require.Equal(t, "integrity.restored count=1 names="+unit, lines[3])
}
