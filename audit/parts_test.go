package audit_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/audit"
)

// TestSA2LineAt: at the offset of each line stands that line, and at no other offset any.
func TestSA2LineAt(t *testing.T) {
	file := filepath.Join(t.TempDir(), "audit.jsonl")
	record(t, newLog(t, file), 4)
	raw, err := os.ReadFile(file)
	require.NoError(t, err)
	lines := strings.SplitAfter(string(raw), "\n")
	lines[1] = strings.Repeat("x", 100<<10) + "\n"
	lines[4] = "half a line"
	require.NoError(t, os.WriteFile(file, []byte(strings.Join(lines, "")), 0o600))

	parts, done, err := audit.Parts(file)
	require.NoError(t, err)
	defer done()
	require.Len(t, parts, 1)
	begins := map[int64]audit.Line{}
	for line, err := range parts[0].Lines() {
		require.NoError(t, err)
		begins[line.Offset] = line
	}
	require.Len(t, begins, 5)
	for offset := int64(-1); offset <= parts[0].Size(); offset++ {
		want, begin := begins[offset]
		got, ok, err := parts[0].LineAt(offset)
		require.NoError(t, err)
		require.Equal(t, begin, ok, offset)
		if ok && want.Err == nil {
			want.Line = 0
		}
		got.Text, want.Text = got.Text[:min(len(got.Text), 60<<10)], want.Text[:min(len(want.Text), 60<<10)]
		require.Equal(t, want, got)
	}
	last, err := parts[0].Last()
	require.NoError(t, err)
	require.Equal(t, "half a line", string(last))
}

// TestSA2VerifyRange: a part of a chain is verified from the hash before it.
func TestSA2VerifyRange(t *testing.T) {
	file := filepath.Join(t.TempDir(), "audit.jsonl")
	record(t, newLog(t, file), 5)
	raw, err := os.ReadFile(file)
	require.NoError(t, err)
	lines := strings.SplitAfter(string(raw), "\n")[:5]
	before := audit.HashOf(strings.TrimSpace(lines[1]))
	report, err := audit.VerifyRange(strings.NewReader(strings.Join(lines[2:], "")), 3, before)
	require.NoError(t, err)
	require.Equal(t, []uint64{3, 5}, []uint64{report.First, report.Last})
	require.Equal(t, audit.HashOf(strings.TrimSpace(lines[4])), report.Hash)
	for what, text := range map[string]string{
		"one is missing":       lines[2] + lines[4],
		"the first is missing": lines[3] + lines[4],
		"two change places":    lines[3] + lines[2] + lines[4],
		"one is altered":       strings.Replace(lines[2], "key.loaded", "key.failed", 1) + lines[3],
	} {
		_, err := audit.VerifyRange(strings.NewReader(text), 3, before)
		require.ErrorContains(t, err, "the audit trace is broken at line", what)
	}
	_, err = audit.VerifyRange(strings.NewReader(lines[2]+lines[3]), 3, strings.Repeat("0", 64))
	require.ErrorContains(t, err, "does not hold the hash of the line before")
}
