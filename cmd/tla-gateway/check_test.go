package main

import (
	"bytes"
	"errors"
	"testing"
	"text/tabwriter"

	"github.com/stretchr/testify/require"
)

func TestCheckPrintsForATerminal(t *testing.T) {
	var out bytes.Buffer
	r := &report{out: tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)}
	r.line("listen", "%s", "a\x1b[31mb:1")
	r.unreadable(errors.New("cannot open \x1b]0;x\a.crt"))
	require.NoError(t, r.out.Flush())
	require.Equal(t, "listen  a\\x1b[31mb:1\nWRONG   cannot open \\x1b]0;x\\a.crt\n", out.String())
}
