// Package address reads the addresses in configurations and command lines: where to connect to, where to listen, and
// URLs. What can never work is refused with its reason before anything is connected. Errors say what is wrong and never
// quote the text: a URL may contain a secret. The caller names the line.
package address

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// HostPort is where a TCP server is.
type HostPort struct {
	Host string // a DNS name, or an IP address without brackets
	Port uint16
}

// String returns HOST:PORT, an IPv6 address in brackets.
func (h HostPort) String() string { return net.JoinHostPort(h.Host, strconv.Itoa(int(h.Port))) }

// Dial reads HOST:PORT to connect to; HOST is a name or an IP address.
func Dial(text string) (HostPort, error) {
	h, err := split(text)
	switch {
	case err != nil:
		return h, err
	case h.Host == "":
		return h, errors.New("it names no host; want HOST:PORT")
	case h.Port == 0:
		return h, errPort
	}
	return h, checkHost(h.Host)
}

// Peer is a server that proves a name.
type Peer struct {
	HostPort        // where to connect to
	Name     string // the DNS name that its certificate must have
}

// Server reads the address of a server that proves its name: HOST:PORT if HOST is that name, or NAME=HOST:PORT.
// Certificates of servers contain names and no IP addresses (RGS profile), so an IP address needs a name beside it.
func Server(text string) (Peer, error) {
	p, err := Reach(text)
	if err == nil && isIP(p.Name) {
		err = errAddress
	}
	return p, err
}

// Reach reads the address of a server that is proven by other means than its name: an IP address needs no name.
func Reach(text string) (p Peer, err error) {
	name, rest, beside := strings.Cut(text, "=")
	if !beside {
		p.HostPort, err = Dial(text)
		p.Name = p.Host
		return p, err
	}
	p.Name = name
	if p.HostPort, err = Dial(rest); err == nil && checkName(name) != nil {
		err = errName
	}
	return p, err
}

// Beside returns the text that Server reads as an address with a name beside it.
func Beside(name, address string) string { return name + "=" + address }

var (
	errPort    = errors.New("its port is not valid: want a number from 1 to 65535")
	errAddress = errors.New("it is an IP address, and the server proves a name: want the name in its certificate, " +
		"or that name beside it (name: in a file, NAME=IP:PORT in a command)")
	errName = errors.New("the name beside it is not valid: want the DNS name in the server's certificate")
)

// Servers reads each text of a list as Server does. The error names each one that is wrong, by what and its index.
func Servers(what string, list []string) error {
	var errs []error
	for i, text := range list {
		if _, err := Server(text); err != nil {
			errs = append(errs, fmt.Errorf("cannot use %s[%d] %q: %w", what, i, Shown(text), err))
		}
	}
	return errors.Join(errs...)
}

// Listen reads [HOST]:PORT to listen on. Without a host, that is all of this machine's addresses; port 0 is any free
// port, another at each start.
func Listen(text string) error {
	h, err := split(text)
	switch {
	case err != nil:
		return err
	case h.Host == "":
		return nil
	case h.Host == "*":
		return errors.New("an asterisk is no address; to listen on all of them leave it out: \":PORT\"")
	}
	return checkHost(h.Host)
}

// split returns the parts of HOST:PORT; either may still be missing, as "" and 0.
func split(text string) (h HostPort, err error) {
	if err := checkForm(text); err != nil {
		return h, err
	}
	host, port, err := net.SplitHostPort(text)
	switch {
	case err != nil && strings.Count(text, ":") > 1 && !strings.Contains(text, "["):
		return h, errors.New("an IPv6 address goes into brackets; want [ADDRESS]:PORT")
	case err != nil:
		return h, errors.New("want HOST:PORT")
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return h, errPort
	}
	return HostPort{host, uint16(n)}, nil
}

// checkForm refuses what no HOST:PORT contains.
func checkForm(text string) error {
	switch {
	case text == "":
		return errors.New("it is empty; want HOST:PORT")
	case strings.ContainsFunc(text, func(r rune) bool { return r > 0x7e }):
		return errors.New("it has letters beyond ASCII: write the name as it is in DNS, with xn--")
	case strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' }):
		return errors.New("there is a blank in it; want HOST:PORT")
	case IsURL(text):
		return errors.New("it is a URL; want HOST:PORT alone")
	case strings.ContainsAny(text, `/\`):
		return errors.New("there is a slash in it; want HOST:PORT and nothing behind it")
	}
	return nil
}

func isIP(host string) bool {
	_, err := netip.ParseAddr(host)
	return err == nil
}

// checkHost returns an error unless host is an IP address or a name.
func checkHost(host string) error {
	if isIP(host) {
		return nil
	}
	return checkName(host)
}

// checkName returns an error unless host is a name that DNS or the hosts file can have.
func checkName(host string) error {
	name := strings.TrimSuffix(host, ".")
	labels := strings.Split(name, ".")
	for _, label := range labels {
		if !isLabel(label) {
			return errors.New("its host is no name: want labels of 1 to 63 letters, digits and hyphens between dots")
		}
	}
	if last := labels[len(labels)-1]; strings.Trim(last, "0123456789") == "" {
		return errors.New("its host ends in a number as IP addresses do, and is none")
	}
	if len(name) > 253 {
		return errors.New("its host is longer than any name: at most 253 characters")
	}
	return nil
}

func isLabel(label string) bool {
	return label != "" && len(label) <= 63 && label[0] != '-' && label[len(label)-1] != '-' &&
		!strings.ContainsFunc(label, func(r rune) bool {
			return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_')
		})
}
