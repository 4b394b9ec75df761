package main

import (
	"bytes"
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/cmd/internal/cli"
)

func TestG5AlgorithmsArePrinted(t *testing.T) {
	for _, flags := range [][]string{nil, {"--json"}, {"--language", "fr"}} {
		var out, problems bytes.Buffer
		app := &cli.App{Context: context.Background(), Stdout: &out, Stderr: &problems}
		code := cli.Run(app, "tla-ocsp", append([]string{"algorithms"}, flags...), &grammar{}, nil)
		require.Zero(t, code, problems.String())
		for _, word := range []string{`SHA-1 (OCSP)`, `PBES2`, `ocsp`} {
			require.Contains(t, out.String(), word)
		}
	}
}
