package pki_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/pki"
	"tlagate/pki/pkitest"
)

// BenchmarkHandshake compares handshakes with our verification to crypto/tls's own mutual ones, both ends together.
func BenchmarkHandshake(b *testing.B) {
	w := newWorld(b)
	trust := w.open()
	server, client := w.Issue(pdt1, asServer, pkitest.DNS("localhost")), w.Issue(tla1, asClient)
	b.Run("bare", func(b *testing.B) {
		pool := x509.NewCertPool()
		pool.AddCert(w.Root.Cert)
		sc := &tls.Config{Certificates: []tls.Certificate{server}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert, MinVersion: tls.VersionTLS13, SessionTicketsDisabled: true}
		cc := &tls.Config{Certificates: []tls.Certificate{client}, RootCAs: pool, ServerName: "localhost", MinVersion: tls.VersionTLS13}
		benchHandshakes(b, func(c net.Conn) error { return tls.Server(c, sc).Handshake() }, func(c net.Conn) error { return tls.Client(c, cc).Handshake() })
	})
	ours := func(b *testing.B, server, client func() *tls.Certificate) {
		s, c := &pki.Party{Trust: trust, Certificate: server}, &pki.Party{Trust: trust, Certificate: client}
		benchHandshakes(b, func(conn net.Conn) error {
			_, _, err := s.Server(context.Background(), conn, pki.ALPNCard, pki.Want{Usage: asClient})
			return err
		}, func(conn net.Conn) error {
			_, _, err := c.Client(context.Background(), conn, pki.ALPNCard, pki.Want{Usage: asServer, DNSName: "localhost"})
			return err
		})
	}
	plain := func(c tls.Certificate) func() *tls.Certificate { return func() *tls.Certificate { return &c } }
	b.Run("tlagate", func(b *testing.B) { ours(b, plain(server), plain(client)) })
	b.Run("tlagate, both stapling", func(b *testing.B) {
		for _, leaf := range []*x509.Certificate{server.Leaf, client.Leaf} {
			if err := trust.AddStatus(w.Issuing.OCSP(leaf)); err != nil {
				b.Fatal(err)
			}
		}
		if _, err := trust.Verify(pkitest.Chain(client), pki.Want{Usage: asClient}); err != nil {
			b.Fatal(err)
		}
		ours(b, trust.Staple(plain(server)), trust.Staple(plain(client)))
	})
}

func benchHandshakes(b *testing.B, server, client func(net.Conn) error) {
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			near, far := net.Pipe()
			done := make(chan error, 1)
			go func() { done <- server(near) }()
			if err := client(far); err != nil {
				b.Error(err)
			}
			if err := <-done; err != nil {
				b.Error(err)
			}
			near.Close()
			far.Close()
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "handshakes/s")
}

func BenchmarkVerify(b *testing.B) {
	w := newWorld(b)
	trust := w.open()
	chain := pkitest.Chain(w.Issue(tla1, asClient))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := trust.Verify(chain, pki.Want{Usage: asClient}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkCRL reads a list of 200 000 entries and says what it keeps.
func BenchmarkCRL(b *testing.B) {
	const n = 200_000
	der := newWorld(b).Issuing.CRL(pkitest.CRLEntries(n))
	var before, after runtime.MemStats
	for b.Loop() {
		runtime.GC()
		runtime.ReadMemStats(&before)
		index, err := pki.ParseCRLs(der)
		require.NoError(b, err)
		runtime.GC()
		runtime.ReadMemStats(&after)
		require.Equal(b, n, index.Count())
	}
	b.ReportMetric(float64(int64(after.HeapAlloc)-int64(before.HeapAlloc)+int64(len(der)))/n, "B/entry")
}
