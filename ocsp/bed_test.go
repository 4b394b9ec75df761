package ocsp

import (
	"bytes"
	"context"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"database/sql"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	xocsp "golang.org/x/crypto/ocsp"

	"tlagate/ca"
	"tlagate/ca/store"
	"tlagate/internal/logtest"
	"tlagate/pki"
)

// patience is for what must happen, on however slow a machine.
const patience = 2 * time.Minute

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bed is a real CA with a responder.
type bed struct {
	t   testing.TB
	dir string // of the CA
	ca  *ca.CA
	cfg Config
}

func newBed(t testing.TB) *bed {
	b := &bed{t: t, dir: filepath.Join(t.TempDir(), "ca")}
	require.NoError(t, ca.Init(b.dir, ca.InitConfig{RootKey: ca.P256}))
	b.reopen()
	b.cfg = Config{Issuer: b.ca.Issuing, Certificate: b.delegate(), Database: filepath.Join(b.dir, "ca.db"),
		Poll: 5 * time.Millisecond}
	return b
}

func (b *bed) reopen() {
	var err error
	b.ca, err = ca.Open(b.dir, ca.Options{})
	require.NoError(b.t, err)
	b.t.Cleanup(func() { b.ca.Close() })
}

// issue returns a certificate of a profile with its key.
func (b *bed) issue(profile, urn string) *tls.Certificate {
	b.t.Helper()
	id, err := pki.ParseIdentity(urn)
	require.NoError(b.t, err)
	key, err := ca.GenerateKey(ca.P256)
	require.NoError(b.t, err)
	csr, err := ca.NewCSR(key)
	require.NoError(b.t, err)
	issued, err := b.ca.Certificates.Issue(ca.Request{Profile: profile, Identity: id, CSR: csr})
	require.NoError(b.t, err)
	return &tls.Certificate{Certificate: [][]byte{issued.Certificate.Raw}, PrivateKey: key, Leaf: issued.Certificate}
}

func (b *bed) delegate() *tls.Certificate { return b.issue("ocsp", "urn:tlagate:op:ocsp:responder") }

// tla returns a certificate to ask about.
func (b *bed) tla(name string) *x509.Certificate {
	return b.issue("tla", "urn:tlagate:cab:tla:"+name).Leaf
}

func (b *bed) revoke(cert *x509.Certificate, reason store.Reason) {
	b.t.Helper()
	_, err := b.ca.Revocations.Revoke(ca.Selection{Certificate: cert}, reason)
	require.NoError(b.t, err)
}

// exec changes the database behind the CA's back.
func (b *bed) exec(statement string, args ...any) {
	b.t.Helper()
	db, err := sql.Open("sqlite", "file:"+b.cfg.Database+"?_pragma=busy_timeout(10000)") // as ca does
	require.NoError(b.t, err)
	defer db.Close()
	result, err := db.Exec(statement, args...)
	require.NoError(b.t, err)
	n, err := result.RowsAffected()
	require.NoError(b.t, err)
	require.EqualValues(b.t, 1, n)
}

func (b *bed) open() *Responder {
	b.t.Helper()
	r, err := Open(b.cfg)
	require.NoError(b.t, err)
	b.t.Cleanup(r.Close)
	return r
}

// serve runs a responder on loopback until the test ends.
func (b *bed) serve() (r *Responder, url string) {
	b.t.Helper()
	r, err := Open(b.cfg)
	require.NoError(b.t, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(b.t, err)
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Serve(ctx, l) }()
	b.t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		stop()
		require.NoError(b.t, <-done)
	})
	return r, "http://" + l.Addr().String() + "/ocsp"
}

// ask makes a request without nonce.
func (b *bed) ask(cert *x509.Certificate, hash crypto.Hash) []byte {
	b.t.Helper()
	der, err := xocsp.CreateRequest(cert, b.ca.Issuing, &xocsp.RequestOptions{Hash: hash})
	require.NoError(b.t, err)
	return der
}

// parse reads an answer and verifies its signature; the delegated certificate must be the CA's.
func (b *bed) parse(der []byte, cert *x509.Certificate) *xocsp.Response {
	b.t.Helper()
	answer, err := xocsp.ParseResponseForCert(der, cert, b.ca.Issuing)
	require.NoError(b.t, err)
	return answer
}

// status asks a responder without HTTP.
func (b *bed) status(r *Responder, cert *x509.Certificate) *xocsp.Response {
	b.t.Helper()
	_, a, no := r.respond(b.ask(cert, crypto.SHA1))
	require.Nil(b.t, no)
	return b.parse(a.der, cert)
}

// clock is set by hand.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) time() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func (b *bed) manualClock() *clock {
	c := &clock{now: time.Now()}
	b.cfg.Clock = c.time
	return c
}

func (b *bed) log() *logtest.Buffer {
	out := &logtest.Buffer{}
	b.cfg.Log = slog.New(slog.NewTextHandler(out, nil))
	return out
}

func post(t testing.TB, url string, der []byte) (*http.Response, []byte) {
	t.Helper()
	return do(t, http.MethodPost, url, der, http.Header{"Content-Type": {typeRequest}})
}

func do(t testing.TB, method, url string, body []byte, header http.Header) (*http.Response, []byte) {
	t.Helper()
	q, err := http.NewRequest(method, url, bytes.NewReader(body))
	require.NoError(t, err)
	q.Header = header
	a, err := http.DefaultClient.Do(q)
	require.NoError(t, err)
	defer a.Body.Close()
	got, err := io.ReadAll(a.Body)
	require.NoError(t, err)
	return a, got
}

func copyFile(t testing.TB, from, to string) {
	t.Helper()
	data, err := os.ReadFile(from)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(to, data, 0o600))
}
