// Package flows says which network flows a program needs by its configuration, and no others (C1, DL1): as a table, as
// JSON, and as a packet filter for nftables. Each program lists its own.
package flows

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"tlagate/cmd/internal/cli"
	"tlagate/internal/address"
)

// Direction is who begins a flow: its answers go the other way.
type Direction string

// The directions, as this machine sees them.
const (
	In    Direction = "in"
	Out   Direction = "out"
	Local Direction = "local" // between programs of this machine, over its loopback interface
)

// The protocols.
const (
	TCP = "tcp"
	UDP = "udp"
)

// The ends of a flow that are no address. No name of a host has a blank.
const (
	Here     = "this machine"
	Anywhere = "any host"
)

// Flow is one flow. Who begins it is its source.
type Flow struct {
	Allowed     bool      `json:"allowed"`
	Direction   Direction `json:"direction"`
	Source      string    `json:"source"`      // Here, Anywhere, an IP address, or a network
	Destination string    `json:"destination"` // Here, Anywhere, an IP address, or a name
	Port        uint16    `json:"port,omitzero"`
	Protocol    string    `json:"protocol"`
	Purpose     string    `json:"purpose"`
	Code        string    `json:"code"`          // of the security annex
	Key         string    `json:"key,omitempty"` // of the configuration; "" = every machine has it
}

// Why is what a flow is for, and the code of the security annex that wants it.
type Why struct{ Code, Purpose string }

// List collects the flows of a program. Empty texts add none.
type List struct {
	Program string
	Flows   []Flow
	errs    []error
}

// Err returns which settings could not be read: then the list is not whole.
func (l *List) Err() error { return errors.Join(l.errs...) }

func (l *List) wrong(key, text string, err error) {
	l.errs = append(l.errs, fmt.Errorf("cannot use %s %q: %w", key, address.Shown(text), err))
}

func (l *List) add(f Flow, why Why) {
	f.Allowed, f.Protocol, f.Purpose, f.Code = true, cmp.Or(f.Protocol, TCP), why.Purpose, why.Code
	l.Flows = append(l.Flows, f)
}

// Dial adds the flow to a server: HOST:PORT, or NAME=HOST:PORT.
func (l *List) Dial(key, text string, why Why) {
	if text == "" {
		return
	}
	at, err := address.Reach(text)
	if err != nil {
		l.wrong(key, text, err)
		return
	}
	l.dial(key, at.HostPort, why)
}

// Fetch adds the flow to the server of a URL. A file is none.
func (l *List) Fetch(key, text string, why Why) {
	if !address.IsURL(text) {
		return
	}
	u, err := address.URL(text, "http", "https")
	if err != nil {
		l.wrong(key, text, err)
		return
	}
	l.dial(key, address.OfURL(u), why)
}

func (l *List) dial(key string, at address.HostPort, why Why) {
	f := Flow{Direction: Out, Source: Here, Destination: plain(at.Host), Port: at.Port, Key: key}
	if isLoopback(f.Destination) {
		f.Direction = Local
	}
	l.add(f, why)
}

// Anywhere adds a flow to servers that the configuration does not name.
func (l *List) Anywhere(key string, port uint16, why Why) {
	l.add(Flow{Direction: Out, Source: Here, Destination: Anywhere, Port: port, Key: key}, why)
}

// Listen adds the flow to a listener, [HOST]:PORT; a Unix socket, unix:/PATH, is none.
func (l *List) Listen(key, text string, why Why) { l.ListenTo(key, text, Anywhere, why) }

// ListenTo is Listen for what comes from some hosts alone.
func (l *List) ListenTo(key, text, source string, why Why) {
	if text == "" || strings.HasPrefix(text, "unix:") {
		return
	}
	host, port, err := listener(text)
	if err != nil {
		l.wrong(key, text, err)
		return
	}
	f := Flow{Direction: In, Source: source, Destination: host, Port: port, Key: key}
	if isLoopback(host) {
		f.Direction, f.Source = Local, Here
	}
	l.add(f, why)
}

var errAnyPort = errors.New("port 0 is another at each start, which no packet filter can know; give it a port")

func listener(text string) (host string, port uint16, err error) {
	if err := address.Listen(text); err != nil {
		return "", 0, err
	}
	if strings.HasPrefix(text, ":") {
		at, err := address.Dial("localhost" + text)
		return Here, at.Port, anyPort(err)
	}
	at, err := address.Dial(text)
	host = plain(at.Host)
	if ip, no := netip.ParseAddr(host); no == nil && ip.IsUnspecified() {
		host = Here
	}
	return host, at.Port, anyPort(err)
}

// anyPort returns what is wrong with an address that can be listened on, and not dialled.
func anyPort(err error) error {
	if err != nil {
		return errAnyPort
	}
	return nil
}

// Trust adds what is fetched for a section trust.
func (l *List) Trust(t cli.Trust) { l.revocation("trust", t.CRLs, t.OCSP) }

// Persons adds what is fetched for a section persons; p may be nil.
func (l *List) Persons(p *cli.Persons) {
	if p != nil {
		l.revocation("persons", p.CRLs, p.OCSP)
	}
}

func (l *List) revocation(section string, lists []cli.Path, o cli.OCSP) {
	l.Lists(section+".crls", lists)
	for i, r := range o.Responders {
		l.Fetch(fmt.Sprintf("%s.ocsp.responders[%d]", section, i), r, Why{"C2", "OCSP answers"})
	}
	if o.FromAIA {
		l.Anywhere(section+".ocsp.from_aia", 80, Why{"C2", "OCSP, where certificates say, at port 80"})
	}
}

// Lists adds what is fetched for a list of files and URLs.
func (l *List) Lists(key string, lists []cli.Path) {
	for i, at := range lists {
		l.Fetch(fmt.Sprintf("%s[%d]", key, i), string(at), Why{"C2", "revocation lists"})
	}
}

// Gateways adds the ways of a device to its gateways, or to its proxy in their place.
func (l *List) Gateways(p cli.Proxy, gateways []string) {
	if p.URL != "" {
		l.Fetch("proxy", p.URL, Why{"C3", "the proxy to the gateways"})
		return
	}
	for i, g := range gateways {
		l.Dial(fmt.Sprintf("gateways[%d]", i), g, Why{"C2", "links to the gateway"})
	}
}

// plain returns a host as the kernel's filter and the resolver know it.
func plain(host string) string {
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.Unmap().WithZone("").String()
	}
	return strings.ToLower(strings.TrimSuffix(host, "."))
}

func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// isName reports whether a flow's end is to be looked up.
func isName(end string) bool {
	if end == Here || end == Anywhere || end == "localhost" {
		return false
	}
	_, notIP := netip.ParseAddr(end)
	_, notNetwork := netip.ParsePrefix(end)
	return notIP != nil && notNetwork != nil
}
