package ca

import (
	"crypto/ecdsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	zx509 "github.com/zmap/zcrypto/x509"
	"github.com/zmap/zlint/v3"
	"github.com/zmap/zlint/v3/lint"
)

// profileRow is one line of the profile table: what must be in a certificate.
type profileRow struct {
	urn   string
	dns   []string
	eku   x509.ExtKeyUsage
	days  int
	names bool // has subject alternative names and AIA; OCSP responders have neither
	arc   string
}

var profileTable = map[string]profileRow{
	"tla":        {"urn:tlagate:cab1:tla:t1", nil, x509.ExtKeyUsageClientAuth, 398, true, "2.999.1.1"},
	"pdt-client": {"urn:tlagate:cab1:pdt:p1", nil, x509.ExtKeyUsageClientAuth, 398, true, "2.999.1.1"},
	"pdt-server": {"urn:tlagate:cab1:pdt:p1", []string{"p1.cab1.example.org"}, x509.ExtKeyUsageServerAuth, 398,
		true, "2.999.1.2"},
	"gateway-client": {"urn:tlagate:op:gateway:g1", nil, x509.ExtKeyUsageClientAuth, 398, true, "2.999.1.1"},
	"gateway-server": {"urn:tlagate:op:gateway:g1", []string{"g1.example.org", "gateway"}, x509.ExtKeyUsageServerAuth,
		398, true, "2.999.1.2"},
	"pki": {"urn:tlagate:op:pki:k1", []string{"pki.example.org"}, x509.ExtKeyUsageServerAuth, 398, true,
		"2.999.1.2"},
	"ocsp":   {"urn:tlagate:op:ocsp:o1", nil, x509.ExtKeyUsageOCSPSigning, 90, false, "2.999.1.3"},
	"admin":  {"urn:tlagate:op:admin:a.martin", nil, x509.ExtKeyUsageClientAuth, 398, true, "2.999.1.1"},
	"bundle": {"urn:tlagate:op:admin:a.martin", nil, x509.ExtKeyUsageCodeSigning, 398, true, "2.999.1.4"},
}

func TestC2ProfileTable(t *testing.T) {
	c := newCA(t)
	require.Len(t, profileTable, len(profiles), "a profile without a line in the test")
	for name, row := range profileTable {
		t.Run(name, func(t *testing.T) {
			issued, err := c.Certificates.Issue(Request{Profile: name, Identity: identity(t, row.urn), DNS: row.dns,
				CSR: requestFor(t, newKey(t, P256))})
			require.NoError(t, err)
			checkLeaf(t, c, issued.Certificate, row)
			lintCertificate(t, issued.Certificate)
		})
	}
}

func checkLeaf(t *testing.T, c *CA, cert *x509.Certificate, row profileRow) {
	checkCommon(t, cert, c.Issuing)
	require.Equal(t, x509.KeyUsageDigitalSignature, cert.KeyUsage)
	require.Equal(t, []x509.ExtKeyUsage{row.eku}, cert.ExtKeyUsage)
	require.Empty(t, cert.UnknownExtKeyUsage)
	require.False(t, cert.IsCA)
	require.Equal(t, time.Duration(row.days)*24*time.Hour, cert.NotAfter.Add(time.Second).Sub(cert.NotBefore))
	require.Equal(t, []string{row.arc}, policies(cert))
	require.Equal(t, []string{"http://pki.example.invalid/crl.der"}, cert.CRLDistributionPoints)
	require.Empty(t, cert.EmailAddresses)
	require.Empty(t, cert.IPAddresses)
	if row.names {
		checkNamed(t, cert, row)
		return
	}
	require.Empty(t, cert.URIs)
	require.Empty(t, cert.OCSPServer)
	require.Empty(t, cert.IssuingCertificateURL)
	require.Equal(t, []byte{5, 0}, extension(t, cert, "1.3.6.1.5.5.7.48.1.5", false), "id-pkix-ocsp-nocheck")
}

func checkNamed(t *testing.T, cert *x509.Certificate, row profileRow) {
	require.Len(t, cert.URIs, 1)
	require.Equal(t, row.urn, cert.URIs[0].String())
	require.Equal(t, row.dns, cert.DNSNames)
	require.Equal(t, []string{"http://pki.example.invalid/ocsp"}, cert.OCSPServer)
	require.Equal(t, []string{"http://pki.example.invalid/issuing.cer"}, cert.IssuingCertificateURL)
	extension(t, cert, "2.5.29.17", false)
}

func TestC2AuthorityProfiles(t *testing.T) {
	c := newCA(t)
	checkAuthority(t, c.Root, c.Root, 1, 10)
	checkAuthority(t, c.Issuing, c.Root, 0, 5)
	require.True(t, c.Issuing.MaxPathLenZero)
	require.Equal(t, "P-384", curve(c.Root))
	require.Equal(t, "P-256", curve(c.Issuing))
	require.Equal(t, []string{"http://pki.example.invalid/arl.der"}, c.Issuing.CRLDistributionPoints)
	require.Equal(t, []string{"http://pki.example.invalid/ocsp"}, c.Issuing.OCSPServer)
	require.Equal(t, []string{"http://pki.example.invalid/root.cer"}, c.Issuing.IssuingCertificateURL)
}

