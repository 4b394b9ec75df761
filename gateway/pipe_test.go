package gateway

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/est"
	"tlagate/gateway/enrolment"
	"tlagate/internal/nettest"
	"tlagate/pki"
	"tlagate/pki/pkitest"
	"tlagate/pki/trust"
	"tlagate/session/link"
)

func piping(e *Enrolment) option { return func(_ *rig, c *Config) { c.Enrolment = e } }

// A new device gets its certificate through the gateway; whatever else it asks for needs one.
func TestG2EnrolThroughTheGateway(t *testing.T) {
	var server *pkitest.ESTServer
	r := start(t, func(r *rig, c *Config) {
		server = r.ca.ServeEST(t)
		c.Enrolment = &Enrolment{Name: pkitest.ESTName, To: server.Addr}
	})
	code := est.NewCode(r.ca.Root.Cert)
	server.Codes[code.Text()] = tla1
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	for _, place := range []est.Place{{Address: r.addr}, {Address: r.addr, Name: pkitest.ESTName}} {
		found, err := est.Bootstrap{Place: place}.Find(t.Context(), code)
		require.NoError(t, err)
		chain, err := (&est.Client{Place: place, Trust: found.Trust}).Enrol(t.Context(), key, est.TLA, &code)
		require.NoError(t, err)
		require.Equal(t, tla1, chain[0].URIs[0].String())
	}
	r.logged("enrolment connection ended", "reason", enrolment.EndedClosed)
	for _, q := range server.Requests() {
		require.NotContains(t, q.Path, "/v1/")
	}
}

func TestC2WithoutCertificateNothingButEnrolment(t *testing.T) {
	r := start(t, piping(&Enrolment{To: "127.0.0.1:9"}))
	for _, name := range []string{"localhost", "", "enrol.tlagate.invalid.example", pkitest.ESTName} {
		c, err := net.Dial("tcp", r.addr)
		require.NoError(t, err)
		over := tls.Client(c, &tls.Config{ServerName: name, InsecureSkipVerify: true,
			NextProtos: []string{trust.ALPNOuter}})
		_ = over.SetDeadline(time.Now().Add(patience))
		_ = over.Handshake()
		_, err = over.Read(make([]byte, 1))
		require.Error(t, err, name)
		over.Close()
	}
	r.eventually("all refused", func() bool { return len(r.log.find("handshake refused")) == 4 })
	r.logged("handshake refused", "reason", string(pki.NoCertificate))
	require.Empty(t, r.log.find("enrolment cannot reach the PKI"))
}

func TestC2WithoutEnrolmentNothingIsPiped(t *testing.T) {
	r := start(t)
	_, err := est.Bootstrap{Place: est.Place{Address: r.addr}}.Find(t.Context(), est.NewCode(r.ca.Root.Cert))
	require.ErrorAs(t, err, new(*trust.Rejected))
	r.logged("handshake refused", "reason", string(pki.NoCertificate))
}

// pieces writes octet by octet, and splits the first TLS record into records of one octet.
type pieces struct {
	net.Conn
	once sync.Once
}

func (p *pieces) Write(b []byte) (int, error) {
	out := b
	p.once.Do(func() { out = splitRecords(b, 1) })
	for i := range out {
		if _, err := p.Conn.Write(out[i : i+1]); err != nil {
			return 0, err
		}
	}
	return len(b), nil
}

// splitRecords splits handshake records into records of n octets each.
func splitRecords(stream []byte, n int) []byte {
	var out []byte
	for len(stream) >= 5 {
		size := int(binary.BigEndian.Uint16(stream[3:]))
		body := stream[5 : 5+size]
		for len(body) > 0 {
			k := min(n, len(body))
			out = append(out, stream[0], stream[1], stream[2], 0, byte(k))
			out, body = append(out, body[:k]...), body[k:]
		}
		stream = stream[5+size:]
	}
	return out
}

// However a hello is split, its name is found, and the handshake after it is not disturbed.
func TestHelloInPieces(t *testing.T) {
	r := start(t, piping(&Enrolment{To: "127.0.0.1:9"}))
	c, err := net.Dial("tcp", r.addr)
	require.NoError(t, err)
	conn, _, err := r.party(r.ca.Issue(tla1, clients)).Client(t.Context(), &pieces{Conn: c}, trust.ALPNOuter,
		trust.Want{Usage: servers, DNSName: "localhost"})
	require.NoError(t, err)
	defer conn.Close()
	resp, _ := request(t, conn, http.MethodGet, link.PathWhoami, nil)
	require.Equal(t, http.StatusOK, resp.StatusCode)

	c, err = net.Dial("tcp", r.addr)
	require.NoError(t, err)
	defer c.Close()
	_, err = (&pieces{Conn: c}).Write(hello(t, est.AnyName))
	require.NoError(t, err)
	r.logged("enrolment cannot reach the PKI", "reason", enrolment.EndedUnreachable)
}

