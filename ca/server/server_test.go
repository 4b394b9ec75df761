package server

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/ca"
	"tlagate/ca/store"
	"tlagate/pki"
	"tlagate/pki/crl"
	"tlagate/pki/revocation"
	"tlagate/pki/trust"
	"tlagate/push"
)

// patience is for what must happen, on however slow a machine.
const patience = 2 * time.Minute

const (
	terminal = "urn:tlagate:cab1:tla:t1"
	gateway  = "urn:tlagate:op:gateway:g1"
)

// bed is a CA with a server and one subscriber to it.
type bed struct {
	t   *testing.T
	dir string
	ca  *ca.CA // as another program has it open
}

func newBed(t *testing.T, cfg ca.InitConfig) *bed {
	b := &bed{t: t, dir: filepath.Join(t.TempDir(), "ca")}
	require.NoError(t, ca.Init(b.dir, cfg))
	b.ca = b.open()
	return b
}

func (b *bed) open() *ca.CA {
	c, err := ca.Open(b.dir, ca.Options{})
	require.NoError(b.t, err)
	b.t.Cleanup(func() { c.Close() })
	return c
}

// issue returns a certificate with its key, and the chain.
func (b *bed) issue(profile, urn string, dns ...string) (*tls.Certificate, []*x509.Certificate) {
	id, err := pki.ParseIdentity(urn)
	require.NoError(b.t, err)
	key, err := ca.GenerateKey(ca.P256)
	require.NoError(b.t, err)
	csr, err := ca.NewCSR(key)
	require.NoError(b.t, err)
	issued, err := b.ca.Certificates.Issue(ca.Request{Profile: profile, Identity: id, DNS: dns, CSR: csr})
	require.NoError(b.t, err)
	out := &tls.Certificate{PrivateKey: key, Leaf: issued.Certificate}
	for block, rest := pem.Decode(issued.Chain); block != nil; block, rest = pem.Decode(rest) {
		out.Certificate = append(out.Certificate, block.Bytes)
	}
	return out, []*x509.Certificate{issued.Certificate, b.ca.Issuing}
}

// trust believes the lists as they are now and looks at none later: what it hears beyond them was pushed.
func (b *bed) trust() *trust.Trust {
	trust, err := trust.Open(trust.Config{
		Anchors:    []trust.AnchorFile{{File: b.ca.Public("root.crt"), Practices: []string{"*"}}},
		Revocation: b.lists(),
	})
	require.NoError(b.t, err)
	return trust
}

func (b *bed) lists() revocation.Config {
	return revocation.Config{CRLs: []string{b.ca.Public("crl.der"), b.ca.Public("arl.der")}}
}

func (b *bed) party(cert *tls.Certificate) *trust.Party {
	return &trust.Party{Trust: b.trust(), Certificate: func() *tls.Certificate { return cert }}
}

// serve runs a server until stop.
func (b *bed) serve(address string, cfg Config) (addr string, stop func()) {
	cert, _ := b.issue("pki", "urn:tlagate:op:pki:ca1", "localhost")
	cfg.CA, cfg.Party, cfg.Trace = b.open(), b.party(cert), b.traced()
	s, err := New(cfg)
	require.NoError(b.t, err)
	l, err := net.Listen("tcp", address)
	require.NoError(b.t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, Listeners{Events: l}) }()
	stopped := false
	stop = func() {
		if !stopped {
			stopped = true
			cancel()
			require.NoError(b.t, <-done)
			require.NoError(b.t, s.Close())
		}
	}
	b.t.Cleanup(stop)
	return l.Addr().String(), stop
}

