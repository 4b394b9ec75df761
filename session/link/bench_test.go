package link

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"math/big"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/internal/nettest"
)

// BenchmarkRecords sends a record over TLS and waits for the same to come back, as with an APDU, by the size of the
// readers, of which a gateway has none, and of the record, in octets.
func BenchmarkRecords(b *testing.B) {
	for _, size := range []int{40, 300, 16000} {
		for _, reader := range []int{0, 4096} {
			name := fmt.Sprintf("record=%d/reader=%d", size, reader)
			b.Run(name, func(b *testing.B) { exchangeRecords(b, size, reader) })
		}
	}
}

func exchangeRecords(b *testing.B, size, reader int) {
	near, far := encrypted(b)
	ends := [2]*Conn{}
	for i, c := range []net.Conn{near, far} {
		var r *bufio.Reader
		if reader > 0 {
			r = bufio.NewReaderSize(c, reader)
		}
		ends[i] = New(c, r, Config{Heartbeat: time.Hour})
		defer ends[i].Close()
	}
	go func() {
		for {
			t, payload, err := ends[1].ReadRecord()
			if err != nil || ends[1].WriteRecord(t, payload) != nil {
				return
			}
		}
	}()
	payload := make([]byte, size)
	for b.Loop() {
		require.NoError(b, ends[0].WriteRecord(TypeData, payload))
		_, got, err := ends[0].ReadRecord()
		require.NoError(b, err)
		require.Len(b, got, size)
	}
}

// encrypted returns the two ends of a TLS connection.
func encrypted(b *testing.B) (near, far net.Conn) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(b, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(b, err)
	own := tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	c, s := nettest.Pair(b)
	server := tls.Server(s, &tls.Config{Certificates: []tls.Certificate{own}})
	client := tls.Client(c, &tls.Config{InsecureSkipVerify: true})
	done := make(chan error, 1)
	go func() { done <- server.Handshake() }()
	require.NoError(b, client.Handshake())
	require.NoError(b, <-done)
	return client, server
}
