package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/cmd/internal/cli"
	"tlagate/tla/policy"
)

func TestC1ThePolicyBuiltInReadsTheCardsOfFacts(t *testing.T) {
	for name, c := range map[string]struct {
		atr   string
		apdus []string
	}{
		"Vitale 2": {"3B751300004409EA9000", []string{"00A40000023F00", "00B0820000",
			"00A404000BD250000002564954414C45", "00B0000020"}},
		"Vitale 1": {"3F6525000000009000", []string{"00A404000ED2500000024D465F564954414C45"}},
		"CPS3": {"3BAC00402A001225006480000310009000", []string{"00A404000DE828BD080F8025000001FF0010",
			"00A40900020001", "00B0000000", "0022410003840182", "00200081", "002A9E9A010000", "0088000004010203 04",
			"00CA01C200"}},
		"CPS4": {"3B9B188001001225006480040100009044", []string{"0070000001", "01A40400088025000001FF0100",
			"01B0000010", "01CB3FFF055C035FC105"}},
	} {
		code, out, errs := run(t, append([]string{"policy", "test", "--atr", c.atr, "built-in"}, c.apdus...)...)
		require.Zero(t, code, "%s: %s%s", name, out, errs)
	}
}

func TestC1PolicyTestExplains(t *testing.T) {
	code, out, _ := run(t, "policy", "test", "--atr", "3BAC00402A001225006480000310009000", "built-in",
		"00A404000DE828BD080F8025000001FF0010", "00200081041234FFFF", "00D6000001AA", "102A9E9A01AA", "002A9E9A01BB")
	require.Equal(t, 1, code)
	require.Equal(t, `1. 00A40400: allow, profile "cps", rule "select an application" (that rule says so)
2. 00200081: local-pin 6982, profile "cps", rule "PIN" (that rule says so)
3. 00D60000: refuse 6982, profile "cps" (no rule allows it)
4. 102A9E9A: allow (it is held back until the last part has come, and judged then)
5. 002A9E9A: allow, profile "cps", rule "sign or decipher" (that rule says so)
`, out)
	require.NotContains(t, out, "1234", "no data")

	code, out, _ = run(t, "policy", "test", "built-in", "00B0000000")
	require.Zero(t, code)
	require.Equal(t, 2, strings.Count(out, "\n"), "one for each profile")

	for _, args := range [][]string{{"built-in", "00B0zz0000"}, {"--atr", "xx", "built-in", "00B0000000"},
		{"nowhere.yaml", "00B0000000"}} {
		code, _, errs := run(t, append([]string{"policy", "test"}, args...)...)
		require.Equal(t, 2, code)
		require.Contains(t, errs, "cannot")
		require.NotContains(t, errs, "00B0zz")
	}
}

// TestC1PolicyTellsWhatIsReadAhead: what each profile has read ahead, and after which commands.
func TestC1PolicyTellsWhatIsReadAhead(t *testing.T) {
	code, out, _ := run(t, "policy", "ahead", "built-in")
	require.Zero(t, code)
	require.Equal(t, `profile "vitale": reads on, eof stop, responses off
profile "cps": reads on, eof stop, responses off
`, out)
	file := filepath.Join(t.TempDir(), "policy.yaml")
	require.NoError(t, os.WriteFile(file, []byte(`
version: 1
profiles:
  - name: mine
    cards: ["3B*"]
    rules: [{name: all, cla: "00", action: allow}]
    ahead:
      eof: probe
      responses: on
      files:
        - {file: "d001", apps: ["D250000002564954414C45"], read: 128}
        - {file: "D002", records: 12}
  - {name: none, cards: ["3F*"], rules: [], ahead: {reads: off}}
`), 0o600))
	code, out, _ = run(t, "policy", "ahead", file)
	require.Zero(t, code)
	require.Equal(t, `profile "mine": reads on, eof probe, responses on
  file D001 of D250000002564954414C45: 128 octets from the beginning, after SELECT
  file D002: 12 records, one after the other
profile "none": reads off
`, out)
	_, out, _ = run(t, "policy", "test", "--atr", "3B00", file, "00A404000BD250000002564954414C45", "00A4020C02D001",
		"00B0000080", "00A4020C02D002", "00B2010400", "00200081041234FFFF")
	require.Equal(t, `1. 00A40400: allow, profile "mine", rule "all" (that rule says so)
2. 00A4020C: allow, profile "mine", rule "all" (that rule says so), then 00B0000080 is read ahead
3. 00B00000: allow, profile "mine", rule "all" (that rule says so)
4. 00A4020C: allow, profile "mine", rule "all" (that rule says so)
5. 00B20104: allow, profile "mine", rule "all" (that rule says so), then 00B2020400 is read ahead
`, strings.Join(strings.SplitAfter(out, "\n")[:5], ""))
}