func checkAuthority(t *testing.T, cert, issuer *x509.Certificate, pathLen, years int) {
	checkCommon(t, cert, issuer)
	require.Equal(t, x509.KeyUsageCertSign|x509.KeyUsageCRLSign, cert.KeyUsage)
	require.Empty(t, cert.ExtKeyUsage)
	require.True(t, cert.IsCA)
	require.Equal(t, pathLen, cert.MaxPathLen)
	require.Equal(t, cert.NotBefore.AddDate(years, 0, 0), cert.NotAfter.Add(time.Second))
	require.Equal(t, []string{"2.999.1.1", "2.999.1.2", "2.999.1.3", "2.999.1.4"}, policies(cert))
	require.Empty(t, cert.URIs)
	lintCertificate(t, cert)
}

// checkCommon is what every certificate must have.
func checkCommon(t *testing.T, cert, issuer *x509.Certificate) {
	require.NoError(t, cert.CheckSignatureFrom(issuer))
	require.Equal(t, 3, cert.Version)
	require.Positive(t, cert.SerialNumber.Sign())
	require.Equal(t, 127, cert.SerialNumber.BitLen(), "16 octets")
	require.Equal(t, issuer.SubjectKeyId, cert.AuthorityKeyId)
	require.Len(t, cert.SubjectKeyId, 20)
	require.True(t, cert.BasicConstraintsValid)
	extension(t, cert, "2.5.29.15", true)  // key usage
	extension(t, cert, "2.5.29.19", true)  // basic constraints
	extension(t, cert, "2.5.29.32", false) // certificate policies
	extension(t, cert, "2.5.29.35", false) // authority key identifier
	if len(cert.ExtKeyUsage) > 0 {
		extension(t, cert, "2.5.29.37", false)
	}
}

// extension returns the only extension with that OID.
func extension(t *testing.T, cert *x509.Certificate, oid string, critical bool) []byte {
	var found [][]byte
	for _, e := range cert.Extensions {
		if e.Id.String() == oid {
			require.Equal(t, critical, e.Critical, "critical flag of %s", oid)
			found = append(found, e.Value)
		}
	}
	require.Len(t, found, 1, "extension %s", oid)
	return found[0]
}

func policies(cert *x509.Certificate) []string {
	var out []string
	for _, p := range cert.Policies {
		out = append(out, p.String())
	}
	return out
}

func curve(cert *x509.Certificate) string {
	return cert.PublicKey.(*ecdsa.PublicKey).Params().Name
}

// lintCertificate runs zlint's RFC 5280 lints. A notice is reported, anything above fails.
func lintCertificate(t *testing.T, cert *x509.Certificate) {
	parsed, err := zx509.ParseCertificate(cert.Raw)
	require.NoError(t, err)
	judgeLints(t, cert.Subject.String(), zlint.LintCertificateEx(parsed, rfc5280(t)))
}

func lintList(t *testing.T, list *List) {
	parsed, err := zx509.ParseRevocationList(list.DER)
	require.NoError(t, err)
	judgeLints(t, fmt.Sprint("list ", list.Number), zlint.LintRevocationListEx(parsed, rfc5280(t)))
}

func rfc5280(t *testing.T) lint.Registry {
	registry, err := lint.GlobalRegistry().Filter(lint.FilterOptions{IncludeSources: lint.SourceList{lint.RFC5280}})
	require.NoError(t, err)
	return registry
}

func judgeLints(t *testing.T, what string, results *zlint.ResultSet) {
	passed := 0
	for name, result := range results.Results {
		switch result.Status {
		case lint.Pass:
			passed++
		case lint.Notice:
			t.Logf("%s: notice %s %s", what, name, result.Details)
		case lint.Warn, lint.Error, lint.Fatal:
			t.Errorf("%s: %s %s: %s", what, result.Status, name, result.Details)
		}
	}
	require.NotZero(t, passed, "no lint looked at it")
}

// A lint run that cannot fail would prove nothing.
func TestLintsFindFaults(t *testing.T) {
	c := newCA(t)
	cert := issueTLA(t, c, terminal).Certificate
	at := slices.IndexFunc(cert.Extensions,
		func(e pkix.Extension) bool { return e.Id.Equal(asn1.ObjectIdentifier{2, 5, 29, 35}) })
	require.NotEqual(t, -1, at)
	parsed, err := zx509.ParseCertificate(cert.Raw)
	require.NoError(t, err)
	parsed.Extensions = slices.Delete(parsed.Extensions, at, at+1)
	parsed.AuthorityKeyId = nil
	require.True(t, zlint.LintCertificateEx(parsed, rfc5280(t)).ErrorsPresent)
}

func TestRSAAndOtherNames(t *testing.T) {
	dir := t.TempDir() + "/ca"
	require.NoError(t, Init(dir, InitConfig{
		Settings: Settings{Name: "TEST Réseau", URL: "http://pki.example.org/d/", Policy: "1.2.250.1.999"},
		RootKey:  RSA3072, IssuingKey: RSA3072,
	}))
	c := openCA(t, dir, Options{})
	require.Equal(t, "TEST Réseau issuing CA", c.Issuing.Subject.CommonName)
	issued, err := c.Certificates.Issue(Request{Profile: "tla", Identity: identity(t, terminal),
		CSR: requestFor(t, newKey(t, P384))})
	require.NoError(t, err)
	require.Equal(t, []string{"http://pki.example.org/d/crl.der"}, issued.Certificate.CRLDistributionPoints)
	require.Equal(t, []string{"1.2.250.1.999.1"}, policies(issued.Certificate))
	require.Equal(t, x509.SHA384WithRSA, issued.Certificate.SignatureAlgorithm)
	for _, cert := range []*x509.Certificate{c.Root, c.Issuing, issued.Certificate} {
		lintCertificate(t, cert)
	}
	der, err := os.ReadFile(c.Public("root.cer"))
	require.NoError(t, err)
	require.Equal(t, c.Root.Raw, der)
}
