package cli

import (
	"context"
	"errors"
	"net"

	"tlagate/dialer"
	"tlagate/keys"
)

// Proxy is the part of a device's configuration that names an HTTP proxy (C3):
//
//	proxy: http://valise@proxy.example:3128
//	proxy_password: proxy-password
type Proxy struct {
	URL      string `yaml:"proxy"`          // http://[USER@]HOST:PORT; empty: none. The environment does not count
	Password Path   `yaml:"proxy_password"` // a file (mode 0600), or "credential:NAME"; read at each connection
}

// Dial connects to a gateway or the PKI, through the proxy if there is one; it is a dialer.Func.
func (p Proxy) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	proxy, err := p.open()
	switch {
	case err != nil:
		return nil, err
	case proxy == nil:
		return dialer.Direct()(ctx, network, address)
	}
	return proxy.DialContext(ctx, network, address)
}

// open returns the proxy; nil = there is none.
func (p Proxy) open() (*dialer.Proxy, error) {
	if p.URL == "" {
		if p.Password != "" {
			return nil, errors.New("cannot use proxy_password: there is no line proxy")
		}
		return nil, nil
	}
	proxy, err := dialer.Parse(p.URL)
	switch {
	case err != nil:
		return nil, err
	case p.Password != "" && proxy.User == "":
		return nil, errors.New("cannot use proxy_password: proxy names no user; want http://USER@HOST:PORT")
	case p.Password != "":
		proxy.Password = func() ([]byte, error) { return keys.Config{}.Secret(string(p.Password)) }
	}
	return proxy, nil
}

// CheckProxy returns what is wrong with the lines, without connecting.
func (p Proxy) CheckProxy() error {
	_, err := p.open()
	return err
}