// TestC1ThePolicyThatNobodyNamed: a command that was told none says that it is the built-in one, not the relay's; what
// show prints still is a policy. One that is not there is told without an option that the command does not have.
func TestC1ThePolicyThatNobodyNamed(t *testing.T) {
	for _, what := range []string{"ahead", "show"} {
		code, named, _ := run(t, "policy", what, "built-in")
		require.Zero(t, code)
		code, out, _ := run(t, "policy", what)
		require.Zero(t, code)
		require.Equal(t, untold+named, out)
	}
	file := filepath.Join(t.TempDir(), "policy.yaml")
	_, out, _ := run(t, "policy", "show")
	require.NoError(t, os.WriteFile(file, []byte(out), 0o600))
	_, err := loadPolicy(file)
	require.NoError(t, err)
	for _, args := range [][]string{{"ahead", "nowhere.yaml"}, {"test", "nowhere.yaml", "00B0000000"}} {
		code, _, errs := run(t, append([]string{"policy"}, args...)...)
		require.Equal(t, 2, code)
		require.Contains(t, errs, "cannot read the card policy: ")
		require.Contains(t, errs, "nowhere.yaml")
		require.NotContains(t, errs, "--config")
	}
}

// TestThePolicysExamplesAreReadable: those of docs/policy.md that are whole.
func TestThePolicysExamplesAreReadable(t *testing.T) {
	page, err := os.ReadFile("../../docs/policy.md")
	require.NoError(t, err)
	var all []string
	for _, part := range strings.Split(string(page), "```yaml\n")[1:] {
		text, _, _ := strings.Cut(part, "```")
		if !strings.HasPrefix(text, "version: 1\n") {
			continue
		}
		file := filepath.Join(t.TempDir(), "policy.yaml")
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		p, err := loadPolicy(file)
		require.NoError(t, err, text)
		all = append(all, p.ExplainAhead()...)
	}
	require.Equal(t, []string{`profile "vitale": reads on, eof stop, responses off`,
		`profile "vitale": reads on, eof probe, responses on`,
		"  file D001 of D250000002564954414C45: 128 octets from the beginning, after SELECT",
		"  file D002: 12 records, one after the other"}, all)
}

func TestC1GenericReadonlyReadsAlone(t *testing.T) {
	code, out, errs := run(t, "policy", "test", "generic-readonly", "00A4040007A0000000041010", "00A40000023F00",
		"00B0000000", "00B00000000200", "00B2010400", "00CA01C200", "00200081")
	require.Zero(t, code, "%s%s", out, errs)
	for what, apdu := range map[string]string{
		"VERIFY": "0020008104FFFFFFFF", "CHANGE": "0024008104FFFFFFFF", "UPDATE BINARY": "00D6000001AA",
		"PSO": "002A9E9A01AA", "INTERNAL AUTHENTICATE": "0088000001AA",
		"ENVELOPE": "00C2000001AA", "proprietary": "80CA000000", "secure messaging": "0CB0000000",
		"MANAGE CHANNEL": "0070000001",
	} {
		code, out, _ := run(t, "policy", "test", "generic-readonly", apdu)
		require.Equal(t, 1, code, "%s: %s", what, out)
	}
}

func TestC1APolicyFileIsReadStrictly(t *testing.T) {
	file := filepath.Join(t.TempDir(), "policy.yaml")
	for text, want := range map[string]string{
		"version: 1\nprofiles: [{name: x, cards: [3B*], rules: [{name: r, inz: B0, action: allow}]}]": `unknown key "profiles[0].rules[0].inz"`,
		"version: 1\nprofiles: [{name: x, cards: [3B*], rules: [{name: r, ins: B, action: allow}]}]":  `policy.yaml: cannot use the card policy: profiles[0] "x": rules[0] "r": ins: "B"`,
	} {
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		_, err := loadPolicy(file)
		require.ErrorContains(t, err, want)
	}
	_, err := loadPolicy("")
	require.NoError(t, err)
}

func TestPolicyShowCanBeReadAgain(t *testing.T) {
	for name, profiles := range map[string]int{"built-in": 2, "generic-readonly": 1} {
		code, out, _ := run(t, "policy", "show", name)
		require.Zero(t, code)
		var table policy.Table
		require.NoError(t, cli.DecodeYAML([]byte(out), &table))
		require.Len(t, table.Profiles, profiles)
	}
}
