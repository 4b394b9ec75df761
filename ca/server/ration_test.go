package server

import (
	"crypto/tls"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/ca"
	"tlagate/internal/logtest"
	"tlagate/pki/listen"
	"tlagate/push"
)

// fewLines is more than one peer's refusals may take of the log, and fewer than the tests here cause.
const fewLines = 30

// TestC1RefusedEnrolmentsAreRationed: strangers who ask without a code neither fill the log nor go on for ever on one
// handshake; a peer with a certificate is not hidden among them.
func TestC1RefusedEnrolmentsAreRationed(t *testing.T) {
	b := newESTBed(t, EST{})
	for range 2 {
		d := b.connect(t)
		for i := range estRequests {
			res, body := d.post(request{path: "simpleenroll"})
			require.Regexp(t, "^code_required: ", body)
			require.Equal(t, i == estRequests-1, res.Close, "request %d", i)
		}
	}
	refused := func() int { return strings.Count(b.log.String(), `msg="enrolment refused"`) }
	require.Positive(t, refused())
	require.Less(t, refused(), fewLines)
	client, _ := b.issue("tla", terminal)
	_, body := b.connect(t, *client).post(request{path: "simplereenroll"})
	require.Regexp(t, "^bad_request: ", body)
	require.Contains(t, b.log.String(), "reason=bad_request peer="+terminal)
}

// TestC1RefusedStreamsAreRationed: nor does a device whose role may not listen.
func TestC1RefusedStreamsAreRationed(t *testing.T) {
	b, log := newBed(t, ca.InitConfig{}), &logtest.Buffer{}
	addr, _ := b.serve("127.0.0.1:0", Config{Log: slog.New(slog.NewTextHandler(log, nil))})
	cert, _ := b.issue("tla", terminal)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true,
		Certificates: []tls.Certificate{*cert}, NextProtos: []string{"http/1.1"}}}}
	for range 2 * fewLines {
		res, err := client.Get("https://" + addr + push.Path)
		require.NoError(t, err)
		res.Body.Close()
		require.Equal(t, http.StatusForbidden, res.StatusCode)
		require.True(t, res.Close, "another request costs another handshake")
	}
	refused := strings.Count(log.String(), `msg="request refused"`)
	require.Positive(t, refused)
	require.Less(t, refused, fewLines)
}

// TestC1UnreadableListsAreRationed: nor does anybody who asks for a list that cannot be read.
func TestC1UnreadableListsAreRationed(t *testing.T) {
	log := &logtest.Buffer{}
	loop := filepath.Join(t.TempDir(), "loop")
	require.NoError(t, os.Symlink(loop, loop))
	f := &files{place: func(string) string { return loop },
		ration: listen.NewRation(slog.New(slog.NewTextHandler(log, nil)))}
	for range 2 * fewLines {
		f.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/crl.der", nil))
	}
	failed := strings.Count(log.String(), `msg="cannot serve a published file"`)
	require.Positive(t, failed)
	require.Less(t, failed, fewLines)
}
