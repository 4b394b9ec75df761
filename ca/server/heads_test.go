package server

import (
	"bytes"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/audit"
	"tlagate/ca"
	"tlagate/ca/store"
	"tlagate/heads"
	"tlagate/internal/logtest"
	"tlagate/pki"
	"tlagate/pki/listen"
	"tlagate/pki/trust"
)

// headsBed is a server that keeps heads.
type headsBed struct {
	*bed
	addr string
	log  logtest.Buffer
}

func newHeadsBed(t *testing.T) *headsBed {
	b := &headsBed{bed: newBed(t, ca.InitConfig{})}
	b.addr, _ = b.serve("127.0.0.1:0", Config{Log: slog.New(slog.NewTextHandler(&b.log, nil))})
	return b
}

func hashOf(digit string) string { return strings.Repeat(digit, 64) }

// head returns a head that a certificate's key signed.
func head(t testing.TB, by *tls.Certificate, whose string, number uint64, hash string) string {
	text, err := heads.Sign(heads.Statement{Gateway: whose, Number: number, Hash: hash, At: time.Now()},
		by.PrivateKey.(crypto.Signer))
	require.NoError(t, err)
	return text
}

// ask sends a request with a certificate.
func (b *headsBed) ask(cert *tls.Certificate, method, query, body string) (status int, answer string) {
	b.t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{
		InsecureSkipVerify: true, Certificates: []tls.Certificate{*cert}, NextProtos: []string{"http/1.1"}}}}
	req, err := http.NewRequest(method, "https://"+b.addr+heads.Path+query, strings.NewReader(body))
	require.NoError(b.t, err)
	res, err := client.Do(req)
	require.NoError(b.t, err)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	require.NoError(b.t, err)
	return res.StatusCode, string(text)
}

// say sends a gateway's head.
func (b *headsBed) say(cert *tls.Certificate, number uint64, hash string) int {
	b.t.Helper()
	status, _ := b.ask(cert, http.MethodPost, "", head(b.t, cert, gateway, number, hash))
	return status
}

// kept returns the lines that a certificate may read.
func (b *headsBed) kept(cert *tls.Certificate, query string) []string {
	b.t.Helper()
	status, answer := b.ask(cert, http.MethodGet, query, "")
	require.Equal(b.t, http.StatusOK, status, answer)
	return strings.Split(strings.TrimSuffix(answer, "\n"), "\n")
}

// events returns the entries of a kind in the CA's trace.
func (b *bed) events(kind audit.Kind) (list []audit.Entry) {
	for line, err := range audit.Read(ca.AuditFile(b.dir)) {
		require.NoError(b.t, err)
		if line.Entry.Event == kind {
			list = append(list, line.Entry)
		}
	}
	return list
}

