package gateway

import (
	"net"
	"net/http"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/pki/trust"
	"tlagate/session/link"
)

// TestC2APeerBehindABalancer is known by its own address.
func TestC2APeerBehindABalancer(t *testing.T) {
	r := start(t, func(_ *rig, c *Config) { c.Balancers = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} })
	raw, err := net.Dial("tcp", r.addr)
	require.NoError(t, err)
	_, err = raw.Write([]byte("\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\xc0\x00\x02\x07\x7f\x00\x00\x01\x12\x67\x20\xfb"))
	require.NoError(t, err)
	c, _, err := r.party(r.ca.Issue(tla1, clients)).Client(t.Context(), raw, trust.ALPNOuter,
		trust.Want{Usage: servers, DNSName: "localhost"})
	require.NoError(t, err)
	defer c.Close()
	resp, _ := request(t, c, http.MethodGet, link.PathWhoami, nil)
	require.Equal(t, http.StatusOK, resp.StatusCode)
	r.logged("connection accepted", "remote", "192.0.2.7:4711", "peer", tla1)
}