// subscribe listens with a certificate until the test ends.
func (b *bed) subscribe(addr string, cert *tls.Certificate) (*push.Subscriber, *trust.Trust) {
	_, port, err := net.SplitHostPort(addr)
	require.NoError(b.t, err)
	party := b.party(cert)
	s, err := push.New(push.Config{URL: "https://localhost:" + port, Party: party, Retry: 20 * time.Millisecond,
		MaxRetry: 50 * time.Millisecond,
		Spread:   time.Hour}) // which keeps the lists out of it
	require.NoError(b.t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { _ = s.Run(ctx); close(done) }()
	b.t.Cleanup(func() { cancel(); <-done })
	return s, party.Trust
}

func (b *bed) revoke(serial *x509.Certificate, reason store.Reason) {
	_, err := b.ca.Revocations.Revoke(ca.Selection{Certificate: serial}, reason)
	require.NoError(b.t, err)
}

func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	require.Eventually(t, f, patience, 5*time.Millisecond, what)
}

func refusedFor(store *trust.Trust, chain []*x509.Certificate) pki.Reason {
	_, err := store.Verify(chain, trust.Want{Usage: x509.ExtKeyUsageClientAuth})
	return pki.ReasonOf(err)
}

func TestC2PushedRevocation(t *testing.T) {
	b := newBed(t, ca.InitConfig{})
	addr, stop := b.serve("127.0.0.1:0", Config{})
	own, _ := b.issue("gateway-client", gateway)
	s, trust := b.subscribe(addr, own)
	eventually(t, "the stream is up", func() bool { return s.State().Up })
	_, one := b.issue("tla", terminal)
	_, two := b.issue("tla", "urn:tlagate:cab1:tla:t2")
	require.Empty(t, refusedFor(trust, one))

	t.Run("C2 revoked by another program", func(t *testing.T) {
		b.revoke(one[0], store.KeyCompromise)
		eventually(t, "the revocation is heard", func() bool { return refusedFor(trust, one) == pki.Revoked })
		require.Empty(t, refusedFor(trust, two))
	})
	t.Run("C2 on hold, and released", func(t *testing.T) {
		b.revoke(two[0], store.Hold)
		eventually(t, "the hold is heard", func() bool { return refusedFor(trust, two) == pki.Revoked })
		_, err := b.ca.Revocations.Release(ca.Selection{Certificate: two[0]})
		require.NoError(t, err)
		eventually(t, "the release is heard", func() bool { return refusedFor(trust, two) == "" })
	})
	t.Run("C2 what was missed is told after a gap", func(t *testing.T) {
		stop()
		eventually(t, "the loss is noticed", func() bool { return !s.State().Up })
		require.NotEmpty(t, s.State().Why)
		b.revoke(two[0], store.Hold)
		b.serve(addr, Config{})
		eventually(t, "the revocation is heard", func() bool { return refusedFor(trust, two) == pki.Revoked })
		eventually(t, "the stream is up", func() bool { return s.State().Up })
	})
	t.Run("C2 who is new is told what no list may say yet", func(t *testing.T) {
		_, fresh := b.subscribe(addr, own)
		eventually(t, "the revocations are heard", func() bool {
			return refusedFor(fresh, one) == pki.Revoked && refusedFor(fresh, two) == pki.Revoked
		})
	})
	t.Run("C2 a revoked CA takes everybody with it", func(t *testing.T) {
		_, three := b.issue("tla", "urn:tlagate:cab1:tla:t3")
		b.revoke(b.ca.Issuing, store.CACompromise)
		eventually(t, "the revocation is heard", func() bool { return refusedFor(trust, three) == pki.CARevoked })
	})
}

func TestC2WhoMayListen(t *testing.T) {
	b := newBed(t, ca.InitConfig{})
	addr, _ := b.serve("127.0.0.1:0", Config{PerPeer: 1, Heartbeat: 20 * time.Millisecond})

	t.Run("C2 wrong role", func(t *testing.T) {
		cert, _ := b.issue("tla", terminal)
		s, _ := b.subscribe(addr, cert)
		eventually(t, "it is refused", func() bool {
			return s.State().Why == "cannot listen for revocations: the "+
				"server answered 403"
		})
	})
	t.Run("too many streams of one peer", func(t *testing.T) {
		cert, _ := b.issue("admin", "urn:tlagate:op:admin:a1")
		first, _ := b.subscribe(addr, cert)
		eventually(t, "it listens", func() bool { return first.State().Up })
		second, _ := b.subscribe(addr, cert)
		eventually(t, "it is refused", func() bool {
			return second.State().Why == "cannot listen for revocations: "+
				"the server answered 429"
		})
		require.True(t, first.State().Up)
	})
	t.Run("C2 a gateway that is revoked itself is cut, and refused in the handshake", func(t *testing.T) {
		cert, chain := b.issue("gateway-client", gateway)
		s, _ := b.subscribe(addr, cert)
		eventually(t, "it listens", func() bool { return s.State().Up })
		b.revoke(chain[0], store.KeyCompromise)
		eventually(t, "it is cut", func() bool { return !s.State().Up })
		eventually(t, "it is refused", func() bool {
			return !s.State().Up && len(s.State().Why) > 20 && s.State().Why[:20] == "the peer refused us "
		})
	})
}

