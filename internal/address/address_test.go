package address

import (
	"net"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// What an address can be used for.
const (
	nothing = 0
	dial    = 1 << iota
	server
	listen
)

// addresses are those of configurations: what each can be used for, and why not for the rest.
var addresses = []struct {
	text string
	good int
	says string // the error of Dial, or else of Server
}{
	{"gw1.example.org:8443", dial | server | listen, ""},
	{"GW1.Example.ORG:8443", dial | server | listen, ""},
	{"gw1.example.org.:8443", dial | server | listen, ""},
	{"localhost:1", dial | server | listen, ""},
	{"pki_1:65535", dial | server | listen, ""},
	{"xn--bcher-kva.example:443", dial | server | listen, ""},
	{"192.0.2.7:8443", dial | listen, "the server proves a name"},
	{"[2001:db8::1]:8443", dial | listen, "the server proves a name"},
	{"[fe80::1%eth0]:8443", dial | listen, "the server proves a name"},
	{"gw1.example.org=192.0.2.7:8443", server, ""},
	{"gw1.example.org=[2001:db8::1]:8443", server, ""},
	{"gw1.example.org=gw1.lan:8443", server, ""},
	{"192.0.2.8=192.0.2.7:8443", nothing, "the name beside it is not valid"},
	{"2001:db8::1=192.0.2.7:8443", nothing, "the name beside it is not valid"},
	{"=192.0.2.7:8443", nothing, "the name beside it is not valid"},
	{"gw 1=192.0.2.7:8443", nothing, "the name beside it is not valid"},
	{"bücher.example=192.0.2.7:8443", nothing, "the name beside it is not valid"},
	{"user@gw=192.0.2.7:8443", nothing, "the name beside it is not valid"},
	{"gw1.example.org=192.0.2.7", nothing, "want HOST:PORT"},
	{"gw1.example.org=", nothing, "it is empty"},
	{"a=b=192.0.2.7:8443", nothing, "no name"},
	{"gw1=https://192.0.2.7:8443", nothing, "it is a URL"},
	{":8443", listen, "no host"},
	{"gw:0", listen, "from 1 to 65535"},
	{":0", listen, "no host"},

	{"", nothing, "it is empty"},
	{"gw", nothing, "want HOST:PORT"},
	{"gw:", nothing, "from 1 to 65535"},
	{"gw:70000", nothing, "from 1 to 65535"},
	{"gw:65536", nothing, "from 1 to 65535"},
	{"gw:-1", nothing, "from 1 to 65535"},
	{"gw:+1", nothing, "from 1 to 65535"},
	{"gw:https", nothing, "from 1 to 65535"},
	{"gw:84 43", nothing, "blank"},
	{" gw:8443", nothing, "blank"},
	{"gw:8443\n", nothing, "blank"},
	{"gw\t1:8443", nothing, "blank"},
	{"gw:8443/", nothing, "slash"},
	{"gw/x:8443", nothing, "slash"},
	{`gw\x:8443`, nothing, "slash"},
	{"https://gw:8443", nothing, "it is a URL"},
	{"bücher.example:8443", nothing, "xn--"},
	{"gw.example\u00a0:8443", nothing, "xn--"},
	{"2001:db8::1:8443", nothing, "brackets"},
	{"2001:db8::1", nothing, "brackets"},
	{"[2001:db8::1]", nothing, "want HOST:PORT"},
	{"[gw:8443", nothing, "want HOST:PORT"},
	{"[2001:db8::zz]:8443", nothing, "no name"},
	{"256.1.1.1:8443", nothing, "as IP addresses do"},
	{"10.0.0:8443", nothing, "as IP addresses do"},
	{"gw..example:8443", nothing, "no name"},
	{".example:8443", nothing, "no name"},
	{"-gw:8443", nothing, "no name"},
	{"gw-.example:8443", nothing, "no name"},
	{"*.example:8443", nothing, "no name"},
	{"*:8443", nothing, "no name"},
	{"user@gw:8443", nothing, "no name"},
	{"gw?:8443", nothing, "no name"},
	{strings.Repeat("a", 64) + ":1", nothing, "no name"},
	{strings.Repeat("abcdefg.", 32) + "x:1", nothing, "longer"},
}

func TestAddresses(t *testing.T) {
	for _, c := range addresses {
		_, asDial := Dial(c.text)
		at, asServer := Server(c.text)
		asListen := Listen(c.text)
		for use, err := range map[int]error{dial: asDial, server: asServer, listen: asListen} {
			require.Equal(t, c.good&use != 0, err == nil, "%q for %d: %v", c.text, use, err)
		}
		if asServer != nil {
			require.ErrorContains(t, asServer, c.says, "%q", c.text)
			continue
		}
		host, _, err := net.SplitHostPort(at.String())
		require.NoError(t, err)
		require.Equal(t, at.Host, host)
		require.Contains(t, []string{at.String(), Beside(at.Name, at.String())}, c.text)
	}
	require.ErrorContains(t, Listen("*:8443"), "leave it out")
}

func TestServersNamesEachThatIsWrong(t *testing.T) {
	require.NoError(t, Servers("gateways", []string{"a:1", "b:2"}))
	err := Servers("gateways", []string{"a:1", "b:0", "c d:1"})
	require.EqualError(t, err, `cannot use gateways[1] "b:0": its port is not valid: want a number from 1 to 65535`+
		"\n"+
		`cannot use gateways[2] "c d:1": there is a blank in it; want HOST:PORT`)
}

func TestURLs(t *testing.T) {
	for text, says := range map[string]string{
		"http://pki.example/crl.der":        "",
		"HTTP://pki.example/crl.der":        "",
		"Https://pki.example:8443":          "",
		"http://192.0.2.7/crl":              "",
		"http://[2001:db8::1]:80/crl":       "",
		"http://valise@proxy:3128":          "",
		"ftp://pki.example/crl.der":         "scheme ftp is not known",
		"LDAP://pki.example/cn=x":           "scheme ldap is not known",
		"file:///etc/crl.der":               "scheme file is not known",
		"pki.example/crl.der":               "no URL",
		"crl.der":                           "no URL",
		"":                                  "no URL",
		"http:/pki.example":                 "no URL",
		"http://":                           "no host",
		"http:///crl.der":                   "no host",
		"http://:80/":                       "no host",
		"http://pki.example:/":              "from 1 to 65535",
		"http://pki.example:0/":             "from 1 to 65535",
		"http://pki.example:70000/":         "from 1 to 65535",
		"http://pki.example:x/":             "cannot be read",
		"http://pki example/":               "can be read",
		"http://bücher.example/":            "xn--",
		"http://b%C3%BCcher.example/":       "xn--",
		"http://256.0.0.1/":                 "as IP addresses do",
		"http://user:secret@-x.example/":    "no name",
		"http://user:secret@pki.example:0/": "from 1 to 65535",
	} {
		u, err := URL(text, "http", "https")
		if says == "" {
			require.NoError(t, err, text)
			require.Contains(t, []string{"http", "https"}, u.Scheme)
			continue
		}
		require.ErrorContains(t, err, strings.TrimPrefix(says, "cannot "), text)
		require.NotContains(t, err.Error(), "secret", "the text is not quoted")
	}
	u, err := URL("HTTPS://pki.example", "https")
	require.NoError(t, err)
	require.Equal(t, HostPort{"pki.example", 443}, OfURL(u))
	u, err = URL("http://[::1]:8080/x", "http")
	require.NoError(t, err)
	require.Equal(t, "[::1]:8080", OfURL(u).String())
}

func TestNameBesideAnAddress(t *testing.T) {
	for text, want := range map[string]Peer{
		"gw.example:8443":               {HostPort{"gw.example", 8443}, "gw.example"},
		"gw.example=192.0.2.7:8443":     {HostPort{"192.0.2.7", 8443}, "gw.example"},
		"gw.example=[2001:db8::1]:8443": {HostPort{"2001:db8::1", 8443}, "gw.example"},
		"gw.example=nat.lan:443":        {HostPort{"nat.lan", 443}, "gw.example"},
	} {
		p, err := Server(text)
		require.NoError(t, err)
		require.Equal(t, want, p)
	}
	p, err := Reach("192.0.2.7:8443")
	require.NoError(t, err, "what proves its role needs no name")
	require.Equal(t, "192.0.2.7:8443", p.String())
}

// FuzzAddress: package net can split whatever passes, and it contains nothing that could harm a terminal or a request.
func FuzzAddress(f *testing.F) {
	for _, c := range addresses {
		f.Add(c.text)
		f.Add("http://" + c.text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if at, err := Dial(text); err == nil {
			host, port, err := net.SplitHostPort(text)
			require.NoError(t, err)
			require.Equal(t, at.Host, host)
			require.NotEmpty(t, port)
			require.NotContains(t, text, " ")
		}
		if at, err := Server(text); err == nil {
			_, err := Dial(at.String())
			require.NoError(t, err)
			require.NoError(t, checkName(at.Name))
		}
		if u, err := URL(text, "http", "https"); err == nil {
			_, err := Dial(OfURL(u).String())
			require.NoError(t, err, "%q", text)
		}
		_ = Listen(text)
	})
}
