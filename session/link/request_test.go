package link

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/textproto"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// fields reads testdata/fields.txt.
func fields(t testing.TB) http.Header {
	text, err := os.ReadFile("testdata/fields.txt")
	require.NoError(t, err)
	_, rest, _ := strings.Cut(string(text), "\n")
	h, err := textproto.NewReader(bufio.NewReader(strings.NewReader(rest + "\n"))).ReadMIMEHeader()
	require.NoError(t, err)
	require.Len(t, h, 7)
	return http.Header(h)
}

// TestRefusalThatNeverEnds: a request ends with its context also when the gateway's refusal never ends.
func TestRefusalThatNeverEnds(t *testing.T) {
	near, far := net.Pipe()
	defer far.Close()
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		_, _ = http.ReadRequest(bufio.NewReader(far))
		_, _ = io.WriteString(far, "HTTP/1.1 503 x\r\nContent-Type: application/problem+json\r\nContent-Length: "+
			"100\r\n\r\n{")
		cancel()
	}()
	_, err := Reopen(ctx, near, "urn:tlagate:cabinet:pdt:bureau", vectorSession, "a.b.c", Config{})
	require.ErrorIs(t, err, context.Canceled)
}

func TestFieldVectors(t *testing.T) {
	v := fields(t)
	require.Equal(t, v.Values("WWW-Authenticate"),
		[]string{Challenge(vectorNonce, false), Challenge(vectorNonce, true)})
	require.True(t, CanProve(v))
	a, err := ParseAuthorization(v.Get("Authorization"))
	require.NoError(t, err)
	require.Equal(t, Authorization{Session: vectorSession, Nonce: vectorNonce, Consent: "c.s"}, a)
	require.Equal(t, v.Get("Authorization"), a.String())
	proven := v.Values("Authorization")[2]
	a, err = ParseAuthorization(proven)
	require.NoError(t, err)
	require.Equal(t, Authorization{Session: vectorSession, Nonce: vectorNonce, Consent: "c.s", Proof: "p.s.c"}, a)
	require.Equal(t, proven, a.String())
	again := v.Values("Authorization")[1]
	a, err = ParseAuthorization(again)
	require.NoError(t, err)
	require.Equal(t, Authorization{Session: vectorSession, Ticket: "a.b.c"}, a)
	require.Equal(t, again, a.String())
	ders, err := ServerCert(v)
	require.NoError(t, err)
	require.Equal(t, [][]byte{{0x30, 3, 2, 1, 0}, {0x30, 3, 2, 1, 1}, {0x30, 3, 2, 1, 2}}, ders)
	require.Equal(t, v.Get(HeaderServerCert), encodeCert(ders[0]))
}

func TestAuthorizationRefused(t *testing.T) {
	good := fields(t).Get("Authorization")
	for _, whole := range fields(t).Values("Authorization") {
		for n := range whole {
			if _, err := ParseAuthorization(whole[:n]); whole[:n] != good { // which is another vector's beginning
				require.Error(t, err, "truncated to %d octets", n)
			}
		}
	}
	for _, s := range []string{
		good + " ", "Bearer " + good, strings.ToUpper(good), good + `, session="` + vectorSession + `"`, good + "\n",
		`Tlagate session="` + vectorSession + `", ticket="` + strings.Repeat("a", 12289) + `"`,
		`Tlagate session="` + vectorSession + `", ticket=""`,
		strings.Replace(good, "AAEC", "AA+C", 1), strings.Replace(good, "0011", "001G", 1),
	} {
		_, err := ParseAuthorization(s)
		require.Error(t, err, s)
	}
}

func TestServerCertRefused(t *testing.T) {
	for name, h := range map[string]http.Header{
		"none":           {},
		"no colons":      {HeaderServerCert: {"MAMCAQA="}},
		"one colon":      {HeaderServerCert: {":"}},
		"not base64":     {HeaderServerCert: {":MAM*AQA=:"}},
		"bad issuer":     {HeaderServerCert: {":MAMCAQA=:"}, HeaderServerCertChain: {":MAMCAQA=:, MAMCAQA="}},
		"empty issuer":   {HeaderServerCert: {":MAMCAQA=:"}, HeaderServerCertChain: {":MAMCAQA=:,"}},
		"two in a value": {HeaderServerCert: {":MAMCAQA=:, :MAMCAQA=:"}},
	} {
		_, err := ServerCert(h)
		require.Error(t, err, name)
	}
}

// script plays a gateway: it compares each request and writes the answer to it.
func script(t *testing.T, steps ...func(t *testing.T, r *http.Request) string) net.Conn {
	ours, theirs := net.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		r := bufio.NewReader(theirs)
		for _, step := range steps {
			req, err := http.ReadRequest(r)
			if err != nil {
				return
			}
			io.WriteString(theirs, step(t, req))
		}
		io.Copy(io.Discard, r)
	}()
	t.Cleanup(func() { theirs.Close(); ours.Close(); <-done })
	return ours
}

func answer(text string) func(*testing.T, *http.Request) string {
	return func(*testing.T, *http.Request) string { return text }
}

const switching = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: tla-session/1\r\n\r\n"

func problemAnswer(status, code string) string {
	body := `{"type":"urn:tlagate:problem:` + code + `","title":"t","detail":"What is wrong.","action":"What to do."}`
	return fmt.Sprintf("HTTP/1.1 %s\r\nContent-Type: application/problem+json\r\nContent-Length: %d\r\n\r\n%s",
		status, len(body), body)
}

