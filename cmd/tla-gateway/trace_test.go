package main

import (
	"crypto/sha256"
	"encoding/hex"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/audit"
)

// trace returns the lines of a kind in the deployment's trace.
func (d *deployment) trace(kind audit.Kind) (found []audit.Entry) {
	d.t.Helper()
	for line, err := range audit.Read(filepath.Join(d.dir, "audit.jsonl")) {
		require.NoError(d.t, err)
		require.NoError(d.t, line.Err)
		if line.Entry.Event == kind {
			found = append(found, line.Entry)
		}
	}
	return found
}

// TestEL1ConfigurationsAreTraced: which configuration is in force is in the trace, at the start and when another is
// read, and by its fingerprint can be found again.
func TestEL1ConfigurationsAreTraced(t *testing.T) {
	d := deploy(t)
	first := goodConfig + "audit: audit.jsonl\n"
	second := first + "access: [{tla: \"" + tla1 + "\", pdt: \"urn:tlagate:op:pdt:*\"}]\n"
	d.configure(first)
	s := d.serve()
	s.address()
	want := func(text string) map[string]string {
		sum := sha256.Sum256([]byte(text))
		return map[string]string{"file": d.config, "fingerprint": hex.EncodeToString(sum[:])}
	}
	require.Equal(t, want(first), d.trace(audit.ConfigLoaded)[0].With)
	for i, text := range []string{second, first} {
		d.configure(text)
		changed := func() bool { return len(d.trace(audit.ConfigChanged)) > i }
		require.Eventually(t, changed, patience, 10*time.Millisecond)
		require.Equal(t, want(text), d.trace(audit.ConfigChanged)[i].With)
	}
	d.configure("listen: nowhere\n") // cannot be used: the one before stays
	require.Eventually(t, func() bool { return s.errs.count("cannot") > 0 }, patience, 10*time.Millisecond)
	require.Zero(t, s.stopped())
	require.Len(t, d.trace(audit.ConfigChanged), 2)
	require.Len(t, d.trace(audit.ConfigLoaded), 1)
}

// TestSA2AnIncidentThatIsNotFound: what the operator is told depends on what was asked.
func TestSA2AnIncidentThatIsNotFound(t *testing.T) {
	file := filepath.Join(t.TempDir(), "audit.jsonl")
	log, err := audit.Open(audit.Config{File: file, By: "tla-gateway"})
	require.NoError(t, err)
	require.NoError(t, log.Record(audit.ProgramStart))
	for want, args := range map[string][]string{
		"tla-relay audit show --incident K7M2":     {"k7m2"},
		"audit search --event access.refused":      {"K7M2"},
		"try without --terminal and --since":       {"K7M2", "--terminal", "t1"},
		"cannot find such an incident K7M2 in the": {"K7M2", "--since", "1d"},
	} {
		var out output
		require.Equal(t, 1, command(t.Context(), &out, &out, append([]string{"incident", "--file", file}, args...)...))
		require.Contains(t, out.String(), want)
	}
}
