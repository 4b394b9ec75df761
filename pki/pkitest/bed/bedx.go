package bed

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"tlagate/pki/pkitest"
	"tlagate/pki/trust"
)

// clock can be set from the test while others read it.
type Clock struct{ ahead atomic.Int64 }

// now is the time it shows.
func (c *Clock) Now() time.Time { return time.Now().Add(time.Duration(c.ahead.Load())) }

// forward puts it forward.
func (c *Clock) Forward(by time.Duration) { c.ahead.Add(int64(by)) }

// logBuffer collects a log that several goroutines write.
type LogBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

// Write takes a line in.
func (l *LogBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

// String returns all of it.
func (l *LogBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// logTo collects the log of the stores that are opened from now on.
func (w *World) LogTo() *LogBuffer {
	l := &LogBuffer{}
	w.Config.Log = slog.New(slog.NewTextHandler(l, nil))
	return l
}

// verify judges a peer.
func Verify(store *trust.Trust, peer tls.Certificate) error {
	_, err := store.Verify(pkitest.Chain(peer), trust.Want{Usage: peer.Leaf.ExtKeyUsage[0]})
	return err
}

// running starts Run and ends it with the test.
func Running(t *testing.T, trust *trust.Trust) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- trust.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.ErrorIs(t, <-done, context.Canceled)
		goleak.VerifyNone(t, goleak.IgnoreCurrent())
	})
}

// await waits until a condition holds, looking again at each change of revocation data.
func Await(t *testing.T, trust *trust.Trust, holds func() bool) {
	t.Helper()
	deadline := time.After(Patience)
	for {
		changed := trust.Changed()
		if holds() {
			return
		}
		select {
		case <-changed:
		case <-deadline:
			require.FailNow(t, "the condition never held")
		}
	}
}

// crl has the issuing CA publish another list.
func CRL(opts ...pkitest.CRLOption) func(*World, tls.Certificate) {
	return func(w *World, _ tls.Certificate) { pkitest.WriteCRL(w.T, w.Files.CRL, w.Issuing.CRL(opts...)) }
}

// arl has the root publish another list.
func ARL(opts ...pkitest.CRLOption) func(*World, tls.Certificate) {
	return func(w *World, _ tls.Certificate) { pkitest.WriteCRL(w.T, w.Files.ARL, w.Root.CRL(opts...)) }
}

// showing is a client that shows its certificate even where crypto/tls would rather not.
func Showing(cert tls.Certificate) *tls.Config {
	conf := Stranger()
	conf.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &cert, nil }
	return conf
}

// denies writes a deny list of one line.
func (w *World) Denies(line string) {
	w.Config.DenyList = filepath.Join(w.T.TempDir(), "deny")
	require.NoError(w.T, os.WriteFile(w.Config.DenyList, []byte(line), 0o600))
}

// answering has the issuing CA answer about a certificate.
func Answering(opts ...pkitest.OCSPOption) func(*World, *x509.Certificate) []byte {
	return func(w *World, leaf *x509.Certificate) []byte { return w.Issuing.OCSP(leaf, opts...) }
}

// signedBy has the answer signed by a responder of the issuing CA with one defect.
func SignedBy(opts ...pkitest.Option) func(*World, *x509.Certificate) []byte {
	return func(w *World, leaf *x509.Certificate) []byte {
		return w.Issuing.OCSP(leaf, pkitest.OCSPSignedBy(w.Issuing.Responder(opts...)))
	}
}

// other is a certificate that nobody asked about.
func Other(w *World) *x509.Certificate { return w.Issue(PdT1, AsClient).Leaf }

// crlServer serves one CRL with an ETag, and counts.
type CRLServer struct {
	mu         sync.Mutex
	body       []byte
	etag       string
	status     int
	Full, Same int
}

// set says what is served; a status other than 0 is all there is.
func (s *CRLServer) Set(body []byte, etag string, status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.body, s.etag, s.status = body, etag, status
}

// ServeHTTP answers.
func (s *CRLServer) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.status != 0 {
		rw.WriteHeader(s.status)
		return
	}
	rw.Header().Set("ETag", s.etag)
	if r.Header.Get("If-None-Match") == s.etag {
		s.Same++
		rw.WriteHeader(http.StatusNotModified)
		return
	}
	s.Full++
	rw.Write(s.body)
}

// withoutCRL leaves the ARL only: a leaf is good by OCSP or not at all.
func (w *World) WithoutCRL() { w.Config.CRLs = []string{w.Files.ARL} }

// requireClosed wants somebody to have been told.
func RequireClosed(t *testing.T, c <-chan struct{}) {
	t.Helper()
	select {
	case <-c:
	default:
		require.Fail(t, "nobody was told of the change")
	}
}

// run has a trust store look after itself until the test ends.
func Start(t *testing.T, trust *trust.Trust) {
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); _ = trust.Run(ctx) }()
	t.Cleanup(func() { stop(); <-ended })
}

// splice cuts bytes out at a place and puts others there.
func Splice(b []byte, at, cut int, put []byte) []byte {
	at = min(at, len(b))
	return slices.Concat(b[:at], put, b[min(at+cut, len(b)):])
}

// judged has the trust store judge a new peer's certificate.
func (w *World) Judged(t *testing.T, store *trust.Trust) []*x509.Certificate {
	t.Helper()
	chain := pkitest.Chain(w.Issue(TLA1, AsClient))
	_, err := store.Verify(chain, trust.Want{Usage: AsClient})
	require.NoError(t, err)
	return chain
}

// entryIssuer is an extension by which an entry of a CRL names another issuer.
var EntryIssuer = pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 29}, Critical: true, Value: []byte{0x30, 0}}
