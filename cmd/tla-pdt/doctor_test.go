package main

import (
	"bytes"
	"encoding/json"
	"os"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/cmd/internal/cli"
	"tlagate/cmd/internal/doctor"
)

func TestDoctorSaysWhatTheDocumentSays(t *testing.T) {
	text, err := os.ReadFile("../../docs/doctor.md")
	require.NoError(t, err)
	var out, errs bytes.Buffer
	app := &cli.App{Context: t.Context(), Stdout: &out, Stderr: &errs}
	require.Equal(t, 1, cli.Run(app, "tla-pdt", []string{"doctor", "--json", "--config", "../../deploy/examples/pdt.yaml"}, &grammar{}, nil))
	require.Empty(t, errs.String())
	var list []doctor.Finding
	require.NoError(t, json.Unmarshal(out.Bytes(), &list))
	require.Greater(t, len(list), 20)
	for _, f := range list {
		name := regexp.MustCompile(` of (client|server)$`).ReplaceAllString(f.Check, " of …")
		name = regexp.MustCompile(`^gateway .*`).ReplaceAllString(name, "gateway HOST:PORT")
		require.Contains(t, string(text), "\n| "+name+" |")
	}
}
