package revocation

import (
	"crypto/tls"
	"net"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/pki"
)

// TestG5URLsAreFetchedByTheTable: the hello to an https:// server offers what links offer, and TLS 1.3 alone.
func TestG5URLsAreFetchedByTheTable(t *testing.T) {
	for _, c := range []pki.Crypto{pki.CryptoDefault, pki.CryptoRGS} {
		hello := helloOf(t, Config{Crypto: c}.withDefaults().HTTP)
		require.Equal(t, []uint16{tls.VersionTLS13}, hello.SupportedVersions)
		require.Subset(t, c.Groups(true), hello.SupportedCurves)
		require.NotEmpty(t, hello.SupportedCurves)
	}
}

// helloOf returns what a client says first to an https:// server, which hangs up.
func helloOf(t *testing.T, client *http.Client) *tls.ClientHelloInfo {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	heard := make(chan *tls.ClientHelloInfo, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		_ = tls.Server(c, &tls.Config{GetConfigForClient: func(h *tls.ClientHelloInfo) (*tls.Config, error) {
			heard <- h
			return nil, net.ErrClosed
		}}).Handshake()
	}()
	_, err = client.Get("https://" + l.Addr().String())
	require.Error(t, err)
	return <-heard
}

// TestC1TheEnvironmentNamesNoProxyOfURLs: flows are those of the configuration.
func TestC1TheEnvironmentNamesNoProxyOfURLs(t *testing.T) {
	transport, ok := Config{}.withDefaults().HTTP.Transport.(*http.Transport)
	require.True(t, ok, "nil: http.DefaultTransport, which asks the environment")
	require.Nil(t, transport.Proxy)
}
