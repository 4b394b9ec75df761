package dialer

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/internal/nettest"
)

// standIn listens, sends answer to each connection at once, and returns its address and what each begins with.
func standIn(t *testing.T, answer string) (addr string, requests chan *http.Request) {
	requests = make(chan *http.Request, 9)
	addr = nettest.Serve(t, func(c net.Conn) {
		if req, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
			requests <- req
		}
		_, _ = io.WriteString(c, answer)
		c.(*net.TCPConn).CloseWrite()
		_, _ = io.Copy(io.Discard, c)
	})
	return addr, requests
}

func TestC3WhatComesBehindTheAnswerIsNotLost(t *testing.T) {
	addr, requests := standIn(t, "HTTP/1.0 200 Connection established\r\nVia: 1.0 p\r\nContent-Length: 3\r\n\r\nthe "+
		"very first octets")
	p := &Proxy{Address: addr}
	conn, err := p.DialContext(t.Context(), "tcp", "[2001:db8::1]:8443")
	require.NoError(t, err)
	defer conn.Close()
	all, err := io.ReadAll(conn)
	require.NoError(t, err)
	require.Equal(t, "the very first octets", string(all))
	req := <-requests
	require.Equal(t, []string{"CONNECT", "[2001:db8::1]:8443", "[2001:db8::1]:8443", "HTTP/1.1"},
		[]string{req.Method, req.RequestURI, req.Host, req.Proto})
	require.Empty(t, req.Header)
}

func TestProxyCredentials(t *testing.T) {
	addr, requests := standIn(t, "HTTP/1.1 407 no\r\n\r\n")
	p := &Proxy{Address: addr, User: "valise", Password: func() ([]byte, error) { return []byte("s3cret:word"), nil }}
	_, err := p.DialContext(t.Context(), "tcp", "gw:1")
	req := <-requests
	req.Header.Set("Authorization", req.Header.Get("Proxy-Authorization"))
	user, password, ok := req.BasicAuth()
	require.Equal(t, []any{"valise", "s3cret:word", true}, []any{user, password, ok})
	for _, secret := range []string{"s3cret", "valise", "dmFsaXNl"} {
		require.NotContains(t, err.Error(), secret)
	}

	p.Password = func() ([]byte, error) { return nil, errors.New("the file is for everybody") }
	_, err = p.DialContext(t.Context(), "tcp", "gw:1")
	require.Equal(t, NoPassword, reason(t, err))
	require.Empty(t, requests, "nothing is sent without it")
}

func TestProxyRefusals(t *testing.T) {
	for answer, want := range map[string]Reason{
		"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=x\r\n\r\n": Credentials,
		"HTTP/1.0 401 Unauthorized\r\n\r\n":                                                             Credentials,
		"HTTP/1.1 403 Forbidden\r\n\r\n":                                                                Denied,
		"HTTP/1.1 405 Method Not Allowed\r\n\r\n":                                                       Denied,
		"HTTP/1.1 502 Bad Gateway\r\n\r\n":                                                              TargetFailed,
		"HTTP/1.1 504 Gateway Timeout\r\n\r\n":                                                          TargetFailed,
		"HTTP/1.1 201 Created\r\n\r\n":                                                                  NoHTTP,
		"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 ok\r\n\r\n":                                          NoHTTP,
		"HTTP/1.1 407 no\r\nProxy-Authenticate: NTLM\r\nProxy-Authenticate: Negotiate\r\n\r\n":          OtherScheme,
		"HTTP/1.1 407 no\r\nproxy-authenticate: Digest realm=\"a, Basic b\", nonce=1, qop=auth\r\n\r\n": OtherScheme,
		"HTTP/1.1 401 no\r\nWWW-Authenticate: Bearer realm=\"\\\", Basic\"\r\n\r\n":                     OtherScheme,
		"HTTP/1.1 407 no\r\nProxy-Authenticate: Digest realm=\"a\", bAsIc realm=\"b\"\r\n\r\n":          Credentials,
		"HTTP/1.1 407 no\r\nProxy-Authenticate: NTLM\r\nProxy-Authenticate: Basic\r\n\r\n":              Credentials,
		"HTTP/1.1 302 Found\r\nLocation: http://x/\r\n\r\n":                                             Portal,
		"HTTP/1.1 511 Network Authentication Required\r\n\r\n":                                          Portal,
		"HTTP/2 200 ok\r\n\r\n":                                                                         NoHTTP,
		"HTTP/1.1 200\nA: b\n\n":                                                                        NoHTTP,
		"HTTP/1.1 200 ok\r\nA: b\r\n folded\r\n\r\n":                                                    NoHTTP,
		"HTTP/1.1 200 ok\r\nno field\r\n\r\n":                                                           NoHTTP,
		"HTTP/1.1 +20 ok\r\n\r\n":                                                                       NoHTTP,
		"SSH-2.0-OpenSSH_9.2\r\n":                                                                       NoHTTP,
		"HTTP/1.1 200 ok\r\n" + strings.Repeat("A: b\r\n", maxHead/6) + "\r\n":                          NoHTTP,
		"HTTP/1.1 200 " + strings.Repeat("k", maxHead) + "\r\n\r\n":                                     NoHTTP,
		"HTTP/1.1 200 ok\r\nA: b\r\n":                                                                   Closed,
		"":                                                                                              Closed,
	} {
		addr, _ := standIn(t, answer)
		_, err := (&Proxy{Address: addr}).DialContext(t.Context(), "tcp", "gw.example:8443")
		require.Equal(t, want, reason(t, err), "%.60q", answer)
		require.Contains(t, err.Error(), "cannot connect to gw.example:8443 through the proxy "+addr)
	}
}

