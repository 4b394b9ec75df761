package integration

import (
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/integration/lab"
	"tlagate/pki/trust"
)

const (
	balancer   = "127.1.0.2" // named in proxy_from, as all of 127.1.0.0/16
	noBalancer = "127.2.0.2"

	// proxied is the header of 192.0.2.7:4711, over TCP and IPv4; its last two octets before the addresses are their
	// length.
	proxied = "\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c" + proxiedFrom
	local   = "\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00"

	proxiedFrom = "\xc0\x00\x02\x07\x7f\x00\x00\x01\x12\x67\x20\xfb"
	behind      = "remote=192.0.2.7:4711"
)

// balancerAttacks are beginnings of connections that come to no peer, and what the log says of each.
var balancerAttacks = []struct {
	name, from, octets string
	logs               []string
}{
	{"none, of a balancer", balancer, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + strings.Repeat("x", 512),
		[]string{"none of version 2"}},
	{"version 1", balancer, "PROXY TCP4 192.0.2.7 127.0.0.1 4711 8443\r\n", []string{"none of version 2"}},
	{"cut short, then silent", balancer, proxied[:20], []string{"cannot read a PROXY header"}},
	{"64 KiB of extras", balancer, strings.Replace(proxied, "\x00\x0c"+proxiedFrom, "\xff\xff"+proxiedFrom, 1) +
		"\xee\xff\xf0" + strings.Repeat("x", 0xfff0), []string{"it has 65551 octets, want at most 536"}},
	{"an extra longer than the header", balancer, strings.Replace(proxied, "\x00\x0c", "\x00\x0f", 1) +
		"\xee\xff\xff" + strings.Repeat("x", 0xffff), []string{"an extra is cut short"}},
	{"of a Unix socket", balancer, strings.Replace(proxied, "\x21\x11", "\x21\x31", 1), []string{"family 0x31"}},
	{"of UDP", balancer, strings.Replace(proxied, "\x21\x11", "\x21\x12", 1), []string{"family 0x12"}},
	{"IPv6 with the addresses of IPv4", balancer, strings.Replace(proxied, "\x21\x11", "\x21\x21", 1),
		[]string{"family 0x21"}},
	{"an unknown command", balancer, strings.Replace(proxied, "\x21\x11", "\x22\x11", 1),
		[]string{"neither LOCAL nor PROXY"}},
	{"of nobody", balancer, strings.Replace(proxied, "\xc0\x00\x02\x07", "\x00\x00\x00\x00", 1),
		[]string{"nobody's address"}},
	{"with a wrong checksum", balancer, strings.Replace(proxied, "\x00\x0c", "\x00\x13", 1) +
		"\x03\x00\x04\x00\x00\x00\x00", []string{"its checksum is wrong"}},
	{"twice", balancer, proxied + proxied, []string{behind, "reason=handshake_failed"}},
	{"LOCAL, then another", balancer, local + proxied, []string{"remote=" + balancer, "reason=handshake_failed"}},
	{"of one that is no balancer", noBalancer, proxied, []string{"remote=" + noBalancer, "reason=handshake_failed"}},
}

// TestC2HostileBalancer: what begins with no header that can be read, or with one that nobody asked for, comes to no
// peer and leaves a line that says why; the gateway serves on.
func TestC2HostileBalancer(t *testing.T) {
	b := newBed(t)
	b.ca.publish(t)
	require.NoError(t, b.StartGateway("proxy_from: [127.1.0.0/16]"))
	require.NoError(t, b.StartRelay())
	b.startPdT(t)
	for _, a := range balancerAttacks {
		t.Run("C2 "+a.name, func(t *testing.T) {
			mark := b.GatewayProc.Mark()
			c := b.dialFrom(t, a.from)
			_, _ = io.WriteString(c, a.octets) // it may be refused before all of it is sent
			if a.from == balancer && len(a.logs) == 1 {
				logged(t, b.GatewayProc, mark, "connection refused", "reason=proxy_header", "remote="+balancer,
					a.logs[0])
			} else {
				logged(t, b.GatewayProc, mark, append(a.logs, "handshake refused")...)
			}
			requireClosed(t, c)
		})
	}
	for name, c := range map[string]struct{ from, head, remote string }{
		"behind a balancer": {balancer, proxied, behind},
		"a balancer itself": {balancer, local, "remote=" + balancer},
		"elsewhere":         {noBalancer, "", "remote=" + noBalancer},
	} {
		t.Run("C2 "+name, func(t *testing.T) {
			mark, conn := b.GatewayProc.Mark(), b.dialFrom(t, c.from)
			_, err := io.WriteString(conn, c.head)
			require.NoError(t, err)
			answer, _, err := ask(t, conn, b.client(readKeys(t, b.TLAKeys), trust.ALPNOuter))
			require.NoError(t, err)
			accepted(t, answer, lab.TLA)
			logged(t, b.GatewayProc, mark, "connection accepted", c.remote)
		})
	}
}

// TestC2SlowHeadersHoldNobodyUp: two hundred balancers' connections that send an octet now and then are gone when the
// time for the header is over, however busy they were; meanwhile sessions begin.
func TestC2SlowHeadersHoldNobodyUp(t *testing.T) {
	b := newBed(t)
	b.ca.publish(t)
	require.NoError(t, b.StartGateway("proxy_from: [127.1.0.0/16]"))
	require.NoError(t, b.StartRelay())
	b.startPdT(t)
	closed := make(chan error)
	const many = 200
	for range many {
		c := b.dialFrom(t, balancer)
		go func() { closed <- drip(c) }()
	}
	b.startAccepted(t)
	for range many {
		require.Error(t, <-closed, "it is not waited for longer because something came")
	}
	logged(t, b.GatewayProc, 0, "connection refused", "reason=proxy_header", "remote="+balancer)
	b.startAccepted(t)
}

// drip sends the octets of a header one by one, less than all of them in the time that there is for it, and returns why
// it could not go on.
func drip(c net.Conn) error {
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for i := 0; ; i++ {
		if _, err := c.Write([]byte{proxied[min(i, len(proxied)-2)]}); err != nil {
			return err
		}
		<-tick.C
	}
}

// dialFrom connects to the gateway from one of this machine's addresses.
func (b *bed) dialFrom(t *testing.T, address string) net.Conn {
	t.Helper()
	c, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}).Dial("tcp", b.GatewayAddr)
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	return c
}
