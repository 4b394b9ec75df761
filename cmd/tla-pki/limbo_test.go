package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/pki/pkitest/suite"
)

// limboCase is a test of C2SP's x509-limbo, in limbo.json.
type limboCase struct {
	ID                     string
	Features               []string
	ValidationKind         string                        `json:"validation_kind"` // CLIENT or SERVER
	TrustedCerts           []string                      `json:"trusted_certs"`   // PEM, as all of them
	UntrustedIntermediates []string                      `json:"untrusted_intermediates"`
	PeerCertificate        string                        `json:"peer_certificate"`
	ValidationTime         string                        `json:"validation_time"`
	ExtendedKeyUsage       []string                      `json:"extended_key_usage"`
	ExpectedResult         string                        `json:"expected_result"`
	ExpectedPeerName       *struct{ Kind, Value string } `json:"expected_peer_name"`
	MaxChainDepth          *int                          `json:"max_chain_depth"`
	CRLs                   []string                      `json:"crls"`
}

// Left out are rules that hold for web browsers alone (the CA/Browser Forum's, not those of RFC 5280), and BetterTLS,
// which the file contains.
var (
	limboElsewhere = []string{"webpki::", "online::", "bettertls::"}
	limboOfTheWeb  = []string{"pedantic-public-suffix-wildcard", "pedantic-webpki-subscriber-key",
		"pedantic-webpki-eku"}
)

// judged reports whether a test asks for what tla-pki verify has an option for.
func (c limboCase) judged() bool {
	elsewhere := func(prefix string) bool { return strings.HasPrefix(c.ID, prefix) }
	ofTheWeb := func(f string) bool { return slices.Contains(limboOfTheWeb, f) }
	return !slices.ContainsFunc(limboElsewhere, elsewhere) && !slices.ContainsFunc(c.Features, ofTheWeb) &&
		c.MaxChainDepth == nil && (c.ExpectedPeerName == nil || c.ExpectedPeerName.Kind != "RFC822")
}

// TestLimbo: the tests of path validation (make conformance LIMBO=FILE).
func TestLimbo(t *testing.T) {
	data, err := os.ReadFile(suite.Data(t, "LIMBO"))
	require.NoError(t, err)
	var file struct{ Testcases []limboCase }
	require.NoError(t, json.Unmarshal(data, &file))
	var vectors []suite.Vector
	for _, c := range file.Testcases {
		if c.judged() {
			judge := verifying(t, c.args(t)...)
			vectors = append(vectors, suite.Vector{Name: c.ID, Accept: c.ExpectedResult == "SUCCESS", Judge: judge})
		}
	}
	suite.Run(t, conformance, "x509-limbo", vectors)
}

func (c limboCase) args(t *testing.T) []string {
	dir := t.TempDir()
	file := func(name string, pems ...string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(strings.Join(pems, "\n")), 0o600))
		return path
	}
	at := c.ValidationTime
	if at == "" {
		at = time.Now().UTC().Format(time.RFC3339)
	}
	args := []string{"--at=" + at, "--purpose=" + c.purpose(), "--anchor=" + file("anchors.pem", c.TrustedCerts...)}
	if len(c.UntrustedIntermediates) > 0 {
		args = append(args, "--intermediate="+file("cas.pem", c.UntrustedIntermediates...))
	}
	if c.ExpectedPeerName != nil {
		args = append(args, "--dns="+c.ExpectedPeerName.Value)
	}
	if len(c.CRLs) > 0 {
		args = append(args, "--crl="+file("crls.pem", c.CRLs...))
	} else {
		args = append(args, "--no-revocation")
	}
	return append(args, file("peer.pem", c.PeerCertificate))
}

func (c limboCase) purpose() string {
	switch {
	case slices.Contains(c.ExtendedKeyUsage, "clientAuth") || c.ValidationKind == "CLIENT":
		return "client"
	case slices.Contains(c.ExtendedKeyUsage, "serverAuth") || c.ValidationKind == "SERVER":
		return "server"
	}
	return "any"
}