func TestPark(t *testing.T) {
	c := script(t, func(t *testing.T, r *http.Request) string {
		require.Equal(t, PathPark, r.URL.Path)
		require.Equal(t, Protocol, r.Header.Get("Upgrade"))
		ders, err := ServerCert(r.Header)
		require.NoError(t, err)
		require.Equal(t, [][]byte{{1}, {2}, {3}}, ders)
		return switching + string(vectors(t)["notice-revoked"]) + string(vectors(t)["joined"])
	})
	l, err := Park(context.Background(), c, [][]byte{{1}, {2}, {3}}, Config{})
	require.NoError(t, err)
	defer l.Close()
	j, err := l.WaitJoined()
	require.NoError(t, err, "records that come with the answer are read")
	require.Equal(t, Joined{TLA: "urn:tlagate:cab1:tla:t1", Session: vectorSession, Generation: 1, Nonce: vectorNonce,
		Consent: "c.s"}, *j)
	require.Equal(t, CodeRevoked, l.Notice().Code)
}

func TestOpen(t *testing.T) {
	c := script(t, func(t *testing.T, r *http.Request) string {
		require.Empty(t, r.Header.Get("Authorization"))
		require.Equal(t, "urn:tlagate:cab1:pdt:p1", r.URL.Query().Get("pdt"))
		return challengeAnswer
	}, func(t *testing.T, r *http.Request) string {
		require.Equal(t, fields(t).Get("Authorization"), r.Header.Get("Authorization"))
		require.Equal(t, "urn:tlagate:cab1:pdt:p1", r.URL.Query().Get("pdt"))
		return switching + string(vectors(t)["data"])
	})
	l, err := Open(context.Background(), c, "urn:tlagate:cab1:pdt:p1", vectorSession, Config{Consent: signed})
	require.NoError(t, err)
	defer l.Close()
	b := make([]byte, 100)
	n, err := l.Read(b)
	require.NoError(t, err)
	require.Equal(t, vectors(t)["data"][headerLen:], b[:n])
}

// TestReopen: a further link needs one request, and the next ticket comes before data does.
func TestReopen(t *testing.T) {
	c := script(t, func(t *testing.T, r *http.Request) string {
		require.Equal(t, fields(t).Values("Authorization")[1], r.Header.Get("Authorization"))
		require.Equal(t, "urn:tlagate:cab1:pdt:p1", r.URL.Query().Get("pdt"))
		return switching + string(vectors(t)["ticket"]) + string(vectors(t)["data"])
	})
	l, err := Reopen(context.Background(), c, "urn:tlagate:cab1:pdt:p1", vectorSession, "a.b.c", Config{})
	require.NoError(t, err)
	defer l.Close()
	require.NoError(t, readSome(l))
	require.Equal(t, "a.b.c", l.Ticket())
}

// signed returns what stands for a signed consent.
func signed(nonce string) (string, error) { return "c.s", nil }

var challengeAnswer = strings.Replace(problemAnswer("401 Unauthorized", "consent_required"), "Content-Type",
	"WWW-Authenticate: "+Challenge(vectorNonce, false)+"\r\nContent-Type", 1)

func TestOpenRefused(t *testing.T) {
	for name, c := range map[string]struct {
		steps []func(*testing.T, *http.Request) string
		code  ProblemCode // "" = no problem
		says  string
	}{
		"first": {steps(problemAnswer("403 Forbidden", "wrong_practice")), ProblemWrongPractice,
			"What is wrong. What to do."},
		"second": {steps(challengeAnswer, problemAnswer("503 Service Unavailable", "pdt_absent")),
			ProblemPdTAbsent, ""},
		"no nonce":   {steps(problemAnswer("401 Unauthorized", "consent_required")), "", "challenge without a nonce"},
		"a web page": {steps("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"), "", "HTTP 200"},
		"another protocol": {steps(challengeAnswer, strings.Replace(switching, "tla-session/1", "websocket", 1)), "",
			"upgrade to another protocol"},
		"not HTTP":       {steps("SSH-2.0-x\r\n\r\n"), "", "malformed HTTP"},
		"endless answer": {steps("HTTP/1.1 200 " + strings.Repeat("x", maxAnswer)), "", "EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Open(context.Background(), script(t, c.steps...), "p1", vectorSession, Config{Consent: signed})
			require.ErrorContains(t, err, c.says)
			p, _ := errors.AsType[*Problem](err)
			require.Equal(t, c.code != "", p != nil)
			if p != nil {
				require.Equal(t, c.code, p.Code)
				require.Equal(t, Statuses[c.code], p.Status)
			}
		})
	}
}

func steps(answers ...string) (list []func(*testing.T, *http.Request) string) {
	for _, a := range answers {
		list = append(list, answer(a))
	}
	return list
}

// When the context ends, a gateway that says nothing is left, and the connection is closed.
func TestRequestEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancelCause(context.Background())
	why := errors.New("the user said stop")
	c := script(t, func(*testing.T, *http.Request) string { cancel(why); return "" })
	_, err := Park(ctx, c, [][]byte{{1}}, Config{})
	require.ErrorIs(t, err, why)
	_, err = c.Write([]byte{1})
	require.ErrorIs(t, err, io.ErrClosedPipe)
}

func TestParkWithoutCertificate(t *testing.T) {
	c, other := net.Pipe()
	defer other.Close()
	_, err := Park(context.Background(), c, nil, Config{})
	require.ErrorContains(t, err, "no server certificate")
	_, err = c.Write([]byte{1})
	require.ErrorIs(t, err, io.ErrClosedPipe)
}
