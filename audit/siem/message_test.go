package siem

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/audit"
)

// TestSA2SIEMMessage: a line as RFC 5424 and 5425 want it.
func TestSA2SIEMMessage(t *testing.T) {
	e := audit.Entry{Seq: 12, At: "2026-11-24T08:30:00.123Z", Event: audit.AccessRefused, By: "tla-gateway",
		With: map[string]string{"reason": "revoked", "address": "203.0.113.7"}}
	line := audit.Line{Text: `{"seq":12}`, Entry: e}
	message := string(origin{"gw1.example", "tla-gateway", "4711"}.message(line))
	require.Equal(t, `<108>1 2026-11-24T08:30:00.123Z gw1.example tla-gateway 4711 access.refused `+
		`[tlagate@32473 seq="12" by="tla-gateway" address="203.0.113.7" reason="revoked"] {"seq":12}`, message)
	require.Regexp(t, form, message)
	require.Equal(t, "3 abc", string(frame([]byte("abc"))))
	require.Regexp(t, form, string(origin{}.message(line)), "what is unknown is a hyphen")
}

// TestSA2SIEMQuoting: whatever a value contains, nothing of it ends the value or the structured data.
func TestSA2SIEMQuoting(t *testing.T) {
	for value, want := range map[string]string{
		`plain`:                           `plain`,
		`a"b`:                             `a\"b`,
		`a]b`:                             `a\]b`,
		`a\b`:                             `a\\b`,
		`\"]`:                             `\\\"\]`,
		`] <108>1 - - - - - - x`:          `\] <108>1 - - - - - - x`,
		"é€\ufffd":                        "é€\ufffd",
		strings.Repeat("x", 256):          strings.Repeat("x", 256),
		strings.Repeat("x", 257):          strings.Repeat("x", 253) + "…",
		strings.Repeat("€", 100):          strings.Repeat("€", 84) + "…",
		strings.Repeat("]", 255) + "\\\\": strings.Repeat(`\]`, 253) + "…",
	} {
		got := structured(audit.Entry{Seq: 1, With: map[string]string{"reason": value}})
		require.Equal(t, `[tlagate@32473 seq="1" reason="`+want+`"]`, got)
	}
	require.Equal(t, "a_b_c_d_e_", header("a b=c\"d]e\n", 48))
	require.Equal(t, "-", header("", 48))
	require.Equal(t, "abc", header("abcdef", 3))
}

// TestSA2SIEMSeverities: each kind fits where it stands in a message, and the table is about kinds that exist.
func TestSA2SIEMSeverities(t *testing.T) {
	known := map[audit.Kind]bool{}
	for _, m := range audit.Kinds() {
		known[m.Kind] = true
		require.Equal(t, string(m.Kind), header(string(m.Kind), 32), "MSGID")
	}
	for kind, severity := range severities {
		require.True(t, known[kind], kind)
		require.NotEqual(t, notice, severity, "%s: that is what the others are", kind)
		require.True(t, severity >= critical && severity <= info)
	}
}
