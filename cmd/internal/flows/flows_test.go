package flows

import (
	"bytes"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/cmd/internal/cli"
)

// at is what a flow says of one setting.
type at struct {
	direction           Direction
	source, destination string
	port                uint16
}

func of(l *List) at {
	f := l.Flows[0]
	return at{f.Direction, f.Source, f.Destination, f.Port}
}

func TestC1FlowsOfAddresses(t *testing.T) {
	for text, want := range map[string]at{
		"GW.example.org.:8443":           {Out, Here, "gw.example.org", 8443},
		"gw.example.org=192.0.2.7:8443":  {Out, Here, "192.0.2.7", 8443},
		"gw.example=[2001:DB8::1]:8443":  {Out, Here, "2001:db8::1", 8443},
		"[::ffff:192.0.2.7]:8443":        {Out, Here, "192.0.2.7", 8443},
		"[fe80::1%eth0]:8443":            {Out, Here, "fe80::1", 8443},
		"localhost:8443":                 {Local, Here, "localhost", 8443},
		"127.0.0.2:8443":                 {Local, Here, "127.0.0.2", 8443},
		"http://PKI.example.org/crl.der": {Out, Here, "pki.example.org", 80},
		"https://pki.example.org":        {Out, Here, "pki.example.org", 443},
		"http://[2001:db8::2]:8080/x":    {Out, Here, "2001:db8::2", 8080},
	} {
		l := &List{}
		if strings.Contains(text, "://") {
			l.Fetch("key", text, Why{})
		} else {
			l.Dial("key", text, Why{})
		}
		require.NoError(t, l.Err(), text)
		require.Equal(t, want, of(l), text)
	}
}

func TestC1FlowsOfListeners(t *testing.T) {
	for text, want := range map[string]at{
		":8443":           {In, Anywhere, Here, 8443},
		"0.0.0.0:8443":    {In, Anywhere, Here, 8443},
		"[::]:8443":       {In, Anywhere, Here, 8443},
		"192.0.2.1:8443":  {In, Anywhere, "192.0.2.1", 8443},
		"gw.example:8443": {In, Anywhere, "gw.example", 8443},
		"127.0.0.1:9464":  {Local, Here, "127.0.0.1", 9464},
		"[::1]:9464":      {Local, Here, "::1", 9464},
		"localhost:9464":  {Local, Here, "localhost", 9464},
	} {
		l := &List{}
		l.Listen("key", text, Why{})
		require.NoError(t, l.Err(), text)
		require.Equal(t, want, of(l), text)
	}
}

// TestC1NoFlowIsLeftOutInSilence: what cannot be read is an error, and what is no address is none.
func TestC1NoFlowIsLeftOutInSilence(t *testing.T) {
	for _, add := range []func(*List){
		func(l *List) { l.Dial("key", "gw", Why{}) },
		func(l *List) { l.Fetch("key", "ftp://pki.example/crl", Why{}) },
		func(l *List) { l.Listen("key", ":0", Why{}) },
		func(l *List) { l.Listen("key", "8443", Why{}) },
	} {
		l := &List{Program: "tla-pki"}
		add(l)
		require.ErrorContains(t, Command{NFT: true}.Print(&cli.App{Stdout: &bytes.Buffer{}}, "x", l), "cannot use key")
	}
	l := &List{}
	l.Dial("key", "", Why{})
	l.Fetch("key", "/var/lib/crl.pem", Why{})
	l.Listen("key", "unix:/run/metrics.sock", Why{})
	l.Listen("key", "", Why{})
	require.NoError(t, l.Err())
	require.Empty(t, l.Flows)
}

// TestC1FlowsThroughAProxy: a device that has a proxy reaches no gateway by itself.
func TestC1FlowsThroughAProxy(t *testing.T) {
	l := &List{}
	l.Gateways(cli.Proxy{URL: "http://valise@proxy.example:3128"}, []string{"gw.example:8443"})
	require.Len(t, l.Flows, 1)
	require.Equal(t, at{Out, Here, "proxy.example", 3128}, of(l))
}

