package integration

import (
	"os/exec"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestC2ScannersGradeTheGateway: sslscan, which offers no ALPN and has no certificate, sees what the gateway accepts
// (TLS 1.3 alone, its suites, its groups) and the certificate that it shows.
func TestC2ScannersGradeTheGateway(t *testing.T) {
	b := newBed(t)
	b.ca.publish(t)
	require.NoError(t, b.StartGateway())
	raw, err := exec.Command("sslscan", "--no-colour", "--no-heartbleed", b.GatewayAddr).CombinedOutput()
	require.NoError(t, err, "%s", raw)
	out := string(raw)
	for _, version := range []string{"SSLv2", "SSLv3", "TLSv1.0", "TLSv1.1", "TLSv1.2"} {
		require.Regexp(t, regexp.QuoteMeta(version)+` +disabled`, out)
	}
	require.Regexp(t, `TLSv1\.3 +enabled`, out)
	suites := regexp.MustCompile(`(?m)^(?:Preferred|Accepted) +TLSv1\.3 +\d+ bits +(\S+)`).FindAllStringSubmatch(out,
		-1)
	require.Len(t, suites, 3, "%s", out)
	require.NotRegexp(t, `(?m)^(Preferred|Accepted) +TLSv1\.[0-2]`, out)
	require.Regexp(t, `(?m)^TLSv1\.3 .*secp256r1`, out, "its groups")
	require.Contains(t, out, "SSL Certificate:")
}