func TestSA2HeadsAreKept(t *testing.T) {
	b := newHeadsBed(t)
	own, _ := b.issue("gateway-client", gateway)
	require.Equal(t, http.StatusOK, b.say(own, 10, hashOf("a")))
	require.Equal(t, http.StatusOK, b.say(own, 10, hashOf("a")), "the same again")
	require.Equal(t, http.StatusOK, b.say(own, 25, hashOf("b")))
	require.Empty(t, b.events(audit.HeadRefused))

	t.Run("what goes back, or is another, is refused, and an alert", func(t *testing.T) {
		for number, hash := range map[uint64]string{24: hashOf("a"), 10: hashOf("a"), 25: hashOf("c")} {
			status, answer := b.ask(own, http.MethodPost, "", head(t, own, gateway, number, hash))
			require.Equal(t, http.StatusConflict, status)
			require.Contains(t, answer, "urn:tlagate:problem:head_refused")
		}
		refused := b.events(audit.HeadRefused)
		require.Len(t, refused, 3)
		require.Equal(t, gateway, refused[0].With["identity"])
		require.NotEmpty(t, refused[0].With["hash"])
		require.Equal(t, 3, strings.Count(b.log.String(), "level=ERROR msg=\"the head of a gateway's audit trace is "+
			"refused"))
	})
	t.Run("after the gateway has another key", func(t *testing.T) {
		next, _ := b.issue("gateway-client", gateway)
		require.Equal(t, http.StatusOK, b.say(next, 30, hashOf("d")))
		known, err := heads.Read(strings.NewReader(strings.Join(b.kept(own, ""), "\n")), nil)
		require.NoError(t, err)
		require.Equal(t, 3, known.Len())
		require.Len(t, known.Signers, 2)
	})
	t.Run("read by pages, by whom they concern", func(t *testing.T) {
		admin, _ := b.issue("admin", "urn:tlagate:op:admin:a1")
		other, _ := b.issue("gateway-client", "urn:tlagate:op:gateway:g2")
		require.Len(t, b.kept(own, "?from=25"), 2)
		require.Len(t, b.kept(admin, "?gateway="+gateway), 3)
		require.Equal(t, []string{""}, b.kept(other, ""))
		status, _ := b.ask(other, http.MethodGet, "?gateway="+gateway, "")
		require.Equal(t, http.StatusForbidden, status)
	})
}

func TestSA2WhoMaySendAHead(t *testing.T) {
	b := newHeadsBed(t)
	own, _ := b.issue("gateway-client", gateway)
	for profile, urn := range map[string]string{"tla": terminal, "pdt-client": "urn:tlagate:cab1:pdt:p1",
		"admin": "urn:tlagate:op:admin:a1"} {
		cert, _ := b.issue(profile, urn)
		status, answer := b.ask(cert, http.MethodPost, "", head(t, cert, urn, 1, hashOf("a")))
		require.Equal(t, http.StatusForbidden, status, urn)
		require.Contains(t, answer, "wrong_role")
	}
	other, _ := b.issue("gateway-client", "urn:tlagate:op:gateway:g2")
	for name, body := range map[string]string{
		"about another gateway":          head(t, other, gateway, 1, hashOf("a")),
		"signed by another gateway":      head(t, own, "urn:tlagate:op:gateway:g2", 1, hashOf("a")),
		"one of another gateway's, sent": head(t, own, gateway, 1, hashOf("a")),
		"nothing":                        "", "no head": "a.b", "too long": strings.Repeat("a", heads.MaxText+1),
		"a head and more": head(t, other, "urn:tlagate:op:gateway:g2", 1, hashOf("a")) + "\n",
	} {
		status, answer := b.ask(other, http.MethodPost, "", body)
		require.Equal(t, http.StatusBadRequest, status, name)
		require.Contains(t, answer, "bad_head", name)
	}
	for _, query := range []string{"?from=-1", "?from=x", "?from=9999999999999999999", "?gateway=x"} {
		status, _ := b.ask(own, http.MethodGet, query, "")
		require.Equal(t, http.StatusBadRequest, status, query)
	}
	status, _ := b.ask(own, http.MethodDelete, "", "")
	require.Equal(t, http.StatusMethodNotAllowed, status)
	require.Equal(t, []string{""}, b.kept(own, ""))
}

// TestSA2AGatewayCannotFillTheBooks: beyond a number of heads at once, they are refused for minutes.
func TestSA2AGatewayCannotFillTheBooks(t *testing.T) {
	b := newHeadsBed(t)
	own, _ := b.issue("gateway-client", gateway)
	other, _ := b.issue("gateway-client", "urn:tlagate:op:gateway:g2")
	for i := range headsAtOnce {
		require.Equal(t, http.StatusOK, b.say(own, uint64(i+1), hashOf("a")))
	}
	require.Equal(t, http.StatusTooManyRequests, b.say(own, 100, hashOf("a")))
	status, _ := b.ask(other, http.MethodPost, "", head(t, other, "urn:tlagate:op:gateway:g2", 1, hashOf("a")))
	require.Equal(t, http.StatusOK, status, "another gateway is not concerned")
}

