package main

import (
	"bytes"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCheckPrintsForATerminal(t *testing.T) {
	var out bytes.Buffer
	r := &report{out: &out, told: map[string]bool{}}
	r.line("listen", "a\x1b[31mb:1", nil)
	r.tell("signer", errors.New("cannot open \x1b.crt"))
	require.Equal(t, "ok    listen       a\\x1b[31mb:1\nWRONG signer       cannot open \\x1b.crt\n", out.String())
}
