package flowstest

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"tlagate/cmd/internal/cli"
)

// Golden fails unless a program's flows by the configuration in deploy/examples are those of testdata/flows.txt. With
// TLAGATE_UPDATE=flows in the environment it writes that file.
func Golden(t *testing.T, program string, grammar any, options ...kong.Option) {
	t.Helper()
	example := "../../deploy/examples/" + strings.TrimPrefix(program, "tla-") + ".yaml"
	var out, errs bytes.Buffer
	app := &cli.App{Context: t.Context(), Stdout: &out, Stderr: &errs}
	if code := cli.Run(app, program, []string{"flows", "--config", example}, grammar, nil, options...); code != 0 {
		t.Fatalf("exit status %d: %s", code, errs.String())
	}
	const file = "testdata/flows.txt"
	if os.Getenv("TLAGATE_UPDATE") == "flows" {
		if err := os.WriteFile(file, out.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if out.String() != string(want) {
		t.Errorf("the flows are:\n%s\nwant, by %s:\n%s", out.String(), file, want)
	}
}