// hello returns a ClientHello as crypto/tls sends it.
func hello(t testing.TB, name string) []byte {
	near, far := net.Pipe()
	defer far.Close()
	go func() {
		_ = tls.Client(near, &tls.Config{ServerName: name, InsecureSkipVerify: true,
			NextProtos: []string{trust.ALPNOuter}}).Handshake()
	}()
	buf := make([]byte, 8<<10)
	n, err := far.Read(buf)
	require.NoError(t, err)
	return buf[:n]
}

func TestSlowHelloIsRefused(t *testing.T) {
	r := start(t, piping(&Enrolment{To: "127.0.0.1:9"}), handshake(100*time.Millisecond))
	c, err := net.Dial("tcp", r.addr)
	require.NoError(t, err)
	defer c.Close()
	_, err = c.Write(hello(t, est.AnyName)[:40])
	require.NoError(t, err)
	r.logged("handshake refused", "reason", string(pki.HandshakeSlow))
}

func swallow(c net.Conn) { _, _ = io.Copy(io.Discard, c) }

func (r *rig) pipe(t *testing.T) net.Conn {
	c, err := net.Dial("tcp", r.addr)
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	_, err = c.Write(hello(t, est.AnyName))
	require.NoError(t, err)
	return c
}

func TestPipesAreBounded(t *testing.T) {
	t.Run("octets", func(t *testing.T) {
		r := start(t, piping(&Enrolment{To: nettest.Serve(t, swallow), Octets: 10 << 10}))
		c := r.pipe(t)
		_, _ = c.Write(make([]byte, 11<<10))
		r.logged("enrolment connection ended", "reason", enrolment.EndedOctets)
	})
	t.Run("octets of the PKI", func(t *testing.T) {
		r := start(t,
			piping(&Enrolment{Octets: 10 << 10,
				To: nettest.Serve(t, func(c net.Conn) { _, _ = c.Write(make([]byte, 1<<20)) })}))
		c := r.pipe(t)
		got, _ := io.Copy(io.Discard, c)
		require.LessOrEqual(t, got, int64(10<<10))
		r.logged("enrolment connection ended", "reason", enrolment.EndedOctets)
	})
	t.Run("time", func(t *testing.T) {
		r := start(t, piping(&Enrolment{To: nettest.Serve(t, swallow), Time: 50 * time.Millisecond}))
		r.pipe(t)
		r.logged("enrolment connection ended", "reason", enrolment.EndedTime)
	})
	t.Run("idle", func(t *testing.T) {
		r := start(t, piping(&Enrolment{To: nettest.Serve(t, swallow), Idle: 50 * time.Millisecond}))
		r.pipe(t)
		r.logged("enrolment connection ended", "reason", enrolment.EndedIdle)
	})
	t.Run("at once from one address", func(t *testing.T) {
		r := start(t, piping(&Enrolment{To: nettest.Serve(t, swallow), PerAddress: 2}))
		for range 3 {
			r.pipe(t)
		}
		r.logged("enrolment connection ended", "reason", enrolment.EndedTooMany)
		require.Equal(t, 0, r.pending(), "piped connections are no handshakes")
	})
	t.Run("until the gateway stops", func(t *testing.T) {
		piped := make(chan struct{})
		r := start(t, piping(&Enrolment{To: nettest.Serve(t, func(c net.Conn) { close(piped); swallow(c) })}))
		r.pipe(t)
		<-piped
		r.stop()
		require.NoError(t, <-r.ended)
	})
}

// FuzzPeekName: whatever arrives is passed on as it came, and crypto/tls sees in it the same name again.
func FuzzPeekName(f *testing.F) {
	whole := hello(f, est.AnyName)
	for _, seed := range [][]byte{nil, whole, whole[:len(whole)-1], splitRecords(whole, 7),
		[]byte("GET / HTTP/1.1\r\n\r\n"), append(bytes.Clone(whole), 20, 3, 3, 0, 1, 1)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, stream []byte) {
		name, again := enrolment.PeekName(context.Background(), &fixed{r: bytes.NewReader(stream)})
		twice, last := enrolment.PeekName(context.Background(), again)
		all, _ := io.ReadAll(last)
		if name != twice || !bytes.Equal(all, stream) {
			t.Fatal("seen twice, it is not the same")
		}
	})
}

// fixed is a connection on which a fixed stream arrives, then EOF.
type fixed struct {
	net.Conn
	r io.Reader
}

func (f *fixed) Read(p []byte) (int, error) { return f.r.Read(p) }
func (f *fixed) Close() error               { return nil }
