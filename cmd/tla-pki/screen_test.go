package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMediumPrintsForATerminal(t *testing.T) {
	var out bytes.Buffer
	m := &medium{dir: filepath.Join(t.TempDir(), "a\x1b[31m"), out: &out}
	require.NoError(t, os.Mkdir(m.dir, 0o700))
	m.warn("%s", m.dir)
	require.NoError(t, m.describe())
	require.Contains(t, out.String(), `/a\x1b[31m: `)
	require.NotContains(t, out.String(), "\x1b")
}