// TestSA2ARevokedGatewayKeepsNoHead, not even on a connection that it has open already.
func TestSA2ARevokedGatewayKeepsNoHead(t *testing.T) {
	b := newHeadsBed(t)
	own, chain := b.issue("gateway-client", gateway)
	conn, err := tls.Dial("tcp", b.addr, &tls.Config{InsecureSkipVerify: true,
		Certificates: []tls.Certificate{*own}, NextProtos: []string{"http/1.1"}})
	require.NoError(t, err)
	defer conn.Close()
	logged := func(text string) func() bool { return func() bool { return strings.Contains(b.log.String(), text) } }
	eventually(t, "a first look at the books", logged("revocations of before this start are in force"))
	b.revoke(chain[0], store.KeyCompromise)
	eventually(t, "the server knows", logged("kind=revoked"))
	text := head(t, own, gateway, 1, hashOf("a"))
	_, err = fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", heads.Path, len(text),
		text)
	require.NoError(t, err)
	answer, _ := io.ReadAll(conn)
	require.NotContains(t, string(answer), " 200 ")
	all, err := b.ca.Heads.Newest()
	require.NoError(t, err)
	require.Empty(t, all)
}

// TestG7ASilentGatewayIsAnAlert at the PKI, whatever the gateway says of itself; once for each silence.
func TestG7ASilentGatewayIsAnAlert(t *testing.T) {
	b := newBed(t, ca.InitConfig{})
	own, _ := b.issue("gateway-client", gateway)
	require.NoError(t, b.ca.Heads.Say(t.Context(), store.Head{Gateway: gateway, Number: 7, Hash: hashOf("a"),
		Signed: "x", Certificate: own.Certificate[0]}, heads.Life))
	var log logtest.Buffer
	b.serve("127.0.0.1:0", Config{Renew: time.Millisecond, LateHead: time.Nanosecond,
		Log: slog.New(slog.NewTextHandler(&log, nil))})
	eventually(t, "an alert", func() bool { return len(b.events(audit.HeadLate)) > 0 })
	late := b.events(audit.HeadLate)
	require.Len(t, late, 1)
	require.Equal(t, gateway, late[0].With["identity"])
	require.Equal(t, "7", late[0].With["number"])
	require.Equal(t, 1, strings.Count(log.String(), "a gateway has sent no head"))
}

// FuzzHeads sends anything as a head, or as a question for some.
func FuzzHeads(f *testing.F) {
	b := &bed{dir: f.TempDir() + "/ca"}
	require.NoError(f, ca.Init(b.dir, ca.InitConfig{}))
	authority, err := ca.Open(b.dir, ca.Options{})
	require.NoError(f, err)
	f.Cleanup(func() { authority.Close() })
	s, err := New(Config{CA: authority})
	require.NoError(f, err)
	f.Cleanup(func() { s.Close() })
	f.Add(true, "", []byte("a.b"))
	f.Add(false, "from=1&gateway="+gateway, []byte{})
	f.Fuzz(func(t *testing.T, post bool, query string, body []byte) {
		w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, heads.Path, bytes.NewReader(body))
		r.URL.RawQuery = query
		peer := fuzzPeer(t, authority)
		if post {
			s.heads = listen.NewBudget(1, time.Nanosecond, budgetNames)
			require.NotNil(t, s.takeHead(w, r, peer), "it was never signed")
			return
		}
		if no := s.giveHeads(w, r, peer); no == nil {
			require.Empty(t, w.Body.String())
		}
	})
}

// fuzzPeer is a proven gateway, whose certificate stands for any.
func fuzzPeer(t *testing.T, authority *ca.CA) *trust.Peer {
	id, err := pki.ParseIdentity(gateway)
	require.NoError(t, err)
	return &trust.Peer{Identity: id, Chain: []*x509.Certificate{authority.Issuing}}
}
