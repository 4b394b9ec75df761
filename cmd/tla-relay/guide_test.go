package main

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
	"github.com/stretchr/testify/require"
)

// TestManualHasEveryCommand: tla-relay(1) has the commands of the program, and no others.
func TestManualHasEveryCommand(t *testing.T) {
	page, err := os.ReadFile("../../deploy/relay/tla-relay.1")
	require.NoError(t, err)
	_, text, _ := strings.Cut(string(page), ".SH COMMANDS\n")
	text, _, _ = strings.Cut(text, ".PP\n")
	var listed []string
	for _, m := range regexp.MustCompile(`(?m)^\.TP\n\.BR? (.*)$`).FindAllStringSubmatch(text, -1) {
		listed = append(listed, regexp.MustCompile(`\w+`).FindAllString(m[1], -1)...)
	}
	parser, err := kong.New(&grammar{})
	require.NoError(t, err)
	var commands []string
	for _, c := range parser.Model.Children {
		commands = append(commands, c.Name)
	}
	require.ElementsMatch(t, commands, listed)
}
