package ocsp

import (
	"bufio"
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
	"strconv"
	"testing"
	"time"

	cflog "github.com/cloudflare/cfssl/log"
	cfocsp "github.com/cloudflare/cfssl/ocsp"
	"github.com/stretchr/testify/require"
	xocsp "golang.org/x/crypto/ocsp"
)

// benchConns is how many keep-alive connections ask at once.
const benchConns = 8

// BenchmarkHTTP counts answers over keep-alive HTTP on loopback: ours, beside those of cfssl's responder out of memory,
// which parses each answer before it gives it. Lean is the best case for cfssl, an answer signed by the CA itself;
// delegated is the very answer that we give. The client is the same for all, and does little.
func BenchmarkHTTP(b *testing.B) {
	cflog.Level = cflog.LevelFatal
	bed := newBed(b)
	cert := bed.tla("one")
	request := bed.ask(cert, crypto.SHA1)
	q, err := parseRequest(request, 1)
	require.NoError(b, err)
	nonce := asking{ids: [][]byte{q.ids[0].Raw}, extensions: extensions(nonceExtension(32))}.der()
	_, base := bed.serve()
	ours := base[len("http://") : len(base)-len("/ocsp")]
	_, delegated := post(b, base, request)

	lean := bed.cfssl(cert, bed.signedByCA(cert))
	full := bed.cfssl(cert, delegated)
	for _, c := range []struct {
		name, address string
		raw           []byte
	}{
		{"tlagate/GET", ours, rawGET("/ocsp/", request)},
		{"cfssl-lean/GET", lean, rawGET("/", request)},
		{"cfssl-delegated/GET", full, rawGET("/", request)},
		{"tlagate/POST", ours, rawPOST("/ocsp", request)},
		{"cfssl-lean/POST", lean, rawPOST("/", request)},
		{"cfssl-delegated/POST", full, rawPOST("/", request)},
		{"tlagate/POST-nonce", ours, rawPOST("/ocsp", nonce)},
	} {
		b.Run(c.name, func(b *testing.B) { load(b, c.address, c.raw) })
	}
}

// BenchmarkRespond is the same without HTTP.
func BenchmarkRespond(b *testing.B) {
	bed := newBed(b)
	bed.cfg.Patience = time.Hour
	r := bed.open()
	request := bed.ask(bed.tla("one"), crypto.SHA1)
	q, err := parseRequest(request, 1)
	require.NoError(b, err)
	for name, der := range map[string][]byte{
		"kept":    request,
		"nonce":   asking{ids: [][]byte{q.ids[0].Raw}, extensions: extensions(nonceExtension(32))}.der(),
		"unknown": bed.ask(&x509.Certificate{SerialNumber: big.NewInt(4711)}, crypto.SHA1),
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, a, _ := r.respond(der); a == nil {
					b.Fatal("no answer")
				}
			}
		})
	}
}

// signedByCA makes the shortest answer there is: the CA's own, without a certificate in it.
func (b *bed) signedByCA(cert *x509.Certificate) []byte {
	der, err := xocsp.CreateResponse(b.ca.Issuing, b.ca.Issuing, xocsp.Response{
		Status: xocsp.Good, SerialNumber: cert.SerialNumber, ThisUpdate: time.Now(), NextUpdate: time.Now().Add(time.Hour),
	}, b.caPair("issuing").PrivateKey.(crypto.Signer))
	require.NoError(b.t, err)
	return der
}

// cfssl runs cfssl's responder, with one answer in memory.
func (b *bed) cfssl(cert *x509.Certificate, answer []byte) (address string) {
	source := cfocsp.InMemorySource{cert.SerialNumber.String(): answer}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(b.t, err)
	server := &http.Server{Handler: http.StripPrefix("/", cfocsp.NewResponder(source, nil))}
	done := make(chan struct{})
	go func() { defer close(done); server.Serve(l) }()
	b.t.Cleanup(func() { server.Shutdown(context.Background()); <-done })
	return l.Addr().String()
}

func rawGET(prefix string, der []byte) []byte {
	path := prefix + base64.StdEncoding.EncodeToString(der)
	return fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: ocsp.example.org\r\nAccept: */*\r\n\r\n", path)
}

func rawPOST(path string, der []byte) []byte {
	head := fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: ocsp.example.org\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n", path, typeRequest, len(der))
	return append(head, der...)
}

// load sends raw again and again and reports answers a second.
func load(b *testing.B, address string, raw []byte) {
	turns := make(chan struct{}, 1024)
	done := make(chan error, benchConns)
	for range benchConns {
		go func() { done <- askAll(address, raw, turns) }()
	}
	for b.Loop() {
		turns <- struct{}{}
	}
	close(turns)
	for range benchConns {
		require.NoError(b, <-done)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "answers/s")
}

func askAll(address string, raw []byte, turns <-chan struct{}) error {
	c, err := net.Dial("tcp", address)
	if err != nil {
		return err
	}
	defer c.Close()
	in := bufio.NewReader(c)
	for range turns {
		if _, err := c.Write(raw); err != nil {
			return err
		}
		if err := readAnswer(in); err != nil {
			return err
		}
	}
	return nil
}

// readAnswer reads one HTTP answer, which must be 200 with a successful OCSP answer in it.
func readAnswer(in *bufio.Reader) error {
	line, err := in.ReadSlice('\n')
	if err != nil || !bytes.HasPrefix(line, []byte("HTTP/1.1 200")) {
		return fmt.Errorf("cannot use the answer %q: %w", line, err)
	}
	length := 0
	for len(bytes.TrimSpace(line)) > 0 {
		if line, err = in.ReadSlice('\n'); err != nil {
			return err
		}
		if value, ok := bytes.CutPrefix(line, []byte("Content-Length: ")); ok {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil {
				return err
			}
		}
	}
	body, err := in.Peek(min(length, 16))
	if err != nil || len(body) < 16 || !bytes.Contains(body, []byte{0x0a, 1, 0}) {
		return fmt.Errorf("no successful answer of %d octets: %w", length, err)
	}
	_, err = io.CopyN(io.Discard, in, int64(length))
	return err
}
