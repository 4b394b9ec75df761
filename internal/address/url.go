package address

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// IsURL reports whether text begins as a URL does, SCHEME://, with any scheme, in any case. No name of a file does.
func IsURL(text string) bool {
	scheme, _, found := strings.Cut(text, "://")
	return found && isScheme(scheme)
}

// isScheme reports whether s is a scheme (RFC 3986 section 3.1).
func isScheme(s string) bool {
	letter := func(r byte) bool { return r|0x20 >= 'a' && r|0x20 <= 'z' }
	return s != "" && letter(s[0]) && !strings.ContainsFunc(s, func(r rune) bool {
		return r > 0x7e || !(letter(byte(r)) || r >= '0' && r <= '9' || strings.ContainsRune("+-.", r))
	})
}

// URL reads SCHEME://HOST[:PORT]…, whose scheme is one of schemes, in any case. Without a port, it is the scheme's own.
func URL(text string, schemes ...string) (*url.URL, error) {
	want := "want " + strings.Join(schemes, ":// or ") + "://HOST"
	if !IsURL(text) {
		return nil, errors.New("it is no URL; " + want)
	}
	u, err := url.Parse(text)
	if err != nil {
		return nil, errors.New("it is no URL that can be read; " + want)
	}
	if !slices.Contains(schemes, u.Scheme) { // Parse makes it lower case
		return nil, fmt.Errorf("the scheme %s is not known here; %s", u.Scheme, want)
	}
	return u, checkAuthority(u)
}

// checkAuthority judges host and port of a URL as Dial does. A URL may leave the port out.
func checkAuthority(u *url.URL) error {
	host, port := u.Hostname(), u.Port()
	if port == "" && !strings.HasSuffix(u.Host, ":") {
		port = strconv.Itoa(defaultPorts[u.Scheme])
	}
	if strings.Contains(host, ":") { // IPv6: its brackets are gone
		host = "[" + host + "]"
	}
	_, err := Dial(host + ":" + port)
	return err
}

// defaultPorts are the ports by scheme.
var defaultPorts = map[string]int{"http": 80, "https": 443}

// OfURL returns where the server of a URL is; u was returned by URL.
func OfURL(u *url.URL) HostPort {
	port, err := strconv.ParseUint(u.Port(), 10, 16)
	if err != nil {
		port = uint64(defaultPorts[u.Scheme])
	}
	return HostPort{u.Hostname(), uint16(port)}
}