func TestProxyThatIsNotThere(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	l.Close()
	_, err = (&Proxy{Address: l.Addr().String()}).DialContext(t.Context(), "tcp", "gw:1")
	require.Equal(t, Unreachable, reason(t, err))
}

// TestProxyThatIsSilent: the caller's deadline counts.
func TestProxyThatIsSilent(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0") // the kernel accepts, nobody answers
	require.NoError(t, err)
	defer l.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = (&Proxy{Address: l.Addr().String()}).DialContext(ctx, "tcp", "gw:1")
	require.Equal(t, Slow, reason(t, err))
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

// TestTheDeadlineEndsWithTheDial: a connection outlives the context of its dial.
func TestTheDeadlineEndsWithTheDial(t *testing.T) {
	addr, _ := standIn(t, "HTTP/1.1 200 ok\r\n\r\n")
	ctx, cancel := context.WithCancel(t.Context())
	conn, err := (&Proxy{Address: addr}).DialContext(ctx, "tcp", "gw:1")
	require.NoError(t, err)
	defer conn.Close()
	cancel()
	_, err = conn.Read(make([]byte, 1))
	require.ErrorIs(t, err, io.EOF)
}

func TestNoOddTargets(t *testing.T) {
	addr, requests := standIn(t, "HTTP/1.1 200 ok\r\n\r\n")
	for _, target := range []string{"gw", ":1", "gw:", "gw:1\r\nX: y", "g w:1", "user@gw:1", "gw/x:1", "gé:1"} {
		_, err := (&Proxy{Address: addr}).DialContext(t.Context(), "tcp", target)
		require.ErrorContains(t, err, "cannot connect to", target)
	}
	_, err := (&Proxy{Address: addr}).DialContext(t.Context(), "udp", "gw:1")
	require.Error(t, err)
	require.Empty(t, requests)
}

func TestParse(t *testing.T) {
	for text, want := range map[string]Proxy{
		"http://proxy.example:3128":      {Address: "proxy.example:3128"},
		"http://[2001:db8::1]:3128":      {Address: "[2001:db8::1]:3128"},
		"http://val%20ise@10.0.0.1:8080": {Address: "10.0.0.1:8080", User: "val ise"},
	} {
		p, err := Parse(text)
		require.NoError(t, err, text)
		require.Equal(t, want, *p)
	}
	for _, text := range []string{"", "proxy:3128", "https://proxy:3128", "socks5://proxy:1080", "http://proxy",
		"http://:3128", "http://proxy:3128/",
		"http://proxy:3128?x", "http://u:topsecret@proxy:3128", "http://u:topsecret@proxy", "http://u%3Ax@proxy:1",
		"http://u%0A@proxy:1", "http://pro xy:1", "http:proxy:1",
		"http://topsecret%zz@proxy:1"} {
		_, err := Parse(text)
		require.ErrorContains(t, err, "cannot use proxy", text)
		require.NotContains(t, err.Error(), "topsecret")
	}
}

func reason(t *testing.T, err error) Reason {
	t.Helper()
	e, ok := errors.AsType[*ProxyError](err)
	require.True(t, ok, "%v", err)
	require.NotEmpty(t, hints[e.Reason])
	return e.Reason
}
