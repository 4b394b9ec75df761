package listen

import (
	"crypto/x509"
	"encoding/binary"
	"net"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/pki/trust"
)

// here has all connections of these tests come from a balancer.
var here = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}

// proxied returns the header of a connection from an IPv4 address; "" = LOCAL.
func proxied(from string) []byte {
	head := []byte("\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00")
	if from == "" {
		return head
	}
	at := netip.MustParseAddrPort(from)
	head[12], head[13], head[15] = 0x21, 0x11, 12
	head = append(append(head, at.Addr().AsSlice()...), 127, 0, 0, 1)
	return binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(head, at.Port()), 8443)
}

// admitted connects an honest client after head, and returns the connection as it is handed on.
func (r *rig) admitted(t *testing.T, head []byte) *Conn {
	cert := r.ca.Issue("urn:tlagate:op:gateway:g1", x509.ExtKeyUsageClientAuth)
	failed := make(chan error, 1)
	go func() {
		c := r.dial(t)
		_, err := c.Write(head)
		if err == nil {
			_, _, err = r.party(cert).Client(t.Context(), c, trust.ALPNOuter,
				trust.Want{Usage: x509.ExtKeyUsageServerAuth, DNSName: "localhost"})
		}
		failed <- err
	}()
	c, err := r.l.Accept()
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	require.NoError(t, <-failed)
	return c.(*Conn)
}

// say opens a connection and sends octets on it.
func (r *rig) say(t *testing.T, octets []byte) net.Conn {
	c := r.dial(t)
	_, err := c.Write(octets)
	require.NoError(t, err)
	return c
}

func TestC2ABalancerSaysWhoseAConnectionIs(t *testing.T) {
	r := start(t, Config{Balancers: here})
	require.Equal(t, "192.0.2.7:4711", r.admitted(t, proxied("192.0.2.7:4711")).RemoteAddr().String())
}

func TestC2ABalancersOwnConnectionIsItsOwn(t *testing.T) {
	r := start(t, Config{Balancers: here})
	require.Contains(t, r.admitted(t, proxied("")).RemoteAddr().String(), "127.0.0.1:")
}

func TestC2ABalancersConnectionMustBeginWithAHeader(t *testing.T) {
	for name, octets := range map[string][]byte{
		"TLS at once": append([]byte{22, 3, 1, 2, 0}, make([]byte, 512)...),
		"cut short":   proxied("192.0.2.7:4711")[:20], // and then silent for 3 s
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := start(t, Config{Balancers: here})
			c := r.say(t, octets)
			r.logged(t, "reason=proxy_header")
			requireClosed(t, c)
			require.Zero(t, r.l.Pending())
		})
	}
}

// From elsewhere a header is nothing but a broken hello.
func TestC2AHeaderFromElsewhereIsNotRead(t *testing.T) {
	r := start(t, Config{Balancers: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/28")}})
	r.say(t, proxied("192.0.2.7:4711"))
	r.logged(t, "remote=127.0.0.1")
	require.NotContains(t, r.log.String(), "192.0.2.7")
	require.Contains(t, r.admitted(t, nil).RemoteAddr().String(), "127.0.0.1:")
}

// The limit of one address is that of the address behind the balancer, and refusals name it.
func TestC2LimitsCountWhoIsBehindABalancer(t *testing.T) {
	r := start(t, Config{Balancers: here, PerAddress: 1})
	enter := func(from string, guests int) net.Conn {
		c := r.say(t, proxied(from))
		require.Eventually(t, func() bool { return r.l.room.Guests() == guests }, patience, 1e6, from)
		return c
	}
	enter("192.0.2.7:1", 1)
	enter("192.0.2.8:1", 2)
	r.say(t, proxied("192.0.2.7:2"))
	r.logged(t, "remote=192.0.2.7:1 reason=too_many")
	require.NotContains(t, r.log.String(), "192.0.2.8")
}

func requireClosed(t *testing.T, c net.Conn) {
	_, err := c.Read(make([]byte, 1))
	require.Error(t, err)
}
