package ocsp

import (
	"crypto"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/audit"
)

// traced gives the bed a trace, and returns a function that lists the lines of one kind.
func (b *bed) traced() (lines func(audit.Kind) []map[string]string) {
	file := filepath.Join(b.t.TempDir(), "audit.jsonl")
	var err error
	b.cfg.Trace, err = audit.Open(audit.Config{File: file, By: "tla-ocsp"})
	require.NoError(b.t, err)
	b.t.Cleanup(func() { require.NoError(b.t, b.cfg.Trace.Close()) })
	return func(kind audit.Kind) (found []map[string]string) {
		for line, err := range audit.Read(file) {
			require.NoError(b.t, err)
			if line.Entry.Event == kind {
				found = append(found, line.Entry.With)
			}
		}
		return found
	}
}

// TestSA2ResponderCounts: the trace has how many answers there were since the line before, of each kind.
func TestSA2ResponderCounts(t *testing.T) {
	b := newBed(t)
	lines := b.traced()
	r := b.open()
	cert := b.tla("t1")
	b.status(r, cert)
	r.counts.plain.Add(3) // as ServeHTTP does for each answer
	before := r.countSince(tally{})
	r.counts.malformed.Add(2)
	r.countSince(before)
	require.Eventually(t, func() bool { return len(lines(audit.ResponderCounted)) == 2 }, patience, time.Millisecond)
	counted := lines(audit.ResponderCounted)
	require.Equal(t, "3", counted[0]["count"])
	require.Contains(t, counted[0]["names"], "signed=3, ")
	require.Equal(t, "2", counted[1]["count"])
	require.Contains(t, counted[1]["names"], "signed=0, signed_nonce=0, malformed=2, ")
}

// TestSA2ResponderCountsByTheHour: while it runs, and when it stops.
func TestSA2ResponderCountsByTheHour(t *testing.T) {
	b := newBed(t)
	lines := b.traced()
	b.cfg.Count = 5 * time.Millisecond
	_, url := b.serve()
	_, _ = post(t, url, b.ask(b.tla("t1"), crypto.SHA1))
	require.Eventually(t, func() bool {
		sum := 0
		for _, line := range lines(audit.ResponderCounted) {
			if line["count"] == "1" {
				sum++
			}
		}
		return sum == 1 && len(lines(audit.ResponderCounted)) > 2
	}, patience, time.Millisecond)
}

// TestSA2ResponderSources: whether answers come from other books, from none, or come no more.
func TestSA2ResponderSources(t *testing.T) {
	b := newBed(t)
	lines := b.traced()
	r := b.open()
	reasons := func(want ...string) {
		t.Helper()
		all := func() bool { return len(lines(audit.SourceChanged)) == len(want) }
		require.Eventually(t, all, patience, time.Millisecond)
		for i, line := range lines(audit.SourceChanged) {
			require.Equal(t, want[i], line["reason"])
			require.Equal(t, b.cfg.Database, line["file"])
		}
	}
	want := []string{"this file is opened as the books"}
	reasons(want...)
	require.NoError(t, r.look())
	reasons(want...)

	copyFile(t, b.cfg.Database, b.cfg.Database+".new")
	require.NoError(t, os.Rename(b.cfg.Database+".new", b.cfg.Database))
	require.NoError(t, r.look())
	want = append(want, "this file is opened as the books")
	reasons(want...)

	require.NoError(t, os.Rename(b.cfg.Database, b.cfg.Database+".away"))
	require.Error(t, r.look())
	require.Error(t, r.look())
	require.NoError(t, os.Rename(b.cfg.Database+".away", b.cfg.Database))
	require.NoError(t, r.look())
	want = append(want, "the books cannot be read", "the books can be read again")
	reasons(want...)

	b.exec(`UPDATE certificates SET status = 'revoked', reason = 1 WHERE serial_number = ?`,
		b.cfg.Certificate.Leaf.SerialNumber.String())
	require.NoError(t, r.look())
	require.NoError(t, r.look())
	want = append(want, "nothing is answered any more: the delegated certificate may not sign")
	reasons(want...)
	b.exec(`UPDATE certificates SET status = 'good' WHERE serial_number = ?`,
		b.cfg.Certificate.Leaf.SerialNumber.String())
	require.NoError(t, r.look())
	reasons(append(want, "answers are signed again")...)
}
