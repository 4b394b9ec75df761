package revocation_test

import (
	"cmp"
	"crypto/x509"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/pki"
	"tlagate/pki/pkitest/suite"
	"tlagate/pki/revocation"
	"tlagate/pki/trust"
)

// BoringSSL's cases of lists and answers are judged without paths: the CAs in them are not fit to issue certificates.

const conformance = "../../docs/conformance.md"

// TestC2BoringSSLCRLs: the name of a file says what the verdict must be (make conformance BORINGSSL=DIR).
func TestC2BoringSSLCRLs(t *testing.T) {
	var vectors []suite.Vector
	for _, file := range suite.Glob(t, suite.Data(t, "BORINGSSL"), "crl_unittest/*.pem") {
		name := filepath.Base(file)
		vectors = append(vectors, suite.Vector{Name: name, Accept: strings.HasPrefix(name, "good"),
			Judge: func() string {
				b := suite.Blocks(t, file)
				crl := suite.WritePEM(t, filepath.Join(t.TempDir(), "crl.pem"), "X509 CRL", b["CRL"])
				return boringStatus(t, b, time.Date(2017, 3, 9, 0, 0, 0, 0, time.UTC), crl, nil)
			}})
	}
	suite.Run(t, conformance, "BoringSSL: CRLs", vectors)
}

// boringTable matches the rows of BoringSSL's table of answers, which is in ocsp_unittest.cc, beside its data.
var boringTable = regexp.MustCompile(`\{"(\w+\.pem)",\s*OCSPRevocationStatus::(\w+),`)

// TestC2BoringSSLOCSP: make conformance BORINGSSL=DIR.
func TestC2BoringSSLOCSP(t *testing.T) {
	where := suite.Data(t, "BORINGSSL")
	table, err := os.ReadFile(filepath.Join(where, "../ocsp_unittest.cc"))
	require.NoError(t, err)
	var vectors []suite.Vector
	for _, row := range boringTable.FindAllStringSubmatch(string(table), -1) {
		vectors = append(vectors, suite.Vector{Name: row[1], Accept: row[2] == "GOOD", Judge: func() string {
			b := suite.Blocks(t, filepath.Join(where, "ocsp_unittest", row[1]))
			return boringStatus(t, b, time.Date(2017, 3, 5, 0, 0, 0, 0, time.UTC), "", b["OCSP RESPONSE"])
		}})
	}
	suite.Run(t, conformance, "BoringSSL: OCSP", vectors)
}

// boringStatus returns the verdict on the certificate of a case by a list or an answer.
func boringStatus(t *testing.T, b map[string][]byte, at time.Time, crl string, answer []byte) string {
	issuer, err := x509.ParseCertificate(b["CA CERTIFICATE"])
	require.NoError(t, err)
	cert, err := x509.ParseCertificate(b["CERTIFICATE"])
	if err != nil {
		return string(pki.BadCertificate)
	}
	cfg := trust.Config{Profile: trust.RFC5280, Clock: func() time.Time { return at }}
	anchor := suite.WritePEM(t, filepath.Join(t.TempDir(), "ca.pem"), "CERTIFICATE", issuer.Raw)
	cfg.Anchors = []trust.AnchorFile{{File: anchor, Practices: []string{"*"}}}
	if crl != "" {
		cfg.CRLs = []string{crl}
	}
	trust, err := trust.Open(cfg)
	require.NoError(t, err)
	if answer != nil {
		err = trust.AddStatus(answer)
	}
	if err == nil {
		_, refusal := trust.Status(revocation.Question{Issuer: issuer, Cert: cert, CA: cert.IsCA, Now: at})
		if refusal != nil {
			err = refusal
		}
	}
	return cmp.Or(string(pki.ReasonOf(err)), suite.Accepted)
}
