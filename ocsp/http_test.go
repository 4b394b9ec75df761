package ocsp

import (
	"bytes"
	"context"
	"crypto"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	xocsp "golang.org/x/crypto/ocsp"
)

// pathOf gives a request as GET has it.
func (b *bed) pathOf(cert *x509.Certificate) string {
	return base64.StdEncoding.EncodeToString(b.ask(cert, crypto.SHA256))
}

// TestGET: every way that clients write the path, and what caches are told (RFC 5019, 6.2).
func TestGET(t *testing.T) {
	b := newBed(t)
	now := b.manualClock()
	r, base := b.serve()
	var cert *x509.Certificate
	text := ""
	for i := 0; !strings.Contains(text, "/") || !strings.Contains(text, "+"); i++ {
		require.Less(t, i, 100)
		cert = b.tla(fmt.Sprint("t", i))
		text = b.pathOf(cert)
	}
	root := strings.TrimSuffix(base, "/ocsp")
	want := []byte(nil)
	for _, u := range []string{
		base + "/" + text, base + "/" + url.PathEscape(text), base + "/" + url.QueryEscape(text), base + "//" + text, root + "/" + text,
		base + "/" + strings.ReplaceAll(text, "+", "%20"),
	} {
		a, body := do(t, http.MethodGet, u, nil, nil)
		require.Equal(t, 200, a.StatusCode, u)
		require.Equal(t, typeResponse, a.Header.Get("Content-Type"))
		require.Equal(t, xocsp.Good, b.parse(body, cert).Status)
		require.True(t, want == nil || bytes.Equal(want, body), "the same for everybody")
		want = body
	}
	now.add(10 * time.Second)
	a, body := do(t, http.MethodGet, base+"/"+text, nil, nil)
	got := b.parse(body, cert)
	left := int(got.NextUpdate.Sub(now.time()) / time.Second)
	require.Less(t, left, 3600-8)
	require.Equal(t, "max-age="+strconv.Itoa(left)+", public, no-transform, must-revalidate", a.Header.Get("Cache-Control"))
	require.Equal(t, got.ThisUpdate.Format(http.TimeFormat), a.Header.Get("Last-Modified"))
	require.Equal(t, got.NextUpdate.Format(http.TimeFormat), a.Header.Get("Expires"))
	require.EqualValues(t, len(body), a.ContentLength)

	etag := a.Header.Get("ETag")
	for field, want := range map[string]int{etag: 304, `"x", W/` + etag: 304, "*": 304, `"x"`: 200, "": 200} {
		a, body := do(t, http.MethodGet, base+"/"+text, nil, http.Header{"If-None-Match": {field}})
		require.Equal(t, want, a.StatusCode, field)
		require.Equal(t, want == 304, len(body) == 0)
		require.Equal(t, etag, a.Header.Get("ETag"))
		require.NotEmpty(t, a.Header.Get("Expires"))
		require.NotEmpty(t, a.Header.Get("Cache-Control"))
	}
	a, body = do(t, http.MethodHead, base+"/"+text, nil, nil)
	require.Equal(t, 200, a.StatusCode)
	require.Empty(t, body)
	require.EqualValues(t, 3, r.Counts().Unchanged)
	require.EqualValues(t, 1, r.Counts().Signed)
}

// TestGETWithoutPadding: the length of a request by SHA-1 or SHA-512 is no multiple of three.
func TestGETWithoutPadding(t *testing.T) {
	b := newBed(t)
	_, base := b.serve()
	cert, padded := b.tla("one"), 0
	for _, hash := range []crypto.Hash{crypto.SHA1, crypto.SHA256, crypto.SHA384, crypto.SHA512} {
		text := base64.StdEncoding.EncodeToString(b.ask(cert, hash))
		bare := strings.TrimRight(text, "=")
		padded += len(text) - len(bare)
		a, body := do(t, http.MethodGet, base+"/"+url.PathEscape(bare), nil, nil)
		require.Equal(t, 200, a.StatusCode)
		require.Equal(t, xocsp.Good, b.parse(body, cert).Status)
	}
	require.Positive(t, padded)
}

func TestCaching(t *testing.T) {
	b := newBed(t)
	_, base := b.serve()
	cert, never := b.tla("one"), &x509.Certificate{SerialNumber: big.NewInt(4711)}
	q, err := parseRequest(b.ask(cert, crypto.SHA1), 1)
	require.NoError(t, err)
	nonce := asking{ids: [][]byte{q.ids[0].Raw}, extensions: extensions(nonceExtension(32))}.der()
	get := func(der []byte) *http.Response {
		a, _ := do(t, http.MethodGet, base+"/"+base64.StdEncoding.EncodeToString(der), nil, nil)
		return a
	}
	a := get(b.ask(never, crypto.SHA1))
	require.Regexp(t, `^max-age=(60|59|58), `, a.Header.Get("Cache-Control"), "unknown may be issued in a moment")
	foreign := bytes.Replace(nonce, q.ids[0].Key, make([]byte, 20), 1)
	for _, der := range [][]byte{nonce, foreign, {1}} {
		a = get(der)
		require.Equal(t, 200, a.StatusCode)
		require.Equal(t, "no-store", a.Header.Get("Cache-Control"))
		for _, field := range []string{"ETag", "Expires", "Last-Modified"} {
			require.Empty(t, a.Header.Get(field), field)
		}
	}
	a, body := post(t, base, nonce)
	require.Equal(t, "no-store", a.Header.Get("Cache-Control"))
	_, again := post(t, base, nonce)
	require.NotEqual(t, body, again, "signed each time")
}

