package trust_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"testing"

	"tlagate/pki/pkitest"
	"tlagate/pki/pkitest/bed"
	"tlagate/pki/trust"
)

// BenchmarkHandshake compares handshakes with our verification with crypto/tls's own mutual ones, both ends together.
func BenchmarkHandshake(b *testing.B) {
	w := bed.New(b)
	store := w.Open()
	server, client := w.Issue(bed.PdT1, bed.AsServer, pkitest.DNS("localhost")), w.Issue(bed.TLA1, bed.AsClient)
	b.Run("bare", func(b *testing.B) {
		pool := x509.NewCertPool()
		pool.AddCert(w.Root.Cert)
		sc := &tls.Config{Certificates: []tls.Certificate{server}, ClientCAs: pool,
			ClientAuth: tls.RequireAndVerifyClientCert, MinVersion: tls.VersionTLS13, SessionTicketsDisabled: true}
		cc := &tls.Config{Certificates: []tls.Certificate{client}, RootCAs: pool, ServerName: "localhost",
			MinVersion: tls.VersionTLS13}
		benchHandshakes(b, func(c net.Conn) error { return tls.Server(c, sc).Handshake() }, func(c net.Conn) error {
			return tls.Client(c, cc).Handshake()
		})
	})
	ours := func(b *testing.B, server, client func() *tls.Certificate) {
		s, c := &trust.Party{Trust: store, Certificate: server}, &trust.Party{Trust: store, Certificate: client}
		benchHandshakes(b, func(conn net.Conn) error {
			_, _, err := s.Server(context.Background(), conn, trust.ALPNCard, trust.Want{Usage: bed.AsClient})
			return err
		}, func(conn net.Conn) error {
			_, _, err := c.Client(context.Background(), conn, trust.ALPNCard,
				trust.Want{Usage: bed.AsServer, DNSName: "localhost"})
			return err
		})
	}
	plain := func(c tls.Certificate) func() *tls.Certificate { return func() *tls.Certificate { return &c } }
	b.Run("tlagate", func(b *testing.B) { ours(b, plain(server), plain(client)) })
	b.Run("tlagate, both stapling", func(b *testing.B) {
		for _, leaf := range []*x509.Certificate{server.Leaf, client.Leaf} {
			if err := store.AddStatus(w.Issuing.OCSP(leaf)); err != nil {
				b.Fatal(err)
			}
		}
		if _, err := store.Verify(pkitest.Chain(client), trust.Want{Usage: bed.AsClient}); err != nil {
			b.Fatal(err)
		}
		ours(b, store.Staple(plain(server)), store.Staple(plain(client)))
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
	w := bed.New(b)
	store := w.Open()
	chain := pkitest.Chain(w.Issue(bed.TLA1, bed.AsClient))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := store.Verify(chain, trust.Want{Usage: bed.AsClient}); err != nil {
			b.Fatal(err)
		}
	}
}
