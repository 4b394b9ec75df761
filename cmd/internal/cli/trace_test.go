package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestSA2TraceSetting(t *testing.T) {
	day := 24 * time.Hour
	for text, want := range map[string]Trace{
		"audit: a.jsonl":                   {File: "a.jsonl"},
		"audit: {file: a.jsonl}":           {File: "a.jsonl"},
		"audit: {file: a, keep: 400d}":     {File: "a", Keep: 400 * day},
		"audit: {file: a, keep: never}":    {File: "a", Keep: Never},
		"audit: {file: a, space: 20GiB}":   {File: "a", Space: 20 << 30},
		"audit: {file: a, space: 2000000}": {File: "a", Space: 2000000},
		"audit: {file: a, reserve: 8MiB}":  {File: "a", Reserve: 8 << 20},
		"audit: {file: a, reserve: 0}":     {File: "a", Reserve: None},
		"audit: {file: a, full: go_on}":    {File: "a", GoOn: true},
		"audit: {file: a, full: refuse}":   {File: "a"},
		"other: &x {file: a}\naudit: *x":   {File: "a"},
		"audit: {file: a, space: 512 MiB}": {File: "a", Space: 512 << 20},
	} {
		var c struct {
			Audit Trace `yaml:"audit"`
			Other any   `yaml:"other"`
		}
		require.NoError(t, DecodeYAML([]byte(text), &c), text)
		require.Equal(t, want, c.Audit, text)
	}
	for text, why := range map[string]string{
		"audit: [a]":                                   "no name of a file",
		"audit: {keep: 3d}":                            "audit.file is missing",
		"audit: {file: a, kept: 3d}":                   `unknown key "audit.kept"`,
		"audit: {file: a, keep: 1y}":                   "number of days",
		"audit: {file: a, keep: 0d}":                   "number of days",
		"audit: {file: a, keep: 99999999999d}":         "number of days",
		"audit: {file: a, space: -1}":                  "want a size",
		"audit: {file: a, space: 9999999999TiB}":       "want a size",
		"audit: {file: a, space: 1MiB, reserve: 1MiB}": "less than 1 MiB",
		"audit: {file: a, full: maybe}":                "want refuse or go_on",
	} {
		var c struct {
			Audit Trace `yaml:"audit"`
		}
		err := DecodeYAML([]byte(text), &c)
		require.ErrorContains(t, err, why, text)
		require.True(t, strings.HasPrefix(err.Error(), "line 1"), err)
	}
}

func TestTraceIsBesideItsConfiguration(t *testing.T) {
	file := filepath.Join(t.TempDir(), "c.yaml")
	require.NoError(t, os.WriteFile(file, []byte("audit: {file: a.jsonl}\n"), 0o600))
	var c struct {
		Audit Trace `yaml:"audit"`
	}
	require.NoError(t, LoadYAML(file, &c))
	require.Equal(t, filepath.Join(filepath.Dir(file), "a.jsonl"), string(c.Audit.File))
}