// TestC1FlowsOfResponders: which responders certificates name, no configuration says.
func TestC1FlowsOfResponders(t *testing.T) {
	l := &List{}
	l.Trust(cli.Trust{OCSP: cli.OCSP{FromAIA: true}})
	l.Persons(nil)
	require.Equal(t, at{Out, Here, Anywhere, 80}, of(l))
}

// TestC1FlowsOfTheMachine: names are looked up by those alone that have some.
func TestC1FlowsOfTheMachine(t *testing.T) {
	ports := func(c Command, server string) (list []uint16) {
		l := &List{}
		l.Dial("key", server, Why{})
		c.machine(l)
		for _, f := range l.Flows[1:] {
			list = append(list, f.Port)
		}
		return list
	}
	ntp := []netip.Addr{netip.MustParseAddr("192.0.2.123")}
	require.Equal(t, []uint16{123, 53, 53}, ports(Command{NTP: ntp}, "gw.example:8443"))
	require.Equal(t, []uint16{123, 53, 53}, ports(Command{}, "192.0.2.1:8443"), "who knows the time servers?")
	require.Equal(t, []uint16{123}, ports(Command{NTP: ntp}, "192.0.2.1:8443"))
	require.Equal(t, []uint16{123, 67, 68, 547, 546}, ports(Command{NTP: ntp, DHCP: true}, "192.0.2.1:8443"))
}

// TestC1RulesHaveTheAddresses: those of names, in sets by family; or they say that they have none.
func TestC1RulesHaveTheAddresses(t *testing.T) {
	l := &List{Program: "tla-relay"}
	l.Dial("a", "gw.example:8443", Why{"C2", "links"})
	l.Dial("b", "gw.example:8443", Why{"C2", "the same"})
	l.ListenTo("c", "[2001:db8::1]:1", "192.0.2.0/24", Why{"C2", "never"})
	l.ListenTo("d", ":2", "192.0.2.0/24", Why{"C2", "balancer"})
	text := func(names map[string][]netip.Addr) string {
		var out bytes.Buffer
		require.NoError(t, ruleset(&out, "relay.yaml", l, names))
		return out.String()
	}
	known := text(map[string][]netip.Addr{"gw.example": {netip.MustParseAddr("192.0.2.7")}})
	require.Contains(t, known, "add element inet tlagate tla-relay.gw.example.v4 { 192.0.2.7 }\n")
	require.Contains(t, known, "ip daddr @tla-relay.gw.example.v4 tcp dport 8443 accept comment \"C2: links\"\n")
	require.Contains(t, known, "ip6 daddr @tla-relay.gw.example.v6 tcp dport 8443 accept")
	require.NotContains(t, known, "C2: the same", "one rule is enough")
	require.NotContains(t, known, "never", "the families of its ends differ")
	require.Contains(t, known, "ip saddr 192.0.2.0/24 tcp dport 2 accept")
	require.NotContains(t, known, unresolved)
	unknown := text(nil)
	require.Contains(t, unknown, "\t\ttcp dport 8443 accept")
	require.Contains(t, unknown, unresolved)
	require.NotContains(t, unknown, "\tset ")
}

// TestC1NoFilterOfNamesThatAreUnknown: a name that cannot be looked up is no reason to open its port to all.
func TestC1NoFilterOfNamesThatAreUnknown(t *testing.T) {
	l := &List{Program: "tla-relay"}
	l.Dial("a", "gw.example.invalid:8443", Why{"C2", "links"})
	var out bytes.Buffer
	err := Command{NFT: true, Resolve: true}.Print(&cli.App{Stdout: &out, Context: t.Context()}, "x", l)
	require.ErrorContains(t, err, "cannot look up gw.example.invalid")
	require.Empty(t, out.String())
}