// TestHTTPIsRefused: what is no OCSP over HTTP.
func TestHTTPIsRefused(t *testing.T) {
	b := newBed(t)
	r, base := b.serve()
	root := strings.TrimSuffix(base, "/ocsp")
	der := b.ask(b.tla("one"), crypto.SHA1)
	request := http.Header{"Content-Type": {typeRequest}}
	cases := []struct {
		name, method, url string
		body              []byte
		header            http.Header
		want              int
	}{
		{"another method", "PUT", base, der, request, 405},
		{"no type", "POST", base, der, nil, 415},
		{"another type", "POST", base, der, http.Header{"Content-Type": {"text/plain"}}, 415},
		{"type with parameter", "POST", base, der, http.Header{"Content-Type": {"application/OCSP-request; charset=x"}}, 200},
		{"another path", "POST", root + "/x", der, request, 404},
		{"path with a slash", "POST", base + "/", der, request, 200},
		{"root", "POST", root + "/", der, request, 200},
		{"64 KiB", "POST", base, make([]byte, maxPOST), request, 200},
		{"more than 64 KiB", "POST", base, make([]byte, maxPOST+1), request, 413},
		{"GET of nothing", "GET", base, nil, nil, 404},
		{"GET of the root", "GET", root, nil, nil, 404},
		{"GET of no base64", "GET", base + "/M@@@", nil, nil, 400},
		{"GET of cut base64", "GET", base + "/MEIxM", nil, nil, 400},
		{"GET of 4 KiB", "GET", base + "/" + strings.Repeat("M", maxGET), nil, nil, 200},
		{"GET of more", "GET", base + "/" + strings.Repeat("M", maxGET+4), nil, nil, 414},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			a, body := do(t, c.method, c.url, c.body, c.header)
			require.Equal(t, c.want, a.StatusCode)
			if c.want == 400 {
				require.Equal(t, malformedRequest, body)
			}
			if c.want == 405 {
				require.Equal(t, "GET, HEAD, POST", a.Header.Get("Allow"))
			}
			if c.want != 200 {
				require.Equal(t, "no-store", a.Header.Get("Cache-Control"))
			}
		})
	}
	t.Run("more than 64 KiB in chunks", func(t *testing.T) {
		q, err := http.NewRequest("POST", base, io.MultiReader(bytes.NewReader(make([]byte, maxPOST+1))))
		require.NoError(t, err)
		q.Header = request
		a, err := http.DefaultClient.Do(q)
		require.NoError(t, err)
		a.Body.Close()
		require.Equal(t, 413, a.StatusCode)
	})
	require.EqualValues(t, 11, r.Counts().HTTP)
	require.EqualValues(t, 2, r.Counts().Malformed)
}

// TestConnectionsAreBounded: for one more, that goes which has been silent longest.
func TestConnectionsAreBounded(t *testing.T) {
	b := newBed(t)
	b.cfg.Connections = 1
	_, base := b.serve()
	address := strings.TrimSuffix(strings.TrimPrefix(base, "http://"), "/ocsp")
	first, err := net.Dial("tcp", address)
	require.NoError(t, err)
	answered := func(c net.Conn) bool {
		c.SetDeadline(time.Now().Add(time.Minute))
		fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		n, _ := c.Read(make([]byte, 1))
		return n == 1
	}
	require.True(t, answered(first))
	second, err := net.Dial("tcp", address)
	require.NoError(t, err)
	defer second.Close()
	require.True(t, answered(second))
	require.Eventually(t, func() bool { return !answered(first) }, patience, time.Millisecond)
}

// TestStop: a request under way is answered after the order to stop.
func TestStop(t *testing.T) {
	b := newBed(t)
	r, err := Open(b.cfg)
	require.NoError(t, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Serve(ctx, l) }()
	der := b.ask(b.tla("one"), crypto.SHA1)
	c, err := net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	defer c.Close()
	fmt.Fprintf(c, "POST /ocsp HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n", typeRequest, len(der))
	line := make([]byte, len("HTTP/1.1 100 Continue\r\n\r\n"))
	_, err = io.ReadFull(c, line)
	require.NoError(t, err)
	stop()
	require.Eventually(t, func() bool {
		other, err := net.Dial("tcp", l.Addr().String())
		if err == nil {
			other.Close()
		}
		return err != nil
	}, patience, time.Millisecond)
	c.Write(der)
	rest, err := io.ReadAll(c)
	require.NoError(t, err)
	require.Contains(t, string(rest), "HTTP/1.1 200 OK")
	require.NoError(t, <-done)
}
