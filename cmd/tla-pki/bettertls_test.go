package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/pki/pkitest/suite"
)

// betterTLS is the file that Netflix's bettertls writes with export-tests.
type betterTLS struct {
	TrustRoot []byte
	Suites    map[string]struct {
		TestCases []struct {
			ID               uint `json:"id"`
			Certificates     [][]byte
			Hostname         string
			Expected         string // ACCEPT or REJECT
			FailureIsWarning bool   // either will do
		}
	}
}

// TestBetterTLS: path building and name constraints (make conformance BETTERTLS=FILE).
func TestBetterTLS(t *testing.T) {
	data, err := os.ReadFile(suite.Data(t, "BETTERTLS"))
	require.NoError(t, err)
	var file betterTLS
	require.NoError(t, json.Unmarshal(data, &file))
	dir := t.TempDir()
	root := suite.WritePEM(t, filepath.Join(dir, "root.pem"), "CERTIFICATE", file.TrustRoot)
	var vectors []suite.Vector
	for name, s := range file.Suites {
		for _, c := range s.TestCases {
			if c.FailureIsWarning {
				continue
			}
			chain := suite.WritePEM(t, filepath.Join(dir, fmt.Sprintf("%s-%d", name, c.ID)), "CERTIFICATE",
				c.Certificates...)
			judge := verifying(t, "--purpose=server", "--no-revocation", "--anchor="+root, "--dns="+c.Hostname, chain)
			v := suite.Vector{Name: fmt.Sprintf("%s %d", name, c.ID), Accept: c.Expected == "ACCEPT", Judge: judge}
			vectors = append(vectors, v)
		}
	}
	suite.Run(t, conformance, "BetterTLS", vectors)
}
