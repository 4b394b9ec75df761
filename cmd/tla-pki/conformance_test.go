package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/cmd/internal/cli"
	"tlagate/pki/pkitest/suite"
)

const conformance = "../../docs/conformance.md"

// verifying returns how tla-pki verify judges: suite.Accepted, or the reason of its refusal.
func verifying(t *testing.T, args ...string) func() string {
	return func() string {
		code, last := tlaPKI(t, append([]string{"verify", "--profile=rfc5280"}, args...))
		require.Contains(t, []int{0, 1}, code, "%s", last)
		if code == 0 {
			return suite.Accepted
		}
		reason, _, _ := strings.Cut(strings.TrimPrefix(last, "refused: "), ":")
		return reason
	}
}

// judge is what tlaPKI needs of the program's grammar: the whole takes kong a second in the race detector.
type judge struct {
	Verify verifyCmd `cmd:""`
}

// tlaPKI runs the program's command verify, without its process, and returns its exit code and last line.
func tlaPKI(t *testing.T, args []string) (int, string) {
	var out, errs strings.Builder
	app := &cli.App{Context: t.Context(), Stdin: strings.NewReader(""), Stdout: &out, Stderr: &errs}
	code := cli.Run(app, "tla-pki", args, &judge{}, nil, options()...)
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	last := lines[len(lines)-1]
	if code != 0 && code != 1 {
		return code, errs.String()
	}
	fits := last == "accepted" && code == 0 || strings.HasPrefix(last, "refused: ") && code == 1
	require.True(t, fits, "exit %d, last line %q", code, last)
	return code, last
}
