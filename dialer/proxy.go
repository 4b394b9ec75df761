package dialer

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"tlagate/internal/address"
)

// Proxy is an HTTP proxy that carries connections by CONNECT (RFC 9110, section 9.3.6).
type Proxy struct {
	Address  string // host:port
	User     string // for Basic authentication (RFC 7617), sent to the proxy in clear; "" = none
	Password func() ([]byte, error)

	// Dial connects to the proxy; nil = [Direct].
	Dial Func
}

// Parse reads "http://[USER@]HOST:PORT". It refuses a password in it, since a configuration holds no secret, and quotes
// nothing of the text in its errors, since that may hold one all the same.
func Parse(text string) (*Proxy, error) {
	u, err := address.URL(text, "http")
	if err != nil {
		return nil, fmt.Errorf("cannot use proxy: %w, as http://HOST:PORT or http://USER@HOST:PORT", err)
	}
	if _, has := u.User.Password(); has {
		return nil, errors.New("cannot use proxy: there is a password in it; put it into a file (mode 0600) and " +
			"name that as proxy_password")
	}
	if u.Port() == "" || u.Path != "" || u.RawQuery != "" || u.Fragment != "" {
		return nil, errors.New("cannot use proxy: want a host and a port, and nothing behind it: http://HOST:PORT")
	}
	user := u.User.Username()
	if strings.ContainsFunc(user, func(r rune) bool { return r < ' ' || r == 0x7f || r == ':' }) {
		return nil, errors.New("cannot use proxy: its user has a colon or a control character")
	}
	return &Proxy{Address: u.Host, User: user}, nil
}

// DialContext connects to address through the proxy, which alone looks the name up. The error is a *ProxyError, except
// for a malformed address. What follows the proxy's answer is read from the connection, as if there were no proxy.
func (p *Proxy) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	if network != "tcp" {
		return nil, fmt.Errorf("cannot carry %s through a proxy", network)
	}
	if err := checkTarget(address); err != nil {
		return nil, err
	}
	request, err := p.request(address)
	if err != nil {
		return nil, err
	}
	dial := p.Dial
	if dial == nil {
		dial = Direct()
	}
	conn, err := dial(ctx, network, p.Address)
	if err != nil {
		return nil, p.failed(Unreachable, address, err)
	}
	carried, err := p.connect(ctx, conn, request, address)
	if err != nil {
		conn.Close()
		return nil, err
	}
	return carried, nil
}

// connect asks the proxy for the connection, within ctx.
func (p *Proxy) connect(ctx context.Context, conn net.Conn, request, address string) (net.Conn, error) {
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if _, err := conn.Write([]byte(request)); err != nil {
		return nil, p.silent(ctx, address, err)
	}
	said, err := readAnswer(conn)
	switch {
	case errors.Is(err, errNoHTTP):
		return nil, p.failed(NoHTTP, address, err)
	case err != nil:
		return nil, p.silent(ctx, address, err)
	case said.status != ok:
		return nil, p.refused(said, address)
	case !stop(): // ctx has ended meanwhile: the deadline is, or will be, set
		return nil, p.failed(Slow, address, context.Cause(ctx))
	}
	if len(said.rest) == 0 {
		return conn, nil
	}
	return &ahead{conn, said.rest}, nil
}

// request returns all that is sent to the proxy. HTTP/1.1 demands a Host (RFC 9112, section 3.2.3).
func (p *Proxy) request(address string) (string, error) {
	text := "CONNECT " + address + " HTTP/1.1\r\nHost: " + address + "\r\n"
	if p.User != "" {
		var password []byte
		if p.Password != nil {
			var err error
			if password, err = p.Password(); err != nil {
				return "", p.failed(NoPassword, address, err)
			}
		}
		credentials := append([]byte(p.User+":"), password...)
		text += "Proxy-Authorization: Basic " + base64.StdEncoding.EncodeToString(credentials) + "\r\n"
	}
	return text + "\r\n", nil
}

// checkTarget refuses what is no host:port, before it is put into a request.
func checkTarget(target string) error {
	if _, err := address.Dial(target); err != nil {
		return fmt.Errorf("cannot connect to %q: %w", target, err)
	}
	return nil
}

// ahead is a connection of which the first octets were read already.
type ahead struct {
	net.Conn
	rest []byte
}

func (a *ahead) Read(b []byte) (int, error) {
	if len(a.rest) == 0 {
		return a.Conn.Read(b)
	}
	n := copy(b, a.rest)
	a.rest = a.rest[n:]
	return n, nil
}
