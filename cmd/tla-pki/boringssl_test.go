package main

import (
	"bufio"
	"bytes"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/pki/pkitest/suite"
)

// boringPurposes are those of BoringSSL that this program knows; the other cases are of its own rules.
var boringPurposes = map[string]string{"ANY_EKU": "any", "SERVER_AUTH": "server", "CLIENT_AUTH": "client"}

// boringDefault is the time that BoringSSL's tests mean by DEFAULT.
const boringDefault = "2021-10-05T12:00:00Z"

// TestBoringSSLChains: what its *.test files say of chains (make conformance BORINGSSL=DIR).
func TestBoringSSLChains(t *testing.T) {
	where := filepath.Join(suite.Data(t, "BORINGSSL"), "verify_certificate_chain_unittest")
	var vectors []suite.Vector
	for _, file := range suite.Glob(t, where, "*/*.test") {
		c := readBoring(t, file)
		if !c.judged() {
			continue
		}
		name, err := filepath.Rel(where, file)
		require.NoError(t, err)
		args := append(boringChain(t, filepath.Join(filepath.Dir(file), c["chain"])),
			"--purpose="+boringPurposes[c["key_purpose"]], "--no-revocation", "--at="+c.time(t))
		accept := !strings.Contains(c["expected_errors"], "ERROR:")
		vectors = append(vectors, suite.Vector{Name: name, Accept: accept, Judge: verifying(t, args...)})
	}
	suite.Run(t, conformance, "BoringSSL: chains", vectors)
}

// boringCase is a *.test file.
type boringCase map[string]string

// judged leaves out cases that trust a leaf, or nobody, and purposes of BoringSSL's own: there is no option for them.
func (c boringCase) judged() bool {
	_, known := boringPurposes[c["key_purpose"]]
	trust := c["last_cert_trust"]
	return known && strings.HasPrefix(trust, "TRUSTED_ANCHOR") && !strings.Contains(trust, "LEAF")
}

// readBoring reads the lines "key: value"; expected_errors has all that follows it.
func readBoring(t *testing.T, file string) boringCase {
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	fields := boringCase{}
	head, errors, found := strings.Cut(string(text), "expected_errors:\n")
	require.True(t, found, file)
	fields["expected_errors"] = errors
	for lines := bufio.NewScanner(strings.NewReader(head)); lines.Scan(); {
		if key, value, ok := strings.Cut(lines.Text(), ":"); ok {
			fields[key] = strings.TrimSpace(value)
		}
	}
	return fields
}

func (c boringCase) time(t *testing.T) string {
	if c["utc_time"] == "DEFAULT" {
		return boringDefault
	}
	at, err := time.Parse("060102150405Z", c["utc_time"])
	require.NoError(t, err)
	return at.Format(time.RFC3339)
}

// boringChain makes files of a chain: the leaf, what is between, and the last, which is the anchor.
func boringChain(t *testing.T, file string) []string {
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	var ders [][]byte
	for block, rest := pem.Decode(bytes.TrimSpace(text)); block != nil; block, rest = pem.Decode(rest) {
		ders = append(ders, block.Bytes)
	}
	require.NotEmpty(t, ders, file)
	dir, last := t.TempDir(), len(ders)-1
	args := []string{"--anchor=" + suite.WritePEM(t, filepath.Join(dir, "anchor"), "CERTIFICATE", ders[last])}
	if last > 1 {
		args = append(args, "--intermediate="+suite.WritePEM(t, filepath.Join(dir, "cas"), "CERTIFICATE",
			ders[1:last]...))
	}
	return append(args, suite.WritePEM(t, filepath.Join(dir, "leaf"), "CERTIFICATE", ders[0]))
}