func TestTheCRLIsRenewed(t *testing.T) {
	b := newBed(t, ca.InitConfig{Clock: func() time.Time { return time.Now().Add(-25 * time.Hour) }})
	number := func() int64 {
		der, err := os.ReadFile(b.ca.Public("crl.der"))
		require.NoError(t, err)
		list, err := crl.Read(der)
		require.NoError(t, err)
		return list.Number().Int64()
	}
	require.EqualValues(t, 1, number())
	b.serve("127.0.0.1:0", Config{Renew: 10 * time.Millisecond})
	eventually(t, "a period has passed", func() bool { return number() == 2 })
	require.NoError(t, os.Remove(b.ca.Public("crl.der")))
	eventually(t, "the file is gone", func() bool {
		_,
			err := os.Stat(b.ca.Public("crl.der"))
		return err == nil && number() == 3
	})
}

func TestPublic(t *testing.T) {
	b := newBed(t, ca.InitConfig{})
	s, err := New(Config{CA: b.ca})
	require.NoError(t, err)
	defer s.Close()
	server := httptest.NewServer(s.publicServer().Handler)
	defer server.Close()
	get := func(method, path string, header ...string) (*http.Response, []byte) {
		req, err := http.NewRequest(method, server.URL+path, nil)
		require.NoError(t, err)
		for i := 0; i < len(header); i += 2 {
			req.Header.Set(header[i], header[i+1])
		}
		resp, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		return resp, body
	}
	for name, kind := range published {
		t.Run(name, func(t *testing.T) {
			want, err := os.ReadFile(b.ca.Public(name))
			require.NoError(t, err)
			resp, body := get("GET", "/"+name)
			require.Equal(t, 200, resp.StatusCode)
			require.Equal(t, kind, resp.Header.Get("Content-Type"))
			require.Equal(t, want, body)
			etag, modified := resp.Header.Get("ETag"), resp.Header.Get("Last-Modified")
			resp, body = get("GET", "/"+name, "If-None-Match", etag)
			require.Equal(t, 304, resp.StatusCode)
			require.Empty(t, body)
			resp, _ = get("GET", "/"+name, "If-Modified-Since", modified)
			require.Equal(t, 304, resp.StatusCode)
			resp, _ = get("HEAD", "/"+name)
			require.Equal(t, int64(len(want)), resp.ContentLength)
			resp, _ = get("POST", "/"+name)
			require.Equal(t, 405, resp.StatusCode)
		})
	}
	t.Run("a new list", func(t *testing.T) {
		before, _ := get("GET", "/crl.der")
		_, err := b.ca.Lists.PublishCRL()
		require.NoError(t, err)
		resp, body := get("GET", "/crl.der", "If-None-Match", before.Header.Get("ETag"))
		require.Equal(t, 200, resp.StatusCode)
		list, err := crl.Read(body)
		require.NoError(t, err)
		require.EqualValues(t, 2, list.Number().Int64())
	})
	for _, path := range []string{"/", "/ca.db", "/../ca.db", "/..%2fca.db", "/crl.pem", "/crl.der/", "//crl.der",
		"/issuing.key", "/../issuing/issuing.key"} {
		t.Run("nothing else: "+path, func(t *testing.T) {
			resp, _ := get("GET", path)
			require.Equal(t, 404, resp.StatusCode)
		})
	}
}
