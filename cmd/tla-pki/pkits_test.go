package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// pkitsCase is a line of vectors.json, which comes with every Go toolchain together with the certificates of NIST
// PKITS.
type pkitsCase struct {
	Name                        string
	CertPath, CRLPath           []string
	InitialPolicySet            []string
	InitialPolicyMappingInhibit bool
	InitialExplicitPolicy       bool
	InitialAnyPolicyInhibit     bool
	ShouldValidate              bool
}

// inRevocation are the sections, and tests, whose invalid paths are invalid for their CRLs alone.
var inRevocation = []string{
	"4.4.", "4.14.", "4.15.", "4.5.2 ", "4.5.5 ", "4.5.7 ", "4.7.4 ", "4.7.5 ",
}

// wronglyRefused lists the valid paths of PKITS that are refused, by the number of the test; docs/conformance.md says
// why. The second list adds those that only the CRLs get refused.
var (
	wronglyRefused       = []string{"4.1.4", "4.1.5", "4.14.4", "4.14.5", "4.14.29"}
	wronglyRefusedByCRLs = []string{
		"4.3.10", "4.4.14", "4.14.7", "4.14.18", "4.14.19", "4.14.22", "4.14.24",
		"4.14.25", "4.14.28", "4.14.30", "4.14.33", "4.15.5",
	}
)

// goroot is where the toolchain's own sources are.
func goroot(t *testing.T) string {
	out, err := exec.Command("go", "env", "GOROOT").Output()
	require.NoError(t, err)
	return strings.TrimSpace(string(out))
}

// TestPKITS runs the vectors through tla-pki verify, paths alone. With PKITS=DIR, where DIR holds the CRLs of the suite
// in crls/, it runs them with revocation too (make conformance).
func TestPKITS(t *testing.T) {
	t.Parallel()
	home := filepath.Join(goroot(t), "src/crypto/x509/testdata/nist-pkits")
	cases := readPKITS(t, home)
	t.Run("paths", func(t *testing.T) {
		runPKITS(t, cases, wronglyRefused, func(c pkitsCase) (args []string, judged bool) {
			return append(pkitsArgs(home, c), "--no-revocation"), c.ShouldValidate || !isAny(c.Name, inRevocation)
		})
	})
	t.Run("paths and CRLs", func(t *testing.T) {
		dir := os.Getenv("PKITS")
		if dir == "" {
			t.Skip("PKITS=DIR names no directory with the suite's CRLs in crls/")
		}
		runPKITS(t, cases, append(wronglyRefused, wronglyRefusedByCRLs...), func(c pkitsCase) ([]string, bool) {
			args := pkitsArgs(home, c)
			for _, crl := range c.CRLPath {
				args = append(args, "--crl="+filepath.Join(dir, "crls", crl))
			}
			return args, true
		})
	})
}

func readPKITS(t *testing.T, home string) (cases []pkitsCase) {
	data, err := os.ReadFile(filepath.Join(home, "vectors.json"))
	if os.IsNotExist(err) {
		t.Skipf("this toolchain was stripped of its test data: %v", err)
	}
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(data, &cases))
	require.Greater(t, len(cases), 200)
	return cases
}

func runPKITS(t *testing.T, cases []pkitsCase, known []string, args func(pkitsCase) ([]string, bool)) {
	right := map[bool]int{}
	var refused []string
	for _, c := range cases {
		line, judged := args(c)
		if !judged {
			continue
		}
		code, last := tlaPKI(t, line)
		require.Contains(t, []int{0, 1}, code, "%s: %s", c.Name, last)
		switch accepted := code == 0; {
		case accepted == c.ShouldValidate:
			right[accepted]++
		case accepted:
			t.Errorf("WRONG ACCEPT %s", c.Name)
		case isAny(c.Name, spaced(known)):
			refused = append(refused, c.Name)
			t.Logf("known: %s: %s", c.Name, last)
		default:
			t.Errorf("wrong reject %s: %s", c.Name, last)
		}
		if code == 0 && isAny(c.Name, spaced(known)) {
			t.Errorf("%s is accepted: take it off the list", c.Name)
		}
	}
	t.Logf("rightly accepted %d, rightly refused %d, wrongly refused %d (each known), of %d", right[true], right[false],
		len(refused), len(cases))
}

func spaced(numbers []string) (list []string) {
	for _, n := range numbers {
		list = append(list, n+" ")
	}
	return list
}

func isAny(name string, prefixes []string) bool {
	for _, p := range prefixes {
		if strings.HasPrefix(name, p) {
			return true
		}
	}
	return false
}

func pkitsArgs(home string, c pkitsCase) []string {
	cert := func(i int) string { return filepath.Join(home, "certs", c.CertPath[i]) }
	last := len(c.CertPath) - 1
	args := []string{"verify", "--profile=rfc5280", "--at=2022-01-01T00:00:00Z", "--anchor=" + cert(0)}
	for i := 1; i < last; i++ {
		args = append(args, "--intermediate="+cert(i))
	}
	for _, policy := range c.InitialPolicySet {
		if n, ok := strings.CutPrefix(policy, "NIST-test-policy-"); ok {
			args = append(args, "--policy=2.16.840.1.101.3.2.1.48."+n)
		}
	}
	for flag, set := range map[string]bool{"--explicit-policy": c.InitialExplicitPolicy,
		"--inhibit-mapping": c.InitialPolicyMappingInhibit, "--inhibit-any-policy": c.InitialAnyPolicyInhibit} {
		if set {
			args = append(args, flag)
		}
	}
	return append(args, cert(last))
}
