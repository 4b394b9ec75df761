package integration

import (
	"crypto/x509"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"tlagate/integration/lab"
	"tlagate/pki"
)

const bothFamilies = "both.c3.invalid"

// TestC3EitherFamily: a session starts over IPv6 or IPv4, whichever works, even if the other one swallows everything,
// and over IPv6 alone.
func TestC3EitherFamily(t *testing.T) {
	blackHoles(t)
	for _, c := range []struct {
		name, host, listen string
		addresses          []string
		deadFirst          bool // the first address that is tried does not answer
	}{
		{"IPv6 is dead", bothFamilies, "127.0.0.1", []string{"2001:db8:c3::dead", "127.0.0.1"}, true},
		{"IPv6 is dead, and there is much of it", bothFamilies, "127.0.0.1",
			[]string{"2001:db8:c3::d1", "2001:db8:c3::d2", "2001:db8:c3::d3", "127.0.0.1"}, true},
		{"IPv4 is dead", bothFamilies, "fd00:c3::1", []string{"192.0.2.66", "fd00:c3::1"}, true},
		{"two addresses of three are dead", bothFamilies, "192.0.2.1",
			[]string{"192.0.2.66", "192.0.2.67", "192.0.2.1"}, true},
		{"IPv4 is dead but for the last of five", bothFamilies, "192.0.2.1",
			[]string{"192.0.2.66", "192.0.2.67", "192.0.2.68", "192.0.2.69", "192.0.2.1"}, true},
		{"IPv6 is dead but for the last of five", bothFamilies, "fd00:c3::1",
			[]string{"2001:db8:c3::d1", "2001:db8:c3::d2", "2001:db8:c3::d3", "2001:db8:c3::d4", "fd00:c3::1"}, true},
		{"IPv6 only", bothFamilies, "::1", []string{"::1"}, false},
		{"a name of the hosts file for an IPv4 address", bothFamilies, "127.0.0.1", []string{"127.0.0.1"}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			knowHost(t, bothFamilies, c.addresses...)
			b := newBedAlone(t)
			b.ca.publish(t)
			b.Host, b.GatewayAddr = c.host, net.JoinHostPort(c.listen, port(b.GatewayAddr))
			b.GatewayKeys = b.keys("gateway", b.ca.Issue(lab.Gateway, x509.ExtKeyUsageServerAuth, calledAlso(c.host)))
			require.NoError(t, b.StartGateway())
			if c.deadFirst {
				_, err := (&net.Dialer{FallbackDelay: -1, Timeout: 200 * time.Millisecond,
					Resolver: &net.Resolver{PreferGo: true}}).Dial("tcp", b.Via())
				require.Error(t, err, "the dead address must come first, or nothing is shown here")
			}
			require.NoError(t, b.StartRelay())
			b.startPdT(t)
			b.startAccepted(t)
		})
	}
}

// TestC3AddressInPlaceOfAName: certificates have names, and the gateway has to prove one. A configuration with an
// address alone is refused before anything is dialled.
func TestC3AddressInPlaceOfAName(t *testing.T) {
	b := newBed(t)
	b.ca.publish(t)
	for _, host := range []string{"::1", "127.0.0.1"} {
		b.Host, b.GatewayAddr = host, net.JoinHostPort(host, port(b.GatewayAddr))
		require.ErrorContains(t, b.StartRelay(), "the server proves a name")
		require.NoError(t, b.LaunchPdT())
		logged(t, b.PdTProc, 0, "cannot use gateways[0]", "the server proves a name")
	}
}

// TestC3NameBesideAnAddress: where no DNS knows the gateway, both devices and their doctors dial its address and have
// its name proven; an address with the wrong name is refused.
func TestC3NameBesideAnAddress(t *testing.T) {
	b := newBed(t)
	b.ca.publish(t)
	require.NoError(t, b.StartGateway())
	there := []string{"localhost=" + b.GatewayAddr}
	b.TLAVia, b.PdTVia = there, there
	b.startPdT(t)
	require.NoError(t, b.StartRelay())
	b.startAccepted(t)
	gateway := "gateway " + there[0]
	f := doctor(t, b.Lab, "tla-pdt", nil)
	f.are(t, "ok", gateway)
	require.Contains(t, f[gateway].Found, lab.Gateway+" takes us for "+lab.PdT)

	require.NoError(t, b.RelayProc.Stop())
	require.NoError(t, b.PdTProc.Stop())
	b.TLAVia = []string{"other.c3.invalid=" + b.GatewayAddr}
	b.PdTVia = b.TLAVia
	require.NoError(t, b.LaunchPdT())
	logged(t, b.PdTProc, 0, "no link to the gateway", "reason=name_mismatch", b.PdTVia[0])
	require.NoError(t, b.StartRelay())
	require.Equal(t, string(pki.NameMismatch), b.startRefused(t).Reason)
}

// blackHoles makes networks in which only our own addresses answer, and all others swallow what they are sent.
func blackHoles(t *testing.T) {
	t.Helper()
	ip(t, "link", "add", "c3hole", "type", "veth", "peer", "name", "c3bottom")
	t.Cleanup(func() { ip(t, "link", "del", "c3hole") })
	ip(t, "link", "set", "c3bottom", "up")
	ip(t, "link", "set", "c3hole", "arp", "off", "up")
	ip(t, "addr", "add", "192.0.2.1/24", "dev", "c3hole")
	for _, a := range []string{"2001:db8:c3::1/64", "fd00:c3::1/64"} {
		ip(t, "-6", "addr", "add", a, "dev", "c3hole", "nodad")
	}
}

func ip(t *testing.T, args ...string) {
	t.Helper()
	out, err := exec.Command("ip", args...).CombinedOutput()
	require.NoError(t, err, "ip %s: %s", strings.Join(args, " "), out)
}

// knowHost makes a name known with its addresses, in this world alone and until the test ends.
func knowHost(t *testing.T, name string, addresses ...string) {
	t.Helper()
	hosts, err := os.ReadFile("/etc/hosts")
	require.NoError(t, err)
	text := string(hosts)
	for _, a := range addresses {
		text += "\n" + a + " " + name
	}
	file := filepath.Join(t.TempDir(), "hosts")
	require.NoError(t, os.WriteFile(file, []byte(text+"\n"), 0o644))
	require.NoError(t, unix.Mount(file, "/etc/hosts", "", unix.MS_BIND, ""))
	t.Cleanup(func() { require.NoError(t, unix.Unmount("/etc/hosts", 0)) })
}
